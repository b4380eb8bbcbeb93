"""`kiln secrets`: list, check, deliver, rotate and roll back. No command prints a value."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cli.output import ReleaseView, output_option, print_json, print_table
from builder.cli.system import environment_argument, open_secrets, open_site, open_system, whoami
from builder.deploy.rotation import kept_value, rotate_secrets
from builder.deploy.site import Site
from builder.deploy.state import HostState
from builder.errors import SecretError
from builder.project.yaml_file import KeyPath
from builder.secrets.changes import (
    Change,
    cached_keys,
    check_secrets,
    deliver_secrets,
    list_secrets,
    rollback_secret,
    rotate_secret,
)
from builder.secrets.delivery import WWW_DATA, DeliveryFolder, kept_versions
from builder.secrets.files import Owner
from builder.secrets.sources import without_line_end
from builder.secrets.value import SecretValue

MOUNT_POINT = "/run/secrets"


@click.group()
def secrets() -> None:
    """Passwords and keys: see that they are there, deliver, rotate. Never shows a value."""


@secrets.command("list")
@environment_argument
@output_option
@click.pass_obj
def list_(path: Path, environment: str, output: str) -> None:
    """List the secrets that ENVIRONMENT names, and their versions."""
    opened = open_secrets(path, environment)
    statuses = list_secrets(opened)
    warnings = opened.source.warnings()
    if output == "json":
        print_json(
            {
                "environment": environment,
                "secrets": [
                    {
                        "name": one.name,
                        "keys": [_dotted(key) for key in one.keys],
                        "place": one.place,
                        "problem": one.problem,
                        "version": one.version,
                        "delivered": dict(one.delivered),
                        "since": one.since.isoformat() if one.since else None,
                        "kept": list(one.kept),
                    }
                    for one in statuses
                ],
                "warnings": list(warnings),
            }
        )
        return
    print_table(
        ("name", "version", "delivered", "since", "where"),
        [
            (
                one.name,
                one.version or one.problem or "?",
                ", ".join(sorted({version or "-" for version in one.delivered.values()})) or "-",
                one.since.strftime("%Y-%m-%d %H:%M UTC") if one.since else "-",
                one.place,
            )
            for one in statuses
        ],
    )
    _warn(warnings)


@secrets.command()
@environment_argument
@output_option
@click.pass_obj
def check(path: Path, environment: str, output: str) -> None:
    """See that each secret that ENVIRONMENT names is there; ends with 19 if not."""
    opened = open_secrets(path, environment)
    checks = check_secrets(opened)
    warnings = opened.source.warnings()
    ok = not any(one.verdict.problems for one in checks)
    if output == "json":
        print_json(
            {
                "environment": environment,
                "ok": ok,
                "secrets": [
                    {
                        "name": one.name,
                        "place": one.place,
                        "problems": list(one.verdict.problems),
                        "warnings": list(one.verdict.warnings),
                    }
                    for one in checks
                ],
                "warnings": list(warnings),
            }
        )
    else:
        print_table(
            ("", "name", "found"),
            [
                (
                    "WRONG" if one.verdict.problems else "ok",
                    one.name,
                    "; ".join((*one.verdict.problems, *one.verdict.warnings)),
                )
                for one in checks
            ],
        )
        _warn(warnings)
    if not ok:
        raise click.exceptions.Exit(SecretError.exit_code)


@secrets.command()
@environment_argument
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder on tmpfs, e.g. /run/kiln/shop/secrets.",
)
@click.option(
    "--owner",
    default=f"{WWW_DATA.uid}:{WWW_DATA.gid}",
    show_default=True,
    help="UID:GID that reads them in the containers.",
)
@click.option("--prune", is_flag=True, help="Remove those that ENVIRONMENT does not name any more.")
@click.option("--allow-disk", is_flag=True, help="Write to a folder that outlives a reboot.")
@output_option
@click.pass_obj
def deliver(
    path: Path,
    environment: str,
    folder: Path,
    owner: str,
    prune: bool,
    allow_disk: bool,
    output: str,
) -> None:
    """Write the secrets of ENVIRONMENT to files for the containers of this host."""
    opened = open_secrets(path, environment)
    target = DeliveryFolder(folder.resolve(), _owner(owner))
    versions, delivered = deliver_secrets(
        opened, target, _now(), allow_disk=allow_disk, prune=prune
    )
    warnings = opened.source.warnings()
    cached = [
        key
        for name in delivered.changed
        # What is there for the first time is in no cache.
        if any(not one.current for one in kept_versions(target, name))
        for key in cached_keys(opened, name)
    ]
    if output == "json":
        print_json(
            {
                "environment": environment,
                "mount": str(target.mounted),
                "versions": versions,
                "changed": list(delivered.changed),
                "removed": list(delivered.removed),
                "cached": [_dotted(key) for key in cached],
                "warnings": list(warnings),
            }
        )
        return
    for name, version in versions.items():
        click.echo(f"{name} {version}{' changed' if name in delivered.changed else ''}")
    for name in delivered.removed:
        click.echo(f"{name} removed")
    click.echo(f"mount {target.mounted} read-only at {MOUNT_POINT}")
    _tell_cached(cached)
    _warn(warnings)


@secrets.command()
@environment_argument
@click.argument("name")
@click.option("--from-stdin", is_flag=True, help="The new value is on standard input.")
@click.option("--generate", is_flag=True, help="Make a value; a crypt key is added to the others.")
@click.option(
    "--database-has-both",
    is_flag=True,
    help="The database takes the old and the new password already.",
)
@output_option
@click.pass_obj
def rotate(
    path: Path,
    environment: str,
    name: str,
    from_stdin: bool,
    generate: bool,
    database_has_both: bool,
    output: str,
) -> None:
    """Give the secret NAME of ENVIRONMENT a new value, and deliver it.

    A directory is written by this command. In any other source change the value first; this then
    takes it over. Running containers see it at once where the delivered folder is mounted.
    """
    if from_stdin and generate:
        raise click.UsageError("--from-stdin and --generate exclude each other")
    opened = open_secrets(path, environment)
    new = _read_value() if from_stdin else None
    if opened.environment.file.deploy is None:
        _print_change(rotate_secret(opened, name, _now(), new=new, generate=generate), output)
        return
    with ReleaseView() as view, open_site(open_system(path, environment), view) as (site, state):
        change = rotate_secret(opened, name, _now(), new=new, generate=generate)
        change = _bring_to_release(site, state, change, database_has_both)
    _print_change(change, output)


def _bring_to_release(
    site: Site, state: HostState, change: Change, database_has_both: bool
) -> Change:
    """Give a deployed system what has changed in the source."""
    if state.current is None:
        return change
    site.watcher.step(f"bring {change.name} to release {state.current.number}")
    rotate_secrets(
        site,
        state,
        whoami(),
        database_has_both=database_has_both,
        clean_config=bool(change.cached),
    )
    deploy = site.stack.deploy
    # Swarm mounts its secrets at this place in the containers; no host has a folder with them.
    folder = Path(MOUNT_POINT)
    if deploy.swarm is None:
        folder = Path(deploy.secrets) / site.stack.name / str(state.current.number)
    return replace(change, cached=(), folders=(folder,))


@secrets.command()
@environment_argument
@click.argument("name")
@click.option("--to-version", "version", help="By default the one before; `list` shows them.")
@click.option("--force", is_flag=True, help="Roll a crypt key back although it loses a key.")
@output_option
@click.pass_obj
def rollback(
    path: Path, environment: str, name: str, version: str | None, force: bool, output: str
) -> None:
    """Bring the version before of the secret NAME of ENVIRONMENT back."""
    opened = open_secrets(path, environment)
    if opened.environment.file.deploy is not None:
        with (
            ReleaseView() as view,
            open_site(open_system(path, environment), view) as (
                site,
                state,
            ),
        ):
            value = kept_value(site, name, version)
            change = rotate_secret(opened, name, _now(), new=value)
            change = _bring_to_release(site, state, change, database_has_both=False)
        _print_change(change, output)
        return
    change = rollback_secret(opened, name, _now(), version=version, force=force)
    _print_change(change, output)
    if not change.written:
        click.echo(
            f"set the value of this version in {opened.source.place(name)} as well: until that "
            "has another value, this one stays",
            err=True,
        )


def _print_change(change: Change, output: str) -> None:
    if output == "json":
        print_json(
            {
                "name": change.name,
                "before": change.before,
                "version": change.version,
                "written": change.written,
                "folders": [str(folder) for folder in change.folders],
                "cached": [_dotted(key) for key in change.cached],
            }
        )
        return
    click.echo(f"{change.name} {change.before or 'new'} -> {change.version}")
    for folder in change.folders:
        click.echo(f"delivered to {folder}")
    if not change.folders:
        click.echo("not delivered on this host yet: `kiln secrets deliver`")
    _tell_cached(change.cached)


def _tell_cached(keys: Sequence[KeyPath]) -> None:
    if keys:
        named = ", ".join(map(_dotted, keys))
        click.echo(
            f"{named}: Magento has the value before in its configuration cache. Run `bin/magento "
            "cache:clean config` in a container of each release that runs, which cleans that "
            "release's own entries; in every container where the cache is in files",
            err=True,
        )


def _read_value() -> SecretValue:
    if sys.stdin.isatty():
        typed = click.prompt("New value", hide_input=True, confirmation_prompt=True)
        return SecretValue(str(typed).encode())
    return without_line_end(SecretValue(sys.stdin.buffer.read()))


def _owner(text: str) -> Owner:
    uid, colon, gid = text.partition(":")
    if not (uid.isdigit() and (gid.isdigit() or not colon)):
        raise click.BadParameter("must be numbers, UID or UID:GID", param_hint="--owner")
    return Owner(int(uid), int(gid or uid))


def _warn(warnings: tuple[str, ...]) -> None:
    for text in warnings:
        click.echo(f"warning: {text}", err=True)


def _dotted(key: KeyPath) -> str:
    return ".".join(str(part) for part in key)


def _now() -> datetime:
    return datetime.now(UTC)
