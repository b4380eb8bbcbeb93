"""Files of secrets: written whole or not at all, and never readable by others meanwhile."""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.errors import BusyError, SecretError
from builder.secrets.value import SecretValue

_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may read a file: a numeric user and group."""

    uid: int
    gid: int


def write_file(
    path: Path, value: SecretValue, *, mode: int, owner: Owner | None = None, work: Path
) -> None:
    """Replace a file by rename, with its owner and mode in place before the value is in it.

    Args:
        path: the file.
        value: its new content.
        mode: e.g. 0o400.
        owner: None leaves it to the process.
        work: a folder on the same file system, where the file is made.

    Raises:
        SecretError: the disk is full, or this user may not write there or give files away.
    """
    made = work / f".{secrets.token_hex(8)}"
    try:
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            if owner is not None:
                os.fchown(file, owner.uid, owner.gid)
            written = 0
            while written < len(value.reveal()):
                written += os.write(file, memoryview(value.reveal())[written:])
            os.fchmod(file, mode)
            os.fsync(file)
        finally:
            os.close(file)
        made.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
        raise refused(error, path) from None


def sync_folder(path: Path) -> None:
    """Have a folder's entries outlive a crash of the host."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_file(path: Path) -> SecretValue:
    """A regular file's content.

    Raises:
        OSError: it is not there or may not be read.
        SecretError: it is no regular file.
    """
    # A pipe without a writer would block for ever.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise SecretError("is not a file", where=str(path), hint="put a file there")
        with os.fdopen(file, "rb", closefd=False) as opened:
            return SecretValue(opened.read())
    finally:
        os.close(file)


def refused(error: OSError, path: Path) -> SecretError:
    """What the system said of a file."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "free some room" if full else "run kiln as root, or as the folder's owner"
    return SecretError(f"cannot be read or written: {error.strerror}", where=str(path), hint=hint)


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """One change at a time; the kernel lets go when the process ends, however it ends.

    Raises:
        BusyError: another process has held it for 30 s.
        SecretError: the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise refused(error, path) from None
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BusyError(
                        "another kiln changes these secrets",
                        where=str(path),
                        hint="wait for it to end, or stop it",
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(file)
