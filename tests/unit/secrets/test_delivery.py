import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import SecretError
from builder.secrets.delivery import (
    DeliveryFolder,
    VersionedValue,
    deliver_files,
    file_system_of,
    kept_value,
    kept_versions,
    previous_version,
    restore_file,
)
from builder.secrets.files import Owner
from builder.secrets.value import SecretValue

ME = Owner(os.geteuid(), os.getegid())
MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=10k
31 22 0:27 / /mnt/a\\040b rw - fuse.sshfs host:/x rw
"""


def value(text: str) -> VersionedValue:
    return VersionedValue(f"v{len(text)}{text[:1]}", SecretValue(text.encode()))


@pytest.fixture
def folder() -> Iterator[DeliveryFolder]:
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield DeliveryFolder(made / "secrets", ME)
    shutil.rmtree(made)


def contents(folder: DeliveryFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.mounted.iterdir()}


def kept(folder: DeliveryFolder, name: str = "db") -> list[tuple[str, bool]]:
    return [(one.version, one.current) for one in kept_versions(folder, name)]


def test_files_have_their_owner_and_mode_and_no_one_else_gets_in(folder: DeliveryFolder) -> None:
    deliver_files(folder, {"db": value("geheim"), "crypt-key": value("k" * 32)})
    assert contents(folder) == {"db": b"geheim", "crypt-key": b"k" * 32}
    for path, mode in (
        (folder.path, 0o700),
        (folder.mounted, 0o500),
        (folder.mounted / "db", 0o400),
        (folder.path / "kept", 0o700),
        (folder.path / "kept" / "db" / "000001-v6g", 0o400),
    ):
        status = path.lstat()
        assert stat.S_IMODE(status.st_mode) == mode, path
        assert (status.st_uid, status.st_gid) == (ME.uid, ME.gid)


def test_a_second_delivery_of_the_same_changes_nothing(folder: DeliveryFolder) -> None:
    wanted = {"a": value("1"), "db": value("geheim")}
    assert deliver_files(folder, wanted).changed == ("a", "db")
    before = {path: path.stat().st_ino for path in folder.path.rglob("*")}
    assert deliver_files(folder, wanted).changed == ()
    assert {path: path.stat().st_ino for path in folder.path.rglob("*")} == before


def test_a_changed_owner_or_mode_is_mended(folder: DeliveryFolder) -> None:
    deliver_files(folder, {"db": value("geheim")})
    (folder.mounted / "db").chmod(0o444)
    assert deliver_files(folder, {"db": value("geheim")}).changed == ("db",)
    assert (folder.mounted / "db").stat().st_mode & 0o777 == 0o400


def test_the_mounted_folder_itself_is_never_replaced(folder: DeliveryFolder) -> None:
    deliver_files(folder, {"db": value("old")})
    inode = folder.mounted.stat().st_ino
    deliver_files(folder, {"db": value("new-one")}, prune=True)
    restore_file(folder, "db", previous_version(folder, "db"))
    assert folder.mounted.stat().st_ino == inode


def test_the_version_before_comes_back_and_twice_leads_to_where_it_was(
    folder: DeliveryFolder,
) -> None:
    deliver_files(folder, {"db": value("a")})
    deliver_files(folder, {"db": value("bb")})
    assert previous_version(folder, "db") == "v1a"
    restore_file(folder, "db", "v1a")
    assert contents(folder) == {"db": b"a"}
    assert kept(folder) == [("v2b", False), ("v1a", True)]
    assert previous_version(folder, "db") == "v2b"
    assert kept_value(folder, "db", "v2b").reveal() == b"bb"


def test_only_so_many_versions_are_kept(folder: DeliveryFolder) -> None:
    for text in ("a", "bb", "ccc", "dddd"):
        deliver_files(folder, {"db": value(text)}, keep=2)
    assert kept(folder) == [("v3c", False), ("v4d", True)]
    with pytest.raises(SecretError, match="no version v1a of db"):
        restore_file(folder, "db", "v1a")


def test_there_is_nothing_to_go_back_to_at_first(folder: DeliveryFolder) -> None:
    deliver_files(folder, {"db": value("a")})
    with pytest.raises(SecretError, match="no earlier version of db"):
        previous_version(folder, "db")


def test_what_is_no_longer_named_goes_when_asked_only(folder: DeliveryFolder) -> None:
    deliver_files(folder, {"db": value("a"), "old": value("b")})
    assert deliver_files(folder, {"db": value("a")}).removed == ()
    assert "old" in contents(folder)
    assert deliver_files(folder, {"db": value("a")}, prune=True).removed == ("old",)
    assert contents(folder) == {"db": b"a"}
    assert not (folder.path / "kept" / "old").exists()


def test_a_folder_on_a_disk_is_refused_unless_allowed(tmp_path: Path) -> None:
    folder = DeliveryFolder(tmp_path / "deep" / "secrets", ME)
    with pytest.raises(SecretError, match="not on tmpfs"):
        deliver_files(folder, {"db": value("a")})
    assert not (tmp_path / "deep").exists()
    deliver_files(folder, {"db": value("a")}, allow_disk=True)
    assert contents(folder) == {"db": b"a"}


def test_a_link_or_anothers_folder_is_refused(folder: DeliveryFolder, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    folder.path.symlink_to(tmp_path / "target")
    with pytest.raises(SecretError):
        deliver_files(folder, {"db": value("a")}, allow_disk=True)
    assert list((tmp_path / "target").iterdir()) == []


def test_a_name_that_leaves_the_folder_is_refused(folder: DeliveryFolder) -> None:
    for name in ("../x", "/x", ".x", "a/b"):
        with pytest.raises(SecretError, match="no name of a secret"):
            deliver_files(folder, {name: value("a")})


def test_the_file_system_is_read_off_the_kernels_table() -> None:
    assert file_system_of(os.makedev(0, 26), MOUNTS) == "tmpfs"
    assert file_system_of(os.makedev(254, 0), MOUNTS) == "ext4"
    assert file_system_of(os.makedev(0, 27), MOUNTS) == "fuse.sshfs"
    assert file_system_of(os.makedev(9, 9), MOUNTS) == ""


class Killed(BaseException):
    """Passes every handler, as SIGKILL does."""


class Reaper:
    """Counts the calls that change the disk, and ends the process at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        for target, name in (
            (os, "open"),
            (os, "write"),
            (os, "fsync"),
            (os, "fchmod"),
            (Path, "rename"),
            (Path, "unlink"),
            (Path, "mkdir"),
        ):
            monkeypatch.setattr(target, name, self._counted(getattr(target, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise Killed
            return call(*arguments, **options)

        return counted

    def run_to(self, calls: int, change: Callable[[], object]) -> bool:
        """Run to so many calls; whether it came to its end."""
        self.left = calls
        try:
            change()
        except Killed:
            return False
        finally:
            self.left = None
        return True


def test_killed_at_any_step_a_delivery_is_whole_and_the_next_one_ends_it(
    folder: DeliveryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = Reaper(monkeypatch)
    old, new = {"db": value("old")}, {"db": value("new-one")}
    calls = 0
    ended = False
    while not ended:
        shutil.rmtree(folder.path, ignore_errors=True)
        deliver_files(folder, old)
        ended = reaper.run_to(calls, lambda: deliver_files(folder, new))
        assert contents(folder)["db"] in (b"old", b"new-one")
        assert set(contents(folder)) == {"db"}
        deliver_files(folder, new)
        assert contents(folder) == {"db": b"new-one"}
        assert previous_version(folder, "db") == "v3o"
        assert list((folder.path / "work").iterdir()) == []
        calls += 1
    assert calls > 10


def test_killed_at_any_step_a_rollback_goes_the_same_way_again(
    folder: DeliveryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = Reaper(monkeypatch)
    calls = 0
    ended = False
    while not ended:
        shutil.rmtree(folder.path, ignore_errors=True)
        for text in ("oldest", "old", "new-one"):
            deliver_files(folder, {"db": value(text)})
        ended = reaper.run_to(calls, lambda: restore_file(folder, "db", "v3o"))
        assert contents(folder)["db"] in (b"old", b"new-one")
        if contents(folder)["db"] == b"new-one":
            # What a user who runs it again is given.
            assert previous_version(folder, "db") == "v3o"
            restore_file(folder, "db", "v3o")
        assert contents(folder) == {"db": b"old"}
        assert previous_version(folder, "db") == "v7n"
        calls += 1
    assert calls > 5


def test_a_full_folder_leaves_the_old_value(
    folder: DeliveryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver_files(folder, {"db": value("old")})

    def full(file: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(SecretError) as caught:
        deliver_files(folder, {"db": value("new-one")})
    assert caught.value.hint == "free some room"
    assert contents(folder) == {"db": b"old"}
    assert list((folder.path / "work").iterdir()) == []


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "back"]), max_size=8))
@settings(deadline=None, max_examples=50)
def test_whatever_the_order_of_changes_the_current_version_is_the_one_wanted(
    steps: list[str],
) -> None:
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        folder = DeliveryFolder(made / "secrets", ME)
        deliver_files(folder, {"db": value("first")})
        before, wanted = None, "first"
        for step in steps:
            if step == "back":
                if before is None:
                    continue
                assert previous_version(folder, "db") == value(before).version
                restore_file(folder, "db", value(before).version)
                before, wanted = wanted, before
            else:
                deliver_files(folder, {"db": value(step)})
                if step != wanted:
                    before, wanted = wanted, step
            assert contents(folder) == {"db": wanted.encode()}
            assert [one for one in kept(folder) if one[1]] == [(value(wanted).version, True)]
    finally:
        shutil.rmtree(made)
