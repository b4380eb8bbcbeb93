"""The tests of a release on one host, unchanged, on the nodes of a swarm."""

from collections.abc import Iterator

import pytest

from tests.conftest import Kiln
from tests.e2e.swarms import SwarmSystem, private_swarm, run_swarm_system
from tests.e2e.systems import Images
from tests.e2e.test_release import *  # noqa: F403 - its tests are these

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def system(
    kiln: Kiln, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SwarmSystem]:
    """A production on three nodes, which serves the first image."""
    folder = tmp_path_factory.mktemp("swarm")
    with private_swarm() as swarm, run_swarm_system(kiln, swarm, images, folder) as made:
        made.done("deploy", made.name, images.first)
        yield made
