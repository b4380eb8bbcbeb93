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
def hold_build_lock(path: Path, busy: str = "this tree is being built already") -> Iterator[None]:
    """Hold the lock file while the block runs.

    The kernel lets go of it when the process ends, however it ends: there is no stale lock.

    Args:
        path: the lock file.
        busy: what it means that another process holds it.

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
        since = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            file.truncate(0)
            os.write(file.fileno(), json.dumps({"pid": os.getpid(), "since": since}).encode())
        except OSError as error:
            raise explain_refusal(error, path.parent) from None
        yield


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f" by process {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
