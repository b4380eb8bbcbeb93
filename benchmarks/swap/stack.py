"""The shop that is swapped by other tools: a Compose project around an image of the sample."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import requests

from tests.containers import Container, build_image
from tests.integration.conftest import SERVICES
from tests.load.count import Sql, sql_in

HERE = Path(__file__).parent
PORT = 8080
REPLICAS = 2
PROXY = """FROM localhost:5000/kiln/base:bookworm
RUN export DEBIAN_FRONTEND=noninteractive; \\
    apt-get update \\
    && apt-get install -y --no-install-recommends haproxy \\
    && rm -rf /var/lib/apt/lists/*
CMD ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
"""


@dataclass(frozen=True)
class Stack:
    """One Compose project; `image` is what its file says now."""

    project: str
    folder: Path
    services: str
    proxy: str
    image: str

    def with_image(self, image: str) -> "Stack":
        return replace(self, image=image)

    def compose(self, *arguments: str) -> str:
        """Run docker compose on this project; its output. Raises RuntimeError."""
        argv = ["docker", "compose", "--project-name", self.project, "--file"]
        done = subprocess.run(
            [*argv, str(HERE / "compose.yaml"), *arguments],
            env={
                **os.environ,
                "BENCH_IMAGE": self.image,
                "BENCH_FOLDER": str(self.folder),
                "BENCH_SERVICES": self.services,
                "BENCH_PROXY": self.proxy,
                "BENCH_REPLICAS": str(REPLICAS),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"docker compose {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def container(self, service: str) -> Container:
        (number,) = self.compose("ps", "--quiet", service).split()
        return Container(docker.from_env().containers.get(number), "")


@dataclass(frozen=True)
class Shop:
    """A running shop as its visitors and its database show it."""

    host: str
    port: int
    sql: Sql


@contextlib.contextmanager
def make_stack(project: str, image: str) -> Iterator[Stack]:
    """A project that is not started yet; with the block it is gone."""
    with tempfile.TemporaryDirectory(prefix=f"{project}-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in ("env.php", "haproxy.cfg"):
            shutil.copy(HERE / file, folder / file)
            (folder / file).chmod(0o644)
        services = build_image("kiln-test-services", SERVICES)
        stack = Stack(project, folder, services, build_image("kiln-test-haproxy", PROXY), image)
        try:
            yield stack
        finally:
            stack.compose(
                "--profile", "once", "--profile", "workers", "down", "--volumes", "--timeout", "5"
            )


def start_shop(stack: Stack) -> Shop:
    """Start services, install the shop, start web and wait until the proxy serves it."""
    stack.compose("up", "--detach", "--wait", "database", "cache")
    stack.compose("run", "--rm", "install")
    stack.compose("up", "--detach", "--wait", "web", "proxy")
    # The proxy's own address: a published port would bring Docker's proxy in between.
    (network,) = stack.container("proxy").engine.attrs["NetworkSettings"]["Networks"].values()
    shop = Shop(network["IPAddress"], PORT, sql_in(stack.container("database")))
    wait_served(shop)
    return shop


def wait_served(shop: Shop, seconds: float = 60) -> None:
    """Wait until the home page is given for a while without a failure."""
    until = time.monotonic() + seconds
    good = 0
    while good < 10:
        answer = requests.get(f"http://{shop.host}:{shop.port}/", timeout=30)
        good = good + 1 if answer.status_code == 200 else 0
        assert time.monotonic() < until, f"no page: {answer.status_code}"
        time.sleep(0.2)
