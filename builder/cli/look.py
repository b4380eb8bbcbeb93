"""`kiln status`, `history`, `logs` and `exec`: looking into a system. No lock is taken."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from builder.cli.output import output_option, print_json, print_table
from builder.cli.system import open_system, require_keeper
from builder.deploy.history import PastRelease, list_releases, read_audit
from builder.deploy.state import read_state
from builder.deploy.status import SlotStatus, SystemStatus, read_status
from builder.errors import UnhealthyError

environment_argument = click.argument("environment")


@click.command()
@environment_argument
@click.option(
    "--check",
    is_flag=True,
    help=f"End with {UnhealthyError.exit_code} if something is not as it should be.",
)
@output_option
@click.pass_obj
def status(path: Path, environment: str, check: bool, output: str) -> None:
    """Show how ENVIRONMENT is: what serves, its containers, requests, lock and problems.

    Ends with 0 whatever it finds, unless --check is given.
    """
    system = open_system(path, environment)
    found = read_status(system.engine, system.stack, datetime.now(UTC))
    if output == "json":
        print_json(found.as_json())
    else:
        _print_status(found)
    if check and not found.healthy:
        raise click.exceptions.Exit(UnhealthyError.exit_code)


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
