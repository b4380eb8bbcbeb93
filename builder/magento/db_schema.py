"""The tables that a release declares: db_schema.xml of its modules, merged as Magento merges them.

Source: Magento 2.4.7's Magento\\Framework\\Setup\\Declaration\\Schema, named below as `Schema`, and
the reader of app/etc/di.xml that it is given (Magento\\Framework\\Config\\Dom). Compared on
2.4.7-p3 with what `SchemaConfig::getDeclarationConfig` gives.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, get_args
from xml.etree.ElementTree import Element

from builder.errors import TreeError
from builder.magento.element_names import PRIMARY, name_foreign_key, name_key
from builder.magento.xml import parse_xml_lines

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

ConstraintKind = Literal["primary", "unique", "foreign"]
IndexKind = Literal["btree", "hash", "fulltext"]

INTEGERS = ("tinyint", "smallint", "int", "bigint")
REALS = ("decimal", "float", "double")
STRINGS = ("char", "varchar", "varbinary")
TEXTS = ("text", "mediumtext", "longtext")
BLOBS = ("blob", "mediumblob", "longblob")
TIMES = ("timestamp", "datetime")
TYPES = frozenset({*INTEGERS, *REALS, *STRINGS, *TEXTS, *BLOBS, *TIMES, "boolean", "date", "json"})
"""All types that Magento knows (`typeFactories` in app/etc/di.xml)."""

# What `Schema\\Dto\\Factories\\Table` gives where nothing is declared, under each of its names.
_DEFAULT_CHARSET = {"utf8": "", "utf8mb3": ""}
_DEFAULT_COLLATION = {"utf8_general_ci": "", "utf8mb3_general_ci": ""}

# No more digits than an int holds.
_NUMBER = re.compile(r"\s*[+-]?\d{1,18}(\.\d{0,18})?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        type: as `xsi:type` has it, one of `TYPES`.
        nullable: whether it takes NULL.
        default: what a row gets that does not name the column, as text; None without one.
            `text`, `blob`, `json` and `date` have none: Magento ignores what is declared.
        length: characters (bytes for varbinary), of `STRINGS` alone.
        precision, scale: digits, and those behind the point, of `REALS` alone; 0 and 0 leave
            them to the database.
        unsigned: of numbers alone.
        identity: whether the database counts it up (AUTO_INCREMENT).
        on_update: whether a changed row gets the time, of `TIMES` alone.
        comment: for people.
        on_create: e.g. `migrateDataFrom(old_name)`.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    length: int = 0
    precision: int = 0
    scale: int = 0
    unsigned: bool = False
    identity: bool = False
    on_update: bool = False
    comment: str = ""
    on_create: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A primary, unique or foreign key.

    Attributes:
        name: as the database has it, without a table prefix; `PRIMARY`.
        kind: what it is.
        columns: their names, in the key's order; one for a foreign key.
        reference_table, reference_column, on_delete: of a foreign key alone.
    """

    name: str
    kind: ConstraintKind
    columns: tuple[str, ...]
    reference_table: str = ""
    reference_column: str = ""
    on_delete: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is no constraint.

    Attributes:
        name: as the database has it, without a table prefix.
        columns: their names, in the index's order.
        kind: what is declared; Magento asks the database for `fulltext` alone
            (`Schema\\Db\\MySQL\\Definition\\Index`).
    """

    name: str
    columns: tuple[str, ...]
    kind: IndexKind = "btree"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: without a prefix.
        columns, constraints, indexes: by name.
        engine: in lower case.
        charset, collation: empty for Magento's default.
        resource: the database connection.
        comment: for people.
        on_create: e.g. `migrateDataFromAnotherTable(old_name)`.
    """

    name: str
    columns: Mapping[str, Column] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    engine: str = "innodb"
    charset: str = ""
    collation: str = ""
    resource: str = "default"
    comment: str = ""
    on_create: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a release declares.

    Attributes:
        tables: by name, in the order in which Magento meets them.
        droppable: what Magento may take away when nothing declares it any more: `("table",)`,
            `("table", "column", "name")`, with `constraint` and `index` likewise. It is what
            db_schema_whitelist.json of all modules names; all else stays
            (`Schema\\Diff\\Diff::canBeRegistered`).
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    droppable: frozenset[tuple[str, ...]] = frozenset()


def read_schema(
    files: Iterable[tuple[str, bytes]], whitelists: Iterable[tuple[str, bytes]] = ()
) -> Schema:
    """Read and merge db_schema.xml files.

    Args:
        files: path and content of those of the modules that are on, in config.php's order,
            and of app/etc/db_schema.xml, which Magento takes last
            (Magento\\Framework\\Config\\FileResolverByModule).
        whitelists: path and content of db_schema_whitelist.json of all modules, off ones too.

    Raises:
        TreeError: a file is not well-formed, or declares what Magento cannot read.
    """
    merged: dict[str, _Node] = {}
    for path, content in files:
        root, lines = parse_xml_lines(content, path)
        for element in root.iter("table"):
            _merge(merged, element, lines, path)
    tables = {
        name: _build_table(name, node) for name, node in merged.items() if not _is_disabled(node)
    }
    return Schema(tables, frozenset(_read_whitelists(whitelists)))


@dataclass(slots=True)
class _Node:
    """An element of the merged file: its attributes, and its children by tag and identity."""

    where: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: dict[str, dict[str, "_Node"]] = field(default_factory=dict)


# By which attribute two elements are the same: `idAttributes` of the reader in app/etc/di.xml.
_IDENTITY = {"table": "name", "column": "name", "constraint": "referenceId", "index": "referenceId"}
_CHILDREN = {
    "table": ("column", "constraint", "index"),
    "constraint": ("column",),
    "index": ("column",),
    "column": (),
}


def _merge(
    siblings: dict[str, _Node], element: Element, lines: Mapping[Element, int], path: str
) -> None:
    where = f"{path}:{lines[element]}"
    attribute = _IDENTITY[element.tag]
    identity = element.get(attribute)
    if not identity:
        raise TreeError(f"a <{element.tag}> must have `{attribute}`", where=where)
    node = siblings.setdefault(identity, _Node(where))
    node.attributes.update(element.attrib)
    for child in element:
        if child.tag in _CHILDREN[element.tag]:
            _merge(node.children.setdefault(child.tag, {}), child, lines, path)


def _build_table(name: str, node: _Node) -> Table:
    attributes = node.attributes
    columns = {key: _build_column(key, one) for key, one in _enabled(node, "column")}
    constraints = [_build_constraint(name, one) for _, one in _enabled(node, "constraint")]
    indexes = [_build_index(name, one) for _, one in _enabled(node, "index")]
    charset = attributes.get("charset", "")
    collation = attributes.get("collation", "")
    return Table(
        name=name,
        columns=columns,
        # The later of two with one name counts: `Schema\\Declaration\\SchemaBuilder`.
        constraints={one.name: one for one in constraints},
        indexes={one.name: one for one in indexes},
        engine=attributes.get("engine", "innodb").lower(),
        charset=_DEFAULT_CHARSET.get(charset, charset),
        collation=_DEFAULT_COLLATION.get(collation, collation),
        resource=attributes.get("resource", "default"),
        comment=attributes.get("comment", ""),
        on_create=attributes.get("onCreate", ""),
    )


def _build_column(name: str, node: _Node) -> Column:
    kind = node.attributes.get(_XSI_TYPE, "")
    if kind not in TYPES:
        _refuse(node, f"the column {name} has no type that Magento knows", "xsi:type")
    identity = kind in INTEGERS and _boolean(node, "identity", default=False)
    decimal = kind == "decimal"
    return Column(
        name=name,
        type=kind,
        # `Schema\\Dto\\Factories\\Integer`: a counted column takes no NULL, whatever it says.
        nullable=not identity and _boolean(node, "nullable", default=True),
        default=_default(node, kind),
        length=_integer(node, "length", 255) if kind in STRINGS else 0,
        precision=_integer(node, "precision", 10 if decimal else 0) if kind in REALS else 0,
        scale=_integer(node, "scale", 0) if kind in REALS else 0,
        unsigned=kind in (*INTEGERS, *REALS) and _boolean(node, "unsigned", default=False),
        identity=identity,
        on_update=kind in TIMES and _on_update(node),
        comment=node.attributes.get("comment", ""),
        on_create=node.attributes.get("onCreate", ""),
    )


def _default(node: _Node, kind: str) -> str | None:
    """The default as each of `Schema\\Dto\\Factories` reads it."""
    text = node.attributes.get("default")
    if text is None:
        return None
    if kind in INTEGERS:
        return None if text == "null" else str(int(_number(text)))
    if kind in REALS:
        return str(_number(text))
    if kind == "boolean":
        return str(int(_boolean(node, "default", default=False)))
    if kind in TIMES:
        return None if text == "NULL" else text
    return text if kind in STRINGS else None


def _on_update(node: _Node) -> bool:
    text = node.attributes.get("on_update", "")
    return text == "CURRENT_TIMESTAMP" or (
        bool(text) and _boolean(node, "on_update", default=False)
    )


def _build_constraint(table: str, node: _Node) -> Constraint:
    kind = node.attributes.get(_XSI_TYPE, "")
    if kind == "primary":
        return Constraint(PRIMARY, "primary", _key_columns(node))
    if kind == "unique":
        columns = _key_columns(node)
        return Constraint(name_key(table, columns, "unique"), "unique", columns)
    if kind != "foreign":
        _refuse(node, f"a constraint is one of {', '.join(get_args(ConstraintKind))}", "xsi:type")
    column, reference_table, reference_column = (
        node.attributes.get(name) or _refuse(node, "a foreign key lacks something", name)
        for name in ("column", "referenceTable", "referenceColumn")
    )
    return Constraint(
        name_foreign_key(table, column, reference_table, reference_column),
        "foreign",
        (column,),
        reference_table,
        reference_column,
        # `Schema\\Dto\\Factories\\Foreign`
        node.attributes.get("onDelete", "CASCADE"),
    )


def _build_index(table: str, node: _Node) -> Index:
    columns = _key_columns(node)
    kind = node.attributes.get("indexType", "btree")
    if kind == "fulltext":
        return Index(name_key(table, columns, "fulltext"), columns, "fulltext")
    return Index(name_key(table, columns, "index"), columns, "hash" if kind == "hash" else "btree")


def _key_columns(node: _Node) -> tuple[str, ...]:
    return tuple(node.children.get("column", {}))


def _enabled(node: _Node, tag: str) -> Iterator[tuple[str, _Node]]:
    for name, child in node.children.get(tag, {}).items():
        if not _is_disabled(child):
            yield name, child


def _is_disabled(node: _Node) -> bool:
    return _boolean(node, "disabled", default=False)


def _boolean(node: _Node, name: str, *, default: bool) -> bool:
    """Magento\\Framework\\Stdlib\\BooleanUtils."""
    text = node.attributes.get(name)
    if text is None:
        return default
    if text not in ("true", "1", "false", "0"):
        _refuse(node, f"`{text}` is neither true nor false", name)
    return text in ("true", "1")


def _integer(node: _Node, name: str, default: int) -> int:
    text = node.attributes.get(name)
    return default if text is None else int(_number(text))


def _number(text: str) -> float:
    """The number that a text begins with, or 0, as PHP casts it."""
    match = _NUMBER.match(text)
    return float(match[0]) if match else 0.0


def _refuse(node: _Node, message: str, attribute: str) -> NoReturn:
    raise TreeError(
        message, where=node.where, hint=f"correct `{attribute}` there, or where it is overwritten"
    )


def _read_whitelists(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, ...]]:
    for path, content in files:
        try:
            for table, kinds in _entries(json.loads(content)):
                yield (table,)
                for kind, names in _entries(kinds):
                    yield from ((table, kind, name) for name, _ in _entries(names))
        except (ValueError, RecursionError):
            raise TreeError(
                "the file is not a whitelist of tables, columns, constraints and indexes",
                where=path,
                hint="write it with `bin/magento setup:db-declaration:generate-whitelist`",
            ) from None


def _entries(value: Any) -> list[tuple[str, Any]]:
    """What PHP's `isset` finds in an array; an empty one is a list in JSON."""
    if isinstance(value, dict):
        return [(key, one) for key, one in value.items() if one is not None]
    if value != []:
        raise ValueError
    return []
