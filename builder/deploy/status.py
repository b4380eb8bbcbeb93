"""How a system is: what serves, what the proxy sees, what is not as it should be. Read only.

It takes no lock, and what does not answer is a problem in its answer and not an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from docker.models.containers import Container

from builder.deploy.engine import RELEASE_LABEL, ROLE_LABEL
from builder.deploy.keeper import LeaseHolder
from builder.deploy.proxy_reader import ProxyState
from builder.deploy.site import Driver
from builder.deploy.state import NOTHING, HostState, Recorded, read_state
from builder.errors import EngineError, KilnError
from builder.plan.describe import describe_step
from builder.plan.proxy import Mode, Slot
from builder.plan.stack import Stack
from builder.project.frozen import FrozenModel


class Serving(FrozenModel):
    """The release that is recorded as the current one.

    Attributes:
        since: when new requests were sent to it.
        config_hash: SHA-256 of its env.php, hex.
        secrets: versions by name.
    """

    release: int
    image: str
    digest: str
    since: datetime
    by: str
    config_hash: str
    secrets: dict[str, str]
    rolled_back_to: int | None


class Server(FrozenModel):
    """A web container as the proxy sees it."""

    name: str
    address: str
    up: bool
    status: str
    check: str
    requests: int


class Requests(FrozenModel):
    """What a slot was asked since the proxy's worker started."""

    total: int
    errors: int
    connection_errors: int
    response_errors: int
    retries: int


class SlotStatus(FrozenModel):
    """One of the two places where web containers stand.

    Attributes:
        live: new requests go there.
        releases: whose web containers stand there.
        requests_left: that it works on or that wait for it; a drained slot has none.
    """

    slot: Slot
    live: bool
    releases: tuple[int, ...]
    servers: tuple[Server, ...]
    requests_left: int
    traffic: Requests


class ContainerStatus(FrozenModel):
    """A container of the system, as the engine sees it; `health` is empty where none is checked."""

    name: str
    role: str
    release: int | None
    state: str
    health: str
    image: str

    @property
    def works(self) -> bool:
        """Whether nothing is known to be wrong with it."""
        return self.state == "running" and self.health != "unhealthy"


class Unfinished(FrozenModel):
    """A release that has not ended.

    Attributes:
        step: the one that it has come to, in words.
        failed: why it did not go on; empty where it did not fail.
        stuck: it cannot go back by itself.
    """

    release: int
    image: str
    by: str
    step: str
    failed: str
    stuck: bool


class SystemStatus(FrozenModel):
    """All of it.

    Attributes:
        host: the engine's address.
        problems: what is not as it should be, one sentence each.
        mode: None where the proxy does not answer.
        lock: who changes the system just now.
    """

    system: str
    host: str
    at: datetime
    problems: tuple[str, ...]
    serving: Serving | None
    mode: Mode | None
    slots: tuple[SlotStatus, ...]
    containers: tuple[ContainerStatus, ...]
    unfinished: Unfinished | None
    lock: LeaseHolder | None

    @property
    def healthy(self) -> bool:
        """Whether it serves as it should."""
        return not self.problems

    def as_json(self) -> dict[str, object]:
        """For a machine to read."""
        return {"healthy": self.healthy, **self.model_dump(mode="json")}


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read, or why it could not be.

    Attributes:
        state: what is recorded.
        unread: why the records could not be read; empty where they were.
        lock: who has the lease.
        proxy: what the proxy says, or why it does not.
        containers: all of the system's.
        hosts: what is wrong with the hosts themselves.
    """

    state: HostState
    unread: str
    lock: LeaseHolder | None
    proxy: ProxyState | str
    containers: Sequence[ContainerStatus]
    hosts: tuple[str, ...] = ()


def read_status(driver: Driver, stack: Stack, now: datetime) -> SystemStatus:
    """See how a system is.

    Raises:
        EngineError: its engine does not answer.
    """
    return judge_status(stack, driver.address, see(driver), now)


def see(driver: Driver) -> Seen:
    """Read all there is to read.

    Raises:
        EngineError: the engine does not answer.
    """
    containers = [describe_container(one) for one in driver.containers()]
    keeper = driver.find_keeper()
    state, lock, unread = NOTHING, None, ""
    if keeper is not None:
        try:
            state, lock = read_state(keeper), keeper.holder()
        except EngineError as error:
            unread = error.message
    elif containers:
        unread = "the keeper does not run"
    proxy: ProxyState | str
    try:
        proxy = driver.proxy_reader().overview()
    except KilnError as error:
        proxy = error.message
    return Seen(state, unread, lock, proxy, containers, driver.problems(keeper))


def describe_container(container: Container) -> ContainerStatus:
    """What the engine says of a container."""
    state = container.attrs["State"]
    release = container.labels.get(RELEASE_LABEL, "")
    return ContainerStatus(
        name=str(container.name),
        role=container.labels.get(ROLE_LABEL, ""),
        release=int(release) if release.isdigit() else None,
        state=state["Status"],
        health=str(state.get("Health", {}).get("Status", "")),
        image=container.attrs["Config"]["Image"],
    )


def judge_status(stack: Stack, host: str, seen: Seen, now: datetime) -> SystemStatus:
    """What was read as one answer. Pure."""
    state = seen.state
    current = state.releases.get(state.current.number) if state.current else None
    return SystemStatus(
        system=stack.name,
        host=host,
        at=now,
        problems=find_problems(stack, seen),
        serving=_serving(current) if current else None,
        mode=None if isinstance(seen.proxy, str) else seen.proxy.mode,
        slots=() if isinstance(seen.proxy, str) else _slots(seen.proxy, state, seen.containers),
        containers=tuple(seen.containers),
        unfinished=_unfinished(state.unfinished) if state.unfinished else None,
        lock=seen.lock,
    )


def find_problems(stack: Stack, seen: Seen) -> tuple[str, ...]:
    """What is not as it should be. Pure."""
    if not seen.containers:
        return ("nothing is deployed",)
    found = [f"what is recorded cannot be read: {seen.unread}"] if seen.unread else []
    found += seen.hosts
    found += [_say_broken(one) for one in seen.containers if one.role == "keeper" and not one.works]
    for role in ("proxy", *stack.services):
        there = [one for one in seen.containers if one.role == role]
        found += [] if there else [f"there is no {role}"]
        found += [_say_broken(one) for one in there if not one.works]
    found += _release_problems(seen)
    if isinstance(seen.proxy, str):
        found.append(f"the proxy cannot be asked: {seen.proxy}")
    elif seen.proxy.mode == "maintenance":
        found.append("visitors get the maintenance page")
    unfinished = seen.state.unfinished
    if unfinished is not None and seen.lock is None:
        found.append(f"release {unfinished.release.number} was left half-way: `kiln resume`")
    return tuple(found)


def _release_problems(seen: Seen) -> list[str]:
    current, proxy = seen.state.current, seen.proxy
    if current is None:
        return [] if seen.unread else ["no release serves yet"]
    found = []
    if isinstance(proxy, ProxyState):
        if proxy.live is None:
            found.append("the proxy sends requests nowhere")
        elif proxy.live != current.slot and seen.lock is None:
            found.append(
                f"requests go to slot {proxy.live}, and release {current.number} is in "
                f"{current.slot}"
            )
        else:
            up = sum(one.up for one in proxy.slots[proxy.live].servers)
            if up < current.replicas:
                found.append(f"{up} of {current.replicas} web containers get requests")
    if seen.lock is None:
        # A release stops the old ones' workers on its way.
        for role, wanted in (("cron", int(current.cron)), ("consumer", len(current.consumers))):
            works = sum(
                one.works and one.role == role and one.release == current.number
                for one in seen.containers
            )
            if works < wanted:
                found.append(f"{works} of {wanted} {role} containers run")
    return found


def _say_broken(container: ContainerStatus) -> str:
    return f"{container.name} is {container.health or container.state}"


def _serving(recorded: Recorded) -> Serving:
    release = recorded.release
    swapped = [
        one.at
        for one in recorded.journal
        if one.event == "end" and one.step is not None and one.step.do == "swap"
    ]
    return Serving(
        release=release.number,
        image=release.image,
        digest=release.digest,
        since=swapped[-1] if swapped else release.created,
        by=release.by,
        config_hash=release.config_hash,
        secrets=release.secrets,
        rolled_back_to=release.rolled_back_to,
    )


def _slots(
    proxy: ProxyState, state: HostState, containers: Sequence[ContainerStatus]
) -> tuple[SlotStatus, ...]:
    standing = {one.release for one in containers if one.role == "web" and one.release is not None}
    slots: Mapping[int, Slot] = {
        number: one.release.slot for number, one in state.releases.items() if number in standing
    }
    return tuple(
        SlotStatus(
            slot=slot,
            live=slot == proxy.live,
            releases=tuple(sorted(number for number, at in slots.items() if at == slot)),
            servers=tuple(
                Server(
                    name=one.name,
                    address=one.address,
                    up=one.up,
                    status=one.status,
                    check=one.check,
                    requests=one.current,
                )
                for one in found.servers
            ),
            requests_left=found.left,
            traffic=Requests(
                total=found.traffic.requests,
                errors=found.traffic.errors,
                connection_errors=found.traffic.connection_errors,
                response_errors=found.traffic.response_errors,
                retries=found.traffic.retries,
            ),
        )
        for slot, found in proxy.slots.items()
    )


def _unfinished(recorded: Recorded) -> Unfinished:
    steps = [one.step for one in recorded.journal if one.step is not None]
    return Unfinished(
        release=recorded.release.number,
        image=recorded.release.image,
        by=recorded.release.by,
        step=describe_step(steps[-1]) if steps else "",
        failed=recorded.failed,
        stuck=recorded.stuck,
    )
