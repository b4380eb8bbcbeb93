"""A shop with secrets: environments, sources, a delivered folder, containers that mount it."""

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.types import Mount

from tests.conftest import Ended, Kiln
from tests.containers import Container, run_container

MOUNT_POINT = "/run/secrets"
DATABASE_HOST = "database"


def random_key() -> str:
    """A crypt key of Magento's form."""
    return secrets.token_hex(16)


@contextlib.contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder on tmpfs."""
    made = Path(tempfile.mkdtemp(prefix="kiln-test-", dir="/dev/shm"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def write_environment(
    tree: Path,
    name: str,
    source: dict[str, Any],
    host: str = DATABASE_HOST,
    settings: Mapping[str, Any] = {},
) -> None:
    """environments/<name>.yaml with a database's password, a crypt key and a setting's secret."""
    value = {
        "services": {
            "database": {
                "host": host,
                "name": "shop",
                "user": "shop",
                "password": {"secret": "db-password"},
            }
        },
        "crypt_key": {"secret": "crypt-key"},
        "settings": {"default": {"carriers/ups/password": {"secret": "ups-password"}, **settings}},
        "secrets": source,
    }
    (tree / "environments").mkdir(exist_ok=True)
    (tree / "environments" / f"{name}.yaml").write_text(yaml.safe_dump(value))


@dataclass(frozen=True)
class SecretKiln:
    """Runs `kiln` in a tree, with a state folder of its own, and keeps all that it printed."""

    kiln: Kiln
    tree: Path
    state: Path
    printed: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> Ended:
        done = subprocess.run(
            self.kiln.argv(*arguments),
            cwd=self.tree,
            env=self.kiln.environment(
                PYTHONPATH=str(Path(__file__).parent.parent.parent),
                KILN_STATE=str(self.state),
                **env,
            ),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        self.printed.extend((done.stdout, done.stderr))
        return Ended(done.returncode, done.stdout, done.stderr)

    def done(self, *arguments: str, stdin: str = "", **env: str) -> Any:
        """Run a command that must succeed; its JSON."""
        ended = self(*arguments, "--output", "json", stdin=stdin, **env)
        assert ended.code == 0, ended.err
        return ended.json()


def mount(folder: Path) -> Mount:
    """A folder as containers see it; unlike `--volume`, this makes no missing one."""
    return Mount(MOUNT_POINT, str(folder), type="bind", read_only=True)


@contextlib.contextmanager
def run_with_secrets(
    engine: docker.DockerClient, image: str, folder: Path, *command: str, **options: Any
) -> Iterator[Container]:
    """A container of the shop's image with delivered secrets."""
    with run_container(engine, image, *command, mounts=[mount(folder)], **options) as container:
        yield container


@dataclass
class Leak:
    """A process that shows a needle."""

    pid: int
    where: str
    command: str


class ProcessWatch:
    """Reads the command line and the environment of every process of the host, over and over."""

    def __init__(self, needles: list[str]) -> None:
        self.needles = [needle.encode() for needle in needles]
        self.leaks: dict[tuple[int, str], Leak] = {}
        self.rounds = 0
        self.commands: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "ProcessWatch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """One round over all processes."""
        for process in os.listdir("/proc"):  # noqa: PTH208 - fast, many times a second
            if not process.isdigit():
                continue
            command = b""
            for where in ("cmdline", "environ"):
                try:
                    content = Path(f"/proc/{process}/{where}").read_bytes()
                except OSError:
                    break  # ended meanwhile
                command = content if where == "cmdline" else command
                self.commands.add(command.replace(b"\0", b" ").decode(errors="replace"))
                if any(needle in content for needle in self.needles):
                    shown = command.replace(b"\0", b" ").decode(errors="replace")
                    self.leaks[int(process), where] = Leak(int(process), where, shown)
        self.rounds += 1

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            time.sleep(0.01)
