"""Which stages have run for a tree on this host, kept beside its builds for `kiln build --explain`.

One compressed file: of the last build that ended well every input's name and short hash, and of
all builds the keys of their stages, since BuildKit's cache goes back further than one build.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path

import zstandard

from builder.plan.explain import BuildNames, done_with_all_below, stage_keys

_FILE = "ran.json.zst"
# Some hundred builds.
_KEPT_KEYS = 4000


@dataclass(frozen=True, slots=True)
class Ran:
    """What has run for a tree.

    Attributes:
        last: what named the last build that ended well; None where there is none.
        keys: of stages that have run, the newest last.
    """

    last: BuildNames | None
    keys: tuple[str, ...]


def read_ran(cache: Path) -> Ran:
    """What has run for the tree with this cache folder; nothing where the file is not readable."""
    try:
        packed = (cache / _FILE).read_bytes()
        found = json.loads(zstandard.decompress(packed))
        last = BuildNames(**found["last"]) if found["last"] else None
        return Ran(last, tuple(found["keys"]))
    except (OSError, ValueError, KeyError, TypeError, zstandard.ZstdError):
        return Ran(None, ())


def remember_ran(cache: Path, names: BuildNames, finished: Collection[str] | None = None) -> None:
    """Keep what has run.

    Args:
        cache: the tree's folder in Kiln's cache.
        names: what named the build.
        finished: the stages that were done before it failed; None if it ended well.

    Raises:
        OSError: the disk is full.
    """
    before = read_ran(cache)
    whole = None if finished is None else done_with_all_below(names, finished)
    keys = [key for name, key in stage_keys(names).items() if whole is None or name in whole]
    older = [key for key in before.keys if key not in keys]
    last = names if finished is None else before.last
    ran = {
        "last": last and {field.name: getattr(last, field.name) for field in fields(last)},
        "keys": [*older, *keys][-_KEPT_KEYS:],
    }
    temporary = cache / f"{_FILE}.new"
    text = json.dumps(ran, separators=(",", ":"))
    try:
        temporary.write_bytes(zstandard.compress(text.encode()))
        temporary.replace(cache / _FILE)
    finally:
        temporary.unlink(missing_ok=True)
