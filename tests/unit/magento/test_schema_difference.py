from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.magento.db_schema import Column, Index, Schema, Table
from builder.magento.element_names import name_key
from builder.magento.schema_change import SchemaChange
from builder.magento.schema_difference import difference
from tests.unit.magento.schemas import COLUMNS, allow_all, parse, schemas


def changes(old: str, new: str, *, may_drop: bool = True) -> tuple[SchemaChange, ...]:
    """The changes between two bodies of a schema; the new whitelist names all or nothing."""
    before, after = parse(old), parse(new)
    return difference(before, allow_all(before, after) if may_drop else after)


def told(old: str, new: str, *, may_drop: bool = True) -> list[tuple[str, str, str]]:
    return [(one.table, one.what, one.kind) for one in changes(old, new, may_drop=may_drop)]


def table(content: str, attributes: str = "") -> str:
    return f'<table name="shop_order" {attributes}>{content}</table>'


def column(attributes: str) -> str:
    return table(f'<column name="c" {attributes}/>')


ID = '<column xsi:type="int" name="id" nullable="false"/>'
CODE = '<column xsi:type="varchar" name="code" nullable="true"/>'
PRIMARY = '<constraint xsi:type="primary" referenceId="P"><column name="id"/></constraint>'
UNIQUE = '<constraint xsi:type="unique" referenceId="U"><column name="code"/></constraint>'
FULLTEXT = '<index referenceId="F" indexType="fulltext"><column name="code"/></index>'
INDEX = '<index referenceId="I"><column name="code"/></index>'


def foreign(on_delete: str, column: str = "id") -> str:
    return (
        f'<constraint xsi:type="foreign" referenceId="K" column="{column}" '
        f'referenceTable="shop_quote" referenceColumn="quote_id" onDelete="{on_delete}"/>'
    )


def test_a_new_table_is_additive() -> None:
    assert told("", table(ID)) == [("shop_order", "table created", "additive")]


def test_a_new_table_that_holds_rows_of_an_old_one_says_so() -> None:
    quote = '<table name="shop_quote"/>'
    (change,) = changes(quote, quote + table(ID + foreign("NO ACTION")))
    assert change.kind == "additive"
    assert "cannot delete rows of `shop_quote`" in change.reason
    (change,) = changes(quote, quote + table(ID + foreign("CASCADE")))
    assert "cannot delete" not in change.reason


def test_a_dropped_table_is_destructive() -> None:
    assert told(table(ID), "") == [("shop_order", "table dropped", "destructive")]
    assert told(table(ID), table(ID, 'disabled="true"')) == told(table(ID), "")


def test_what_no_whitelist_names_stays_and_is_additive() -> None:
    assert told(table(ID), "", may_drop=False) == [
        ("shop_order", "table no longer declared", "additive")
    ]
    assert told(table(ID + CODE + UNIQUE + INDEX), table(ID), may_drop=False) == [
        ("shop_order", "column `code` no longer declared", "additive"),
        ("shop_order", "unique key on `code` no longer declared", "additive"),
        ("shop_order", "index on `code` no longer declared", "additive"),
    ]


def test_a_renamed_table_is_destructive() -> None:
    new = '<table name="shop_sale" onCreate="migrateDataFromAnotherTable(shop_order)"/>'
    assert told(table(ID), new) == [
        ("shop_order", "table renamed to `shop_sale`", "destructive"),
    ]


def test_a_table_filled_from_one_that_stays_is_additive() -> None:
    new = '<table name="shop_sale" onCreate="migrateDataFromAnotherTable(shop_order)"/>'
    assert told(table(ID), table(ID) + new) == [("shop_sale", "table created", "additive")]


@pytest.mark.parametrize(
    ("attributes", "what"),
    [
        ('engine="memory"', "engine changed from innodb to memory"),
        ('charset="utf8mb4"', "character set or collation changed"),
        ('collation="utf8mb4_unicode_ci"', "character set or collation changed"),
        ('resource="sales"', "table moved from the connection `default` to `sales`"),
    ],
)
def test_another_engine_character_set_or_database_is_destructive(
    attributes: str, what: str
) -> None:
    assert told(table(ID), table(ID, attributes)) == [("shop_order", what, "destructive")]


def test_comments_are_no_change() -> None:
    old = table(ID + '<column xsi:type="int" name="c" comment="one"/>', 'comment="one"')
    new = table(ID + '<column xsi:type="int" name="c" comment="two"/>', 'comment="two"')
    assert changes(old, new) == ()


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ('xsi:type="int"', "additive"),
        ('xsi:type="int" nullable="false" default="0"', "additive"),
        ('xsi:type="timestamp" nullable="false" default="CURRENT_TIMESTAMP"', "additive"),
        ('xsi:type="int" identity="true"', "additive"),
        ('xsi:type="int" onCreate="migrateDataFrom(id)"', "additive"),
        ('xsi:type="int" nullable="false"', "destructive"),
        ('xsi:type="timestamp" nullable="false"', "destructive"),
        # A default that Magento does not give to the database.
        ('xsi:type="text" nullable="false" default="x"', "destructive"),
    ],
)
def test_a_new_column_is_additive_if_rows_need_not_name_it(attributes: str, kind: str) -> None:
    new = table(f'{ID}<column name="c" {attributes}/>')
    assert told(table(ID), new) == [("shop_order", "column `c` added", kind)]


@pytest.mark.parametrize(
    "name", ["catalog_product_index_price", "catalog_product_index_price_final_tmp", "a_replica"]
)
def test_a_new_column_in_a_table_of_an_indexer_is_destructive(name: str) -> None:
    old = f'<table name="{name}">{ID}</table>'
    new = f'<table name="{name}">{ID}{CODE}</table>'
    assert told(old, new) == [(name, "column `code` added", "destructive")]


def test_a_dropped_column_is_destructive() -> None:
    assert told(table(ID + CODE), table(ID)) == [
        ("shop_order", "column `code` dropped", "destructive")
    ]


def test_a_renamed_column_is_one_destructive_change() -> None:
    new = '<column xsi:type="varchar" name="sku" onCreate="migrateDataFrom(code)"/>'
    assert told(table(CODE), table(new)) == [
        ("shop_order", "column `code` renamed to `sku`", "destructive")
    ]


@pytest.mark.parametrize(
    ("old", "new", "what", "kind"),
    [
        ("smallint", "int", "from smallint to int", "additive"),
        ("int", "bigint", "from int to bigint", "additive"),
        ("boolean", "smallint", "from boolean to smallint", "additive"),
        ("boolean", "tinyint", "from boolean to tinyint", "additive"),
        ("tinyint", "boolean", "from tinyint to boolean", "additive"),
        ("bigint", "int", "from bigint to int", "destructive"),
        ("smallint", "boolean", "from smallint to boolean", "destructive"),
        ("int", "varchar", "from int to varchar(255)", "destructive"),
        ("text", "mediumtext", "from text to mediumtext", "additive"),
        ("varchar", "text", "from varchar(255) to text", "additive"),
        ("varbinary", "blob", "from varbinary(255) to blob", "additive"),
        ("mediumblob", "blob", "from mediumblob to blob", "destructive"),
        ("text", "varchar", "from text to varchar(255)", "destructive"),
        ("text", "blob", "from text to blob", "destructive"),
        ("text", "json", "from text to json", "destructive"),
        ("char", "varchar", "from char(255) to varchar(255)", "destructive"),
        ("float", "double", "from float to double", "destructive"),
        ("float", "decimal", "from float to decimal(10,0)", "destructive"),
        ("date", "datetime", "from date to datetime", "destructive"),
        ("timestamp", "datetime", "from timestamp to datetime", "destructive"),
    ],
)
def test_a_wider_type_is_additive_and_any_other_destructive(
    old: str, new: str, what: str, kind: str
) -> None:
    found = told(column(f'xsi:type="{old}"'), column(f'xsi:type="{new}"'))
    assert found == [("shop_order", f"column `c` changed {what}", kind)]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ('xsi:type="varchar" length="64"', 'xsi:type="varchar" length="255"', "additive"),
        ('xsi:type="varchar" length="64"', 'xsi:type="varchar" length="32"', "destructive"),
        ('xsi:type="varbinary" length="8"', 'xsi:type="varbinary" length="16"', "additive"),
        (
            'xsi:type="smallint" unsigned="true"',
            'xsi:type="int" unsigned="true"',
            "additive",
        ),
        ('xsi:type="smallint" unsigned="true"', 'xsi:type="int"', "destructive"),
        ('xsi:type="int"', 'xsi:type="bigint" unsigned="true"', "destructive"),
        ('xsi:type="tinyint" unsigned="true"', 'xsi:type="boolean"', "destructive"),
        (
            'xsi:type="decimal" precision="12" scale="4"',
            'xsi:type="decimal" precision="20" scale="6"',
            "additive",
        ),
        (
            'xsi:type="decimal" precision="12" scale="4"',
            'xsi:type="decimal" precision="12" scale="6"',
            "destructive",
        ),
        (
            'xsi:type="decimal" precision="12" scale="4"',
            'xsi:type="decimal" precision="12" scale="4" unsigned="true"',
            "destructive",
        ),
    ],
)
def test_lengths_digits_and_signs_are_part_of_the_type(old: str, new: str, kind: str) -> None:
    (change,) = changes(column(old), column(new))
    assert (change.kind, change.what[:19]) == (kind, "column `c` changed ")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('nullable="true"', 'nullable="false"', [("column `c` made NOT NULL", "destructive")]),
        ('nullable="false"', 'nullable="true"', [("column `c` made nullable", "additive")]),
        (
            'nullable="false"',
            'nullable="false" default="0"',
            [("default of column `c` changed from none to `0`", "additive")],
        ),
        (
            'nullable="false" default="0"',
            'nullable="false"',
            [("default of column `c` changed from `0` to none", "destructive")],
        ),
        (
            'default="0"',
            'default="1"',
            [("default of column `c` changed from `0` to `1`", "destructive")],
        ),
        (
            "",
            'default="1"',
            [("default of column `c` changed from NULL to `1`", "destructive")],
        ),
        (
            'nullable="true" default="1"',
            'nullable="false" default="1"',
            [("column `c` made NOT NULL", "destructive")],
        ),
        (
            'nullable="false"',
            'identity="true"',
            [("column `c` counted by the database", "destructive")],
        ),
        (
            'identity="true"',
            'nullable="false"',
            [("column `c` no longer counted by the database", "destructive")],
        ),
    ],
)
def test_what_a_row_gets_that_does_not_name_a_column(
    old: str, new: str, expected: list[tuple[str, str]]
) -> None:
    found = changes(column(f'xsi:type="int" {old}'), column(f'xsi:type="int" {new}'))
    assert [(one.what, one.kind) for one in found] == expected


def test_a_time_that_updates_set_or_no_longer_set_is_destructive() -> None:
    off, on = (column(f'xsi:type="timestamp" on_update="{value}"') for value in ("false", "true"))
    assert told(off, on) == [
        ("shop_order", "column `c` set to the time of each update", "destructive")
    ]
    assert told(on, off) == [
        ("shop_order", "column `c` no longer set to the time of each update", "destructive")
    ]


def test_null_or_not_of_a_time_alone_is_what_magento_does_not_see() -> None:
    old = column('xsi:type="timestamp" nullable="true"')
    assert changes(old, column('xsi:type="timestamp" nullable="false"')) == ()


def test_a_default_is_compared_as_a_value() -> None:
    old = column('xsi:type="decimal" scale="4" precision="12" default="0"')
    assert (
        changes(old, column('xsi:type="decimal" scale="4" precision="12" default="0.0000"')) == ()
    )


def test_a_change_under_a_foreign_key_is_dangerous_while_it_is_made() -> None:
    old = '<column xsi:type="int" name="id" nullable="false"/>' + foreign("CASCADE")
    new = '<column xsi:type="bigint" name="id" nullable="false"/>' + foreign("CASCADE")
    widened, without = changes(table(old), table(new))
    assert (widened.kind, widened.lasting) == ("additive", True)
    assert (without.kind, without.lasting) == ("destructive", False)
    assert without.what == "foreign key on column `id` taken away and put back"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (ID, ID + PRIMARY, ("primary key on `id` added", "destructive")),
        (ID + PRIMARY, ID, ("primary key on `id` dropped", "destructive")),
        (
            ID + CODE + PRIMARY,
            ID + CODE + PRIMARY.replace('"id"', '"code"'),
            ("primary key changed from `id` to `code`", "destructive"),
        ),
        (CODE, CODE + UNIQUE, ("unique key on `code` added", "destructive")),
        (CODE + UNIQUE, CODE, ("unique key on `code` dropped", "destructive")),
        (
            ID,
            ID + foreign("CASCADE"),
            ("foreign key of `id` to `shop_quote`.`quote_id` added", "destructive"),
        ),
        (
            ID + foreign("CASCADE"),
            ID,
            ("foreign key of `id` to `shop_quote`.`quote_id` dropped", "destructive"),
        ),
        (
            ID + foreign("NO ACTION"),
            ID,
            ("foreign key of `id` to `shop_quote`.`quote_id` dropped", "additive"),
        ),
        (
            ID + foreign("CASCADE"),
            ID + foreign("SET NULL"),
            (
                "foreign key of `id` to `shop_quote`.`quote_id` changed from ON DELETE CASCADE "
                "to SET NULL",
                "destructive",
            ),
        ),
        (CODE, CODE + INDEX, ("index on `code` added", "additive")),
        (CODE + INDEX, CODE, ("index on `code` dropped", "additive")),
        (
            CODE + INDEX,
            CODE + INDEX.replace('"I"', '"I" indexType="hash"'),
            ("index on `code` built anew", "additive"),
        ),
        (CODE, CODE + FULLTEXT, ("fulltext index on `code` added", "additive")),
        (CODE + FULLTEXT, CODE, ("fulltext index on `code` dropped", "destructive")),
    ],
)
def test_keys_and_indexes(old: str, new: str, expected: tuple[str, str]) -> None:
    assert told(table(old), table(new)) == [("shop_order", *expected)]


@pytest.mark.parametrize("key", [UNIQUE, foreign("CASCADE", "code")])
def test_a_key_on_a_new_column_that_stays_null_is_additive(key: str) -> None:
    kinds = [one.kind for one in changes(table(ID), table(ID + CODE + key))]
    assert kinds == ["additive", "additive"]
    filled = '<column xsi:type="varchar" name="code" default="x"/>'
    kinds = [one.kind for one in changes(table(ID), table(ID + filled + key))]
    assert kinds == ["additive", "destructive"]


def test_a_reference_id_is_no_change() -> None:
    assert changes(table(CODE + INDEX), table(CODE + INDEX.replace('"I"', '"OTHER"'))) == ()


def test_an_index_that_becomes_fulltext_is_dropped_and_added() -> None:
    assert [one.what for one in changes(table(CODE + INDEX), table(CODE + FULLTEXT))] == [
        "index on `code` dropped",
        "fulltext index on `code` added",
    ]


def test_one_name_for_two_keys_is_a_drop_and_an_addition() -> None:
    old = '<constraint xsi:type="unique" referenceId="U"><column name="a_b"/></constraint>'
    new = old.replace('<column name="a_b"/>', '<column name="a"/><column name="b"/>')
    assert [(one.what, one.kind) for one in changes(table(old), table(new))] == [
        ("unique key on `a_b` dropped", "destructive"),
        ("unique key on `a`, `b` added", "destructive"),
    ]


@given(schemas())
def test_a_schema_does_not_differ_from_itself(schema: Schema) -> None:
    assert difference(schema, schema) == ()
    assert difference(schema, allow_all(schema, schema)) == ()


@given(schemas(), schemas())
def test_any_two_schemas_can_be_compared(old: Schema, new: Schema) -> None:
    for change in difference(old, new):
        assert change.table in {*old.tables, *new.tables}
        assert change.what
        assert change.reason


@given(schemas(), schemas())
def test_without_a_whitelist_no_table_and_no_column_is_dropped(old: Schema, new: Schema) -> None:
    for change in difference(old, Schema(new.tables)):
        assert "renamed" not in change.what
        if change.what.endswith(" dropped"):
            assert not change.what.startswith(("table", "column"))


@st.composite
def grown(draw: st.DrawFn) -> tuple[Schema, Schema, set[tuple[str, str]]]:
    """A schema, the same with additions that an old release does not notice, and these."""
    old = draw(schemas())
    found = dict(old.tables)
    expected: set[tuple[str, str]] = set()
    if draw(st.booleans()):
        found["new_table"] = Table("new_table", {"id": Column("id", "int", nullable=False)})
        expected.add(("new_table", "table created"))
    for name in draw(st.sets(st.sampled_from(sorted(old.tables) or ["none"]))) & set(old.tables):
        one = found[name]
        if not name.endswith("_index"):
            made = draw(COLUMNS["zz"])
            made = replace(made, identity=False, on_create="")
            if not made.nullable and made.default is None:
                made = replace(made, nullable=True)
            one = replace(one, columns={**one.columns, "zz": made})
            expected.add((name, "column `zz` added"))
        key = name_key(name, ["zz"], "index")
        one = replace(one, indexes={**one.indexes, key: Index(key, ("zz",))})
        expected.add((name, "index on `zz` added"))
        found[name] = one
    return old, Schema(found, old.droppable), expected


@given(grown())
def test_what_is_only_added_is_additive_and_told_in_full(
    case: tuple[Schema, Schema, set[tuple[str, str]]],
) -> None:
    old, new, expected = case
    found = difference(old, new)
    assert {one.kind for one in found} <= {"additive"}
    assert {(one.table, one.what) for one in found} == expected
    assert len(found) == len(expected)


@given(grown())
def test_what_was_added_is_taken_away_again_the_other_way_round(
    case: tuple[Schema, Schema, set[tuple[str, str]]],
) -> None:
    old, new, expected = case
    found = difference(new, allow_all(new, old))
    undone = {
        (name, what.replace(" created", " dropped").replace(" added", " dropped"))
        for name, what in expected
    }
    assert {(one.table, one.what) for one in found} == undone
    assert all(one.kind == "destructive" for one in found if not one.what.startswith("index"))
