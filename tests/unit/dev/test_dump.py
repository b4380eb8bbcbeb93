from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from builder.dev import dump
from builder.dev.compose import Stack
from builder.errors import StackError
from builder.process import Completed

FILES = ("app/etc/config.php", "app/etc/env.php")


def make_stack(root: Path, code: int) -> Stack:
    """A stack whose bin/magento changes both files."""

    def run(
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
    ) -> Completed:
        if "app:config:dump" in argv:
            for name in FILES:
                (root / name).write_text(f"dumped {name}")
        return Completed(code, "", "no import")

    return Stack("shop", root / "compose.yaml", {}, run)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dump, "require_running", lambda stack: None)
    monkeypatch.setattr("builder.dev.shop.require_running", lambda stack: None)
    (tmp_path / "app/etc").mkdir(parents=True)
    for name in FILES:
        (tmp_path / name).write_text(f"before {name}")
        (tmp_path / name).chmod(0o640)
    return tmp_path


@pytest.mark.parametrize("code", [0, 1])
def test_a_dump_leaves_both_files_as_they_were(root: Path, code: int) -> None:
    stack = make_stack(root, code)
    if code:
        with pytest.raises(StackError):
            dump.read_dump(stack, root)
    else:
        assert dump.read_dump(stack, root) == b"dumped app/etc/config.php"
    for name in FILES:
        assert (root / name).read_text() == f"before {name}"
        assert (root / name).stat().st_mode & 0o777 == 0o640


def test_an_import_that_fails_is_told(root: Path) -> None:
    dump.import_config(make_stack(root, 0))
    with pytest.raises(StackError) as caught:
        dump.import_config(make_stack(root, 1))
    assert caught.value.details == ("no import",)
