"""Small schemas, written as modules write them, and drawn at random."""

import itertools

from hypothesis import strategies as st

from builder.magento.db_schema import TYPES, Column, Constraint, Index, Schema, Table, read_schema
from builder.magento.element_names import PRIMARY, name_foreign_key, name_key

OPEN = '<schema xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'


def parse(*files: str, whitelist: str = "") -> Schema:
    """The schema of one file a module, in their order; each without its root."""
    whitelists = [("w.json", whitelist.encode())] if whitelist else []
    return read_schema(
        [(f"{n}.xml", f"{OPEN}{body}</schema>".encode()) for n, body in enumerate(files)],
        whitelists,
    )


def allow_all(old: Schema, new: Schema) -> Schema:
    """The new schema with a whitelist that names everything of the old one."""
    names: set[tuple[str, ...]] = {(table,) for table in old.tables}
    for table in old.tables.values():
        names |= {(table.name, "column", name) for name in table.columns}
        names |= {(table.name, "constraint", name) for name in table.constraints}
        names |= {(table.name, "index", name) for name in table.indexes}
    return Schema(new.tables, frozenset(names) | new.droppable)


_NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


def _columns(name: str) -> list[Column]:
    options = itertools.product(
        sorted(TYPES),
        (True, False),
        (None, "0", "x"),
        (1, 9),
        (True, False),
        ("", "note"),
        _ON_CREATE,
    )
    return [
        Column(
            name=name,
            type=kind,
            nullable=nullable,
            default=default,
            length=size,
            precision=size,
            scale=size // 2,
            unsigned=flag,
            identity=flag,
            on_update=flag,
            comment=comment,
            on_create=on_create,
        )
        for kind, nullable, default, size, flag, comment, on_create in options
    ]


_ON_CREATE = ("", "migrateDataFrom(a)", "migrateDataFrom(", "b * 2")
# Drawn as one choice each: attribute by attribute takes many times as long.
COLUMNS = {name: st.sampled_from(_columns(name)) for name in ("a", "b", "c", "d", "e", "zz")}
"""Any column by name, sensible or not."""
_COLUMNS = st.one_of(*(one for name, one in COLUMNS.items() if name != "zz"))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Any table; keys may name columns that it does not have."""
    name = draw(st.sampled_from(["shop_order", "shop_item", "shop_note", "shop_index"]))
    some = st.lists(_NAMES, min_size=1, max_size=3, unique=True).map(tuple)
    keys = [Constraint(PRIMARY, "primary", draw(some))] if draw(st.booleans()) else []
    for key in draw(st.lists(some, max_size=2)):
        keys.append(Constraint(name_key(name, key, "unique"), "unique", key))
    for column in draw(st.lists(_NAMES, max_size=2)):
        action = draw(st.sampled_from(["CASCADE", "SET NULL", "NO ACTION"]))
        called = name_foreign_key(name, column, "shop_order", "a")
        keys.append(Constraint(called, "foreign", (column,), "shop_order", "a", action))
    indexes = [
        Index(name_key(name, key, "index"), key, draw(st.sampled_from(["btree", "fulltext"])))
        for key in draw(st.lists(some, max_size=2))
    ]
    return Table(
        name=name,
        columns={one.name: one for one in draw(st.lists(_COLUMNS, max_size=4))},
        constraints={one.name: one for one in keys},
        indexes={one.name: one for one in indexes},
        engine=draw(st.sampled_from(["innodb", "memory"])),
        charset=draw(st.sampled_from(["", "utf8mb4"])),
        resource=draw(st.sampled_from(["default", "sales"])),
        on_create=draw(st.sampled_from(["", "migrateDataFromAnotherTable(shop_order)"])),
    )


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Any schema, with any whitelist."""
    found = {one.name: one for one in draw(st.lists(tables(), max_size=3))}
    schema = Schema(found)
    return allow_all(schema, schema) if draw(st.booleans()) else schema
