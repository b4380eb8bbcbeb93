"""How a system is said to be, from what was read of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builder.deploy.keeper import LeaseHolder
from builder.deploy.proxy_reader import ProxyState, ServerState, SlotState, Traffic
from builder.deploy.state import NOTHING
from builder.deploy.status import ContainerStatus, Seen, judge_status
from builder.plan.proxy import Mode, Slot
from builder.plan.release import BootWeb, Swap
from tests.unit.records import NOON, make_image, make_release, make_stack, make_state, record

RELEASE = make_release(3)
SWAP = Swap(release=3, slot="blue", versions={})
DONE = record(RELEASE, ("begin", SWAP, ""), ("end", SWAP, ""), ("done", None, ""))
HOLDER = LeaseHolder(
    owner="tom@ci, process 7", command="kiln deploy production", since="noon", process=""
)


def make_container(role: str, release: int | None = None, **changes: Any) -> ContainerStatus:
    values: dict[str, Any] = {
        "name": f"sample-{role}",
        "role": role,
        "release": release,
        "state": "running",
        "health": "healthy",
        "image": "any",
    }
    return ContainerStatus(**{**values, **changes})


CONTAINERS = (
    make_container("keeper", health=""),
    make_container("proxy", health=""),
    make_container("database"),
    make_container("web", 3, name="sample-r3-web-1"),
    make_container("web", 3, name="sample-r3-web-2"),
    make_container("cron", 3),
)


def make_slot(up: int, left: int = 0) -> SlotState:
    servers = tuple(
        ServerState(f"web{at}", f"10.0.0.{at}:8080", at <= up, "UP", "L7OK", 0) for at in (1, 2)
    )
    return SlotState(servers, left, Traffic(8, 100, 1, 0, 0, 0, 0, 0))


def make_proxy(
    live: Slot | None = "blue", mode: Mode = "open", blue: int = 2, green: int = 0, left: int = 0
) -> ProxyState:
    return ProxyState(live, mode, {"blue": make_slot(blue), "green": make_slot(green, left)})


SEEN = Seen(
    state=make_state(RELEASE, DONE),
    unread="",
    lock=None,
    proxy=make_proxy(),
    containers=CONTAINERS,
)


def problems(seen: Seen) -> tuple[str, ...]:
    return judge_status(make_stack(), "unix:///engine", seen, NOON).problems


def test_a_system_that_serves_as_it_should_is_healthy() -> None:
    found = judge_status(make_stack(), "unix:///engine", SEEN, NOON)
    assert found.healthy
    assert found.serving is not None
    assert found.serving.digest == make_image("3").partition("@")[2]
    # Since the swap's end, not since the plan.
    assert found.serving.since == RELEASE.created + timedelta(minutes=2)
    blue, green = found.slots
    assert (blue.live, blue.releases, blue.traffic.total) == (True, (3,), 100)
    assert (green.live, green.releases) == (False, ())
    assert found.as_json()["healthy"] is True


def test_what_the_old_slot_still_works_on_is_counted() -> None:
    found = judge_status(
        make_stack(), "unix:///engine", replace(SEEN, proxy=make_proxy(left=4)), NOON
    )
    assert [one.requests_left for one in found.slots] == [0, 4]
    assert found.healthy


def without(role: str) -> tuple[ContainerStatus, ...]:
    return tuple(one for one in CONTAINERS if one.role != role)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"containers": (), "state": NOTHING}, "nothing is deployed"),
        ({"state": NOTHING, "unread": "it is torn"}, "recorded cannot be read: it is torn"),
        ({"state": NOTHING}, "no release serves yet"),
        ({"containers": without("database")}, "there is no database"),
        ({"containers": without("cron")}, "0 of 1 cron containers run"),
        ({"proxy": "no answer"}, "the proxy cannot be asked: no answer"),
        ({"proxy": make_proxy(mode="maintenance")}, "visitors get the maintenance page"),
        ({"proxy": make_proxy(blue=1)}, "1 of 2 web containers get requests"),
        ({"proxy": make_proxy(live=None)}, "the proxy sends requests nowhere"),
        ({"proxy": make_proxy(live="green", green=2)}, "requests go to slot green"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], problem: str) -> None:
    (found,) = problems(replace(SEEN, **changes))
    assert problem in found


@pytest.mark.parametrize(
    ("state", "health", "said"),
    [("running", "unhealthy", "unhealthy"), ("restarting", "", "restarting")],
)
def test_a_service_that_does_not_work_is_named(state: str, health: str, said: str) -> None:
    broken = make_container("database", state=state, health=health)
    seen = replace(SEEN, containers=(*without("database"), broken))
    assert problems(seen) == (f"sample-database is {said}",)


def test_a_release_that_was_left_is_a_problem_and_one_that_is_under_way_is_none() -> None:
    boot = BootWeb(release=4, slot="green")
    left = record(make_release(4), ("begin", boot, ""), previous=RELEASE)
    seen = replace(SEEN, state=make_state(RELEASE, DONE, left))
    assert problems(seen) == ("release 4 was left half-way: `kiln resume`",)
    # On its way it has swapped, and stopped the old one's cron.
    swapped = replace(
        seen, lock=HOLDER, proxy=make_proxy(live="green", green=2), containers=without("cron")
    )
    found = judge_status(make_stack(), "unix:///engine", swapped, NOON)
    assert found.healthy
    assert found.lock == HOLDER
    assert found.unfinished is not None
    assert "slot green" in found.unfinished.step


def test_a_release_that_failed_says_why() -> None:
    boot = BootWeb(release=4, slot="green")
    left = record(make_release(4), ("begin", boot, ""), ("fail", None, "is unhealthy"))
    found = judge_status(
        make_stack(),
        "unix:///engine",
        replace(SEEN, state=make_state(RELEASE, DONE, left)),
        NOON,
    )
    assert found.unfinished is not None
    assert found.unfinished.failed == "is unhealthy"
