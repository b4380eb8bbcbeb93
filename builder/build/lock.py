"""One build of a tree at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from builder.build.disk import explain_refusal
from builder.errors import BusyError


@contextlib.contextmanager
def hold_build_lock(
    path: Path, busy: str = "this tree is being built already", tree: Path | None = None
) -> Iterator[None]:
    """Hold the lock file while the block runs.

    The kernel lets go of it when the process ends, however it ends: there is no stale lock.

    Args:
        path: the lock file.
        busy: what it means that another process holds it.
        tree: what is built; stays in the file, for whoever clears up.

    Raises:
        BusyError: another process holds it; the message says which and since when.
        DiskFullError, HostError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise explain_refusal(error, path.parent) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"{busy}{_holder(path)}",
                where=str(path),
                hint="wait for it to end, or stop it",
            ) from None
        if not _is_at(path, file.fileno()):
            # Whoever held it has cleared the folder away.
            raise BusyError(busy, where=str(path), hint="run the command again")
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "since": since, "tree": str(tree) if tree else None}
        try:
            file.truncate(0)
            os.write(file.fileno(), json.dumps(holder).encode())
        except OSError as error:
            raise explain_refusal(error, path.parent) from None
        yield


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file that is there."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def locked_tree(path: Path) -> Path | None:
    """The tree that a lock file is of; None where it does not say."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))["tree"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Path(tree) if tree else None


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f" by process {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
