"""Hosts of a swarm that go down in the middle of a release: it ends on one release everywhere."""

import contextlib
import time
from collections.abc import Iterator, Sequence

import pytest
import requests

from tests.conftest import Kiln
from tests.e2e.swarms import Swarm, SwarmSystem, private_swarm, run_swarm_system
from tests.e2e.systems import Images, other_image, wait_for_step
from tests.hosts import Host, wait_until
from tests.load.count import count_writes
from tests.load.process import start_load
from tests.load.result import LoadResult, merge_results

pytestmark = pytest.mark.long

CLIENTS = 3


@pytest.fixture(scope="module")
def swarm() -> Iterator[Swarm]:
    with private_swarm(managers=3, workers=1) as made:
        yield made


@pytest.fixture(scope="module")
def system(
    kiln: Kiln, swarm: Swarm, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SwarmSystem]:
    """A production on four nodes; its database is on a manager that is not the leader."""
    folder = tmp_path_factory.mktemp("swarm")
    with run_swarm_system(
        kiln, swarm, images, folder, swarm={"down": "go_on"}, web={"replicas": 4, "max_children": 4}
    ) as made:
        holder = next(one for one in swarm.hosts[:3] if one is not swarm.leader())
        swarm.manager().docker(
            "node", "update", "--label-add", f"io.kiln.data.{made.stack}=yes", node_id(holder)
        )
        made.done("deploy", made.name, images.first)
        yield made


def holds_database(host: Host) -> bool:
    return bool(host.client().containers.list(filters={"label": "io.kiln.role=database"}))


def node_id(host: Host) -> str:
    return host.docker("info", "--format", "{{.Swarm.NodeID}}").strip()


def release_while(
    system: SwarmSystem, image: str, victim: Host, step: str
) -> tuple[int, str, LoadResult]:
    """Release an image, and cut a host's power when it comes to a step.

    Returns:
        How kiln ended, what it said, and what became of the visitors of the other hosts.
    """
    survivors = [one for one in system.swarm.up if one is not victim]
    with contextlib.ExitStack() as stack:
        loads = [
            stack.enter_context(start_load(plan))
            for plan in system.loads(keepalive_clients=2, new_clients=1)
            if plan.host != victim.address
        ]
        for load in loads:
            load.wait_done(100)
        process = system.start("deploy", system.name, image)
        wait_for_step(system, step, process)
        victim.cut_power()
        _, err = process.communicate(timeout=600)
        for load in loads:
            load.wait_done(load.progress.done + 100)
        result = merge_results([load.stop() for load in loads])
    assert len(loads) == len(survivors)
    return process.returncode, err, result


def assert_only_in_flight(system: SwarmSystem, result: LoadResult, loads: int) -> None:
    """At most what each client had under way on the dead host has failed, and no write is lost."""
    figures = result.figures()
    print(f"{figures.failed} of {figures.requests} requests failed: {figures.failed_by}")
    assert figures.failed <= loads * CLIENTS, result.summary()
    counted = count_writes(system.sql, result)
    assert counted.asked > 0
    assert counted.is_exact, counted


def pages(system: SwarmSystem, hosts: Sequence[Host]) -> set[str]:
    """What visitors of each host get."""
    return {requests.get(f"http://{one.address}:{system.port}/", timeout=30).text for one in hosts}


def comes_back(system: SwarmSystem, host: Host) -> None:
    host.switch_on()
    wait_until(lambda: system.swarm.state(host) == "Ready", "the host is a node again")


def test_a_worker_that_dies_in_the_middle_is_left_behind_and_taken_back(
    system: SwarmSystem, swarm: Swarm, images: Images
) -> None:
    victim = swarm.hosts[3]
    code, err, result = release_while(system, images.second, victim, "boot")
    assert code == 0, err
    assert f"the host {victim.name} is down" in system("status", system.name).out
    assert_only_in_flight(system, result, 3)
    (page,) = pages(system, swarm.up)
    assert "second release" in page
    comes_back(system, victim)
    # It has missed the swap: nothing serves there until Kiln has told it.
    time.sleep(5)
    with pytest.raises(requests.RequestException):
        pages(system, [victim])
    assert f"{victim.name} is up again" in system("status", system.name).out
    system.done("resume", system.name)
    assert pages(system, swarm.up) == {page}
    shown = system("status", system.name, "--check")
    assert shown.code == 0, shown.out


def test_the_leader_that_dies_in_the_middle_holds_no_release_up(
    system: SwarmSystem, swarm: Swarm, images: Images
) -> None:
    victim = swarm.leader()
    assert not holds_database(victim)
    image = other_image(system, images)
    code, err, result = release_while(system, image, victim, "boot")
    assert code == 0, err
    assert_only_in_flight(system, result, 3)
    assert len(pages(system, swarm.up)) == 1
    comes_back(system, victim)
    system.done("resume", system.name)
    assert len(pages(system, swarm.up)) == 1


def test_with_the_other_policy_a_host_that_dies_brings_the_old_release_back(
    system: SwarmSystem, swarm: Swarm, images: Images
) -> None:
    before, page = system.current, system.get().text
    image = images.first if "second release" in page else images.second
    system.change(swarm={"nodes": swarm.addresses, "down": "go_back"})
    victim = swarm.hosts[3]
    code, err, result = release_while(system, image, victim, "watch")
    assert code == 21, err
    assert f"the host {victim.name} is down" in err
    assert_only_in_flight(system, result, 3)
    assert system.current == before
    assert pages(system, swarm.up) == {page}
    # While it is down nothing is begun.
    assert system.deploy(image).code == 23
    comes_back(system, victim)
    system.done("deploy", system.name, image)
    assert len(pages(system, swarm.up)) == 1
