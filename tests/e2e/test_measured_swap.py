"""What measures a swap, on the real shop: steady load has no failure, and a loss is seen."""

import functools
import os
from collections.abc import Iterator

import docker
import pytest
import requests

from benchmarks.swap.measure import measure_swap
from benchmarks.swap.stack import (
    REPLICAS,
    Shop,
    Stack,
    make_stack,
    start_shop,
    wait_served,
)
from benchmarks.swap.tools import swap_by_compose, swap_by_rollout
from tests.e2e.systems import Images
from tests.load.count import (
    all_ticks,
    count_messages,
    count_ticks,
    count_writes,
    enqueue_messages,
    schedule_ticks,
    wait_until_none_is_lost,
)
from tests.load.plan import Kind, LoadPlan
from tests.load.process import start_load

# What measures, not what is shipped.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stack(images: Images) -> Iterator[Stack]:
    with make_stack(f"kiln-test-swap-{os.getpid()}", images.first) as made:
        yield made


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Shop:
    return start_shop(stack)


def plan_load(shop: Shop, number: int) -> LoadPlan:
    return LoadPlan(
        shop.host,
        shop.port,
        number,
        seconds=600,
        rate=40,
        keepalive_clients=4,
        new_clients=4,
        timeout_s=60,
    )


def web_images(stack: Stack) -> list[str]:
    engine = docker.from_env()
    numbers = stack.compose("ps", "--quiet", "web").split()
    return [str(engine.containers.get(number).attrs["Config"]["Image"]) for number in numbers]


def test_steady_load_has_no_failure_and_every_write_is_found(shop: Shop) -> None:
    plan = plan_load(shop, 400)
    with start_load(plan) as load:
        result = load.wait()
    figures = result.figures()
    assert figures.failed == 0, result.summary()
    assert set(figures.requests_by) == {kind for kind, _ in plan.mix}
    assert len(result.acknowledged) == figures.requests_by[Kind.ADD]
    assert len(result.versions) == 1
    assert count_writes(shop.sql, result).is_exact

    gone = result.acknowledged[7]
    shop.sql(f"DELETE FROM quote_item WHERE request_id = '{gone}'")
    assert count_writes(shop.sql, result).lost == [gone]


def test_the_shop_says_of_a_request_that_is_sent_again_that_it_was(shop: Shop) -> None:
    """Which is how the generator knows of a proxy that does so."""
    address = f"http://{shop.host}:{shop.port}/checkout/cart/add"
    form = {"sku": "24-MB01", "qty": "1", "request_id": f"again-{os.getpid()}"}
    told = [requests.post(address, data=form, timeout=30).json()["duplicate"] for _ in range(2)]
    assert told == [False, True]


def test_messages_and_cron_jobs_are_counted(stack: Stack, shop: Shop) -> None:
    sql = shop.sql
    messages = enqueue_messages(shop.host, shop.port, 20)
    ticks = schedule_ticks(sql, 3)
    assert len(count_messages(sql, messages).lost) == 20
    assert count_ticks(sql, ticks).lost == ticks
    stack.compose("--profile", "workers", "up", "--detach", "cron", "consumer")
    assert wait_until_none_is_lost(lambda: count_messages(sql, messages), 90).is_exact
    assert wait_until_none_is_lost(lambda: count_ticks(sql, ticks), 90).is_exact
    stack.compose("--profile", "workers", "stop", "cron", "consumer")
    assert set(ticks) <= set(all_ticks(sql))
    assert count_ticks(sql, all_ticks(sql)).is_exact

    sql(f"INSERT INTO kiln_sample_message (request_id) VALUES ('{messages[3]}')")
    assert count_messages(sql, messages).repeated == [messages[3]]
    sql(f"INSERT INTO kiln_sample_tick (schedule_id, started_at) VALUES ({ticks[1]}, NOW())")
    assert count_ticks(sql, ticks).repeated == [ticks[1]]


def test_replacing_all_containers_at_once_is_seen_as_failures(
    stack: Stack, shop: Shop, images: Images
) -> None:
    swap = functools.partial(swap_by_compose, stack.with_image(images.second))
    row, result = measure_swap("compose", "deploy", plan_load(shop, 20_000), 600, swap, shop.sql)
    wait_served(shop)
    assert web_images(stack) == [images.second] * REPLICAS
    assert row.requests >= 600
    assert row.failed > 0
    assert (row.lost_writes, row.duplicated) == (0, 0)
    assert len(result.versions) == 2


def test_a_rollout_leaves_as_many_containers_of_the_other_image(
    stack: Stack, shop: Shop, images: Images
) -> None:
    other = images.first if images.second in web_images(stack) else images.second
    swap_by_rollout(stack.with_image(other))
    assert web_images(stack) == [other] * REPLICAS
    wait_served(shop)
