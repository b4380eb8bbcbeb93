"""Which step of a build reads a file of a tree.

`code` is what setup:di:compile reads, `view` what setup:static-content:deploy reads besides, and
`template` what neither reads: what pages are made from at run time. A changed style must not cost
a compilation, nor a changed template any of the two, so they travel as layers of their own.
"""

import functools
import re
from typing import Literal

from builder.magento.paths import glob_to_regex
from builder.magento.tables import read_table

SourceKind = Literal["code", "view", "template"]


def kind_of(path: str) -> SourceKind:
    """Which step may read a file first; `code` when in doubt.

    Args:
        path: relative to the tree's root, with forward slashes.
    """
    extension = path.rpartition(".")[2]
    if extension == "php":
        return "code"
    extensions, places, templates = _tables()
    if templates.match(path):
        return "template"
    if extension.lower() in extensions or places.match(path):
        return "view"
    return "code"


@functools.cache
def _tables() -> tuple[frozenset[str], re.Pattern[str], re.Pattern[str]]:
    table = read_table("source_kind.yaml")
    directories = "|".join(map(glob_to_regex, table["directories"]))
    files = "|".join(map(glob_to_regex, table["files"]))
    pages = "|".join(map(glob_to_regex, table["template_places"]))
    folders = "|".join(map(re.escape, table["template_folders"]))
    return (
        frozenset(table["extensions"]),
        re.compile(rf"(?:{directories})/|(?:{files})$"),
        re.compile(rf"(?:{pages})/(?:{folders})/"),
    )
