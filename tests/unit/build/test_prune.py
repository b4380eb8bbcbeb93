import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from builder.build.lock import hold_build_lock
from builder.build.prune import (
    find_old_state,
    prune_buildkit,
    read_total,
    remove_old_state,
)
from builder.errors import BusyError, HostError
from builder.process import Completed
from builder.project.tree import tree_suffix

DU = "ID\tRECLAIMABLE\nabc\ttrue\nReclaimable:\t1.357GB\nTotal:\t\t1.357GB\n"


def build(cache: Path, tree: Path, *files: str) -> Path:
    """What a build of a tree leaves in the cache."""
    folder = cache / f"shop-{tree_suffix(tree)}"
    with hold_build_lock(folder / "lock", tree=tree):
        for file in ("image/index.json", "inputs/code/kiln.json", "ran.json.zst", *files):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text("12345")
    return folder


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A tree that is there, and one that is not."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there", tmp_path / "gone"


def test_what_a_tree_that_is_there_has_stays_but_for_leftovers(
    tmp_path: Path, trees: tuple[Path, Path]
) -> None:
    folder = build(tmp_path / "cache", trees[0], "work/Dockerfile", "image/ingest/half")
    (old,) = find_old_state(tmp_path / "cache")
    assert [str(path.relative_to(folder)) for path in old.paths] == ["work", "image/ingest"]
    assert (old.size, old.gone) == (10, False)
    assert remove_old_state(old)
    assert find_old_state(tmp_path / "cache") == ()
    assert {path.name for path in folder.iterdir()} == {"lock", "image", "inputs", "ran.json.zst"}
    assert [path.name for path in (folder / "image").iterdir()] == ["index.json"]


def test_all_of_a_tree_that_is_gone_goes_but_its_development_systems_secrets(
    tmp_path: Path, trees: tuple[Path, Path]
) -> None:
    folder = build(tmp_path / "cache", trees[1])
    other = build(tmp_path / "cache", tmp_path / "gone too", "dev/secrets/database_password")
    for old in find_old_state(tmp_path / "cache"):
        assert old.gone
        assert remove_old_state(old)
    assert not folder.exists()
    assert {path.name for path in other.iterdir()} == {"lock", "dev"}
    assert find_old_state(tmp_path / "cache") == ()
    assert (other / "dev/secrets/database_password").exists()


def test_nothing_of_a_tree_that_is_being_built_goes(
    tmp_path: Path, trees: tuple[Path, Path]
) -> None:
    for tree in trees:
        folder = build(tmp_path / "cache", tree, "work/Dockerfile")
        (old,) = [one for one in find_old_state(tmp_path / "cache") if one.folder == folder]
        with hold_build_lock(folder / "lock", tree=tree):
            assert old not in find_old_state(tmp_path / "cache")
            assert not remove_old_state(old)
        assert (folder / "work/Dockerfile").exists()


def test_a_tree_that_has_come_back_keeps_its_files(
    tmp_path: Path, trees: tuple[Path, Path]
) -> None:
    folder = build(tmp_path / "cache", trees[1])
    (old,) = find_old_state(tmp_path / "cache")
    trees[1].mkdir()
    assert not remove_old_state(old)
    assert (folder / "image/index.json").exists()


def test_a_folder_that_does_not_say_whose_it_is_stays(tmp_path: Path) -> None:
    (tmp_path / "old/work").mkdir(parents=True)
    (tmp_path / "old/lock").write_text('{"pid": 1, "since": "2026"}')
    assert find_old_state(tmp_path) == ()


def test_a_folder_of_another_program_stays(tmp_path: Path) -> None:
    (tmp_path / "other/work").mkdir(parents=True)
    (tmp_path / "other/lock").write_text(json.dumps({"tree": str(tmp_path / "gone")}))
    (tmp_path / "another/lock").mkdir(parents=True)
    (tmp_path / "another/work").mkdir()
    assert find_old_state(tmp_path) == ()


def test_a_lock_whose_file_was_cleared_away_meanwhile_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: (tmp_path / "lock").unlink())
    with pytest.raises(BusyError), hold_build_lock(tmp_path / "lock"):
        pass


# -- BuildKit ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [(DU, 1_357_000_000), ("Total:\t0B\n", 0), ("Total: 23.5kB\n", 23_500), ("", 0)],
)
def test_the_size_of_the_cache_is_read(text: str, size: int) -> None:
    assert read_total(text) == size


@pytest.mark.parametrize(
    ("usage", "options"),
    [
        ("--keep-storage bytes", ["--keep-storage", "2000000"]),
        (
            "--max-used-space bytes",
            ["--reserved-space", "2000000", "--max-used-space", "2000000"],
        ),
    ],
)
def test_the_bound_has_the_name_that_this_buildx_has_for_it(usage: str, options: list[str]) -> None:
    ran: list[Sequence[str]] = []

    def run(
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        ran.append(argv)
        return Completed(0, usage if argv[-1] == "--help" else "Total:\t1.5MB\n", "")

    assert prune_buildkit(run, {}, "kiln", 2_000_000) == 1_500_000
    assert ran[-1] == ["docker", "buildx", "prune", "--force", *options, "--builder", "kiln"]


def test_a_builder_that_does_not_answer_is_said() -> None:
    def run(*_: object, **__: object) -> Completed:
        return Completed(1, "", 'ERROR: no builder "x" found\n')

    with pytest.raises(HostError, match="no builder"):
        prune_buildkit(run, {}, "x", 1)
