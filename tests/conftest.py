"""Real parts for the tests, started once a session."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from hypothesis import settings

from tests.containers import Container, run_container

ROOT = Path(__file__).parent.parent
STORE = ROOT / "tests" / "store"

# How fast a machine is says nothing about what is tested.
settings.register_profile("kiln", deadline=None)
settings.load_profile("kiln")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="write the golden files anew")


@dataclass(frozen=True)
class Ended:
    """A `kiln` that has ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Kiln:
    """Runs the command line in a process of its own, as a user does."""

    cache: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self, **env: str) -> dict[str, str]:
        return {**os.environ, "KILN_CACHE": str(self.cache), **self.env, **env}

    def argv(self, *arguments: str) -> list[str]:
        # Tests that run in the background ignore signals, and what they start would, too.
        signals = ["env", "--default-signal=HUP,INT,TERM"]
        return [*signals, sys.executable, "-m", "builder", *arguments]

    def __call__(self, *arguments: str, cwd: Path, **env: str) -> Ended:
        done = subprocess.run(
            self.argv(*arguments),
            cwd=cwd,
            env=self.environment(PYTHONPATH=str(ROOT), **env),
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, cwd: Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=cwd,
            env=self.environment(PYTHONPATH=str(ROOT)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def copy_store(target: Path, **changes: Any) -> Path:
    """A copy of the sample shop; `changes` are merged into its kiln.yaml."""
    names = subprocess.run(
        ["git", "-C", str(STORE), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(STORE / name, target / name, follow_symlinks=False)
    change_project(target, **changes)
    return target


def change_project(tree: Path, **changes: Any) -> None:
    """Merge settings into a tree's kiln.yaml."""
    path = tree / "kiln.yaml"
    file = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**file, **changes}, sort_keys=False))


@pytest.fixture(scope="session")
def kiln(tmp_path_factory: pytest.TempPathFactory) -> Kiln:
    return Kiln(tmp_path_factory.mktemp("kiln-cache"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sample shop, to be changed by one test."""
    return copy_store(tmp_path / "shop", name=f"kiln-test-{os.getpid()}")


@pytest.fixture(scope="session")
def engine() -> docker.DockerClient:
    client = docker.from_env()
    client.ping()
    return client


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree that is built: the real Magento at MAGENTO_SOURCE, else the sample shop."""
    if source := os.environ.get("MAGENTO_SOURCE"):
        return Path(source)
    return copy_store(tmp_path_factory.mktemp("tree") / "shop", name="kiln-test-sample")


@pytest.fixture(scope="session")
def record(kiln: Kiln, shop: Path) -> dict[str, Any]:
    """The record of the shop's image, built and pushed once."""
    ended = kiln("build", "--push", "--output", "json", cwd=shop)
    assert ended.code == 0, ended.err
    found: dict[str, Any] = ended.json()
    return found


@pytest.fixture(scope="module")
def web(engine: docker.DockerClient, record: dict[str, Any]) -> Iterator[Container]:
    """The image's web role as it runs in production: pulled, read-only, no capabilities."""
    with run_container(engine, record["image"], "web", port=8080) as container:
        container.wait_healthy()
        yield container
