"""What it means that a file of Kiln's own cannot be written or read. Pure."""

import errno
from pathlib import Path

from builder.errors import DiskFullError, HostError


def explain_refusal(error: OSError, cache: Path) -> DiskFullError | HostError:
    """The error that tells a user what to do about the cache folder.

    Args:
        error: as the file system gave it.
        cache: the folder that Kiln was working in.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            "there is no room left for the build's files",
            where=str(cache),
            hint="free room, or set KILN_CACHE to a folder on a larger disk",
        )
    return HostError(
        f"cannot be used: {error.strerror}",
        where=str(error.filename or cache),
        hint="set KILN_CACHE to a folder of your own",
    )
