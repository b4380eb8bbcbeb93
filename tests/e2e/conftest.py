"""What the end-to-end tests share: images of the sample shop, systems that run them."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import Kiln
from tests.e2e.systems import Images, System, build_images, run_system
from tests.hosts import Host, private_engine


@pytest.fixture(scope="session")
def images(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Images:
    return build_images(kiln, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """A host that may be harmed, with an engine and an sshd of its own."""
    with private_engine("host") as made:
        yield made


@pytest.fixture(scope="module")
def system(
    kiln: Kiln,
    engine: docker.DockerClient,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """A production that serves the first image."""
    folder: Path = tmp_path_factory.mktemp("system")
    with run_system(kiln, engine, images, folder) as made:
        ended = made.deploy(images.first)
        assert ended.code == 0, ended.err
        yield made
