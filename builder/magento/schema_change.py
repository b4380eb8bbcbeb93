"""One change that a migration makes, and what the modules that find changes share."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from builder.magento.db_schema import Column, Constraint, Index

Kind = Literal["additive", "destructive"]

COPIED = "writes to the table may have to wait while the database copies it"

_Element = TypeVar("_Element", Column, Constraint, Index)


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One change that a migration makes to a table.

    Attributes:
        table: its name, the old one when it is renamed.
        what: e.g. ``column `x` dropped``.
        kind: whether the old release can go on serving.
        reason: one sentence: why it can or cannot.
        lasting: whether that still holds when the migration is done, which is what counts for
            a rollback; some changes are dangerous only while they are made.
    """

    table: str
    what: str
    kind: Kind
    reason: str
    lasting: bool = True


def additive(table: str, what: str, reason: str) -> SchemaChange:
    return SchemaChange(table, what, "additive", reason)


def destructive(table: str, what: str, reason: str) -> SchemaChange:
    return SchemaChange(table, what, "destructive", reason)


def left_behind(table: str, what: str) -> SchemaChange:
    """What is no longer declared, but may not be dropped."""
    return additive(
        table,
        f"{what} no longer declared",
        "Magento leaves it as it is, since no db_schema_whitelist.json names it",
    )


def compare_named(
    old: Mapping[str, _Element], new: Mapping[str, _Element]
) -> tuple[list[_Element], list[_Element], list[tuple[_Element, _Element]]]:
    """Those that are added, removed, and in both, by name as Magento does."""
    return (
        [one for name, one in new.items() if name not in old],
        [one for name, one in old.items() if name not in new],
        [(one, new[name]) for name, one in old.items() if name in new],
    )


def name_all(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
