"""`kiln dev`: this tree's development system."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from builder.build.lock import hold_build_lock
from builder.build.secrets import resolve_secrets
from builder.cli.build import resolve_base
from builder.cli.dev_settings import provide_settings
from builder.cli.output import BuildView, output_option, print_json, print_table
from builder.cli.settings import Settings, read_settings
from builder.dev.compose import (
    Stack,
    check_compose,
    compose_argv,
    exec_argv,
    read_services,
    require_running,
)
from builder.dev.memory import choose_ports, provide_secrets, read_ports
from builder.dev.shop import Site, needs_packages, run_magento
from builder.dev.stack import bring_down, bring_up
from builder.errors import StackError
from builder.host.engine import check_builder, read_builder, read_engine
from builder.magento.shop import inspect_platform, require_lock
from builder.plan.development import (
    ADMIN_USER,
    BUILT,
    DATABASE,
    Ports,
    plan_development,
    stack_name,
)
from builder.process import attach, run
from builder.project.loading import Project, load_project


def state_folder(project: Project, settings: Settings) -> Path:
    """Where a tree's stack keeps its compose file, ports and secrets."""
    return settings.tree_cache(project) / "dev"


def find_stack(project: Project, settings: Settings) -> Stack:
    """The tree's stack, whether it is there or not."""
    return Stack(
        name=stack_name(project.file.name, project.root),
        file=state_folder(project, settings) / "compose.yaml",
        env=settings.env,
        run=run,
    )


@contextmanager
def hold_stack(project: Project, settings: Settings) -> Iterator[None]:
    """One command at a time that changes a tree's stack or its files.

    Raises:
        BusyError: another one runs.
    """
    busy = "this tree's development system is being brought up, brought down or dumped already"
    with hold_build_lock(state_folder(project, settings) / "lock", busy):
        yield


@click.group()
def dev() -> None:
    """This tree's own development system: shop, database, cache, queue, mail catcher."""


@dev.command()
@click.option("--xdebug", is_flag=True, help="Load Xdebug; without it, it is not.")
@output_option
@click.pass_obj
def up(path: Path, xdebug: bool, output: str) -> None:
    """Start it; the first time, make its images, install packages and set up the shop."""
    settings = read_settings()
    project = load_project(path)
    stack, state = find_stack(project, settings), state_folder(project, settings)
    with hold_stack(project, settings):
        lock = require_lock(project.root)
        platform = inspect_platform(project, lock)
        check_builder(read_engine(run), read_builder(run, project.file.build.builder))
        check_compose(stack)
        missing = needs_packages(project.root, lock)
        owner = project.root.stat()
        identity = provide_secrets(state, (owner.st_uid, owner.st_gid))
        held = {port for one in read_services(stack) for port in one.ports.values()}
        ports, moved = choose_ports(stack.name, state, held)
        if moved:
            click.echo("its ports are taken by another program: it gets others", err=True)
        provided = provide_settings(
            project, settings, state / "settings", (owner.st_uid, owner.st_gid)
        )
        for text in provided.left_out:
            click.echo(f"warning: {text}; set it in the Admin of this system", err=True)
        sources = _network_secrets(project, settings, needed=missing)
        with _as_file(sources.get("composer_auth"), settings, owner.st_uid) as transient:
            plan = plan_development(
                project,
                platform,
                resolve_base(project, platform.suite, settings),
                state=state,
                owner=(owner.st_uid, owner.st_gid),
                ports=ports,
                readable={
                    name: Path(source.removeprefix("src="))
                    for name, source in sorted(sources.items())
                    if source.startswith("src=")
                },
                secrets_id=identity,
                settings_id=provided.identity,
                xdebug=xdebug,
            )
            with BuildView(("php", "tools", *BUILT)) as view:
                done = bring_up(
                    Site(stack, plan, transient),
                    view,
                    packages_missing=missing,
                    epoch=settings.epoch,
                    builder=project.file.build.builder,
                )
    facts = {**_facts(stack, state, project), "done": list(done)}
    if output == "json":
        print_json(facts)
    else:
        _print_facts(facts)


def _network_secrets(project: Project, settings: Settings, *, needed: bool) -> dict[str, str]:
    """Where Composer's credentials and the CA bundle are, as builds resolve them."""
    build = project.file.build
    auth = {name: one for name, one in build.secrets.items() if name == "composer_auth"}
    if not needed:
        # Only what is a file can be handed in for good; nothing else is asked for.
        auth = {name: one for name, one in auth.items() if one.file is not None}
    asked = project.file.model_copy(update={"build": build.model_copy(update={"secrets": auth})})
    only = Project(project.root, project.path, asked, project.marks)
    return {
        name: source
        for name, source in resolve_secrets(only, settings.env).items()
        if name in ("composer_auth", "ca_bundle")
    }


@contextmanager
def _as_file(source: str | None, settings: Settings, owner: int) -> Iterator[Path | None]:
    """A secret of the environment as a file for the time of the block."""
    if source is None or not source.startswith("env="):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="kiln-") as folder:
        path = Path(folder) / "auth.json"
        path.touch(0o600)
        path.write_text(settings.env[source.removeprefix("env=")], encoding="utf-8")
        if os.geteuid() == 0:
            os.chown(path, owner, -1)
        yield path


@dev.command()
@click.option("--volumes", is_flag=True, help="Remove its data as well: database, queue, home.")
@click.pass_obj
def down(path: Path, volumes: bool) -> None:
    """Stop it and remove its containers; the data stays unless --volumes is given."""
    settings = read_settings()
    project = load_project(path)
    with hold_stack(project, settings):
        bring_down(find_stack(project, settings), volumes=volumes)


@dev.command()
@click.pass_obj
def shell(path: Path) -> None:
    """Open a shell in the shop's container, as the owner of the tree."""
    stack = find_stack(load_project(path), read_settings())
    require_running(stack)
    argv = exec_argv(stack, "bash", terminal=sys.stdin.isatty())
    raise click.exceptions.Exit(attach(argv, env=stack.env))


@dev.command()
@click.option("-f", "--follow", is_flag=True, help="Go on printing.")
@click.option("--tail", type=click.IntRange(min=0), help="So many lines of each.")
@click.argument("services", nargs=-1)
@click.pass_obj
def logs(path: Path, follow: bool, tail: int | None, services: tuple[str, ...]) -> None:
    """Print what its containers say; all of them, or SERVICES."""
    stack = find_stack(load_project(path), read_settings())
    flags = [*(["--follow"] if follow else []), *([f"--tail={tail}"] if tail is not None else [])]
    _require_known(stack, services)
    raise click.exceptions.Exit(
        attach(compose_argv(stack, "logs", *flags, *services), env=stack.env)
    )


def _require_known(stack: Stack, services: tuple[str, ...]) -> None:
    known = [one.service for one in read_services(stack)]
    if not known:
        raise StackError(
            "this tree has no development system", where=stack.name, hint="run `kiln dev up`"
        )
    for name in services:
        if name not in known:
            raise click.UsageError(f"there is no service {name}; here are {', '.join(known)}")


@dev.command(
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    }
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def magento(path: Path, arguments: tuple[str, ...]) -> None:
    """Run bin/magento with ARGUMENTS in the shop's container; its exit code is this command's."""
    project = load_project(path)
    stack = find_stack(project, read_settings())
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    code = run_magento(stack, project.root, arguments, attach, terminal=terminal)
    raise click.exceptions.Exit(code)


@dev.command()
@output_option
@click.pass_obj
def status(path: Path, output: str) -> None:
    """Print addresses, ports, and how its containers are."""
    settings = read_settings()
    project = load_project(path)
    facts = _facts(find_stack(project, settings), state_folder(project, settings), project)
    if output == "json":
        print_json(facts)
    else:
        _print_facts(facts)


def _facts(stack: Stack, state: Path, project: Project) -> dict[str, Any]:
    services = read_services(stack)
    ports = read_ports(state)
    return {
        "name": stack.name,
        "tree": str(project.root),
        "running": any(one.service == "web" for one in services) and all(s.ok for s in services),
        "urls": _addresses(ports) if ports else {},
        "ports": asdict(ports) if ports else {},
        "admin": {"user": ADMIN_USER, "password_file": str(state / "secrets/admin_password")},
        "database": {
            "host": "127.0.0.1",
            "port": ports.database if ports else None,
            "name": DATABASE,
            "user": DATABASE,
            "password_file": str(state / "secrets/database_password"),
        },
        "services": [
            {"service": s.service, "state": s.state, "health": s.health, "image": s.image}
            for s in services
        ],
    }


def _addresses(ports: Ports) -> Mapping[str, str]:
    return {
        "shop": f"http://localhost:{ports.web}/",
        "admin": f"http://localhost:{ports.web}/admin",
        "mail": f"http://localhost:{ports.mail}/",
        "queue": f"http://localhost:{ports.queue}/",
    }


def _print_facts(facts: Mapping[str, Any]) -> None:
    if not facts["services"]:
        click.echo(f"{facts['name']} is down; `kiln dev up` starts it")
        return
    rows = [(name, address) for name, address in facts["urls"].items()]
    database, admin = facts["database"], facts["admin"]
    rows += [
        ("database", f"127.0.0.1:{database['port']}, {database['name']}"),
        ("database password", database["password_file"]),
        (f"admin password of {admin['user']}", admin["password_file"]),
    ]
    print_table(("what", "where"), rows)
    click.echo()
    print_table(
        ("service", "state", "health"),
        [(one["service"], one["state"], one["health"] or "-") for one in facts["services"]],
    )
