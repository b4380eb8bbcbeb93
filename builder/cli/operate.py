"""`kiln unlock`: mending what a release has left."""

from pathlib import Path

import click

from builder.cli.look import environment_argument
from builder.cli.output import output_option, print_json
from builder.cli.system import hold_system, open_system, require_keeper, whoami
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
