"""The same inputs give the same digest, on every build and from every copy of a tree."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from builder.plan.build import DEFAULT_EPOCH
from tests.conftest import Kiln, change_project

# Steps that no other build has: BuildKit of Docker 26 falls over where one build of the same steps
# runs without the cache, and another with it (solver.walkProvenance of a vertex without an op).
OWN_STEPS = {"SOURCE_DATE_EPOCH": str(DEFAULT_EPOCH + 1)}


def test_two_builds_without_cache_are_equal_to_each_other_and_to_one_from_the_cache(
    tree: Path, tmp_path: Path
) -> None:
    twice = Kiln(tmp_path / "one", OWN_STEPS)(
        "build", "--check-reproducible", "--output", "json", cwd=tree
    )
    assert twice.code == 0, twice.err
    # Kiln's own cache is another one, BuildKit's is what the two builds have left.
    cached = Kiln(tmp_path / "other", OWN_STEPS)("build", "--output", "json", cwd=tree)
    assert cached.code == 0, cached.err
    assert cached.json()["digest"] == twice.json()["digest"]


def copy_shuffled(tree: Path, target: Path) -> None:
    """The same files, made in another order, with other times and another umask."""
    files = [path for path in tree.rglob("*") if path.is_file() or path.is_symlink()]
    random.Random(7).shuffle(files)
    for path in files:
        copy = target / path.relative_to(tree)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(path, copy, follow_symlinks=False)
        if not copy.is_symlink():
            copy.chmod(0o700 if os.access(path, os.X_OK) and path.stat().st_mode & 0o111 else 0o600)
            os.utime(copy, (1_700_000_000, 1_700_000_000))


def test_a_copy_elsewhere_with_other_times_modes_and_order_gives_the_same_digest(
    kiln: Kiln, tree: Path, tmp_path: Path
) -> None:
    copy_shuffled(tree, tmp_path / "an other place")
    first = kiln("build", "--output", "json", cwd=tree)
    other = kiln("build", "--output", "json", cwd=tmp_path / "an other place")
    assert first.code == 0, first.err
    assert other.code == 0, other.err
    assert other.json()["digest"] == first.json()["digest"]
    assert other.json()["content_version"] == first.json()["content_version"]


@pytest.fixture
def installed_base(kiln: Kiln, tree: Path) -> str:
    """A base image that has the shop's Debian packages, so that no step installs them again."""
    name = f"localhost:5000/kiln-test-php-{os.getpid()}:1"
    argv = ["docker", "buildx", "build", "--target", "php", "--provenance", "false"]
    # As Kiln does, for the cache.
    argv += ["--build-arg", f"SOURCE_DATE_EPOCH={DEFAULT_EPOCH}"]
    done = subprocess.run(
        [*argv, "--output", f"type=registry,name={name}", "-"],
        input=kiln("render", cwd=tree).out,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return name


def test_files_that_differ_are_named(kiln: Kiln, tree: Path, installed_base: str) -> None:
    hook = "head -c 16 /dev/urandom | base64 > app/code/Kiln/Sample/random.txt"
    change_project(
        tree,
        base={"image": installed_base},
        php={"version": "8.2"},
        hooks={"before_compile": [hook]},
    )
    ended = kiln("build", "--check-reproducible", cwd=tree, **OWN_STEPS)
    assert ended.code == 16, ended.err
    assert "app/code/Kiln/Sample/random.txt: content" in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
