"""Names that Magento gives to keys: db_schema.xml's `referenceId` is never used for one.

Two keys are the same to Magento when these names are equal, and db_schema_whitelist.json
holds them: Magento\\Framework\\Setup\\Declaration\\Schema\\Declaration\\TableElement\\
ElementNameResolver, Magento\\Framework\\DB\\Adapter\\Pdo\\Mysql::getIndexName, getForeignKeyName.
"""

import functools
import hashlib
import re
from collections.abc import Iterable
from typing import Literal

from builder.magento.tables import read_table

PRIMARY = "PRIMARY"
_LONGEST = 64
_REPLICA = re.compile(r"(\S+)_replica", re.IGNORECASE)


def name_key(
    table: str, columns: Iterable[str], kind: Literal["unique", "fulltext", "index"]
) -> str:
    """The name of an index or a unique key.

    Args:
        table: its table, without a prefix.
        columns: their names, in the key's order.
        kind: what it is; it shows in names that are too long, and there alone.
    """
    prefix = {"unique": "unq_", "fulltext": "fti_", "index": "idx_"}[kind]
    return _shorten("_".join([_origin(table), *columns]), prefix)


def name_foreign_key(table: str, column: str, reference_table: str, reference_column: str) -> str:
    """The name of a foreign key; table names without a prefix."""
    name = "_".join([_origin(table), column, reference_table, reference_column])
    return _shorten(name, "fk_")


def _origin(table: str) -> str:
    """Indexers swap a table and its replica, so that the keys of both are named alike."""
    replica = _REPLICA.fullmatch(table)
    return replica[1] if replica else table


def _shorten(name: str, prefix: str) -> str:
    """Magento\\Framework\\DB\\ExpressionConverter::shortenEntityName."""
    if len(name.encode()) > _LONGEST:
        words, pattern = _words()
        short = pattern.sub(lambda match: words[match[0]], name)
        if len(short.encode()) > _LONGEST:
            short = prefix + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        name = short
    return name.upper()


@functools.cache
def _words() -> tuple[dict[str, str], re.Pattern[str]]:
    words: dict[str, str] = read_table("element_names.yaml")["words"]
    # As PHP's strtr: the longest word first, and nothing is replaced twice.
    longest_first = sorted(words, key=len, reverse=True)
    return words, re.compile("|".join(map(re.escape, longest_first)))
