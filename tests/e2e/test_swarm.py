"""Releases on the nodes of a swarm: visitors of every node notice nothing."""

from collections.abc import Iterator

import pytest

from tests.conftest import Kiln
from tests.e2e.swarms import Swarm, SwarmSystem, private_swarm, run_swarm_system
from tests.e2e.systems import Images, assert_unharmed, under_load


@pytest.fixture(scope="module")
def swarm() -> Iterator[Swarm]:
    with private_swarm() as made:
        yield made


@pytest.fixture(scope="module")
def system(
    kiln: Kiln, swarm: Swarm, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SwarmSystem]:
    """A production on three nodes, one of them discovered, which serves the first image."""
    folder = tmp_path_factory.mktemp("swarm")
    for host in swarm.hosts:
        (folder / f"{host.address}.sock").symlink_to(host.docker_host.removeprefix("unix://"))
    found = {"nodes": swarm.addresses[:2], "discover": f"unix://{folder}/{{address}}.sock"}
    with run_swarm_system(kiln, swarm, images, folder, swarm=found) as made:
        made.done("deploy", made.name, images.first)
        yield made


def test_visitors_of_all_nodes_go_over_to_another_image(
    system: SwarmSystem, images: Images
) -> None:
    ended, result = under_load(system, lambda: system.deploy(images.second))
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert len(result.versions) == 2


def test_a_swarm_is_looked_into_as_a_host_is(system: SwarmSystem) -> None:
    shown = system("status", system.name, "--check")
    assert shown.code == 0, shown.out + shown.err
    assert "PHP 8" in system.done("exec", system.name, "--", "php", "--version").out
    assert f"r{system.current}-web.2." in system.done("logs", system.name, "web").out
    assert system.done("prune", system.name).out == "nothing to remove\n"


def test_what_would_differ_from_host_to_host_is_refused(
    system: SwarmSystem, swarm: Swarm, images: Images
) -> None:
    path = system.tree / "environments" / "production.yaml"
    before = path.read_text()
    system.change(media={"volume": {"driver": "local"}})
    media = system("plan", system.name, images.first)
    path.write_text(before)
    system.change(swarm={"nodes": swarm.addresses[:2]})
    unreached = system.deploy(images.first)
    path.write_text(before)
    assert media.code == 23, media.err
    assert "each of 3 hosts" in media.err
    assert unreached.code == 23, unreached.err
    assert "is not reached" in unreached.err
