"""`kiln status`, `history`, `logs` and `exec`: looking into a system. No lock is taken."""

import contextlib
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from docker.models.containers import Container

from builder.cli.output import output_option, print_json, print_table
from builder.cli.system import System, environment_argument, open_system, require_keeper
from builder.deploy.history import PastRelease, list_releases, read_audit
from builder.deploy.logs import follow_logs, parse_since, read_logs
from builder.deploy.state import read_state
from builder.deploy.status import SlotStatus, SystemStatus, read_status
from builder.deploy.status_page import open_page, open_server
from builder.errors import EngineError, RefusedError, UnhealthyError
from builder.process import attach

RELEASE_ROLES = ("web", "cron", "consumer", "assets")
SERVICE_ROLES = ("proxy", "keeper", "database", "cache", "queue")


@click.command()
@environment_argument
@click.option(
    "--check",
    is_flag=True,
    help=f"End with {UnhealthyError.exit_code} if something is not as it should be.",
)
@click.option(
    "--serve",
    is_flag=False,
    flag_value="127.0.0.1:8765",
    metavar="[[ADDRESS:]PORT]",
    help="Show it as a page for a browser, until interrupted; at 127.0.0.1:8765 by default.",
)
@output_option
@click.pass_obj
def status(path: Path, environment: str, check: bool, serve: str | None, output: str) -> None:
    """Show how ENVIRONMENT is: what serves, its containers, requests, lock and problems.

    Ends with 0 whatever it finds, unless --check is given.
    """
    system = open_system(path, environment)
    if serve is not None:
        _serve(system, serve)
        return
    found = read_status(system.driver, system.stack, datetime.now(UTC))
    if output == "json":
        print_json(found.as_json())
    else:
        _print_status(found)
    if check and not found.healthy:
        raise click.exceptions.Exit(UnhealthyError.exit_code)


def _serve(system: System, address: str) -> None:
    with open_server(open_page(system.driver, system.stack), address) as server:
        host, port = server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        click.echo(f"http://{shown}:{port}/ shows {system.stack.name}; Ctrl-C ends it", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def _print_status(found: SystemStatus) -> None:
    serving, lock, unfinished = found.serving, found.lock, found.unfinished
    rows = [("system", f"{found.system} at {found.host}")]
    if serving is None:
        rows.append(("serves", "nothing that is recorded"))
    else:
        again = f", as release {serving.rolled_back_to} was" if serving.rolled_back_to else ""
        secrets = ", ".join(f"{name} {version}" for name, version in serving.secrets.items())
        rows += [
            ("serves", f"release {serving.release}{again}"),
            ("image", serving.image),
            ("since", f"{_time(serving.since)}, by {serving.by}"),
            ("configuration", serving.config_hash[:12]),
            ("secrets", secrets or "none"),
        ]
    rows.append(("mode", found.mode or "unknown"))
    if unfinished is not None:
        why = f", {unfinished.failed}" if unfinished.failed else ""
        rows.append(("not ended", f"release {unfinished.release}: {unfinished.step}{why}"))
    rows.append(
        ("lock", f"{lock.owner} (`{lock.command}`, since {lock.since})" if lock else "nobody")
    )
    print_table(("what", ""), rows)
    if found.slots:
        click.echo()
        print_table(
            ("slot", "release", "up", "requests left", "requests", "errors", "retries"),
            [_slot_row(one) for one in found.slots],
        )
    if found.containers:
        click.echo()
        print_table(
            ("container", "role", "state", "health", "image"),
            [
                (one.name, one.role, one.state, one.health or "-", one.image)
                for one in found.containers
            ],
        )
    if found.problems:
        click.echo()
    for problem in found.problems:
        click.echo(f"problem: {problem}")


def _slot_row(slot: SlotStatus) -> tuple[str, ...]:
    return (
        f"{slot.slot}, live" if slot.live else slot.slot,
        ", ".join(map(str, slot.releases)) or "-",
        f"{sum(one.up for one in slot.servers)} of {len(slot.servers)}",
        str(slot.requests_left),
        str(slot.traffic.total),
        str(slot.traffic.errors),
        str(slot.traffic.retries),
    )


@click.command()
@environment_argument
@output_option
@click.pass_obj
def history(path: Path, environment: str, output: str) -> None:
    """List the releases of ENVIRONMENT with what became of them, and its audit trail."""
    keeper = require_keeper(open_system(path, environment))
    releases, audit = list_releases(read_state(keeper)), read_audit(keeper)
    if output == "json":
        print_json({"releases": [asdict(one) for one in releases], "audit": audit})
        return
    print_table(
        ("release", "outcome", "began", "took", "by", "image"),
        [_release_row(one) for one in releases],
    )
    for one in releases:
        if one.failed:
            click.echo(f"release {one.release}: {one.failed}")
    click.echo()
    print_table(("at", "what", "by", ""), [_audit_row(one) for one in audit])


def _release_row(one: PastRelease) -> tuple[str, ...]:
    again = f", release {one.rolled_back_to} again" if one.rolled_back_to else ""
    return (
        str(one.release),
        f"{one.outcome}{again}",
        _time(one.began),
        "-" if one.seconds is None else f"{one.seconds:.0f} s",
        one.by,
        one.image,
    )


def _audit_row(entry: dict[str, Any]) -> tuple[str, ...]:
    rest = {key: value for key, value in entry.items() if key not in ("at", "what", "by")}
    return (
        str(entry.get("at", "")),
        str(entry.get("what", "")),
        str(entry.get("by", "")),
        ", ".join(f"{key} {value}" for key, value in rest.items() if value not in (None, "")),
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="seconds")


@click.command()
@environment_argument
@click.argument("role", required=False, type=click.Choice([*RELEASE_ROLES, *SERVICE_ROLES]))
@click.option("-f", "--follow", is_flag=True, help="Go on printing.")
@click.option("--release", type=int, help="Of this release; by default of the one that serves.")
@click.option("--since", help="From then on: 10m, 2h, 3d ago, or a time as 2026-11-02T12:00.")
@click.pass_obj
def logs(
    path: Path,
    environment: str,
    role: str | None,
    follow: bool,
    release: int | None,
    since: str | None,
) -> None:
    """Print what containers of ENVIRONMENT say, in the order of time: ROLE's, or a release's."""
    system = open_system(path, environment)
    try:
        moment = parse_since(since, datetime.now(UTC)) if since else None
    except ValueError:
        raise click.UsageError(f"--since {since}: neither like 10m nor a time") from None
    containers = find_containers(system, role, release)
    prefix = f"{system.stack.name}-"
    names = [str(one.name).removeprefix(prefix) for one in containers]
    width = max(map(len, names))
    lines = (follow_logs if follow else read_logs)(containers, moment)
    for line in lines:
        click.echo(f"{line.container.removeprefix(prefix):{width}} | {line.text}")


@click.command(
    "exec", context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@environment_argument
@click.option("--role", type=click.Choice(["web", "cron", "consumer"]), default="web")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def exec_(path: Path, environment: str, role: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in a container of ENVIRONMENT's live release; its exit code is passed on.

    Write `--` before a COMMAND with options of its own.
    """
    system = open_system(path, environment)
    running = [one for one in find_containers(system, role, None) if one.status == "running"]
    if not running:
        raise EngineError(
            f"no container of the role {role} runs",
            where=system.stack.name,
            hint=f"`kiln status {environment}` shows them, `kiln resume` starts them",
        )
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    argv = ["docker", "exec", "--interactive", *terminal, str(running[0].name), *command]
    raise click.exceptions.Exit(attach(argv, env=system.driver.client_env(running[0])))


def find_containers(system: System, role: str | None, release: int | None) -> list[Container]:
    """The containers of a role, of a release or of the one that serves; a service has none.

    Raises:
        RefusedError: there are none.
    """
    labels = {"role": role} if role else {}
    if release is None and role not in (*SERVICE_ROLES, "assets"):
        current = read_state(require_keeper(system)).current
        if current is not None:
            release = current.number
    if release is not None:
        labels["release"] = str(release)
    found = system.driver.containers(**labels)
    if not found:
        there = system.driver.containers()
        names = ", ".join(str(one.name).removeprefix(f"{system.stack.name}-") for one in there)
        raise RefusedError(
            "there is no such container",
            where=", ".join(f"{key} {value}" for key, value in labels.items()),
            hint=f"there are: {names or 'none'}",
        )
    return found
