import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from builder.dev.compose import Stack
from builder.dev.dump import import_config, read_dump
from builder.errors import StackError
from builder.process import Completed

FILES = ("app/etc/config.php", "app/etc/env.php")
RUNNING = json.dumps({"Service": "web", "State": "running"})


def make_stack(root: Path, code: int) -> Stack:
    """A stack whose bin/magento changes the files that are mounted in the place of the tree's."""

    def run(
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        if "ps" in argv:
            return Completed(0, RUNNING, "")
        for word in argv:
            host, colon, _ = word.partition(":/app/")
            if colon:
                assert Path(host).stat().st_mode & 0o777 == 0o700
                for name in FILES:
                    (Path(host) / Path(name).name).write_text(f"dumped {name}")
        return Completed(code, "", "no import")

    return Stack("shop", root / "state/compose.yaml", {}, run)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    (tmp_path / "app/etc").mkdir(parents=True)
    for name in FILES:
        (tmp_path / name).write_text(f"before {name}")
    return tmp_path


@pytest.mark.parametrize("code", [0, 1])
def test_a_dump_leaves_the_tree_as_it_was_and_no_copy_of_env_php(root: Path, code: int) -> None:
    stack = make_stack(root, code)
    if code:
        with pytest.raises(StackError):
            read_dump(stack, root)
    else:
        assert read_dump(stack, root) == b"dumped app/etc/config.php"
    for name in FILES:
        assert (root / name).read_text() == f"before {name}"
    assert list((root / "state").iterdir()) == []


def test_what_a_killed_dump_has_left_is_removed(root: Path) -> None:
    (root / "state/dump").mkdir()
    (root / "state/dump/env.php").write_text("left")
    read_dump(make_stack(root, 0), root)
    assert list((root / "state").iterdir()) == []


def test_an_import_that_fails_is_told(root: Path) -> None:
    import_config(make_stack(root, 0))
    with pytest.raises(StackError) as caught:
        import_config(make_stack(root, 1))
    assert caught.value.details == ("no import",)
