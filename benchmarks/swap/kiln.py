"""Kiln's part of the comparison: what it does to a running shop, each under the same load."""

import dataclasses
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker

from benchmarks.swap.measure import Row, measure_swap
from tests.conftest import Ended, Kiln
from tests.e2e.systems import TIMEOUTS, Images, System, run_system
from tests.load.plan import LoadPlan

# As long as the others take without an answer is not asked of a user: these are its defaults.
DEFAULTS = {**TIMEOUTS, "watch": 30, "stable": 10, "drain": 90}
_FAILED = 21


def run_kiln(kiln: Kiln, images: Images, plan: LoadPlan, requests: int) -> Iterator[Row]:
    """A system of two replicas, brought through every scenario; a row for each.

    Raises AssertionError where `kiln` ends otherwise than the scenario has it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder,
        run_system(
            kiln,
            docker.from_env(),
            images,
            Path(folder) / "system",
            timeouts=DEFAULTS,
            web={"replicas": 2, "max_children": 16},
        ) as system,
    ):
        _must(0, lambda: system.deploy(images.first))
        # The proxy's own address, as with the other tools.
        network = system.containers(role="proxy")[0].attrs["NetworkSettings"]["Networks"]
        (own,) = network.values()
        plan = dataclasses.replace(plan, host=own["IPAddress"], port=8080)
        for scenario, code, act in _scenarios(system, images):
            swap = _expecting(code, act)
            yield measure_swap("kiln", scenario, plan, requests, swap, system.sql)[0]


def _scenarios(system: System, images: Images) -> Iterator[tuple[str, int, Callable[[], Ended]]]:
    yield "deploy", 0, lambda: system.deploy(images.second)
    yield "rollback", 0, lambda: system("rollback", system.name)
    yield "unhealthy image", _FAILED, lambda: system.deploy(images.unhealthy)
    yield "image that crashes after 5 s", _FAILED, lambda: system.deploy(images.crashing)
    yield "warm-up failure", _FAILED, lambda: system.deploy(images.failing)
    yield (
        "secret rotation",
        0,
        lambda: system(
            *("secrets", "rotate", system.name, "db-password", "--from-stdin"),
            stdin=secrets.token_hex(16),
        ),
    )
    yield "proxy configuration reload", 0, lambda: _reload(system, images)


def _reload(system: System, images: Images) -> Ended:
    system.change(maintenance={"retry_after": 61})
    return system.deploy(images.second)


def _expecting(code: int, act: Callable[[], Ended]) -> Callable[[], None]:
    return lambda: _must(code, act)


def _must(code: int, act: Callable[[], Ended]) -> None:
    ended = act()
    assert ended.code == code, ended.err
