"""One build of a tree at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from builder.errors import BusyError


@contextlib.contextmanager
def hold_build_lock(path: Path) -> Iterator[None]:
    """Hold the lock file while the block runs.

    The kernel lets go of it when the process ends, however it ends: there is no stale lock.

    Raises:
        BusyError: another process holds it; the message says which and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"this tree is being built already{_holder(path)}",
                where=str(path),
                hint="wait for it to end, or stop it",
            ) from None
        file.truncate(0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(json.dumps({"pid": os.getpid(), "since": since}))
        file.flush()
        yield


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f" by process {holder['pid']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
