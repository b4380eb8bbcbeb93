"""`kiln plan`, `deploy`, `rollback` and `resume`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cli.image import resolve_image
from builder.cli.output import ReleaseView, output_option, print_json, print_table
from builder.cli.system import System, environment_argument, open_site, open_system, whoami
from builder.deploy.prepare import Prepared, prepare_deploy, prepare_rollback, runs_unchanged
from builder.deploy.release import (
    abort_release,
    mend_system,
    resume_release,
    run_release,
)
from builder.deploy.site import Site
from builder.deploy.state import HostState, audit, read_state
from builder.deploy.steps import pull_image
from builder.errors import RefusedError, UnfinishedError
from builder.plan.describe import describe_step
from builder.plan.release import DeployPlan, PullImage, Release, is_needless

window_option = click.option(
    "--accept-window",
    is_flag=True,
    help="Let visitors wait while a migration runs that what serves so far cannot serve through.",
)

restart_option = click.option(
    "--restart-services",
    is_flag=True,
    help="Change the proxy and services that are to be others, too: the shop is interrupted.",
)


@click.command()
@environment_argument
@click.argument("image", required=False)
@restart_option
@output_option
@click.pass_obj
def plan(
    path: Path, environment: str, image: str | None, restart_services: bool, output: str
) -> None:
    """Show what `kiln deploy ENVIRONMENT IMAGE` would do; changes nothing that serves."""
    system = open_system(path, environment)
    bring_to(
        system,
        resolve_image(system.project, system.settings, image),
        dry_run=True,
        restart_services=restart_services,
        output=output,
    )


@click.command()
@environment_argument
@click.argument("image", required=False)
@window_option
@click.option("--force", is_flag=True, help="Release anew even where nothing would change.")
@restart_option
@output_option
@click.pass_obj
def deploy(
    path: Path,
    environment: str,
    image: str | None,
    accept_window: bool,
    force: bool,
    restart_services: bool,
    output: str,
) -> None:
    """Bring ENVIRONMENT to IMAGE: a digest, a tag, or the last that was pushed from this tree."""
    system = open_system(path, environment)
    bring_to(
        system,
        resolve_image(system.project, system.settings, image),
        accept_window=accept_window,
        force=force,
        restart_services=restart_services,
        output=output,
        facts={"what": "deploy"},
    )


def bring_to(
    system: System,
    reference: str,
    *,
    output: str,
    accept_window: bool = False,
    force: bool = False,
    restart_services: bool = False,
    dry_run: bool = False,
    facts: Mapping[str, object] = {},
) -> None:
    """Release an image, unless it serves already just as it would then; print what came of it.

    Args:
        system: which.
        reference: the image by digest.
        output: `text` or `json`.
        accept_window: visitors may have to wait.
        force: release it nevertheless.
        restart_services: change the proxy and services that are to be others as well.
        dry_run: print the plan and stop.
        facts: for the audit trail.
    """
    with ReleaseView() as view, open_site(system, view) as (site, state):
        if dry_run:
            require_finished(state, system.environment.name)
        else:
            state = _finish_first(site, state)
        pull_image(site, PullImage(image=reference))
        prepared = prepare_deploy(
            site,
            state,
            system.environment,
            reference,
            datetime.now(UTC),
            whoami(),
            restart_services=restart_services,
        )
        planned = prepared.plan
        if planned.waiting and not dry_run:
            site.watcher.detail(say_waiting(planned))
        needless = not force and is_needless(planned) and runs_unchanged(site, state)
        if not dry_run and not needless:
            _execute(site, prepared, accept_window, facts)
    if dry_run:
        print_plan(planned, output, needless=needless)
    elif needless and planned.previous is not None:
        print_done(planned.previous, output, "nothing to do: ")
    else:
        print_done(planned.release, output)


def _execute(
    site: Site, prepared: Prepared, accept_window: bool, facts: Mapping[str, object]
) -> None:
    plan = prepared.plan
    if plan.needs_acceptance and not accept_window:
        raise RefusedError(
            "the old release cannot serve while the database is migrated: visitors would have to "
            "wait"
            if plan.needs_window
            else "the database is not empty and no release of Kiln serves: what serves it so far "
            "may fail once it is migrated",
            where=site.stack.name,
            details=plan.reasons,
            hint="choose a quiet hour and give --accept-window",
        )
    run_release(site, plan, prepared.env_php)
    audit(
        site.keeper,
        site.lease.token,
        **facts,
        release=plan.release.number,
        image=plan.release.image,
        by=plan.release.by,
    )


@click.command()
@environment_argument
@click.argument("release", required=False, type=int)
@click.option(
    "--current-secrets", is_flag=True, help="Take today's secrets, not those it had then."
)
@click.option("--force", is_flag=True, help="Although the database has become another since.")
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@output_option
@click.pass_obj
def rollback(
    path: Path,
    environment: str,
    release: int | None,
    current_secrets: bool,
    force: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Bring an earlier release of ENVIRONMENT back: its image, configuration and secrets.

    RELEASE is its number; by default the one before the current.
    """
    system = open_system(path, environment)
    with ReleaseView() as view, open_site(system, view) as (site, state):
        state = _finish_first(site, state)
        target = _target(state, release, environment)
        pull_image(site, PullImage(image=target.image))
        prepared = prepare_rollback(
            site,
            state,
            target,
            datetime.now(UTC),
            whoami(),
            current_secrets=current_secrets,
            force=force,
        )
        if not dry_run:
            _execute(site, prepared, accept_window=False, facts={"what": "rollback"})
    if dry_run:
        print_plan(prepared.plan, output)
    else:
        print_done(prepared.plan.release, output)


def _target(state: HostState, number: int | None, environment: str) -> Release:
    targets = {one.number: one for one in state.rollback_targets}
    if number is None and targets:
        return next(iter(targets.values()))
    if number in targets:
        return targets[number]
    known = ", ".join(map(str, targets)) or "none"
    raise RefusedError(
        f"there is no release {number} to go back to" if number else "there is no earlier release",
        where=environment,
        hint=f"releases that can be gone back to: {known}",
    )


@click.command()
@environment_argument
@click.option("--back", is_flag=True, help="Put the old release back instead of going on.")
@click.pass_obj
def resume(path: Path, environment: str, back: bool) -> None:
    """Go on with a release that was left half-way, and start again what does not run."""
    system = open_system(path, environment)
    with ReleaseView() as view, open_site(system, view) as (site, state):
        recorded = state.unfinished
        if recorded is None:
            mend_system(site, state)
        elif back:
            abort_release(site, recorded)
        else:
            resume_release(site, recorded)


def _finish_first(site: Site, state: HostState) -> HostState:
    recorded = state.unfinished
    if recorded is None:
        return state
    site.watcher.step(f"release {recorded.release.number} was left half-way: going on with it")
    resume_release(site, recorded)
    return read_state(site.keeper)


def require_finished(state: HostState, environment: str) -> None:
    """See that no release was left half-way.

    Raises:
        UnfinishedError: one was.
    """
    if state.unfinished is not None:
        raise UnfinishedError(
            f"release {state.unfinished.release.number} was left half-way",
            where=environment,
            hint=f"`kiln resume {environment}` goes on with it",
        )


def print_plan(plan: DeployPlan, output: str, *, needless: bool = False) -> None:
    """A plan as text or JSON; `needless` where it would change nothing."""
    if output == "json":
        print_json(plan.model_dump(mode="json"))
        return
    previous = plan.previous
    print_table(
        ("what", ""),
        [
            ("system", plan.stack),
            ("release", str(plan.release.number)),
            ("image", plan.release.image),
            ("so far", f"{previous.number}, {previous.image}" if previous else "nothing"),
            ("database", plan.migration),
            ("because", "; ".join(plan.reasons)),
        ],
    )
    click.echo()
    for index, step in enumerate(plan.steps, 1):
        click.echo(f"{index:3}. {describe_step(step)}")
    if plan.waiting:
        click.echo(f"\n{say_waiting(plan)}")
    if plan.restarts:
        click.echo(f"\nTHE SHOP IS INTERRUPTED while these start anew: {', '.join(plan.restarts)}")
    if plan.needs_window:
        click.echo("\nvisitors wait meanwhile: `kiln deploy` needs --accept-window")
    elif plan.needs_acceptance:
        click.echo(
            "\nthe database is not empty, and what serves it so far may fail once it is migrated: "
            "`kiln deploy` needs --accept-window"
        )
    if needless:
        click.echo("\nall of this serves already: `kiln deploy` does it with --force alone")


def say_waiting(plan: DeployPlan) -> str:
    """Which services stay as they run although they are to be others."""
    return (
        f"as they run stay: {', '.join(plan.waiting)}, although they are to be others; "
        "`kiln deploy --restart-services` changes them, which interrupts the shop"
    )


def print_done(release: Release, output: str, prefix: str = "") -> None:
    """What serves now."""
    if output == "json":
        print_json(release.model_dump(mode="json"))
        return
    click.echo(f"{prefix}release {release.number} serves {release.image}")
