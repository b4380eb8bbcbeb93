"""What a build leaves behind and what it ran, for tests that say it left nothing."""

import contextlib
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml

REGISTRY = "localhost:5000"


@dataclass(frozen=True)
class DockerSpy:
    """A `docker` that comes first in PATH, notes its command line and runs the real one."""

    folder: Path

    @property
    def path(self) -> str:
        return f"{self.folder}:{os.environ['PATH']}"

    def builds(self) -> list[str]:
        """The command lines that have built something."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.startswith("buildx build ")]


def make_docker_spy(folder: Path) -> DockerSpy:
    """Write the program `docker` into a new folder."""
    real = shutil.which("docker")
    assert real
    folder.mkdir()
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\necho "$*" >> "{folder}/log"\nexec {real} "$@"\n')
    program.chmod(0o755)
    return DockerSpy(folder)


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Mode, modification time and content of everything below a folder."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(path.readlink())
        digest = hashlib.sha256(content).hexdigest()
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, digest)
    return found


def registry_tags(tree: Path) -> list[str]:
    """The tags that the local registry has of a tree's image."""
    name = yaml.safe_load((tree / "kiln.yaml").read_text())["name"]
    answer = requests.get(f"http://{REGISTRY}/v2/{name}/tags/list", timeout=10)
    return sorted(answer.json().get("tags") or []) if answer.ok else []


def clients_of(cache: Path) -> list[str]:
    """The command lines of running programs that name a cache folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # ended meanwhile
        if str(cache) in line and int(process.name) != os.getpid():
            found.append(line)
    return found


def cache_files(cache: Path) -> set[str]:
    """The files in all trees' cache folders, below those."""
    return {
        str(path.relative_to(cache)).partition("/")[2]
        for path in cache.rglob("*")
        if not path.is_dir()
    }


def process_of(*argv: str) -> int | None:
    """The id of a program on this host, in whatever container it runs."""
    wanted = b"".join(word.encode() + b"\0" for word in argv)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes() == wanted:
                return int(process.name)
    return None
