"""A release from its plan to its end, whichever that is."""

import contextlib
from collections.abc import Iterable, Iterator

from builder.deploy.delivery import shop_secrets
from builder.deploy.keeper import SECRETS
from builder.deploy.site import Site
from builder.deploy.state import (
    Event,
    HostState,
    Recorded,
    audit,
    make_room,
    note,
    read_state,
    release_folder,
    save_plan,
)
from builder.deploy.steps import do_step
from builder.errors import (
    DiskFullError,
    EngineError,
    KilnError,
    LockedError,
    ReleaseError,
    UnfinishedError,
)
from builder.plan.describe import describe_step
from builder.plan.release import (
    BootWeb,
    DeliverFiles,
    DeployPlan,
    KeepAssets,
    Prune,
    Release,
    SetMaintenance,
    StartServices,
    StartWorkers,
    Step,
    Swap,
    plan_undo,
)


def run_release(site: Site, plan: DeployPlan, env_php: str) -> None:
    """Do a plan; where it fails, put the previous release back.

    Raises:
        ReleaseError: it failed, and the previous release serves.
        UnfinishedError: it was left half-way: interrupted, the engine gone, or no way back.
        LockedError: the lease was lost; another kiln goes on.
    """
    save_plan(site.keeper, site.lease.token, plan, env_php)
    with _told(site, plan):
        _go_forward(site, plan, plan.steps, ())


def resume_release(site: Site, recorded: Recorded) -> None:
    """Go on with a release that was left half-way: forward, or back if it had failed.

    Raises:
        As `run_release`.
    """
    plan = recorded.plan
    mended = _deliver_again(site, recorded)
    if recorded.way_back:
        _put_back(site, recorded)
    else:
        done = len(recorded.finished_steps)
        with _told(site, plan):
            _go_forward(site, plan, plan.steps[done:], recorded.begun)
        _audit(site, plan, "rollback" if plan.release.rolled_back_to else "deploy")
    if mended:
        mend_system(site, read_state(site.keeper))


def _deliver_again(site: Site, recorded: Recorded) -> bool:
    """What the host's restart in the middle of a release took away; False where nothing is missing.

    Without its secrets no container starts.
    """
    plan = recorded.plan
    delivered = any(isinstance(step, DeliverFiles) for step in recorded.finished_steps)
    releases = (*((plan.previous,) if plan.previous else ()), *((plan.release,) * delivered))
    there = site.keeper.list(SECRETS)
    gone = [one for one in releases if str(one.number) not in there]
    for release in gone:
        _deliver_secrets_again(site, release)
    served = plan.previous is not None or any(
        isinstance(step, StartServices) for step in recorded.finished_steps
    )
    if served:
        _start_services_again(site)
    for release in gone:
        site.driver.start_again(site, release)
    return bool(gone)


def _deliver_secrets_again(site: Site, release: Release) -> None:
    site.watcher.step(f"deliver the secrets of release {release.number} again")
    site.driver.deliver_secrets(site, str(release.number), shop_secrets(site))


def _start_services_again(site: Site) -> None:
    if site.driver.services_down(site):
        site.watcher.step("start the proxy and services")
        site.driver.start_services(site)


def mend_system(site: Site, state: HostState) -> None:
    """Start again what does not run of what is recorded, e.g. after the host was started anew.

    Raises:
        ReleaseError, EngineError: something does not come up.
    """
    current = state.current
    _start_services_again(site)
    if current is None:
        return
    if not site.keeper.list(f"{SECRETS}/{current.number}"):
        # A folder on tmpfs does not outlive the host's restart.
        _deliver_secrets_again(site, current)
    plan = state.releases[current.number].plan
    steps: tuple[Step, ...] = (
        BootWeb(release=current.number, slot=current.slot),
        StartWorkers(release=current.number),
        *(
            KeepAssets(release=one.number, place=place, versions=plan.versions)
            for place, one in plan.assets.items()
        ),
        Swap(release=current.number, slot=current.slot, versions=plan.versions),
        SetMaintenance(on=False),
    )
    for step in steps:
        site.lease.check()
        site.watcher.step(describe_step(step))
        do_step(site, step)


def abort_release(site: Site, recorded: Recorded) -> None:
    """Put the previous release back instead of going on.

    Where this was refused since the database has become another, it has been restored by now.

    Raises:
        As `run_release`.
    """
    event: Event = "restored" if recorded.stuck else "fail"
    note(site.keeper, site.lease.token, recorded.release.number, event, None, "aborted")
    _deliver_again(site, recorded)
    _put_back(site, recorded, restored=recorded.stuck)


def _put_back(site: Site, recorded: Recorded, *, restored: bool = False) -> None:
    _go_back(site, recorded.plan, recorded.begun, restored=restored or recorded.restored)
    site.hook.end(recorded.plan, "put back", recorded.failed or "aborted")


@contextlib.contextmanager
def _told(site: Site, plan: DeployPlan) -> Iterator[None]:
    """Tell the user's programs how a release has ended."""
    try:
        yield
    except LockedError:
        # Another kiln goes on with it, and will tell.
        raise
    except KilnError as error:
        cause = error.__cause__ if isinstance(error.__cause__, KilnError) else error
        left = isinstance(error, UnfinishedError)
        site.hook.end(plan, "unfinished" if left else "put back", cause.message)
        raise
    except KeyboardInterrupt:
        site.hook.end(plan, "interrupted", "interrupted")
        raise
    site.hook.end(plan, "live", "")


def _go_forward(
    site: Site, plan: DeployPlan, steps: Iterable[Step], begun_before: tuple[Step, ...]
) -> None:
    begun = list(begun_before)
    number = plan.release.number
    recorded = any(isinstance(step, Prune) for step in begun)
    try:
        if not begun:
            site.hook.begin(plan)
        for step in steps:
            site.lease.check()
            recorded |= isinstance(step, Prune)
            note(site.keeper, site.lease.token, number, "begin", step)
            begun.append(step)
            _do(site, plan, step)
            note(site.keeper, site.lease.token, number, "end", step)
        note(site.keeper, site.lease.token, number, "done", None)
    except LockedError:
        raise
    except KilnError as error:
        if recorded:
            # It serves and is the current one: what cannot be cleared up is no reason to go back.
            raise _left(plan, error) from error
        _fail(site, plan, begun, error)
    except KeyboardInterrupt:
        if any(step.do == "swap" for step in begun):
            # The new release serves: the shorter way is forward.
            raise
        site.watcher.step("interrupted: the old release stays")
        noted = _put_down(site, number, "fail", "interrupted")
        _go_back(site, plan, begun, noted=noted)
        raise


def _fail(site: Site, plan: DeployPlan, begun: list[Step], error: KilnError) -> None:
    number = plan.release.number
    site.watcher.step(f"failed: {error.message}")
    try:
        if isinstance(error, DiskFullError):
            make_room(site.keeper, site.lease.token)
        noted = _put_down(site, number, "fail", error.message)
    except EngineError:
        # Nobody answers any more: nothing can be put back from here.
        raise _left(plan, error) from error
    _go_back(site, plan, begun, error, noted=noted)
    serves = f"release {plan.previous.number} serves" if plan.previous else "nothing serves yet"
    code = type(error) if isinstance(error, DiskFullError) else ReleaseError
    raise code(
        f"release {number} failed, {serves}: {error.message}",
        where=error.where,
        details=error.details,
        hint=error.hint,
    ) from error


def _go_back(
    site: Site,
    plan: DeployPlan,
    begun: Iterable[Step],
    error: KilnError | None = None,
    *,
    restored: bool = False,
    noted: bool = True,
) -> None:
    number = plan.release.number
    steps = plan_undo(plan, begun, restored=restored)
    if not steps:
        _put_down(site, number, "stuck", "the old release cannot serve the new schema")
        raise UnfinishedError(
            f"release {number} failed after its migration, and the old release cannot serve what "
            f"the database has become: {error.message if error else 'see kiln history'}",
            where=site.stack.name,
            details=error.details if error else (),
            hint="mend the cause, then `kiln resume` goes forward; or restore the backup, then "
            "`kiln resume --back`",
        ) from error
    try:
        if not noted:
            # Else the next kiln would go forward from a step whose containers are gone by then. To
            # remove a file needs no room; a folder without a plan is no release.
            site.keeper.remove(site.lease.token, f"{release_folder(number)}/plan.json")
        for step in steps:
            site.lease.check()
            _put_down(site, number, "undo", "", step)
            _do(site, plan, step)
    except LockedError:
        raise
    except KilnError as second:
        raise _left(plan, second) from second
    _put_down(site, number, "undone", "")
    _audit(site, plan, "put back")


def _do(site: Site, plan: DeployPlan, step: Step) -> None:
    number = plan.release.number
    site.watcher.step(describe_step(step))
    site.hook("before", step, number)
    # A hook may take longer than a lease.
    site.lease.check()
    do_step(site, step)
    site.hook("after", step, number)


def _put_down(site: Site, number: int, event: Event, detail: str, step: Step | None = None) -> bool:
    """Note on the way back, where a full disk must not keep the old release from serving.

    Returns:
        Whether there was room for it.
    """
    try:
        note(site.keeper, site.lease.token, number, event, step, detail)
    except DiskFullError:
        site.watcher.detail("the disk is full: the journal has a gap")
        return False
    return True


def _audit(site: Site, plan: DeployPlan, what: str) -> None:
    try:
        audit(
            site.keeper,
            site.lease.token,
            what=what,
            release=plan.release.number,
            image=plan.release.image,
            by=plan.release.by,
        )
    except DiskFullError:
        site.watcher.detail("the disk is full: the audit trail has a gap")


def _left(plan: DeployPlan, error: KilnError) -> UnfinishedError:
    return UnfinishedError(
        f"release {plan.release.number} was left half-way: {error.message}",
        where=error.where,
        details=error.details,
        hint="mend the cause, then `kiln resume`: it goes on from there",
    )
