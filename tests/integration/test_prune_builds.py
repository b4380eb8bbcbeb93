"""`kiln prune --builds` on a host of its own: what goes, what stays, and a build meanwhile."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.build.lock import hold_build_lock
from builder.project.tree import tree_suffix
from tests.conftest import Kiln, change_project
from tests.hosts import Host, private_engine, wait_until
from tests.integration.traces import process_of

BASE = "localhost:5000/kiln/base:bookworm"
# Something that takes room, and cannot be the same in another build.
OPTIONS = ("--progress", "plain", "--output", "type=cacheonly")
FILL = "RUN head -c 30000000 /dev/urandom > /{name}"


@pytest.fixture
def runner() -> Iterator[Host]:
    with private_engine("prune") as host:
        yield host


def start_build(host: Host, folder: Path, *steps: str) -> "subprocess.Popen[str]":
    folder.mkdir()
    (folder / "Dockerfile").write_text("\n".join([f"FROM {BASE}", *steps]))
    return subprocess.Popen(
        ["docker", "--host", host.docker_host, "buildx", "build", *OPTIONS, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_what_a_running_build_needs_stays_and_what_is_old_goes(
    own: Kiln, tree: Path, tmp_path: Path, runner: Host
) -> None:
    ended = own("prune", cwd=tree)
    assert ended.code == 2
    assert "--builds" in ended.err
    change_project(tree, build={"cache_size": "1MB"})
    gone, built = (own.cache / f"shop-{tree_suffix(tmp_path / name)}" for name in ("gone", "built"))
    for folder, name in ((gone, "gone"), (built, "built")):
        with hold_build_lock(folder / "lock", tree=tmp_path / name):
            (folder / "image").mkdir()

    def prune(*options: str) -> Any:
        command = ("prune", "--builds", *options, "--output", "json")
        ended = own(*command, cwd=tree, DOCKER_HOST=runner.docker_host)
        assert ended.code == 0, ended.err
        return ended.json()

    old = start_build(runner, tmp_path / "old", FILL.format(name="old"))
    assert old.wait(timeout=120) == 0, old.communicate()
    waits = ["sleep", f"301.{os.getpid()}"]
    steps = (FILL.format(name="new"), f"RUN {' '.join(waits)} || true", "RUN test -s /new")
    build = start_build(runner, tmp_path / "new", *steps)
    try:
        wait_until(lambda: process_of(*waits) is not None, "the build comes to its second step")
        with hold_build_lock(built / "lock", tree=tmp_path / "built"):
            told = prune("--dry-run")
            assert (told["removed"], told["buildkit"]["freed"]) == (False, 0)
            done = prune()
        assert done["paths"] == told["paths"] == [str(gone / "image")]
        assert not gone.exists()
        assert (built / "image").is_dir()
        # Of what the two builds have made, the one that has ended.
        assert done["buildkit"]["freed"] >= 30_000_000
        assert build.poll() is None
        os.kill(process_of(*waits) or 0, signal.SIGTERM)
        output, _ = build.communicate(timeout=120)
        assert build.returncode == 0, output
    finally:
        build.kill()
        build.communicate()
