"""`kiln accept` and `kiln promote`: from staging to production with the same image."""

from pathlib import Path

import click

from builder.cli.deploy import bring_to, require_finished, window_option
from builder.cli.output import output_option, print_json
from builder.cli.system import (
    System,
    environment_argument,
    hold_system,
    open_system,
    require_keeper,
    whoami,
)
from builder.deploy.acceptance import (
    Acceptance,
    find_acceptance,
    read_acceptances,
    write_acceptance,
)
from builder.deploy.state import HostState, audit, read_state
from builder.errors import RefusedError
from builder.plan.release import Release


@click.command()
@environment_argument
@click.option("--note", default="", help="What to remember about it.")
@click.option("--revoke", is_flag=True, help="Take the acceptance back.")
@output_option
@click.pass_obj
def accept(path: Path, environment: str, note: str, revoke: bool, output: str) -> None:
    """Write down that what ENVIRONMENT serves is good: `kiln promote` deploys nothing else."""
    system = open_system(path, environment)
    keeper = require_keeper(system)
    with hold_system(keeper) as (lease, state):
        release = _served(system, state)
        word = write_acceptance(keeper, lease.token, release, whoami(), note, accepted=not revoke)
        audit(
            keeper,
            lease.token,
            what="revoke" if revoke else "accept",
            release=release.number,
            image=release.image,
            by=word.by,
            note=note,
        )
    if output == "json":
        print_json(word.model_dump(mode="json"))
    else:
        done = "no longer accepted" if revoke else "accepted"
        click.echo(f"{done}: release {release.number}, {release.image}")


@click.command()
@click.argument("source")
@click.argument("target")
@window_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@output_option
@click.pass_obj
def promote(
    path: Path, source: str, target: str, accept_window: bool, dry_run: bool, output: str
) -> None:
    """Deploy the image that SOURCE serves to TARGET, if SOURCE has accepted it."""
    if source == target:
        raise click.UsageError("SOURCE and TARGET are the same")
    release, word = _accepted(open_system(path, source))
    bring_to(
        open_system(path, target),
        release.image,
        accept_window=accept_window,
        dry_run=dry_run,
        output=output,
        facts={"what": "promote", "source": source, "accepted_by": word.by},
    )


def _accepted(system: System) -> tuple[Release, Acceptance]:
    keeper = require_keeper(system)
    release = _served(system, read_state(keeper))
    word = find_acceptance(read_acceptances(keeper), release.digest)
    if word is None:
        name = system.environment.name
        raise RefusedError(
            f"{name} has not accepted what it serves: {release.image}",
            where=system.stack.name,
            hint=f"look at it, then `kiln accept {name}`",
        )
    return release, word


def _served(system: System, state: HostState) -> Release:
    require_finished(state, system.environment.name)
    if state.current is None:
        raise RefusedError(
            "serves nothing yet",
            where=system.stack.name,
            hint=f"`kiln deploy {system.environment.name}` is first",
        )
    return state.current
