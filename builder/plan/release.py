"""A release as typed steps: what `kiln plan` prints is what a release executes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from builder.plan.proxy import MOST_ASSETS, Slot, assets_backend, other_slot, slot_backend
from builder.project.frozen import FrozenModel

MigrationKind = Literal["none", "install", "additive", "destructive"]


class Release(FrozenModel):
    """One release: what a rollback brings back.

    Attributes:
        number: from 1, rising.
        image: repository and digest.
        content_version: of its static content, decimal digits.
        slot: where its web containers stand.
        replicas: web containers.
        consumers, cron: what works beside them.
        config_hash: SHA-256 of its env.php, hex.
        variables: environment variables; no secrets.
        secrets: the version of each secret, by name.
        schema_image: the image whose migration the database has had last; other than `image` after
            a rollback, since Kiln never migrates back.
        rolled_back_to: the number of the release whose image and configuration it has.
        created: when it was planned.
        by: user and host.
    """

    number: int
    image: str
    content_version: str
    slot: Slot
    replicas: int
    consumers: tuple[str, ...]
    cron: bool
    config_hash: str
    variables: dict[str, str]
    secrets: dict[str, str]
    schema_image: str
    rolled_back_to: int | None = None
    created: datetime
    by: str

    @property
    def digest(self) -> str:
        """`sha256:...`"""
        return self.image.partition("@")[2]


class PullImage(FrozenModel):
    """Fetch the image on the host, by digest."""

    do: Literal["pull"] = "pull"
    image: str


class DeliverFiles(FrozenModel):
    """Write the release's secrets and compose file on the host.

    Attributes:
        secrets_of: the release whose secrets it gets, for a rollback; None for those of today.
    """

    do: Literal["deliver"] = "deliver"
    release: int
    secrets_of: int | None = None


class ConfigureProxy(FrozenModel):
    """Give the proxy another configuration, without a lost connection."""

    do: Literal["proxy"] = "proxy"


class StartServices(FrozenModel):
    """Start the proxy and services that do not run.

    Attributes:
        start: what did not run when the plan was made.
        restart: what runs and is to be another: the shop is interrupted.
    """

    do: Literal["services"] = "services"
    start: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()


class SetMaintenance(FrozenModel):
    """Answer 503 to visitors, or serve again."""

    do: Literal["maintenance"] = "maintenance"
    on: bool


class RunBackup(FrozenModel):
    """Run the environment's backup command."""

    do: Literal["backup"] = "backup"


class Migrate(FrozenModel):
    """Run a role of the new image once, in a container that is thrown away."""

    do: Literal["migrate"] = "migrate"
    release: int
    role: Literal["install", "migrate", "import"]


class BootWeb(FrozenModel):
    """Start the web containers of a release and wait until they are healthy and stay it."""

    do: Literal["boot"] = "boot"
    release: int
    slot: Slot


class WarmUp(FrozenModel):
    """Ask every new web container for pages; each must answer."""

    do: Literal["warm"] = "warm"
    release: int
    paths: tuple[str, ...]


class Swap(FrozenModel):
    """Send new requests to a slot.

    Attributes:
        versions: which backend has the static files of which content version.
    """

    do: Literal["swap"] = "swap"
    release: int
    slot: Slot
    versions: dict[str, str]


class PurgeVarnish(FrozenModel):
    """Have each Varnish forget all pages, as Magento\\CacheInvalidate\\Model\\PurgeCache does.

    Attributes:
        release: from whose web containers.
        servers: `host:port` each.
    """

    do: Literal["purge"] = "purge"
    release: int
    servers: tuple[str, ...]


class Watch(FrozenModel):
    """Count errors of a slot for a while."""

    do: Literal["watch"] = "watch"
    release: int
    slot: Slot
    seconds: int


class Drain(FrozenModel):
    """Wait until a slot has no request left, as measured at the proxy."""

    do: Literal["drain"] = "drain"
    slot: Slot


class StopWorkers(FrozenModel):
    """Stop cron and consumers of a release; what runs may finish."""

    do: Literal["stop-workers"] = "stop-workers"
    release: int


class StartWorkers(FrozenModel):
    """Start cron and consumers of a release."""

    do: Literal["start-workers"] = "start-workers"
    release: int


class KeepAssets(FrozenModel):
    """Serve a release's static files from a container without PHP from now on."""

    do: Literal["keep-assets"] = "keep-assets"
    release: int
    place: int
    versions: dict[str, str]


class StopWeb(FrozenModel):
    """Stop and remove the web containers of a release."""

    do: Literal["stop-web"] = "stop-web"
    release: int


class Record(FrozenModel):
    """Make a release the current one."""

    do: Literal["record"] = "record"
    release: int


class RemoveRelease(FrozenModel):
    """Remove all containers and secrets of a release that did not come to serve."""

    do: Literal["remove"] = "remove"
    release: int


class Prune(FrozenModel):
    """Remove releases that are not kept, with their containers, files and images.

    Attributes:
        keep: the releases that stay.
        assets: those whose static files are served.
    """

    do: Literal["prune"] = "prune"
    keep: tuple[int, ...]
    assets: tuple[int, ...]
    versions: dict[str, str]


Step = Annotated[
    PullImage
    | DeliverFiles
    | ConfigureProxy
    | StartServices
    | SetMaintenance
    | RunBackup
    | Migrate
    | BootWeb
    | WarmUp
    | Swap
    | PurgeVarnish
    | Watch
    | Drain
    | StopWorkers
    | StartWorkers
    | KeepAssets
    | StopWeb
    | Record
    | RemoveRelease
    | Prune,
    Field(discriminator="do"),
]
# Steps that are there only where something is to be another than it is.
_CHANGES = ("services", "proxy", "maintenance", "backup", "migrate")


class DeployPlan(FrozenModel):
    """Everything that a release does, in order.

    Attributes:
        stack: the stack's name.
        release: the new one.
        previous: the one that serves so far; None on an empty host.
        assets: the old release whose static files are served at each place, from 1.
        migration: what becomes of the database.
        reasons: why, one sentence each.
        steps: in order.
        waiting: the proxy and services that are to be others, and stay as they run.
    """

    stack: str
    release: Release
    previous: Release | None
    assets: dict[int, Release]
    migration: MigrationKind
    reasons: tuple[str, ...]
    steps: tuple[Step, ...]
    waiting: tuple[str, ...] = ()

    @property
    def versions(self) -> dict[str, str]:
        """Which backend has the static files of which content version, once it has ended."""
        return map_versions((self.release,), self.assets)

    @property
    def restarts(self) -> tuple[str, ...]:
        """What runs and is started anew, which interrupts the shop."""
        return tuple(
            name for step in self.steps if isinstance(step, StartServices) for name in step.restart
        )

    @property
    def needs_window(self) -> bool:
        """Whether visitors get 503 for a while."""
        return any(isinstance(step, SetMaintenance) for step in self.steps)

    @property
    def needs_acceptance(self) -> bool:
        """Whether what serves the shop so far, Kiln's or not, may not get on with the database."""
        return self.migration == "destructive"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan is made for.

    Attributes:
        release: the new release, its slot being free.
        previous: the current one.
        old: releases before the current one, the newest first.
        assets: which old releases' static files are served so far, by place.
        migration, needs_import, reasons: the judgement over the database.
        secrets_of: as in DeliverFiles.
        services_down: the proxy and services that do not run.
        services_differ: those that run and are to be others.
        restart_services: change these too, which interrupts the shop.
        proxy_differs: the proxy's configuration is to be another.
        varnish: `host:port` of each.
        backup: there is a backup command.
        warm: paths.
        watch: seconds.
        keep: how many old releases.
    """

    release: Release
    previous: Release | None
    old: Sequence[Release]
    assets: Mapping[int, Release]
    migration: MigrationKind
    needs_import: bool
    reasons: tuple[str, ...]
    secrets_of: int | None
    services_down: tuple[str, ...]
    services_differ: tuple[str, ...]
    restart_services: bool
    proxy_differs: bool
    varnish: tuple[str, ...]
    backup: bool
    warm: tuple[str, ...]
    watch: int
    keep: int


def free_slot(previous: Release | None) -> Slot:
    """The slot that the current release is not in."""
    return "blue" if previous is None else other_slot(previous.slot)


# Where a release that was swapped in and taken back has its static files. The places before it are
# for old releases: one more than can be kept, since a new one moves in before the oldest moves out.
# All of them are in the proxy's configuration for good, however many are kept just now: an old
# release stays where it is.
SPARE_PLACE = MOST_ASSETS


def map_versions(
    webs: Iterable[Release], assets: Mapping[int, Release], spare: Mapping[int, Release] = {}
) -> dict[str, str]:
    """Which backend has the static files of which content version; web containers first."""
    found: dict[str, str] = {}
    for release in webs:
        found.setdefault(release.content_version, slot_backend(release.slot))
    for place, release in {**assets, **spare}.items():
        found.setdefault(release.content_version, assets_backend(place))
    return found


def plan_deploy(stack: str, wish: Wish) -> DeployPlan:
    """Put the steps of a release in order."""
    new, previous = wish.release, wish.previous
    window = wish.migration == "destructive" and previous is not None
    steps: list[Step] = [
        PullImage(image=new.image),
        DeliverFiles(release=new.number, secrets_of=wish.secrets_of),
    ]
    restarted = wish.services_differ if wish.restart_services else ()
    if wish.services_down or restarted:
        steps.append(StartServices(start=wish.services_down, restart=restarted))
    # One that is started reads its configuration then.
    if wish.proxy_differs and "proxy" not in (*wish.services_down, *restarted):
        steps.append(ConfigureProxy())
    if window and previous is not None:
        steps += [
            SetMaintenance(on=True),
            Drain(slot=previous.slot),
            StopWorkers(release=previous.number),
        ]
    role = _role(wish)
    if role is not None:
        if wish.backup:
            steps.append(RunBackup())
        steps.append(Migrate(release=new.number, role=role))
    webs = (new,) if previous is None else (new, previous)
    steps += [
        BootWeb(release=new.number, slot=new.slot),
        WarmUp(release=new.number, paths=wish.warm),
        Swap(release=new.number, slot=new.slot, versions=map_versions(webs, wish.assets)),
    ]
    if window:
        steps.append(SetMaintenance(on=False))
    # Again after the drain: the last requests may have put old pages there.
    purge = [PurgeVarnish(release=new.number, servers=wish.varnish)] if wish.varnish else []
    steps += purge
    kept, assets = _keep(wish)
    versions = map_versions((new,), assets)
    if previous is not None:
        steps.append(Watch(release=new.number, slot=new.slot, seconds=wish.watch))
        # Before the drain: as long as static files come from the old slot, it is never empty.
        steps += [
            KeepAssets(release=release.number, place=place, versions=versions)
            for place, release in assets.items()
            if release.number == previous.number
        ]
        steps += [Drain(slot=previous.slot), *purge]
        if not window:
            steps.append(StopWorkers(release=previous.number))
    steps.append(StartWorkers(release=new.number))
    if previous is not None:
        steps.append(StopWeb(release=previous.number))
    steps.append(Record(release=new.number))
    steps.append(
        Prune(
            keep=(new.number, *(one.number for one in kept)),
            assets=tuple(one.number for one in assets.values()),
            versions=versions,
        )
    )
    return DeployPlan(
        stack=stack,
        release=new,
        previous=previous,
        assets=assets,
        migration=wish.migration,
        reasons=wish.reasons,
        steps=tuple(steps),
        waiting=() if wish.restart_services else wish.services_differ,
    )


def is_needless(plan: DeployPlan) -> bool:
    """Whether a plan would only start anew what serves: nothing that it brings is another."""
    new, old = plan.release, plan.previous
    if old is None or any(step.do in _CHANGES for step in plan.steps):
        return False
    # What differs in every release; a rollback's own words say nothing of what runs.
    own = ("number", "slot", "schema_image", "rolled_back_to", "created", "by")
    return old.model_copy(update={name: getattr(new, name) for name in own}) == new


def _role(wish: Wish) -> Literal["install", "migrate", "import"] | None:
    if wish.migration == "install":
        return "install"
    if wish.migration in ("additive", "destructive"):
        return "migrate"
    return "import" if wish.needs_import else None


def _keep(wish: Wish) -> tuple[tuple[Release, ...], dict[int, Release]]:
    """The old releases that stay, and the place of each one's static files.

    A release whose content version is another kept one's needs no place: the bytes are the same.
    """
    if wish.previous is None:
        return (), {}
    kept = (wish.previous, *wish.old)[: wish.keep]
    versions = {wish.release.content_version}
    served = {}
    for release in kept:
        if release.content_version not in versions:
            versions.add(release.content_version)
            served[release.number] = release
    assets = {at: one for at, one in wish.assets.items() if one.number in served}
    free = (at for at in range(1, SPARE_PLACE) if at not in wish.assets)
    placed = {one.number for one in assets.values()}
    for number, release in served.items():
        if number not in placed:
            assets[next(free)] = release
    return kept, dict(sorted(assets.items()))


def plan_undo(
    plan: DeployPlan, begun: Iterable[Step], *, restored: bool = False
) -> tuple[Step, ...]:
    """The steps that put the previous release back, from the steps that were begun.

    Pages of the new release are in browsers by then if it was swapped in: its static files are
    served on, as any old release's are.

    After a destructive migration there are none: the old release cannot serve the new schema,
    unless the database was restored.
    """
    begun = tuple(begun)
    kinds = {step.do for step in begun}
    new, previous = plan.release, plan.previous
    if plan.migration == "destructive" and "migrate" in kinds and not restored:
        return ()
    steps: list[Step] = []
    if previous is not None:
        swapped = "swap" in kinds
        if "stop-web" in kinds:
            steps.append(BootWeb(release=previous.number, slot=previous.slot))
        if swapped:
            old = {at: one for at, one in plan.assets.items() if one.number != previous.number}
            versions = map_versions((previous, new), old)
            steps.append(Swap(release=previous.number, slot=previous.slot, versions=versions))
            servers = next((one.servers for one in plan.steps if isinstance(one, PurgeVarnish)), ())
            purge = [PurgeVarnish(release=previous.number, servers=servers)] if servers else []
            steps += purge
            if new.content_version != previous.content_version:
                versions = map_versions((previous,), old, {SPARE_PLACE: new})
                steps.append(KeepAssets(release=new.number, place=SPARE_PLACE, versions=versions))
            steps += [Drain(slot=new.slot), *purge]
        if "start-workers" in kinds:
            steps.append(StopWorkers(release=new.number))
        if "stop-workers" in kinds:
            steps.append(StartWorkers(release=previous.number))
        if "maintenance" in kinds:
            steps.append(SetMaintenance(on=False))
        if "record" in kinds:
            steps.append(Record(release=previous.number))
        if swapped:
            return (*steps, StopWeb(release=new.number))
    return (*steps, RemoveRelease(release=new.number))
