import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import TreeError
from builder.magento.db_schema import Column, Constraint, Index, Schema, read_schema
from tests.unit.magento.schemas import OPEN, parse

STORE = Path(__file__).parent.parent.parent / "store"

ORDER = """
<table name="shop_order" resource="default" engine="InnoDB" comment="Orders">
    <column xsi:type="int" name="id" unsigned="true" nullable="true" identity="true"/>
    <column xsi:type="varchar" name="code" nullable="false" length="32" default="none"/>
    <column xsi:type="decimal" name="total" precision="12" scale="4" default="0.0000"/>
    <column xsi:type="timestamp" name="at" on_update="true" nullable="false" default="NULL"/>
    <column xsi:type="boolean" name="paid" nullable="false" default="false"/>
    <column xsi:type="text" name="note" default="ignored"/>
    <constraint xsi:type="primary" referenceId="PRIMARY"><column name="id"/></constraint>
    <constraint xsi:type="unique" referenceId="ANYTHING">
        <column name="code"/>
    </constraint>
    <constraint xsi:type="foreign" referenceId="FK" table="shop_order" column="id"
        referenceTable="shop_quote" referenceColumn="quote_id"/>
    <index referenceId="IDX" indexType="fulltext"><column name="note"/><column name="code"/></index>
</table>
"""


def column(attributes: str) -> Column:
    schema = parse(f'<table name="t"><column name="c" {attributes}/></table>')
    return schema.tables["t"].columns["c"]


def test_a_table_is_read_as_magento_reads_it() -> None:
    table = parse(ORDER).tables["shop_order"]
    assert table.engine == "innodb"
    assert table.comment == "Orders"
    assert list(table.columns.values()) == [
        Column("id", "int", nullable=False, unsigned=True, identity=True),
        Column("code", "varchar", nullable=False, default="none", length=32),
        Column("total", "decimal", default="0.0", precision=12, scale=4),
        Column("at", "timestamp", nullable=False, on_update=True),
        Column("paid", "boolean", nullable=False, default="0"),
        Column("note", "text"),
    ]
    assert table.constraints == {
        "PRIMARY": Constraint("PRIMARY", "primary", ("id",)),
        "SHOP_ORDER_CODE": Constraint("SHOP_ORDER_CODE", "unique", ("code",)),
        "SHOP_ORDER_ID_SHOP_QUOTE_QUOTE_ID": Constraint(
            "SHOP_ORDER_ID_SHOP_QUOTE_QUOTE_ID",
            "foreign",
            ("id",),
            "shop_quote",
            "quote_id",
            "CASCADE",
        ),
    }
    assert table.indexes == {
        "SHOP_ORDER_NOTE_CODE": Index("SHOP_ORDER_NOTE_CODE", ("note", "code"), "fulltext")
    }


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('xsi:type="int"', Column("c", "int")),
        ('xsi:type="int" default="null"', Column("c", "int")),
        ('xsi:type="int" default="" padding="10"', Column("c", "int", default="0")),
        ('xsi:type="smallint" default="12 "', Column("c", "smallint", default="12")),
        ('xsi:type="varchar"', Column("c", "varchar", length=255)),
        ('xsi:type="varchar" default=""', Column("c", "varchar", length=255, default="")),
        ('xsi:type="varbinary" length="16"', Column("c", "varbinary", length=16)),
        ('xsi:type="decimal"', Column("c", "decimal", precision=10)),
        ('xsi:type="float" default="1"', Column("c", "float", default="1.0")),
        ('xsi:type="boolean" default="1"', Column("c", "boolean", default="1")),
        ('xsi:type="text" length="10" unsigned="true"', Column("c", "text")),
        ('xsi:type="date" default="0"', Column("c", "date")),
        (
            'xsi:type="datetime" default="CURRENT_TIMESTAMP" on_update="CURRENT_TIMESTAMP"',
            Column("c", "datetime", default="CURRENT_TIMESTAMP", on_update=True),
        ),
        ('xsi:type="timestamp" default="0" on_update="0"', Column("c", "timestamp", default="0")),
    ],
)
def test_what_a_column_leaves_out_is_as_magento_has_it(attributes: str, expected: Column) -> None:
    assert column(attributes) == expected


def test_a_later_module_adds_to_a_table_and_overwrites_what_it_names_again() -> None:
    merged = parse(
        ORDER,
        """<table name="shop_order">
            <column xsi:type="varchar" name="code" length="64"/>
            <column xsi:type="int" name="gift_id"/>
            <constraint xsi:type="unique" referenceId="ANYTHING">
                <column name="gift_id"/>
            </constraint>
        </table>""",
    ).tables["shop_order"]
    assert merged.comment == "Orders"
    assert merged.columns["code"] == Column(
        "code", "varchar", nullable=False, default="none", length=64
    )
    assert list(merged.columns)[-1] == "gift_id"
    assert [one.columns for one in merged.constraints.values() if one.kind == "unique"] == [
        ("code", "gift_id")
    ]


def test_the_order_of_the_modules_decides() -> None:
    wide = '<table name="t"><column xsi:type="varchar" name="c" length="255"/></table>'
    narrow = '<table name="t"><column xsi:type="varchar" name="c" length="10"/></table>'
    assert parse(wide, narrow).tables["t"].columns["c"].length == 10
    assert parse(narrow, wide).tables["t"].columns["c"].length == 255


def test_what_is_disabled_is_not_there() -> None:
    merged = parse(
        ORDER,
        """<table name="shop_order">
            <column name="note" disabled="true"/>
            <constraint referenceId="FK" disabled="1"/>
            <index referenceId="IDX" disabled="true"/>
        </table>""",
    ).tables["shop_order"]
    assert "note" not in merged.columns
    assert [one.kind for one in merged.constraints.values()] == ["primary", "unique"]
    assert merged.indexes == {}
    assert parse(ORDER, '<table name="shop_order" disabled="true"/>').tables == {}


def test_what_was_disabled_can_be_enabled_again() -> None:
    off = '<table name="t" disabled="true"><column xsi:type="int" name="c"/></table>'
    assert "t" in parse(off, '<table name="t" disabled="false"/>').tables


def test_a_key_is_known_by_what_it_is_and_not_by_its_reference_id() -> None:
    twice = """<table name="t">
        <column xsi:type="int" name="c"/>
        <index referenceId="ONE"><column name="c"/></index>
        <index referenceId="TWO" indexType="hash"><column name="c"/></index>
    </table>"""
    assert parse(twice).tables["t"].indexes == {"T_C": Index("T_C", ("c",), "hash")}


def test_the_default_character_set_is_the_same_under_all_its_names() -> None:
    names = ("", 'charset="utf8"', 'charset="utf8mb3" collation="utf8mb3_general_ci"')
    found = {parse(f'<table name="t" {name}/>').tables["t"].charset for name in names}
    assert found == {""}
    assert parse('<table name="t" charset="utf8mb4"/>').tables["t"].charset == "utf8mb4"


def test_whitelists_say_what_may_be_dropped() -> None:
    whitelist = {"t": {"column": {"a": True, "b": None}, "index": [], "constraint": {"K": False}}}
    found = parse(whitelist=json.dumps(whitelist)).droppable
    assert found == {("t",), ("t", "column", "a"), ("t", "constraint", "K")}


@pytest.mark.parametrize(
    "content", ["no json", "[1]", '{"t": 1}', '{"t": {"column": "a"}}', "[" * 100_000]
)
def test_a_broken_whitelist_is_named(content: str) -> None:
    with pytest.raises(TreeError) as caught:
        parse(whitelist=content)
    assert caught.value.where == "w.json"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<table name="t">\n<column name="c"/></table>', "the column c has no type"),
        ('<table name="t">\n<column xsi:type="enum" name="c"/></table>', "has no type"),
        ('<table name="t">\n<column xsi:type="int"/></table>', "must have `name`"),
        ('<table name="t">\n<index/></table>', "must have `referenceId`"),
        ('<table name="t">\n<column xsi:type="int" name="c" nullable="no"/></table>', "`no` is"),
        ('<table name="t">\n<constraint referenceId="K"/></table>', "a constraint is one of"),
        (
            '<table name="t">\n<constraint xsi:type="foreign" referenceId="K" column="c"/></table>',
            "a foreign key lacks something",
        ),
    ],
)
def test_what_magento_cannot_read_is_named_with_its_line(body: str, message: str) -> None:
    with pytest.raises(TreeError, match=message) as caught:
        parse(body)
    assert caught.value.where == "0.xml:2"


@pytest.mark.parametrize(
    "content",
    [
        b"<schema><table",
        b"",
        b'<!DOCTYPE s [<!ENTITY a "b">]><schema>&a;</schema>',
        b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><schema>&a;</schema>',
        b'<?xml version="1.0" encoding="nonsense"?><schema/>',
        f'{OPEN}<table name="t">{"<column>" * 5000}</table></schema>'.encode(),
    ],
)
def test_malice_is_refused(content: bytes) -> None:
    with pytest.raises(TreeError):
        read_schema([("db_schema.xml", content)])


def test_deep_nesting_is_no_trouble() -> None:
    deep = '<column xsi:type="int" name="c">' * 20_000 + "</column>" * 20_000
    assert list(parse(f'<table name="t">{deep}</table>').tables["t"].columns) == ["c"]


@given(
    st.dictionaries(
        st.sampled_from(["name", "default", "length", "nullable", "xsi:type"]),
        st.sampled_from(["", "c", "int", "varchar", "decimal", "true", "null", "-1", "1e9", " 7x"]),
    )
)
def test_any_attributes_are_read_or_refused(attributes: dict[str, str]) -> None:
    text = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    with contextlib.suppress(TreeError):
        (table,) = parse(f'<table name="t"><column {text}/></table>').tables.values()
        assert list(table.columns) == [attributes["name"]]


def test_the_sample_shop_declares_its_tables() -> None:
    found = sorted(STORE.glob("packages/magento/*/etc/db_schema.xml"))
    found.append(STORE / "app/code/Kiln/Sample/etc/db_schema.xml")
    schema: Schema = read_schema((str(path), path.read_bytes()) for path in found)
    assert {"store", "cron_schedule", "kiln_sample_note"} <= set(schema.tables)
    store = schema.tables["store"]
    assert store.columns["store_id"].identity
    whitelist = STORE / "packages/magento/module-store/etc/db_schema_whitelist.json"
    droppable = read_schema([], [("w", whitelist.read_bytes())]).droppable
    assert {("store", "column", name) for name in store.columns} <= droppable
    assert {("store", "constraint", name) for name in store.constraints} <= droppable
