"""Which paths a running shop writes to, and which of a tree never go into an image."""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from builder.magento.tables import read_table

Sharing = Literal["shared", "private"]


@dataclass(frozen=True, slots=True)
class Paths:
    """paths.yaml, read.

    Attributes:
        writable: directories written at run time, relative to the root; `shared` ones must be
            the same files in every container, of `private` ones each may have its own.
        emptied: directories whose contents come from the build or from a volume.
    """

    writable: Mapping[str, Sharing]
    emptied: tuple[str, ...]


@functools.cache
def load_paths() -> Paths:
    """Read paths.yaml."""
    table = read_table("paths.yaml")
    return Paths(
        writable=table["writable"],
        emptied=tuple(table["excluded"]["contents"]),
    )


def mount_points() -> tuple[str, ...]:
    """The writable directories that lie in no other, relative to the root, sorted.

    With something writable mounted over each of them, all else can be read-only.
    """
    writable = load_paths().writable
    return tuple(
        sorted(path for path in writable if not any(path.startswith(f"{one}/") for one in writable))
    )


def is_excluded(path: str, keep: Iterable[str] = ()) -> bool:
    """Whether a file or directory of the tree never goes into an image.

    All below an excluded directory is excluded too, so a walk need not enter it.

    Args:
        path: relative to the tree's root, with forward slashes; a directory's may end with one.
        keep: directories that stay whatever their name, e.g. `vendor/acme/kit/tests` where
            a package's production autoloader points there (`ComposerLock.autoload_paths`).
    """
    if _excluded().match(path) is None:
        return False
    folder = path.rstrip("/") + "/"
    # A kept directory's parents stay too, or a walk would never come to it.
    return not any(folder.startswith(f"{kept}/") or f"{kept}/".startswith(folder) for kept in keep)


def glob_to_regex(glob: str) -> str:
    """A glob as the source of a regular expression.

    `*` and `?` stop at a slash; `**` does not; `**/` also matches nothing. `[A-Z]` is a set.
    """
    result = ""
    position = 0
    while position < len(glob):
        if glob.startswith("**/", position):
            result += "(?:[^/]+/)*"
            position += 3
        elif glob.startswith("**", position):
            result += ".*"
            position += 2
        elif glob[position] == "[":
            end = glob.index("]", position) + 1
            result += glob[position:end]
            position = end
        else:
            character = glob[position]
            result += {"*": "[^/]*", "?": "[^/]"}.get(character) or re.escape(character)
            position += 1
    return result


@functools.cache
def _excluded() -> re.Pattern[str]:
    # One expression rather than a loop over the globs: it is asked for every file of a tree.
    table = read_table("paths.yaml")["excluded"]
    anywhere = "|".join(map(glob_to_regex, table["anywhere"]))
    paths = "|".join(map(glob_to_regex, table["paths"]))
    package = "|".join(map(glob_to_regex, table["package"]))
    contents = "|".join(map(glob_to_regex, table["contents"]))
    return re.compile(
        rf"(?:(?:.*/)?(?:{anywhere})|(?:{paths})|vendor/[^/]+/[^/]+/(?:{package})"
        rf"|(?:{contents})/(?!\.htaccess$)[^/]+)(?:/|$)",
        re.DOTALL,
    )


def excluded_pattern() -> str:
    """The regular expression behind `is_excluded`, which PCRE reads alike; match from the start."""
    return _excluded().pattern
