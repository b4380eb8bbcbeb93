"""Secrets on one host: files that containers see at /run/secrets.

A delivery folder, for instance /run/kiln/shop/secrets on tmpfs:

    secrets/                      0700, root
        mounted/                  0500, www-data; bind-mounted read-only at /run/secrets
            db-password           0400, www-data
        kept/db-password/         the newest versions, for a rollback
            000001-8b1a9953c461   0400, root
        work/                     files being written
        lock

Containers mount the folder `mounted` itself. A file in it is replaced by rename, which running
containers see at once; each file is old or new, never part of both. A link `current` to a folder
a version would not do: the engine follows it once, when a container starts. The same holds for
a bind mount of one file. Nor would Kubernetes' links inside of the folder be better: whoever
reads two files can meet the switch between them there too, and old values would be in the
container. tests/integration/test_secret_delivery.py shows all three.

Compose's own file secrets ignore uid, gid and mode (compose#9648); these files have the right
owner before the value is in them.

What is current is read off the files themselves, by content, so that no state can differ from
them. Whatever step a delivery is killed at, the next one finishes it.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import SecretError
from builder.secrets.files import Owner, hold_lock, read_file, refused, sync_folder, write_file
from builder.secrets.sources import checked_name
from builder.secrets.value import SecretValue

WWW_DATA = Owner(33, 33)
KEPT_VERSIONS = 5
_IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True, slots=True)
class VersionedValue:
    """A value and its version's name, as `VersionNames.version` gives it."""

    version: str
    value: SecretValue


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version whose value is still on the host.

    Attributes:
        number: rises with each change; the highest is the newest.
        version: its name.
        current: containers read this one.
    """

    number: int
    version: str
    current: bool


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a delivery has changed; names, sorted."""

    changed: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeliveryFolder:
    """Where secrets are written for the containers of one stack.

    Attributes:
        path: absolute.
        owner: who reads them in the containers. An engine that maps users (rootless, userns)
            needs the number on the host.
    """

    path: Path
    owner: Owner = WWW_DATA

    @property
    def mounted(self) -> Path:
        """The folder to mount at /run/secrets, with a kind of mount that makes no missing one."""
        return self.path / "mounted"


def deliver_files(
    folder: DeliveryFolder,
    values: Mapping[str, VersionedValue],
    *,
    keep: int = KEPT_VERSIONS,
    prune: bool = False,
    allow_disk: bool = False,
) -> Delivered:
    """Write what is not there yet; done twice, the second changes nothing.

    Args:
        folder: where to.
        values: by the secret's name.
        keep: how many versions of each stay on the host, the current one among them.
        prune: take away secrets that `values` does not name, their old versions too. Not while
            a release runs that reads them.
        allow_disk: write to a folder that outlives a reboot.

    Raises:
        SecretError: the folder is not on tmpfs, is another's, or cannot be written.
        BusyError: another kiln is at it.
    """
    for name in values:
        checked_name(name)
    _prepare(folder, allow_disk)
    with hold_lock(folder.path / "lock"):
        _clear_work(folder)
        changed = [name for name in sorted(values) if _deliver(folder, name, values[name], keep)]
        removed: list[str] = []
        if prune:
            removed = sorted(set(_names_in(folder)) - set(values))
            for name in removed:
                _remove(folder, name)
    return Delivered(tuple(changed), tuple(removed))


def restore_file(folder: DeliveryFolder, name: str, version: str) -> None:
    """Make a version that is still on the host the current one.

    Raises:
        SecretError: it is not there any more, or the folder cannot be written.
    """
    with hold_lock(folder.path / "lock"):
        _clear_work(folder)
        kept = next((one for one in _kept(folder, name) if one.version == version), None)
        if kept is None:
            raise _gone(folder, name, version)
        # First the number, then the file: run again after a crash, it goes the same way.
        newest = _renumber(folder, name, kept)
        value = read_file(_kept_path(folder, name, newest))
        _write_current(folder, name, value)


def kept_versions(folder: DeliveryFolder, name: str) -> tuple[KeptVersion, ...]:
    """The versions of a secret on this host, the oldest first; none without a delivery.

    Raises:
        SecretError: the folder cannot be read.
    """
    try:
        return tuple(_kept(folder, checked_name(name)))
    except OSError as error:
        raise refused(error, folder.path) from None


def previous_version(folder: DeliveryFolder, name: str) -> str:
    """The version that a rollback goes to: the newest that is not current.

    Raises:
        SecretError: there is none.
    """
    for kept in reversed(kept_versions(folder, name)):
        if not kept.current:
            return kept.version
    raise _gone(folder, name, "")


def kept_value(folder: DeliveryFolder, name: str, version: str) -> SecretValue:
    """The value of a version that is still on the host.

    Raises:
        SecretError: it is not there any more.
    """
    for kept in kept_versions(folder, name):
        if kept.version == version:
            return read_file(_kept_path(folder, name, kept))
    raise _gone(folder, name, version)


def file_system_of(device: int, mounts: str) -> str:
    """The kind of a file system, e.g. `tmpfs`; empty where it is not listed. Pure.

    Args:
        device: `st_dev` of a file on it.
        mounts: the text of /proc/self/mountinfo, proc(5).
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        fields, _, kind = line.partition(" - ")
        if fields.split()[2:3] == [wanted]:
            return kind.split()[0]
    return ""


def _prepare(folder: DeliveryFolder, allow_disk: bool) -> None:
    there = folder.path
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        kind = file_system_of(there.stat().st_dev, Path("/proc/self/mountinfo").read_text())
        if kind not in _IN_MEMORY and not allow_disk:
            raise SecretError(
                f"is on {kind or 'a disk'}, not on tmpfs: values would outlive a reboot, and be "
                "in backups",
                where=str(folder.path),
                hint="name a folder below /run, or give --allow-disk",
            )
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise SecretError(
                "is not a folder of this user's",
                where=str(folder.path),
                hint="name another folder, or run kiln as its owner",
            )
        folder.path.chmod(0o700)
        for part in ("kept", "work"):
            (folder.path / part).mkdir(mode=0o700, exist_ok=True)
        # Never replaced: running containers hold this very folder.
        folder.mounted.mkdir(mode=0o500, exist_ok=True)
        os.chown(folder.mounted, folder.owner.uid, folder.owner.gid)
        folder.mounted.chmod(0o500)
    except OSError as error:
        raise refused(error, folder.path) from None


def _deliver(folder: DeliveryFolder, name: str, new: VersionedValue, keep: int) -> bool:
    current = _current(folder, name)
    changed = current is None or current != new.value or not _is_right(folder, name)
    if changed:
        # First the file, then the kept copy: killed in between, the newest kept version is the
        # one before, which is what a rollback has to find.
        _write_current(folder, name, new.value)
    kept = _kept(folder, name)
    newest = kept[-1] if kept else None
    if newest is None or newest.version != new.version:
        same = next((one for one in kept if one.version == new.version), None)
        if same is not None:
            _renumber(folder, name, same)
        else:
            (folder.path / "kept" / name).mkdir(mode=0o700, exist_ok=True)
            number = newest.number + 1 if newest else 1
            path = _kept_path(folder, name, KeptVersion(number, new.version, True))
            write_file(path, new.value, mode=0o400, work=folder.path / "work")
    for old in _kept(folder, name)[:-keep]:
        _kept_path(folder, name, old).unlink(missing_ok=True)
    return changed


def _write_current(folder: DeliveryFolder, name: str, value: SecretValue) -> None:
    write_file(
        folder.mounted / name,
        value,
        mode=0o400,
        owner=folder.owner,
        work=folder.path / "work",
    )


def _current(folder: DeliveryFolder, name: str) -> SecretValue | None:
    try:
        return read_file(folder.mounted / name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(error, folder.mounted / name) from None


def _is_right(folder: DeliveryFolder, name: str) -> bool:
    status = (folder.mounted / name).lstat()
    right = (stat.S_IFREG | 0o400, folder.owner.uid, folder.owner.gid)
    return (status.st_mode, status.st_uid, status.st_gid) == right


def _kept(folder: DeliveryFolder, name: str) -> list[KeptVersion]:
    place = folder.path / "kept" / name
    if not place.is_dir():
        return []
    current = _current(folder, name)
    found = []
    for path in place.iterdir():
        number, dash, version = path.name.partition("-")
        if dash and number.isdigit():
            is_current = current is not None and read_file(path) == current
            found.append(KeptVersion(int(number), version, is_current))
    return sorted(found, key=lambda one: one.number)


def _kept_path(folder: DeliveryFolder, name: str, kept: KeptVersion) -> Path:
    return folder.path / "kept" / name / f"{kept.number:06d}-{kept.version}"


def _renumber(folder: DeliveryFolder, name: str, kept: KeptVersion) -> KeptVersion:
    newest = _kept(folder, name)[-1]
    if newest.version == kept.version:
        return newest
    raised = KeptVersion(newest.number + 1, kept.version, kept.current)
    path = _kept_path(folder, name, raised)
    try:
        _kept_path(folder, name, kept).rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise refused(error, path) from None
    return raised


def _names_in(folder: DeliveryFolder) -> list[str]:
    found = {path.name for part in ("mounted", "kept") for path in (folder.path / part).iterdir()}
    return sorted(found)


def _remove(folder: DeliveryFolder, name: str) -> None:
    try:
        (folder.mounted / name).unlink(missing_ok=True)
        place = folder.path / "kept" / name
        if place.is_dir():
            for path in place.iterdir():
                path.unlink()
            place.rmdir()
    except OSError as error:
        raise refused(error, folder.path) from None


def _clear_work(folder: DeliveryFolder) -> None:
    """Take away what a killed delivery was writing."""
    for path in (folder.path / "work").glob(".*"):
        path.unlink(missing_ok=True)


def _gone(folder: DeliveryFolder, name: str, version: str) -> SecretError:
    return SecretError(
        f"there is no version {version} of {name} on this host any more"
        if version
        else f"there is no earlier version of {name} on this host",
        where=str(folder.path),
        hint=f"set the old value in the source, then `kiln secrets rotate ENVIRONMENT {name}`",
    )
