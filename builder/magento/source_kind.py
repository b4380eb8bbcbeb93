"""Which files of a tree setup:di:compile reads (`code`), and which it does not (`view`).

A changed template must not cost a compilation, so the two travel as layers of their own.
"""

import functools
import re
from typing import Literal

from builder.magento.paths import glob_to_regex
from builder.magento.tables import read_table

SourceKind = Literal["code", "view"]


def kind_of(path: str) -> SourceKind:
    """Whether setup:di:compile may read a file; `code` when in doubt.

    Args:
        path: relative to the tree's root, with forward slashes.
    """
    extension = path.rpartition(".")[2]
    if extension == "php":
        return "code"
    extensions, places = _tables()
    if extension.lower() in extensions or places.match(path):
        return "view"
    return "code"


@functools.cache
def _tables() -> tuple[frozenset[str], re.Pattern[str]]:
    table = read_table("source_kind.yaml")
    directories = "|".join(map(glob_to_regex, table["directories"]))
    files = "|".join(map(glob_to_regex, table["files"]))
    return frozenset(table["extensions"]), re.compile(rf"(?:{directories})/|(?:{files})$")
