"""`kiln config render`: what reaches the containers of one environment."""

from pathlib import Path
from typing import get_args

import click

from builder.cli.output import output_option, print_json
from builder.magento.config_php import CONFIG_PHP, ConfigPhp, read_config_php
from builder.magento.delivery import Delivery, Way, plan_delivery
from builder.magento.env_tree import SecretRef
from builder.magento.shop import inspect_platform, require_lock
from builder.magento.versions import Edition, load_versions
from builder.project.environments import load_environment
from builder.project.loading import Project, load_project
from builder.render.env_php import render_env_php


@click.command("render")
@click.argument("environment")
@click.option(
    "--release", help="The release's name, which its caches' prefix is made of; none without."
)
@output_option
@click.pass_obj
def render_config(path: Path, environment: str, release: str | None, output: str) -> None:
    """Print the env.php and the variables of an environment; they hold no secret."""
    delivery = read_delivery(load_project(path), environment, release)
    env_php = render_env_php(delivery)
    if output == "json":
        print_json(
            {
                "environment": delivery.environment,
                "env_php": env_php,
                "variables": dict(delivery.variables),
                "secrets": list(delivery.secrets),
                "changes_config_hash": delivery.changes_config_hash,
                "ways": [_way_as_json(way) for way in delivery.ways],
            }
        )
        return
    click.echo(env_php, nl=False)
    click.echo("", err=True)
    for name, value in delivery.variables.items():
        click.echo(f"with the variable {name}={value}", err=True)
    click.echo(f"with the secrets {', '.join(delivery.secrets)}", err=True)


def read_delivery(project: Project, environment: str, release: str | None = None) -> Delivery:
    """Read an environment, the tree's Magento version and config.php, and decide the ways.

    Raises:
        ProjectFileError: the environment is not right, or something in it cannot work.
        TreeError: the tree does not say which Magento it is.
    """
    loaded = load_environment(project.root, environment)
    return plan_delivery(
        loaded,
        read_magento_version(project),
        release=release,
        config=_read_config(project.root),
    )


def read_magento_version(project: Project) -> str:
    """The Magento version of a project, Mage-OS's as the one that it was built from.

    Raises:
        TreeError: composer.lock is missing, or holds no Magento that Kiln knows.
    """
    platform = inspect_platform(project, require_lock(project.root))
    edition = next(one for one in get_args(Edition) if one == platform.edition)
    return load_versions().magento_version(edition, platform.version)


def _read_config(root: Path) -> ConfigPhp | None:
    try:
        return read_config_php((root / CONFIG_PHP).read_bytes())
    except FileNotFoundError:
        return None


def _way_as_json(way: Way) -> dict[str, object]:
    value = way.value
    return {
        "path": way.path,
        "scope": way.scope,
        "way": str(way.way),
        "name": way.name,
        "value": {"secret": value.name} if isinstance(value, SecretRef) else value,
        "reason": way.reason,
        "where": way.where,
    }
