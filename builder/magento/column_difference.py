"""How a table's columns change, and whether the old release can go on serving. Pure."""

import re
from collections.abc import Collection, Iterator

from builder.magento.db_schema import (
    BLOBS,
    INTEGERS,
    REALS,
    STRINGS,
    TEXTS,
    TIMES,
    Column,
    Table,
)
from builder.magento.schema_change import (
    COPIED,
    SchemaChange,
    additive,
    compare_named,
    destructive,
    left_behind,
)

_FROM_COLUMN = re.compile(r"migrateDataFrom\(([^)]+)\)")
# E.g. catalog_product_index_price, cataloginventory_stock_status_tmp. Source: insertFromSelect
# without columns, e.g. in Magento\Catalog\Model\Indexer\Product\Price\AbstractAction.
_INDEXER_TABLE = re.compile(r"_index(_|$)|_(idx|tmp|replica)$")


def change_columns(
    old: Table, new: Table, droppable: Collection[tuple[str, ...]]
) -> Iterator[SchemaChange]:
    """The changes of the columns of a table that both releases have.

    Args:
        old, new: the table.
        droppable: see `Schema`.
    """
    table = new.name
    added, removed, kept = compare_named(old.columns, new.columns)
    dropped = {
        column.name: column for column in removed if (table, "column", column.name) in droppable
    }
    for column in added:
        source = _source(column)
        if source in dropped:
            del dropped[source]
            yield destructive(
                table,
                f"column `{source}` renamed to `{column.name}`",
                "the old release reads and writes it by its old name",
            )
        else:
            yield _add_column(table, column, source)
    for column in removed:
        if column.name in dropped:
            yield destructive(
                table,
                f"column `{column.name}` dropped",
                "statements of the old release that name it fail, and what it holds is lost",
            )
        elif (table, "column", column.name) not in droppable:
            yield left_behind(table, f"column `{column.name}`")
    for before, after in kept:
        yield from _change_column(old, new, before, after)


def _add_column(table: str, column: Column, source: str) -> SchemaChange:
    what = f"column `{column.name}` added"
    if _INDEXER_TABLE.search(table):
        return destructive(
            table,
            what,
            "indexers fill such tables by position, without naming columns, so those of the "
            "old release fail with one more",
        )
    if column.identity:
        return additive(table, what, f"the database fills it by itself, but {COPIED}")
    if not column.nullable and column.default is None:
        return destructive(
            table,
            what,
            "it must have a value that the old release does not write: its inserts fail in "
            "strict mode and leave an empty value without it",
        )
    reason = "the old release need not write it"
    if source:
        reason += f", but while it is filled from `{source}`, writes to the table may have to wait"
    return additive(table, what, reason)


def _change_column(
    old_table: Table, new_table: Table, old: Column, new: Column
) -> Iterator[SchemaChange]:
    if _compared(old) == _compared(new):
        return
    table = new_table.name
    column = f"column `{new.name}`"
    yield from _change_type(table, old, new)
    yield from _change_value(table, old, new)
    under = [
        key
        for key in new_table.constraints.values()
        if key.kind == "foreign"
        and key.columns == (new.name,)
        and key == old_table.constraints.get(key.name)
    ]
    if under:
        # Schema\Diff\TableDiff::turnOffForeignKeys; put back unchecked, by startSetup.
        yield SchemaChange(
            table,
            f"foreign key on {column} taken away and put back",
            "destructive",
            f"while the migration runs, rows of `{under[0].reference_table}` that the old "
            "release deletes leave rows behind that refer to nothing, and nothing finds them",
            lasting=False,
        )


def _compared(column: Column) -> tuple[object, ...]:
    """What Magento compares: a column with the same values is left alone.

    `getDiffSensitiveParams` of `Schema\\Dto\\Columns`: for times, NULL or not is not among them.
    Comments are, and are left out here: the database changes one in an instant. (Under a
    foreign key, Magento takes that away for this instant too.)
    """
    nullable = None if column.type in TIMES else column.nullable
    number = (column.precision, column.scale, column.unsigned, column.identity)
    return (column.type, nullable, column.default, column.length, number, column.on_update)


def _change_type(table: str, old: Column, new: Column) -> Iterator[SchemaChange]:
    before, after = _type_of(old), _type_of(new)
    if before == after:
        return
    what = f"column `{new.name}` changed from {before} to {after}"
    if _is_same_type(old, new):
        yield additive(table, what, "the database keeps both in the same way")
    elif _is_wider(old, new):
        yield additive(table, what, f"whatever the old release writes fits, but {COPIED}")
    elif _is_wider(new, old):
        yield destructive(
            table,
            what,
            "values that are there, and those that the old release writes, are cut or refused "
            "where they do not fit",
        )
    else:
        yield destructive(
            table,
            what,
            "the old release writes values of the old type and reads them back changed, or they "
            "are refused",
        )


def _change_value(table: str, old: Column, new: Column) -> Iterator[SchemaChange]:
    """NULL, default, counting: what a row gets that does not name the column, or names NULL."""
    column = f"column `{new.name}`"
    if old.nullable and not new.nullable:
        yield destructive(
            table,
            f"{column} made NOT NULL",
            "the old release may write NULL, which is refused, and looks for NULL, which has "
            "become an empty value",
        )
    elif new.nullable and not old.nullable:
        yield additive(table, f"{column} made nullable", "the old release goes on to write values")
    if old.identity != new.identity:
        yield destructive(
            table,
            f"{column} {'counted' if new.identity else 'no longer counted'} by the database",
            "rows that the old release writes without it, or with 0 in it, get another value "
            "or are refused",
        )
    if old.on_update != new.on_update:
        yield destructive(
            table,
            f"{column} {'set' if new.on_update else 'no longer set'} to the time of each update",
            "rows that the old release updates get another time than it expects",
        )
    if old.default == new.default is None or _unwritten(old) == _unwritten(new):
        # Where neither has a default, NULL or NOT NULL says it all.
        return
    said = f"default of {column} changed from {_default(old)} to {_default(new)}"
    if _unwritten(old) is None:
        yield additive(
            table, said, "rows that the old release writes without it were refused or left empty"
        )
    elif _unwritten(new) is None:
        yield destructive(
            table,
            said,
            "rows that the old release writes without it are refused in strict mode and left "
            "empty without it",
        )
    else:
        yield destructive(
            table,
            said,
            "rows that the old release writes without it get another value, which it may not "
            "look for",
        )


def _source(column: Column) -> str:
    """The column that a new one is filled from; empty without one."""
    match = _FROM_COLUMN.search(column.on_create)
    return match[1].strip().strip("`") if match else ""


def takes_null_unwritten(column: Column) -> bool:
    """Whether a row that does not name the column gets NULL."""
    return column.nullable and column.default is None


def _unwritten(column: Column) -> str | None:
    """What a row gets that does not name the column; None if it must have a value."""
    if column.default is not None:
        return f"= {column.default}"
    return "NULL" if column.nullable else None


def _default(column: Column) -> str:
    if column.default is not None:
        return f"`{column.default}`"
    return "NULL" if column.nullable else "none"


def _type_of(column: Column) -> str:
    text = column.type
    if column.type in STRINGS:
        text += f"({column.length})"
    elif column.type in REALS and (column.precision or column.scale):
        text += f"({column.precision},{column.scale})"
    return text + " unsigned" * column.unsigned


def _is_same_type(old: Column, new: Column) -> bool:
    """boolean is tinyint(1), in which the database keeps what it keeps in tinyint."""
    return {old.type, new.type} == {"boolean", "tinyint"} and old.unsigned == new.unsigned


def _is_wider(old: Column, new: Column) -> bool:
    """Whether every value of the old type is one of the new, read back as it was written."""
    before, after = old.type, new.type
    if old.unsigned != new.unsigned:
        return False
    if after in INTEGERS:
        before = "tinyint" if before == "boolean" else before
        return before in INTEGERS and INTEGERS.index(after) > INTEGERS.index(before)
    if after in REALS:
        # A float in a double is another number than the decimal fraction that was written.
        digits = new.precision - new.scale - old.precision + old.scale
        return before == after and bool(old.precision) and digits >= 0 and new.scale >= old.scale
    if before == after and after in STRINGS:
        return new.length > old.length
    for string, family in (("varchar", TEXTS), ("varbinary", BLOBS)):
        if after in family:
            order = (string, *family)
            return before in order and order.index(after) > order.index(before)
    return False
