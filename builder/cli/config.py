"""`kiln config`: settings, from the development systems to the containers of production."""

import difflib
import posixpath
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from builder.cli.build import read_tree
from builder.cli.dev import find_stack, hold_stack
from builder.cli.output import (
    output_option,
    print_json,
    print_report,
    print_table,
    report_as_json,
)
from builder.cli.render_config import read_magento_version, render_config
from builder.cli.settings import Settings, read_settings
from builder.dev.dump import import_config, read_dump
from builder.dev.shop import replace_text
from builder.errors import ProjectFileError, SecretError, TreeError
from builder.magento.committed_files import find_committed_files, secret_places
from builder.magento.committed_settings import find_committed_secrets, warn_system_specific
from builder.magento.config_php import CONFIG_PHP, read_config_php
from builder.magento.data_patch import plan_patch
from builder.magento.delivery import Delivery, plan_delivery
from builder.magento.diff_environments import (
    CompareSecrets,
    Comparison,
    Side,
    diff_environments,
)
from builder.magento.dump_config import Dump, dump_config
from builder.magento.explain_setting import Explanation, explain_setting
from builder.magento.lint_settings import (
    Systems,
    find_fights,
    find_missing,
    find_plain_secrets,
    findings_of,
    warn_drift,
    warn_misplaced_types,
    warn_missing,
)
from builder.magento.shop import Report
from builder.magento.shop_settings import KINDS, ShopSettings, read_shop_settings
from builder.process import run
from builder.project.environments import Environment, environment_names, load_environment
from builder.project.given import given_settings
from builder.project.loading import Project, load_project
from builder.project.tree import Tree
from builder.render.data_patch import render_data_patch
from builder.secrets.sources import open_source
from builder.secrets.value import SecretValue

_AREAS = ("adminhtml", "crontab", "frontend", "graphql", "webapi_rest", "webapi_soap")


@click.group()
def config() -> None:
    """Settings: shared ones, those of one system, and sensitive ones."""


config.add_command(render_config)

environments_option = click.option(
    "--environment", "-e", "names", multiple=True, help="Of this one; several times for several."
)


def read_shop(path: Path) -> tuple[Project, Tree, ShopSettings]:
    """The project at a path, its tree, and what that says of settings."""
    project = load_project(path)
    tree = read_tree(project, read_settings())
    return project, tree, read_shop_settings(tree)


def _load_concrete(project: Project, names: Sequence[str] = ()) -> list[Environment]:
    """The environments that are named, or all that are not only for others to extend."""
    chosen = names or environment_names(project.root)
    loaded = [load_environment(project.root, name) for name in chosen]
    return [one for one in loaded if names or not one.file.abstract]


@config.command("list")
@click.option("--kind", type=click.Choice(KINDS), help="Of this kind alone.")
@output_option
@click.pass_obj
def list_(path: Path, kind: str | None, output: str) -> None:
    """List settings and their kinds: those that modules classify, config.php or environments give.

    `encrypted` marks what Magento keeps encrypted, but calls shared: treat it as sensitive.
    """
    project, _, shop = read_shop(path)
    given: dict[str, list[str]] = {}
    for (_, name), setting in shop.locked.items():
        given.setdefault(name, []).append(f"{CONFIG_PHP}:{setting.line}")
    for environment in _load_concrete(project):
        for one in given_settings(environment):
            given.setdefault(one.path, []).append(one.where)
    known = {*shop.pool.sensitive, *shop.pool.environment, *shop.encrypted, *given}
    rows = [
        {
            "path": name,
            "kind": shop.kind_of(name),
            "declared": shop.declared_in(name),
            "encrypted": shop.encrypted.get(name, ""),
            "given": sorted(set(given.get(name, ()))),
        }
        for name in sorted(known)
        if kind is None or shop.kind_of(name) == kind
    ]
    if output == "json":
        print_json(rows)
        return
    print_table(
        ("path", "kind", "declared", "given"),
        [
            (
                str(row["path"]),
                f"{row['kind']}{', encrypted' if _is_hidden(shop, str(row['path'])) else ''}",
                str(row["declared"] or row["encrypted"]),
                " ".join(row["given"]),
            )
            for row in rows
        ],
    )


def _is_hidden(shop: ShopSettings, path: str) -> bool:
    return path in shop.encrypted and path not in shop.pool.sensitive


@config.command()
@click.argument("setting", metavar="PATH")
@environments_option
@output_option
@click.pass_obj
def explain(path: Path, setting: str, names: tuple[str, ...], output: str) -> None:
    """Say of which kind a setting is, where its value comes from, and how it gets there.

    PATH is section/group/field, or one of env.php, e.g. db/connection/default/host.
    """
    project, _, shop = read_shop(path)
    version = read_magento_version(project)
    deliveries = [
        plan_delivery(one, version, config=shop.config) for one in _load_concrete(project, names)
    ]
    explained = explain_setting(setting, shop, deliveries)
    if not explained.known:
        raise click.BadParameter(f"nothing knows {setting}{_nearest(setting, shop, deliveries)}")
    if output == "json":
        print_json(asdict(explained))
    else:
        _print_explanation(explained)


def _nearest(path: str, shop: ShopSettings, deliveries: Sequence[Delivery]) -> str:
    known = {*shop.pool.declared, *shop.defaults["default"], *shop.fields}
    known.update(way.path for delivery in deliveries for way in delivery.ways)
    near = difflib.get_close_matches(path, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _print_explanation(explained: Explanation) -> None:
    also = f", and {explained.also}" if explained.also else ""
    click.echo(f"{explained.path}: {explained.kind}{also}")
    facts = [
        ("declared in", explained.declared),
        ("field of the Admin in", explained.field),
        ("encrypted by", explained.encrypted),
        ("default", explained.default_where and f"{explained.default!r} {explained.default_where}"),
    ]
    for name, fact in facts:
        if fact:
            click.echo(f"  {name} {fact}")
    for environment, origins in explained.environments.items():
        click.echo(f"\n{environment}")
        for one in origins:
            where = f" ({one.where})" if one.where else ""
            click.echo(f"  {one.scope or 'env.php'}: {one.value or '-'}{where}")
            click.echo(f"    {'locked' if one.locked else 'not locked'}, by {one.way}")
            if one.reason:
                click.echo(f"    {one.reason}")


@config.command("lint")
@output_option
@click.pass_obj
def lint_config(path: Path, output: str) -> None:
    """Check config.php, the environments and git; ends with 11 if something is wrong."""
    project, tree, shop = read_shop(path)
    report = _inspect(project, tree, shop)
    if output == "json":
        print_json(report_as_json(report))
    else:
        print_report(report)
        click.echo(f"{len(report.problems)} errors, {len(report.warnings)} warnings")
    if report.problems:
        raise click.exceptions.Exit(TreeError.exit_code)


def _inspect(project: Project, tree: Tree, shop: ShopSettings) -> Report:
    problems = [*find_committed_secrets(shop.config, shop.pool, shop.encrypted)]
    environments: list[Environment] = []
    version = read_magento_version(project) if environment_names(project.root) else ""
    for name in environment_names(project.root):
        try:
            environment = load_environment(project.root, name)
            environments.append(environment)
            if not environment.file.abstract:
                plan_delivery(environment, version, config=shop.config)
        except ProjectFileError as error:
            problems += findings_of(error)
    systems = Systems.of(environments)
    for check in (find_plain_secrets, find_fights, find_missing):
        problems += check(shop, systems)
    problems += find_committed_files(
        _tracked_files(project.root),
        [*secret_places(project, environments)],
        lambda name: _content(project.root / name),
    )
    warnings = [*warn_system_specific(shop.config, shop.pool)]
    for warn in (warn_drift, warn_missing):
        warnings += warn(shop, systems)
    for place in ("", *_AREAS):
        warnings += warn_misplaced_types(
            shop.modules.read(tree, posixpath.join("etc", place, "di.xml"))
        )
    return Report(tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(warnings)))


def _tracked_files(root: Path) -> list[str]:
    """All files below a folder that git has; none where it is in no repository."""
    try:
        done = run(["git", "-C", str(root), "ls-files", "-z"], timeout=120)
    except OSError:
        return []
    return [name for name in done.stdout.split("\0") if name] if done.returncode == 0 else []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


@config.command()
@click.argument("first")
@click.argument("second")
@output_option
@click.pass_obj
def diff(path: Path, first: str, second: str, output: str) -> None:
    """Show how two environments differ. Secrets are compared, never shown.

    A secret is `equal` or `different` where both sources can be read from here.
    """
    project, _, shop = read_shop(path)
    pair = load_environment(project.root, first), load_environment(project.root, second)
    compare = _comparer(project, *pair, read_settings())
    found = diff_environments(*pair, compare, shop.is_secret)
    if output == "json":
        print_json({"first": first, "second": second, "differences": [asdict(d) for d in found]})
        return
    print_table(
        ("", first, second),
        [
            (
                one.key + (f" [{one.secrets}]" if one.secrets else ""),
                _shown_side(one.first),
                _shown_side(one.second),
            )
            for one in found
        ],
    )


def _shown_side(side: Side) -> str:
    return "-" if side.value is None else f"{side.value} ({side.where})"


def _comparer(
    project: Project, first: Environment, second: Environment, settings: Settings
) -> CompareSecrets:
    """Compares secrets by a hash whose key is of this run alone."""
    key = secrets.token_bytes(32)

    def read(environment: Environment, name: str) -> SecretValue | None:
        if environment.file.secrets is None:
            return None
        with suppress(SecretError):
            return open_source(environment.file.secrets, project.root, settings.env, run).read(name)
        return None

    def compare(name: str, other: str) -> Comparison:
        values = read(first, name), read(second, other)
        if values[0] is None or values[1] is None:
            return "unknown"
        equal = values[0].keyed_hash(key) == values[1].keyed_hash(key)
        return "equal" if equal else "different"

    return compare


@config.command()
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A config.php that app:config:dump has written, instead of the development system.",
)
@click.option(
    "--setting",
    "wanted",
    multiple=True,
    metavar="PATH",
    help="Lock this setting, group or section if it differs from its default; several times.",
)
@click.option("--all-settings", is_flag=True, help="Lock every shared setting that differs.")
@click.option("--dry-run", is_flag=True, help="Print the file and write nothing.")
@click.pass_obj
def dump(
    path: Path, source: Path | None, wanted: tuple[str, ...], all_settings: bool, dry_run: bool
) -> None:
    """Write app/etc/config.php from this tree's development system: what belongs into git.

    That is modules, websites and store views, themes, the settings it locks already, and those
    that are asked for. What is sensitive or differs between systems stays out.
    """
    chosen = None if all_settings else wanted
    if source is not None:
        project, _, shop = read_shop(path)
        _write_dump(project, shop, source.read_bytes(), str(source), chosen, dry_run=dry_run)
        return
    settings = read_settings()
    with hold_stack(load_project(path), settings):
        project, _, shop = read_shop(path)
        stack = find_stack(project, settings)
        content = read_dump(stack, project.root)
        _write_dump(project, shop, content, CONFIG_PHP, chosen, dry_run=dry_run)
        import_config(stack)


def _write_dump(
    project: Project,
    shop: ShopSettings,
    content: bytes,
    name: str,
    wanted: Sequence[str] | None,
    *,
    dry_run: bool,
) -> None:
    done = dump_config(read_config_php(content, name), shop, wanted)
    _tell_dump(done)
    if dry_run:
        click.echo(done.text, nl=False)
        return
    target = project.root / CONFIG_PHP
    changed = target.read_bytes() != done.text.encode()
    if changed:
        replace_text(target, done.text)
    click.echo(f"{CONFIG_PHP} is {'written; commit it' if changed else 'as it was'}", err=True)


def _tell_dump(done: Dump) -> None:
    def say(text: str) -> None:
        click.echo(text, err=True)

    for scope, name in done.added:
        say(f"locked: {name} ({scope})")
    for scope, name in done.changed:
        say(f"changed: {name} ({scope})")
    for one in done.dropped:
        at = f" ({one.scope})" if one.scope else ""
        declared = f", {one.declared}" if one.declared else ""
        if one.reason == "not asked for":
            say(f"not locked: {one.path}{at}; `--setting {one.path}` does that")
        else:
            say(f"left out: {one.path}{at}: {one.reason}{declared}")


@config.command()
@click.argument("assignment", metavar="PATH=VALUE")
@click.option("--module", required=True, help="A module of the shop's own, e.g. Acme_Shop.")
@click.option(
    "--scope",
    type=click.Choice(["default", "websites", "stores"]),
    default="default",
    show_default=True,
)
@click.option("--scope-code", default="", help="The website's or store view's code.")
@click.option("--name", help="The class's name; made from the path otherwise.")
@click.option("--dry-run", is_flag=True, help="Print the class and write nothing.")
@click.pass_obj
def patch(
    path: Path,
    assignment: str,
    module: str,
    scope: str,
    scope_code: str,
    name: str | None,
    dry_run: bool,
) -> None:
    """Write a data patch that sets a value once, in every system that the release reaches.

    Unlike a locked setting, the Admin can change it afterwards.
    """
    setting, separator, value = assignment.partition("=")
    if not separator:
        raise click.BadParameter("write it as PATH=VALUE", param_hint="PATH=VALUE")
    project, _, shop = read_shop(path)
    planned = plan_patch(
        shop, setting, value, module, scope=scope, code=scope_code, class_name=name
    )
    _warn_given(project, setting, f"{scope}/{scope_code}" if scope_code else scope)
    text = render_data_patch(planned)
    if dry_run:
        click.echo(text, nl=False)
        return
    target = project.root / planned.file
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError:
        raise TreeError(
            "the patch is there already; Magento applies a class once",
            where=planned.file,
            hint="give it another name with --name",
        ) from None
    click.echo(f"{planned.file} is written; setup:upgrade applies it once in every system")


def _warn_given(project: Project, setting: str, scope: str) -> None:
    for environment in _load_concrete(project):
        for one in given_settings(environment):
            if (one.scope, one.path) == (scope, setting) and one.value is not None:
                text = f"warning: {one.where}: {environment.name} gives it too, and that wins there"
                click.echo(text, err=True)
