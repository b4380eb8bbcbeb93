"""Cron jobs and queue messages that run through a swap are each done exactly once."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import Kiln
from tests.e2e.systems import Images, System, run_system
from tests.load.count import (
    all_ticks,
    count_messages,
    count_ticks,
    enqueue_messages,
    schedule_ticks,
    wait_until_none_is_lost,
)

CONSUMER = "kiln.sample.cart"


@pytest.fixture(scope="module")
def working(
    kiln: Kiln,
    engine: docker.DockerClient,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """A system with a queue, a consumer, and cron jobs that take a while."""
    folder: Path = tmp_path_factory.mktemp("working")
    with run_system(
        kiln,
        engine,
        images,
        folder,
        services=("database", "cache", "queue"),
        settings={"kiln/sample/cron_sleep_ms": 1500},
        consumers=[CONSUMER],
    ) as made:
        ended = made.deploy(images.first)
        assert ended.code == 0, ended.err
        yield made


def test_jobs_and_messages_are_done_once_each_through_a_swap(
    working: System, images: Images
) -> None:
    sql = working.sql
    ticks = schedule_ticks(sql, 40)
    messages = enqueue_messages("127.0.0.1", working.port, 300)
    ended = working.deploy(images.second)
    assert ended.code == 0, ended.err
    messages += enqueue_messages("127.0.0.1", working.port, 100)
    ticks += schedule_ticks(sql, 5)
    assert wait_until_none_is_lost(lambda: count_messages(sql, messages), 120).is_exact
    assert wait_until_none_is_lost(lambda: count_ticks(sql, ticks), 240).is_exact
    # Those that cron itself has planned meanwhile as well.
    assert wait_until_none_is_lost(lambda: count_ticks(sql, all_ticks(sql)), 120).is_exact
    # Both releases have worked: the swap came in the middle.
    assert int(sql("SELECT COUNT(DISTINCT host) FROM kiln_sample_tick")) >= 2


def test_there_is_one_cron_whatever_happens(working: System, images: Images) -> None:
    assert len(working.names(role="cron")) == 1
    assert working.deploy(images.failing).code == 21
    assert len(working.names(role="cron")) == 1
    assert working.names(role="consumer") == [
        f"r{working.current}-consumer-{CONSUMER.replace('.', '-')}"
    ]
