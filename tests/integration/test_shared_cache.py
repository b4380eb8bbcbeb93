"""BuildKit's cache in a registry: a runner that has nothing begins with it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Kiln, change_project, copy_store
from tests.hosts import Host, private_engine

CACHE = f"localhost:5000/kiln-test-cache-{os.getpid()}:main"


@pytest.fixture
def runner() -> Iterator[Host]:
    """A host on which nothing was ever built."""
    with private_engine("runner") as host:
        yield host


def test_a_fresh_runner_runs_only_what_changed(
    kiln: Kiln, runner: Host, tree: Path, tmp_path: Path
) -> None:
    change_project(tree, build={"cache": CACHE})
    pushed = kiln("build", "--push", "--output", "json", cwd=tree)
    assert pushed.code == 0, pushed.err
    digests = [pushed.json()["digest"]]

    def build_on_runner(cache: str) -> dict[str, bool]:
        ended = kiln(
            *("build", "--output", "json"),
            cwd=tree,
            DOCKER_HOST=runner.docker_host,
            KILN_CACHE=str(tmp_path / cache),
        )
        assert ended.code == 0, ended.err
        digests.append(ended.json()["digest"])
        return {stage["name"]: stage["cached"] for stage in ended.json()["stages"]}

    cached = build_on_runner("first")
    assert digests[0] == digests[1]
    assert all(cached.values()), cached

    styles = tree / "app/design/frontend/Kiln/sample/web/css/source/_theme.less"
    styles.write_text(styles.read_text() + "\n.changed { color: #010203; }\n")
    cached = build_on_runner("second")
    assert cached["compiled"]
    assert not any(found for name, found in cached.items() if name.startswith("static-frontend"))


def test_a_cache_that_cannot_be_written_is_said_before_the_build(
    kiln: Kiln, tmp_path: Path
) -> None:
    tree = copy_store(tmp_path / "shop", build={"cache": "localhost:1/cache"})
    ended = kiln("build", "--push", cwd=tree)
    assert ended.code == 13
    assert "localhost:1" in ended.err
