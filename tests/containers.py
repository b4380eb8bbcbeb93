"""Containers of the image under test, run as production runs them."""

import contextlib
import hashlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.models.containers import Container as EngineContainer

from builder.deploy.engine import exec_in


def build_image(name: str, dockerfile: str) -> str:
    """Build an image from a Dockerfile alone; BuildKit's cache keeps it for the next session."""
    tagged = f"{name}:{hashlib.sha256(dockerfile.encode()).hexdigest()[:12]}"
    argv = ["docker", "buildx", "build", "--load", "--provenance", "false", "--tag", tagged, "-"]
    done = subprocess.run(
        argv, input=dockerfile, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    return tagged


@dataclass(frozen=True)
class Container:
    """A running container of an image under test."""

    engine: EngineContainer
    address: str

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(
            f"http://{self.address}{path}", timeout=30, allow_redirects=False, **options
        )

    def run(self, *argv: str) -> tuple[int, str]:
        code, out, err = exec_in(self.engine, argv, str(self.engine.name))
        return code, (out + err).decode("utf-8", "replace")

    def wait_healthy(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.engine.reload()
            if self.engine.health == "healthy":
                return
            assert self.engine.status == "running", self.engine.logs().decode()
            time.sleep(0.5)
        raise AssertionError(f"not healthy: {self.engine.logs().decode()}")


@contextlib.contextmanager
def run_container(
    engine: docker.DockerClient, image: str, *command: str, port: int | None = None, **options: Any
) -> Iterator[Container]:
    """Run an image with a read-only root file system and no capabilities."""
    pulled = engine.images.pull(image)
    writable = pulled.labels["io.kiln.writable"].split()
    settings: dict[str, Any] = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": dict.fromkeys(writable, "mode=1777"),
        "ports": {f"{port}/tcp": ("127.0.0.1", None)} if port else {},
        **options,
    }
    container = engine.containers.create(image, list(command), detach=True, **settings)
    try:
        # In here, so that one that does not start is removed as well.
        container.start()
        container.reload()
        bound = (container.ports.get(f"{port}/tcp") or [{}])[0] if port else {}
        yield Container(container, f"127.0.0.1:{bound.get('HostPort', '')}")
    finally:
        container.remove(force=True, v=True)
