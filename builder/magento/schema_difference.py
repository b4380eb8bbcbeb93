"""What a migration changes, and whether the old release can go on serving meanwhile. Pure.

A change is additive when every statement of the old release that worked goes on to work, to
write what it wrote and to find what it found. Anything else is destructive.

Only what Magento would really do counts: it compares what `getDiffSensitiveParams` of its
Schema\\Dto gives (comments are left out here, since they change no statement), and takes away what
a whitelist names and nothing else. Its connections run without strict mode (`_connect` of
Magento\\Framework\\DB\\Adapter\\Pdo\\Mysql sets SQL_MODE=''), and a migration without foreign key
checks (`startSetup` there): what is too long is cut, NULL becomes an empty value, rows without a
parent pass, all in silence. tests/integration/test_schema_difference.py shows on a real MariaDB
what is said here.

What the files do not show: an INSERT without a list of columns fails as soon as its table has
one more. Magento's indexers do that, so their tables are known by their names.
"""

import re
from collections.abc import Collection, Iterator

from builder.magento.column_difference import change_columns
from builder.magento.db_schema import Schema, Table
from builder.magento.key_difference import change_keys
from builder.magento.schema_change import (
    SchemaChange,
    additive,
    destructive,
    left_behind,
    name_all,
)

# The name also ends those of extensions' own triggers, e.g. safeMigrateDataFromAnotherTable.
_FROM_TABLE = re.compile(r"migrateDataFromAnotherTable\(([^)]+)\)", re.IGNORECASE)


def difference(old: Schema, new: Schema) -> tuple[SchemaChange, ...]:
    """What a migration from one release's schema to another's changes, by table.

    Args:
        old: what the database was made by, and the old release expects.
        new: what the migration declares; what its whitelists do not name is never dropped.
    """
    return tuple(_differences(old, new))


def _differences(old: Schema, new: Schema) -> Iterator[SchemaChange]:
    renamed = {
        source: table.name
        for table in new.tables.values()
        if (source := _source(table))
        and table.name not in old.tables
        and source in old.tables
        and source not in new.tables
        and (source,) in new.droppable
    }
    for name in sorted({*old.tables, *new.tables}):
        before = old.tables.get(name)
        after = new.tables.get(name)
        if before and after:
            yield from _change_table(before, after, new.droppable)
        elif after and name not in renamed.values():
            yield _create_table(after, old)
        elif before and name in renamed:
            yield destructive(
                name,
                f"table renamed to `{renamed[name]}`",
                "the old release asks for it by its old name",
            )
        elif before and (name,) in new.droppable:
            yield destructive(
                name, "table dropped", "the old release still uses it, and its rows are lost"
            )
        elif before:
            yield left_behind(name, "table")


def _create_table(table: Table, old: Schema) -> SchemaChange:
    reason = "the old release does not know it"
    parents = sorted(
        {
            one.reference_table
            for one in table.constraints.values()
            if one.kind == "foreign"
            and one.on_delete not in ("CASCADE", "SET NULL")
            and one.reference_table in old.tables
        }
    )
    if parents:
        reason += (
            f", though it cannot delete rows of {name_all(parents)} that rows of the new table "
            "refer to"
        )
    return additive(table.name, "table created", reason)


def _change_table(
    old: Table, new: Table, droppable: Collection[tuple[str, ...]]
) -> Iterator[SchemaChange]:
    yield from _change_options(old, new)
    yield from change_columns(old, new, droppable)
    yield from change_keys(old, new, droppable)


def _change_options(old: Table, new: Table) -> Iterator[SchemaChange]:
    table = new.name
    if old.resource != new.resource:
        # `Schema\\Operations\\ReCreateTable`
        yield destructive(
            table,
            f"table moved from the connection `{old.resource}` to `{new.resource}`",
            "Magento copies the rows to another database and drops the table that the old "
            "release uses",
        )
    if old.engine != new.engine:
        yield destructive(
            table,
            f"engine changed from {old.engine} to {new.engine}",
            "the table is copied while writes wait, and transactions, locks and foreign keys may "
            "work otherwise than the old release expects",
        )
    if (old.charset, old.collation) != (new.charset, new.collation):
        # ALTER TABLE ... DEFAULT CHARSET: `Schema\\Db\\MySQL\\DbSchemaWriter::modifyTableOption`.
        yield destructive(
            table,
            "character set or collation changed",
            "columns that Magento adds or changes from then on have the new one, and comparing "
            "or joining them with others can fail or find other rows",
        )


def _source(table: Table) -> str:
    """The table that a new one is filled from; empty without one."""
    match = _FROM_TABLE.search(table.on_create)
    return match[1].strip() if match else ""
