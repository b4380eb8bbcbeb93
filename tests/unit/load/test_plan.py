import itertools

import pytest

from tests.load.plan import Kind, LoadPlan, RefusedError, spread_kinds


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", "172.18.0.2", "192.168.1.9"])
def test_this_machine_and_private_networks_are_taken(host: str) -> None:
    LoadPlan(host, 80, requests=1, seconds=1)


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "172.32.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "2001:4860::8888"],
)
def test_other_addresses_are_refused(host: str) -> None:
    with pytest.raises(RefusedError, match="neither on this machine"):
        LoadPlan(host, 80, requests=1, seconds=1)


def test_names_are_refused() -> None:
    with pytest.raises(RefusedError, match="no IP address"):
        LoadPlan("localhost", 80, requests=1, seconds=1)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("requests", 0),
        ("requests", 10_000_000),
        ("seconds", 0),
        ("seconds", 86_400),
        ("keepalive_clients", 5000),
        ("timeout_s", 0),
        ("rate", 0),
        ("mix", ()),
        ("pages", ()),
    ],
)
def test_a_plan_without_bounds_is_refused(limit: str, value: object) -> None:
    given = {"requests": 1, "seconds": 1, limit: value}
    with pytest.raises(RefusedError, match="out of bounds"):
        LoadPlan("127.0.0.1", 80, **given)  # type: ignore[arg-type]


def test_a_plan_is_the_same_after_json() -> None:
    plan = LoadPlan("127.0.0.1", 80, requests=5, seconds=2.5, rate=100, mix=((Kind.ADD, 1),))
    assert LoadPlan.from_json(plan.to_json()) == plan


def test_kinds_are_mixed() -> None:
    spread = spread_kinds(((Kind.PAGE, 4), (Kind.STATIC, 3), (Kind.CART, 1), (Kind.ADD, 2)))
    assert len(spread) == 10
    assert spread.count(Kind.ADD) == 2
    assert all(one != Kind.ADD or after != Kind.ADD for one, after in itertools.pairwise(spread))
