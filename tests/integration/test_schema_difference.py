"""Whether an old release can go on: its statements after Magento's own ALTER, on a real MariaDB.

The statements of the migrations are those that Magento 2.4.7-p3 sends (read off the server's
general log), in a session as `startSetup` makes it; those of the old release run in a session as
Magento's connections are (no strict mode), and again in strict mode where that matters.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from builder.magento.db_schema import STRINGS, Column, Constraint, Index, Schema
from builder.magento.schema_difference import difference
from tests.integration.databases import Database, run_database
from tests.unit.magento.schemas import allow_all, parse

MIGRATION = "SET SQL_MODE='NO_AUTO_VALUE_ON_ZERO', FOREIGN_KEY_CHECKS=0, UNIQUE_CHECKS=0; "
MAGENTO = "SET SQL_MODE=''; "
EMPTY = "DROP DATABASE shop; CREATE DATABASE shop; USE shop; "
STRICT = "SET SQL_MODE='STRICT_TRANS_TABLES'; "

ID = '<column xsi:type="int" name="id" unsigned="true" nullable="false" identity="true"/>'
PRIMARY = '<constraint xsi:type="primary" referenceId="P"><column name="id"/></constraint>'
CODE = '<column xsi:type="varchar" name="code" length="64" nullable="true"/>'
BASE = ID + CODE
UNIQUE = '<constraint xsi:type="unique" referenceId="U"><column name="code"/></constraint>'
FULLTEXT = '<index referenceId="F" indexType="fulltext"><column name="code"/></index>'
PARENT = f'<table name="parent">{ID}{PRIMARY}</table>'
PARENT_ID = '<column xsi:type="int" name="parent_id" unsigned="true" nullable="false" default="1"/>'
FOREIGN = (
    '<constraint xsi:type="foreign" referenceId="K" column="parent_id" '
    'referenceTable="parent" referenceColumn="id" onDelete="CASCADE"/>'
)
KEY = "CONSTRAINT `T_PARENT_ID_PARENT_ID` FOREIGN KEY (`parent_id`) REFERENCES `parent` (`id`)"
ROWS = "INSERT INTO parent (id) VALUES (1), (2); "


@dataclass(frozen=True)
class Case:
    """One migration.

    Attributes:
        old, new: what the table `t` holds besides its primary key; empty if there is none.
        alter: what Magento sends.
        statements: what the old release sends afterwards, besides the standard ones.
        finds: what these print.
        before: what the old release wrote before.
        fails: what they fail with instead.
        mode: the old release's session.
        parent: whether there is the table `parent` that foreign keys refer to.
        options: attributes that the new table has besides.
        beside: another table that the new release has.
    """

    old: str
    new: str
    alter: str
    statements: str = ""
    finds: str = ""
    before: str = ""
    fails: str = ""
    mode: str = MAGENTO
    parent: bool = False
    options: str = ""
    beside: str = ""

    def before_and_after(self) -> tuple[Schema, Schema]:
        old = self._schema(self.old)
        new = self._schema(self.new, self.options, self.beside)
        return old, allow_all(old, new)

    def _schema(self, content: str, options: str = "", beside: str = "") -> Schema:
        table = f'<table name="t" {options}>{content}{PRIMARY}</table>' if content else ""
        return parse((PARENT if self.parent else "") + table + beside)


WROTE = "INSERT INTO t (code) VALUES ('before');"
READS = "SELECT code FROM t ORDER BY id;"

# Each goes on to write and read what it wrote and read before.
ADDITIVE = {
    "nullable column added": Case(
        BASE, BASE + '<column xsi:type="int" name="n"/>', "ALTER TABLE t ADD COLUMN `n` int NULL"
    ),
    "column with a default added": Case(
        BASE,
        BASE + '<column xsi:type="int" name="n" nullable="false" default="7"/>',
        "ALTER TABLE t ADD COLUMN `n` int NOT NULL DEFAULT 7",
    ),
    "column filled from another added": Case(
        BASE,
        BASE + '<column xsi:type="varchar" name="n" onCreate="migrateDataFrom(code)"/>',
        "ALTER TABLE t ADD COLUMN `n` varchar(255) NULL; UPDATE t SET `n` = code",
    ),
    "table created": Case(
        BASE,
        BASE,
        "CREATE TABLE other (`id` int UNSIGNED NOT NULL AUTO_INCREMENT, "
        "CONSTRAINT PRIMARY KEY (`id`)) ENGINE=innodb",
        beside=f'<table name="other">{ID}{PRIMARY}</table>',
    ),
    "varchar widened": Case(
        BASE,
        BASE.replace("64", "255"),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(255) NULL",
    ),
    "varchar widened to text": Case(
        BASE,
        ID + '<column xsi:type="text" name="code"/>',
        "ALTER TABLE t MODIFY COLUMN `code` text NULL",
    ),
    "int widened to bigint": Case(
        BASE + '<column xsi:type="int" name="n" unsigned="true"/>',
        BASE + '<column xsi:type="bigint" name="n" unsigned="true"/>',
        "ALTER TABLE t MODIFY COLUMN `n` bigint UNSIGNED NULL",
        "INSERT INTO t (n) VALUES (4294967295); SELECT n FROM t WHERE n = 4294967295",
        "4294967295",
    ),
    "decimal widened": Case(
        BASE + '<column xsi:type="decimal" name="n" precision="12" scale="4"/>',
        BASE + '<column xsi:type="decimal" name="n" precision="20" scale="6"/>',
        "ALTER TABLE t MODIFY COLUMN `n` decimal(20, 6) NULL",
        "INSERT INTO t (n) VALUES (99999999.9999); SELECT n = 99999999.9999 FROM t "
        "WHERE n IS NOT NULL",
        "1",
    ),
    "boolean changed to tinyint": Case(
        BASE + '<column xsi:type="boolean" name="n"/>',
        BASE + '<column xsi:type="tinyint" name="n"/>',
        "ALTER TABLE t MODIFY COLUMN `n` tinyint NULL",
        "INSERT INTO t (n) VALUES (1); SELECT n FROM t WHERE n = 1",
        "1",
    ),
    "NOT NULL made nullable": Case(
        BASE.replace('nullable="true"', 'nullable="false" default=""'),
        BASE.replace('nullable="true"', 'nullable="true" default=""'),
        """ALTER TABLE t MODIFY COLUMN `code` varchar(64) NULL DEFAULT "" """,
    ),
    "default added where there was none": Case(
        BASE + '<column xsi:type="int" name="n" nullable="false"/>',
        BASE + '<column xsi:type="int" name="n" nullable="false" default="3"/>',
        "ALTER TABLE t MODIFY COLUMN `n` int NOT NULL DEFAULT 3",
    ),
    "index added": Case(
        BASE,
        BASE + '<index referenceId="I"><column name="code"/></index>',
        "ALTER TABLE t ADD INDEX `T_CODE` (`code`)",
    ),
    "index dropped": Case(
        BASE + '<index referenceId="I"><column name="code"/></index>',
        BASE,
        "ALTER TABLE t DROP INDEX `T_CODE`",
    ),
    "fulltext index added": Case(
        BASE, BASE + FULLTEXT, "ALTER TABLE t ADD FULLTEXT INDEX `T_CODE` (`code`)"
    ),
    "unique key on a new column that stays NULL added": Case(
        BASE,
        BASE + '<column xsi:type="int" name="n"/>' + UNIQUE.replace('name="code"', 'name="n"'),
        "ALTER TABLE t ADD COLUMN `n` int NULL; "
        "ALTER TABLE t ADD CONSTRAINT `T_N` UNIQUE KEY (`n`)",
    ),
    "foreign key on a new column that stays NULL added": Case(
        BASE,
        BASE + PARENT_ID.replace('nullable="false" default="1"', "") + FOREIGN,
        "ALTER TABLE t ADD COLUMN `parent_id` int UNSIGNED NULL; "
        f"ALTER TABLE t ADD {KEY} ON DELETE CASCADE",
        "DELETE FROM parent; SELECT COUNT(*) FROM parent",
        "0",
        before=ROWS,
        parent=True,
    ),
    "foreign key that takes nothing along dropped": Case(
        BASE + PARENT_ID + FOREIGN.replace("CASCADE", "NO ACTION"),
        BASE + PARENT_ID,
        "ALTER TABLE t DROP FOREIGN KEY `T_PARENT_ID_PARENT_ID`",
        before=ROWS,
        parent=True,
    ),
}

DUPLICATE = "INSERT INTO t (code) VALUES ('before') ON DUPLICATE KEY UPDATE code = VALUES(code);"
MANDATORY = BASE + '<column xsi:type="int" name="n" nullable="false"/>'

# Each shows what goes wrong: a statement fails, or finds another thing than it would have.
DESTRUCTIVE = {
    "mandatory column added, strict": Case(
        BASE,
        MANDATORY,
        "ALTER TABLE t ADD COLUMN `n` int NOT NULL",
        "INSERT INTO t (code) VALUES ('x')",
        fails="ERROR 1364 (HY000) at line 1: Field 'n' doesn't have a default value",
        mode=STRICT,
    ),
    "table dropped": Case(BASE, "", "DROP TABLE t", READS, fails="ERROR 1146"),
    "column dropped": Case(BASE, ID, "ALTER TABLE t DROP COLUMN `code`", READS, fails="ERROR 1054"),
    "column renamed": Case(
        BASE,
        BASE.replace('"code"', '"sku" onCreate="migrateDataFrom(code)"'),
        "ALTER TABLE t ADD COLUMN `sku` varchar(64) NULL; UPDATE t SET `sku` = code; "
        "ALTER TABLE t DROP COLUMN `code`",
        WROTE,
        fails="ERROR 1054",
    ),
    "varchar narrowed: what is there is cut": Case(
        BASE,
        BASE.replace("64", "3"),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(3) NULL",
        READS,
        "bef",
        before=WROTE,
    ),
    "varchar narrowed: what is written is cut": Case(
        BASE,
        BASE.replace("64", "3"),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(3) NULL",
        WROTE + READS,
        "bef",
    ),
    "varchar narrowed, strict": Case(
        BASE,
        BASE.replace("64", "3"),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(3) NULL",
        WROTE,
        fails="ERROR 1406",
        mode=STRICT,
    ),
    "int made unsigned": Case(
        BASE + '<column xsi:type="int" name="n"/>',
        BASE + '<column xsi:type="int" name="n" unsigned="true"/>',
        "ALTER TABLE t MODIFY COLUMN `n` int UNSIGNED NULL",
        "INSERT INTO t (n) VALUES (-5); SELECT n FROM t",
        "0",
    ),
    "float changed to double": Case(
        BASE + '<column xsi:type="float" name="n"/>',
        BASE + '<column xsi:type="double" name="n"/>',
        "ALTER TABLE t MODIFY COLUMN `n` double NULL",
        "SELECT n FROM t",
        "0.10000000149011612",
        before="INSERT INTO t (n) VALUES (0.1);",
    ),
    "text changed to json": Case(
        BASE + '<column xsi:type="text" name="n"/>',
        BASE + '<column xsi:type="json" name="n"/>',
        "ALTER TABLE t MODIFY COLUMN `n` json NULL",
        "INSERT INTO t (n) VALUES ('plain')",
        fails="ERROR 4025",
    ),
    "nullable made NOT NULL: NULL is refused": Case(
        BASE,
        BASE.replace('nullable="true"', 'nullable="false"'),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(64) NOT NULL",
        "INSERT INTO t (code) VALUES (NULL)",
        fails="ERROR 1048",
    ),
    "nullable made NOT NULL: NULL is not found": Case(
        BASE,
        BASE.replace('nullable="true"', 'nullable="false"'),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(64) NOT NULL",
        "SELECT COUNT(*) FROM t WHERE code IS NULL",
        "0",
        before="INSERT INTO t (code) VALUES (NULL);",
    ),
    "default changed": Case(
        BASE.replace('nullable="true"', 'default="new"'),
        BASE.replace('nullable="true"', 'default="open"'),
        """ALTER TABLE t MODIFY COLUMN `code` varchar(64) NULL DEFAULT "open" """,
        "INSERT INTO t () VALUES (); SELECT COUNT(*) FROM t WHERE code = 'new'",
        "0",
    ),
    "default dropped, strict": Case(
        BASE.replace('nullable="true"', 'nullable="false" default="new"'),
        BASE.replace('nullable="true"', 'nullable="false"'),
        "ALTER TABLE t MODIFY COLUMN `code` varchar(64) NOT NULL",
        "INSERT INTO t () VALUES ()",
        fails="ERROR 1364",
        mode=STRICT,
    ),
    "column counted": Case(
        ID.replace(' identity="true"', "") + CODE,
        BASE,
        "ALTER TABLE t MODIFY COLUMN `id` int UNSIGNED NOT NULL AUTO_INCREMENT",
        "INSERT INTO t (id) VALUES (0); SELECT COUNT(*) FROM t WHERE id = 0",
        "0",
    ),
    "unique key added": Case(
        BASE,
        BASE + UNIQUE,
        "ALTER TABLE t ADD CONSTRAINT `T_CODE` UNIQUE KEY (`code`)",
        WROTE + WROTE,
        fails="ERROR 1062",
    ),
    "unique key dropped": Case(
        BASE + UNIQUE,
        BASE,
        "ALTER TABLE t DROP KEY `T_CODE`",
        DUPLICATE + "SELECT COUNT(*) FROM t",
        "2",
        before=WROTE,
    ),
    "foreign key added: what is written is refused": Case(
        BASE + PARENT_ID,
        BASE + PARENT_ID + FOREIGN,
        f"ALTER TABLE t ADD {KEY} ON DELETE CASCADE",
        "INSERT INTO t (parent_id) VALUES (9)",
        fails="ERROR 1452",
        before=ROWS,
        parent=True,
    ),
    "foreign key added: what is deleted takes rows along": Case(
        BASE + PARENT_ID,
        BASE + PARENT_ID + FOREIGN,
        f"ALTER TABLE t ADD {KEY} ON DELETE CASCADE",
        "DELETE FROM parent WHERE id = 1; SELECT COUNT(*) FROM t",
        "0",
        before=ROWS + WROTE,
        parent=True,
    ),
    "foreign key dropped": Case(
        BASE + PARENT_ID + FOREIGN,
        BASE + PARENT_ID,
        "ALTER TABLE t DROP FOREIGN KEY `T_PARENT_ID_PARENT_ID`",
        "DELETE FROM parent WHERE id = 1; SELECT COUNT(*) FROM t",
        "1",
        before=ROWS + WROTE,
        parent=True,
    ),
    "fulltext index dropped": Case(
        BASE + FULLTEXT,
        BASE,
        "ALTER TABLE t DROP INDEX `T_CODE`",
        "SELECT id FROM t WHERE MATCH (code) AGAINST ('before')",
        fails="ERROR 1191",
    ),
    "engine changed": Case(
        BASE,
        BASE,
        "ALTER TABLE t ENGINE='myisam'",
        "START TRANSACTION; INSERT INTO t (code) VALUES ('x'); ROLLBACK; SELECT COUNT(*) FROM t",
        "1",
        options='engine="myisam"',
    ),
    "collation changed, and a column after it": Case(
        BASE,
        BASE,
        "ALTER TABLE t DEFAULT COLLATE='utf8mb3_unicode_ci'; "
        "ALTER TABLE t MODIFY COLUMN `code` varchar(64) NULL",
        "SELECT COUNT(*) FROM t JOIN other ON t.code = other.code",
        before="CREATE TABLE other (code varchar(64)) COLLATE utf8mb3_general_ci;",
        fails="ERROR 1267",
        options='collation="utf8mb3_unicode_ci"',
    ),
}


@pytest.fixture(scope="module")
def server(engine: docker.DockerClient, services: str) -> Iterator[Database]:
    with run_database(engine, services, f"kiln-test-schema-{os.getpid()}") as database:
        yield database


@pytest.fixture
def database(server: Database) -> Database:
    server.sql(EMPTY)
    return server


def run(database: Database, statements: str) -> tuple[int, str]:
    """The exit code of mariadb, and what it printed."""
    argv = ("mariadb", "--default-character-set=utf8mb4", "shop", "-NBre", statements)
    code, output = database.container.run(*argv)
    return code, output.strip()


def create(schema: Schema) -> str:
    """What makes the tables, as Schema\\Db\\MySQL\\DbSchemaWriter and Definition do."""
    sql = ""
    for table in schema.tables.values():
        parts = [*map(column_sql, table.columns.values())]
        parts += map(constraint_sql, table.constraints.values())
        parts += map(index_sql, table.indexes.values())
        collation = table.collation or "utf8mb3_general_ci"
        sql += (
            f"CREATE TABLE {table.name} ({', '.join(parts)}) ENGINE={table.engine} "
            f"DEFAULT CHARSET=utf8mb3 DEFAULT COLLATE={collation}; "
        )
    return sql


def column_sql(column: Column) -> str:
    kind = column.type
    if kind in STRINGS:
        kind += f"({column.length})"
    elif column.precision:
        kind += f"({column.precision}, {column.scale})"
    sql = f"`{column.name}` {kind}"
    sql += " UNSIGNED" * column.unsigned + (" NULL" if column.nullable else " NOT NULL")
    if column.default is not None:
        sql += f' DEFAULT "{column.default}"'
    return sql + " AUTO_INCREMENT" * column.identity


def constraint_sql(key: Constraint) -> str:
    names = ", ".join(f"`{name}`" for name in key.columns)
    if key.kind == "foreign":
        return (
            f"CONSTRAINT `{key.name}` FOREIGN KEY ({names}) REFERENCES `{key.reference_table}` "
            f"(`{key.reference_column}`) ON DELETE {key.on_delete}"
        )
    return f"PRIMARY KEY ({names})" if key.kind == "primary" else f"UNIQUE `{key.name}` ({names})"


def index_sql(index: Index) -> str:
    kind = "FULLTEXT INDEX" if index.kind == "fulltext" else "INDEX"
    return f"{kind} `{index.name}` ({', '.join(f'`{name}`' for name in index.columns)})"


def describe(database: Database) -> str:
    """What the server says of the table `t`."""
    columns = (
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLLATION_NAME "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't' "
        "ORDER BY COLUMN_NAME; "
    )
    keys = (
        "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, INDEX_TYPE FROM information_schema.STATISTICS "
        "WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't' AND INDEX_NAME NOT LIKE '%PARENT%' "
        "ORDER BY INDEX_NAME; "
    )
    references = (
        "SELECT CONSTRAINT_NAME, REFERENCED_TABLE_NAME, DELETE_RULE "
        "FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'shop'; "
    )
    table = (
        "SELECT ENGINE, TABLE_COLLATION FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'"
    )
    return database.sql(columns + keys + references + table)


def migrate(database: Database, case: Case) -> None:
    """Make the old tables, write what was there before, and migrate to the new ones."""
    old, _ = case.before_and_after()
    database.sql(EMPTY + create(old) + MAGENTO + case.before + MIGRATION + case.alter)


@pytest.mark.parametrize("mode", [MAGENTO, STRICT])
@pytest.mark.parametrize("name", ADDITIVE)
def test_the_old_release_goes_on_after_an_additive_change(
    database: Database, name: str, mode: str
) -> None:
    case = ADDITIVE[name]
    assert {one.kind for one in difference(*case.before_and_after())} == {"additive"}
    migrate(database, case)
    longest = "x" * 64
    wrote = (
        f"INSERT INTO t (code) VALUES ('{longest}'); INSERT INTO t (code) SELECT 'other'; "
        f"UPDATE t SET code = 'y' WHERE code = '{longest}'; "
    )
    found = run(database, f"{mode}{wrote}SELECT id, code FROM t ORDER BY id")
    assert found == (0, "1\ty\n2\tother")
    assert run(database, mode + case.statements) == (0, case.finds)


@pytest.mark.parametrize("name", DESTRUCTIVE)
def test_the_old_release_fails_or_loses_data_after_a_destructive_change(
    database: Database, name: str
) -> None:
    case = DESTRUCTIVE[name]
    old, new = case.before_and_after()
    assert "destructive" in {one.kind for one in difference(old, new)}
    # Before it, the same statements work and find something else.
    database.sql(create(old) + MAGENTO + case.before)
    code, found = run(database, case.mode + case.statements)
    assert code == 0, found
    assert case.fails or found != case.finds
    migrate(database, case)
    code, found = run(database, case.mode + case.statements)
    if case.fails:
        assert code != 0
        assert case.fails in found
    else:
        assert (code, found) == (0, case.finds)


@pytest.mark.parametrize("name", [*ADDITIVE, *DESTRUCTIVE])
def test_the_statements_make_what_the_new_release_declares(database: Database, name: str) -> None:
    case = {**ADDITIVE, **DESTRUCTIVE}[name]
    migrate(database, case)
    found = describe(database)
    _, new = case.before_and_after()
    database.sql(EMPTY + create(new))
    assert found == describe(database)


def test_rows_are_orphaned_while_a_foreign_key_is_taken_away(database: Database) -> None:
    old = PARENT + f'<table name="t">{BASE}{PARENT_ID}{FOREIGN}{PRIMARY}</table>'
    new = old.replace('default="1"', 'default="2"')
    found = difference(parse(old), parse(new))
    assert [one.kind for one in found if not one.lasting] == ["destructive"]
    database.sql(create(parse(old)) + ROWS + WROTE)
    database.sql(f"{MIGRATION}ALTER TABLE t DROP FOREIGN KEY `T_PARENT_ID_PARENT_ID`")
    database.sql(f"{MAGENTO}DELETE FROM parent WHERE id = 1")
    database.sql(
        f"{MIGRATION}ALTER TABLE t MODIFY COLUMN `parent_id` int UNSIGNED NOT NULL DEFAULT 2; "
        f"ALTER TABLE t ADD {KEY} ON DELETE CASCADE"
    )
    assert database.sql("SELECT parent_id FROM t") == "1"


def test_an_indexer_that_names_no_columns_fails_with_one_more(database: Database) -> None:
    name = "catalog_product_index_price"
    old, new = (f'<table name="{name}">{one}{PRIMARY}</table>' for one in (ID, BASE))
    assert [one.kind for one in difference(parse(old), parse(new))] == ["destructive"]
    database.sql(create(parse(old)))
    fill = f"INSERT INTO {name} SELECT 1"
    assert run(database, fill)[0] == 0
    database.sql(f"ALTER TABLE {name} ADD COLUMN `code` varchar(64) NULL")
    assert "ERROR 1136" in run(database, fill)[1]


def test_rows_of_the_old_release_have_an_empty_value_in_a_mandatory_column(
    database: Database,
) -> None:
    case = DESTRUCTIVE["mandatory column added, strict"]
    migrate(database, case)
    database.sql(MAGENTO + WROTE)
    assert database.sql("SELECT n FROM t WHERE code = 'before'") == "0"
