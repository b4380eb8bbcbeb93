"""`kiln unlock` and `kiln prune`: clearing up what a release has left."""

from dataclasses import asdict
from pathlib import Path

import click

from builder.cli.deploy import require_finished
from builder.cli.output import ReleaseView, output_option, print_json
from builder.cli.prune_builds import prune_builds
from builder.cli.system import (
    environment_argument,
    hold_system,
    open_system,
    require_keeper,
    whoami,
)
from builder.deploy.prune import find_garbage, find_needed
from builder.deploy.state import audit
from builder.errors import RefusedError


@click.command()
@environment_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
@click.pass_obj
def unlock(path: Path, environment: str, yes: bool, output: str) -> None:
    """Take the lock of ENVIRONMENT away from a kiln that is gone for good.

    A lock runs out by itself within a minute. What its holder would still do is refused.
    """
    keeper = require_keeper(open_system(path, environment))
    holder = keeper.holder()
    if holder is not None:
        click.echo(
            f"{holder.owner} has the lock: `{holder.command}`, since {holder.since}", err=True
        )
        if not yes and not click.confirm("Take it away?", err=True):
            raise RefusedError(
                "the lock stays", where=keeper.stack, hint="--yes takes it away without asking"
            )
        keeper.break_lease(holder.token)
        with hold_system(keeper) as (lease, state):
            audit(
                keeper,
                lease.token,
                what="unlock",
                by=whoami(),
                owner=holder.owner,
                command=holder.command,
                since=holder.since,
            )
        if state.unfinished is not None:
            number = state.unfinished.release.number
            click.echo(f"release {number} was left half-way: `kiln resume {environment}`", err=True)
    if output == "json":
        print_json({"broken": holder.model_dump() if holder else None})
    else:
        click.echo("the lock is free" if holder else "nobody has the lock")


@click.command()
@click.argument("environment", required=False)
@click.option("--builds", is_flag=True, help="What builds have left on this host instead.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@output_option
@click.pass_obj
def prune(path: Path, environment: str | None, builds: bool, dry_run: bool, output: str) -> None:
    """Remove what no release of ENVIRONMENT needs that serves or can be rolled back to.

    Containers, secrets, images and records; leftovers of a killed kiln among them.

    With --builds, of this host's builds: BuildKit's cache beyond build.cache_size, what was used
    longest ago first, and Kiln's files of trees that are gone. Builds may run meanwhile.
    """
    if builds == bool(environment):
        raise click.UsageError("name an ENVIRONMENT, or give --builds")
    if environment:
        _prune_releases(path, environment, dry_run, output)
    else:
        prune_builds(path, dry_run, output)


def _prune_releases(path: Path, environment: str, dry_run: bool, output: str) -> None:
    system = open_system(path, environment)
    driver, deploy = system.driver, system.stack.deploy
    keeper = require_keeper(system)
    with ReleaseView() as view, hold_system(keeper) as (lease, state):
        require_finished(state, environment)
        versions = driver.proxy_reader().versions()
        needed = find_needed(state, deploy.keep, versions)
        garbage = find_garbage(state, needed, driver.look_around(keeper))
        if garbage and not dry_run:
            seconds = deploy.timeouts.stop
            driver.remove_garbage(keeper, lease.token, garbage, seconds, view.detail)
            audit(keeper, lease.token, what="prune", by=whoami(), removed=garbage.count)
    if output == "json":
        print_json({"removed": not dry_run, **asdict(garbage)})
        return
    for kind, names in asdict(garbage).items():
        for name in names:
            click.echo(f"{kind}: {name}")
    if not garbage:
        click.echo("nothing to remove")
