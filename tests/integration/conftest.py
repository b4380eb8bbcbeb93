"""Real parts that several integration tests share."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Kiln
from tests.containers import build_image

# Debian's packages from the base image that the shop's image has, so that no registry is needed.
SERVICES = """FROM localhost:5000/kiln/base:bookworm
RUN export DEBIAN_FRONTEND=noninteractive; \\
    apt-get update \\
    && apt-get install -y --no-install-recommends composer mariadb-server redis-server unzip \\
    && rm -rf /var/lib/apt/lists/* /var/lib/mysql/*
"""

Composer = Callable[..., None]


@pytest.fixture
def own(tmp_path: Path) -> Kiln:
    """Kiln with a cache that no other test uses."""
    return Kiln(tmp_path / "cache")


@pytest.fixture(scope="session")
def services() -> str:
    """An image with MariaDB, Redis and Composer."""
    return build_image("kiln-test-services", SERVICES)


@pytest.fixture(scope="session")
def composer(services: str) -> Composer:
    """Runs Composer in a tree, as a developer does."""

    def run(tree: Path, *arguments: str) -> None:
        argv = ["docker", "run", "--rm", "--volume", f"{tree}:/app", "--workdir", "/app"]
        argv += ["--network", "none", "--env", "COMPOSER_ALLOW_SUPERUSER=1", services, "composer"]
        done = subprocess.run(
            [*argv, *arguments, "--no-interaction", "--ignore-platform-reqs"],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run
