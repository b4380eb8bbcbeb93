"""A swarm whose nodes are reached by ssh: a connection that breaks is no host that is down."""

from collections.abc import Iterator

import pytest

from tests.conftest import Ended, Kiln
from tests.e2e.ssh_users import User, end_connections
from tests.e2e.swarms import SwarmSystem, private_swarm, run_swarm_system
from tests.e2e.systems import (
    Images,
    assert_unharmed,
    other_image,
    under_load,
    wait_for_step,
)
from tests.hosts import SSH_PORT

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def system(
    kiln: Kiln, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SwarmSystem]:
    """A production on three nodes, two of them discovered, which serves the first image."""
    folder = tmp_path_factory.mktemp("swarm")
    with private_swarm() as swarm:
        known = "".join(one.known_hosts() for one in swarm.hosts)
        user = User.make(folder / "user", [one.key for one in swarm.hosts], known)
        client = Kiln(kiln.cache, user.env)
        found = {"nodes": [swarm.hosts[0].ssh], "discover": f"ssh://root@{{address}}:{SSH_PORT}"}
        with run_swarm_system(client, swarm, images, folder, swarm=found) as made:
            made.done("deploy", made.name, images.first)
            # One asks where the socket is, the other leads it here.
            assert user.logins == 2 * len(swarm.hosts)
            yield made


@pytest.mark.parametrize("broken", [[2], [0], [0, 1, 2]])
def test_a_connection_that_breaks_in_a_release_is_made_again(
    system: SwarmSystem, images: Images, broken: list[int]
) -> None:
    image = other_image(system, images)

    def deploy_with_a_break() -> Ended:
        process = system.start("deploy", system.name, image)
        wait_for_step(system, "boot", process)
        for index in broken:
            end_connections(system.swarm.hosts[index])
        out, err = process.communicate(timeout=600)
        return Ended(process.returncode, out, err)

    ended, result = under_load(system, deploy_with_a_break)
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert system.live_image == image
    assert "down" not in ended.err
    shown = system("status", system.name, "--check")
    assert shown.code == 0, shown.out + shown.err
