"""How a table's keys and indexes change, and whether the old release can go on serving. Pure."""

from collections.abc import Collection, Iterator

from builder.magento.column_difference import takes_null_unwritten
from builder.magento.db_schema import Constraint, Index, Table
from builder.magento.schema_change import (
    SchemaChange,
    additive,
    compare_named,
    destructive,
    left_behind,
    name_all,
)


def change_keys(
    old: Table, new: Table, droppable: Collection[tuple[str, ...]]
) -> Iterator[SchemaChange]:
    """The changes of the keys and indexes of a table that both releases have.

    Args:
        old, new: the table.
        droppable: see `Schema`.
    """
    yield from _change_constraints(old, new, droppable)
    yield from _change_indexes(old, new, droppable)


def _change_constraints(
    old: Table, new: Table, droppable: Collection[tuple[str, ...]]
) -> Iterator[SchemaChange]:
    table = new.name
    added, removed, kept = compare_named(old.constraints, new.constraints)
    for key in added:
        yield _add_constraint(old, new, key)
    for key in removed:
        if (table, "constraint", key.name) in droppable:
            yield _drop_constraint(table, key)
        else:
            yield left_behind(table, _describe(key))
    for before, after in kept:
        if before == after:
            continue
        if before.kind == after.kind == "foreign":
            yield destructive(
                table,
                f"{_describe(after)} changed from ON DELETE {before.on_delete} to "
                f"{after.on_delete}",
                "rows that the old release deletes take others with them, or do not, otherwise "
                "than it expects",
            )
        elif before.kind == after.kind == "primary":
            yield destructive(
                table,
                f"primary key changed from {name_all(before.columns)} to {name_all(after.columns)}",
                "rows that the old release writes are refused, or repeated where it means to "
                "update, since others count as the same",
            )
        else:
            # Other columns, or another kind, under one name: columns are joined by underscores.
            yield _drop_constraint(table, before)
            yield _add_constraint(old, new, after)


def _add_constraint(old: Table, new: Table, key: Constraint) -> SchemaChange:
    what = f"{_describe(key)} added"
    unwritten = [
        name
        for name in key.columns
        if name not in old.columns
        and (column := new.columns.get(name))
        and takes_null_unwritten(column)
    ]
    if key.kind != "primary" and unwritten:
        return additive(
            new.name,
            what,
            f"rows of the old release have NULL in {name_all(unwritten)}, which keys let pass",
        )
    if key.kind == "foreign":
        return destructive(
            new.name,
            what,
            f"the old release may write rows without one in `{key.reference_table}`, or delete "
            "there what others refer to",
        )
    return destructive(
        new.name, what, "rows that the old release writes are refused where they repeat one"
    )


def _drop_constraint(table: str, key: Constraint) -> SchemaChange:
    what = f"{_describe(key)} dropped"
    if key.kind != "foreign":
        return destructive(
            table,
            what,
            "the old release relies on it where it writes ON DUPLICATE KEY UPDATE, and then "
            "repeats rows",
        )
    if key.on_delete in ("CASCADE", "SET NULL"):
        return destructive(
            table,
            what,
            f"rows of `{key.reference_table}` that the old release deletes leave rows behind "
            "that refer to nothing",
        )
    return additive(table, what, "it only refused what the old release does not do anyway")


def _change_indexes(
    old: Table, new: Table, droppable: Collection[tuple[str, ...]]
) -> Iterator[SchemaChange]:
    table = new.name
    added, removed, kept = compare_named(old.indexes, new.indexes)
    for index in added:
        yield _add_index(table, index)
    for index in removed:
        if (table, "index", index.name) in droppable:
            yield _drop_index(table, index)
        else:
            yield left_behind(table, f"index on {name_all(index.columns)}")
    for before, after in kept:
        if (before.kind == "fulltext") != (after.kind == "fulltext"):
            yield _drop_index(table, before)
            yield _add_index(table, after)
        elif before != after:
            # The database builds the same one for btree and hash: Schema\Db\MySQL\Definition\Index.
            yield additive(
                table, f"index on {name_all(after.columns)} built anew", "it finds the same"
            )


def _add_index(table: str, index: Index) -> SchemaChange:
    if index.kind == "fulltext":
        what = f"fulltext index on {name_all(index.columns)} added"
        return additive(
            table, what, "the old release does not use it, but writes wait while it is built"
        )
    what = f"index on {name_all(index.columns)} added"
    return additive(table, what, "it changes no result, and is built while others write")


def _drop_index(table: str, index: Index) -> SchemaChange:
    if index.kind == "fulltext":
        return destructive(
            table,
            f"fulltext index on {name_all(index.columns)} dropped",
            "searches of the old release (MATCH ... AGAINST) fail without it",
        )
    return additive(
        table,
        f"index on {name_all(index.columns)} dropped",
        "it changes no result, but queries of the old release may take longer",
    )


def _describe(key: Constraint) -> str:
    if key.kind == "foreign":
        return (
            f"foreign key of {name_all(key.columns)} to "
            f"`{key.reference_table}`.`{key.reference_column}`"
        )
    return f"{key.kind} key on {name_all(key.columns)}"
