"""What nothing needs any more of a stack, found by what the live release still leads to.

Needed are the live release, those that can be rolled back to, and static files that the proxy leads
to. Whoever removes holds the lease, and no release is under way.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import docker.errors

from builder.deploy.engine import (
    RELEASE_LABEL,
    ROLE_LABEL,
    Engine,
    engine_errors,
    stack_containers,
    stop_containers,
)
from builder.deploy.keeper import SECRETS, Keeper
from builder.deploy.state import PROBE, RELEASES, HostState

# Records are small; beyond so many even they go, but for those of releases that are needed.
KEPT_RECORDS = 100


@dataclass(frozen=True, slots=True)
class Needed:
    """What must stay.

    Attributes:
        live: the number of the release that serves; None before the first.
        releases: that one, and those that can be rolled back to.
        assets: releases whose static files visitors may still ask for.
    """

    live: int | None
    releases: Set[int]
    assets: Set[int]


@dataclass(frozen=True, slots=True)
class Found:
    """What a stack has on its host.

    Attributes:
        containers: by name their release and role.
        secrets: names of the folders below /secrets.
        records: names of the folders below /state/releases.
        images: all images of the host, as repository and digest.
    """

    containers: Mapping[str, tuple[str, str]]
    secrets: tuple[str, ...]
    records: tuple[str, ...]
    images: Set[str]


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is to be removed; each by name."""

    containers: tuple[str, ...]
    secrets: tuple[str, ...]
    images: tuple[str, ...]
    records: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many things it is."""
        return sum(map(len, (self.containers, self.secrets, self.images, self.records)))

    def __bool__(self) -> bool:
        return self.count > 0


def find_needed(state: HostState, keep: int, versions: Mapping[str, str]) -> Needed:
    """What must stay. Pure.

    Args:
        state: what is recorded.
        keep: so many releases can be rolled back to.
        versions: the proxy's map: the backend of each content version.
    """
    live = state.current
    targets = [] if live is None else [live, *state.rollback_targets[:keep]]
    led_to = {version for version, backend in versions.items() if "assets" in backend}
    return Needed(
        live=live.number if live else None,
        releases={one.number for one in targets},
        assets={
            number
            for number, one in state.releases.items()
            if one.release.content_version in led_to
        },
    )


def find_garbage(state: HostState, needed: Needed, found: Found) -> Garbage:
    """What nothing needs. Pure."""
    kept = {str(number) for number in needed.releases}

    def is_needed(release: str, role: str) -> bool:
        if role == "assets":
            return release in {str(number) for number in needed.assets}
        return role != "job" and release == str(needed.live)

    served = {
        int(release)
        for release, role in found.containers.values()
        if role == "assets" and is_needed(release, role)
    }
    stay = {*needed.releases, *served}
    wanted = {
        image
        for number, one in state.releases.items()
        if number in stay
        for image in (one.release.image, one.release.schema_image)
    }
    newest = {str(number) for number in sorted(state.releases, reverse=True)[:KEPT_RECORDS]}
    return Garbage(
        containers=tuple(
            name
            for name, (release, role) in sorted(found.containers.items())
            if not is_needed(release, role)
        ),
        secrets=tuple(
            name for name in found.secrets if name == PROBE or (name.isdigit() and name not in kept)
        ),
        images=tuple(
            sorted(({one.release.image for one in state.releases.values()} - wanted) & found.images)
        ),
        records=tuple(
            name
            for name in found.records
            if name == PROBE or (name.isdigit() and name not in newest and int(name) not in stay)
        ),
    )


def look_around(engine: Engine, keeper: Keeper) -> Found:
    """See what a stack has on its host.

    Raises:
        EngineError: the engine does not answer.
    """
    with engine_errors(engine.name):
        images = engine.client.api.images()
    return Found(
        containers={
            str(one.name): (one.labels[RELEASE_LABEL], one.labels.get(ROLE_LABEL, ""))
            for one in stack_containers(engine, keeper.stack)
            if RELEASE_LABEL in one.labels
        },
        secrets=keeper.list(SECRETS),
        records=keeper.list(RELEASES),
        images={digest for one in images for digest in one["RepoDigests"] or ()},
    )


def remove_garbage(
    engine: Engine,
    keeper: Keeper,
    token: int,
    garbage: Garbage,
    seconds: float,
    tell: Callable[[str], None],
) -> None:
    """Remove what nothing needs; containers may finish what they serve.

    Args:
        engine: the host's.
        keeper: the stack's.
        token: of the lease.
        garbage: what.
        seconds: until a container is killed.
        tell: told of what stays nevertheless.

    Raises:
        EngineError: the engine does not answer.
        LockedError: the lease is lost.
    """
    stop_containers(
        [
            one
            for one in stack_containers(engine, keeper.stack)
            if str(one.name) in garbage.containers
        ],
        seconds,
        engine.name,
    )
    folders = [f"{SECRETS}/{name}" for name in garbage.secrets]
    folders += [f"{RELEASES}/{name}" for name in garbage.records]
    if folders:
        keeper.remove(token, *folders)
    for image in garbage.images:
        _remove_image(engine, image, tell)


def _remove_image(engine: Engine, image: str, tell: Callable[[str], None]) -> None:
    with engine_errors(image):
        try:
            engine.client.images.remove(image)
        except docker.errors.APIError as error:
            # Not there any more, or another stack's container uses it.
            if error.status_code not in (404, 409):
                tell(f"{image} stays: {error.explanation}")
