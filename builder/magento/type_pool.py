"""Which settings are sensitive, and which belong to one system only.

Modules say so in di.xml, under `Magento\\Config\\Model\\Config\\TypePool`; `app:config:dump`
keeps such values out of config.php. What `Magento\\Config\\Model\\Config\\Export\\ExcludeList`
names is sensitive too (TypePool::isPresent).

Magento reads etc/di.xml of the enabled modules in config.php's order and merges item by item.
An area's di.xml (etc/adminhtml/di.xml) does not count: `app:config:dump` runs in no area.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from builder.magento.module_files import EnabledModules
from builder.magento.tables import read_table
from builder.magento.xml import parse_xml_lines
from builder.project.tree import Tree

Type = Literal["sensitive", "environment"]

_TYPE_POOL = "Magento\\Config\\Model\\Config\\TypePool"
_EXCLUDE_LIST = "Magento\\Config\\Model\\Config\\Export\\ExcludeList"
_LISTS: Mapping[tuple[str, str], Type] = {
    (_TYPE_POOL, "sensitive"): "sensitive",
    (_TYPE_POOL, "environment"): "environment",
    (_EXCLUDE_LIST, "configs"): "sensitive",
}
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(frozen=True, slots=True)
class TypePool:
    """Configuration paths by type; a path may be of both.

    Attributes:
        sensitive: passwords, keys and the like, e.g. `carriers/ups/password`.
        environment: what differs between systems, e.g. `web/unsecure/base_url`.
        declared: the place that says so, `file:line`, by path.
    """

    sensitive: frozenset[str]
    environment: frozenset[str]
    declared: Mapping[str, str]

    def declared_in(self, path: str) -> str:
        """The di.xml, as `file:line`, that gives a path its type; empty for any other path."""
        return self.declared.get(path, "")

    def __or__(self, other: "TypePool") -> "TypePool":
        """All paths of both."""
        return TypePool(
            self.sensitive | other.sensitive,
            self.environment | other.environment,
            {**self.declared, **other.declared},
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    on: bool
    where: str


def read_type_pool(files: Iterable[tuple[str, bytes]]) -> TypePool:
    """Read the entries of di.xml files.

    Args:
        files: path for messages and content, in the order of the modules in config.php: a
            later module's 0 takes a path out again.

    Raises:
        TreeError: a file with such entries is not well-formed XML.
    """
    lists: dict[tuple[str, str], dict[str, _Entry]] = {key: {} for key in _LISTS}
    for name, content in files:
        # Few of the hundreds of di.xml have such entries, and parsing all takes seconds.
        if b"Config\\TypePool" not in content and b"Export\\ExcludeList" not in content:
            continue
        root, lines = parse_xml_lines(content, name)
        for key, item in _items(root):
            path = item.get("name", "")
            # Merged in by Magento\Framework\Config\Dom, an item without a value leaves the
            # value that is there.
            if path in lists[key] and not (item.text or "").strip():
                continue
            lists[key][path] = _Entry(_is_true(item, key[0]), f"{name}:{lines[item]}")
    pool: dict[Type, dict[str, str]] = {"environment": {}, "sensitive": {}}
    for key, entries in lists.items():
        for path, entry in entries.items():
            if entry.on:
                pool[_LISTS[key]].setdefault(path, entry.where)
    return TypePool(
        frozenset(pool["sensitive"]),
        frozenset(pool["environment"]),
        {**pool["environment"], **pool["sensitive"]},
    )


def read_tree_type_pool(tree: Tree, modules: EnabledModules) -> TypePool:
    """The entries that count in a tree.

    A module that is on but not in the tree (no vendor/) has the entries Magento 2.4.7 gives it.

    Raises:
        TreeError: a di.xml with such entries is not well-formed XML.
    """
    return load_core_type_pool(modules.missing) | read_type_pool(modules.read(tree, "etc/di.xml"))


@functools.cache
def load_core_type_pool(modules: frozenset[str] | None = None) -> TypePool:
    """The entries of Magento Open Source itself, for a tree that has no vendor/ yet.

    Args:
        modules: of which modules; all of them by default.
    """
    table = {
        package: row
        for package, row in read_table("core_type_pool.yaml").items()
        if modules is None or row["module"] in modules
    }
    return TypePool(
        sensitive=frozenset(path for row in table.values() for path in row["sensitive"]),
        environment=frozenset(path for row in table.values() for path in row["environment"]),
        declared={
            path: f"vendor/{package}/etc/di.xml"
            for package, row in table.items()
            for path in (*row["environment"], *row["sensitive"])
        },
    )


def _items(root: Element) -> Iterator[tuple[tuple[str, str], Element]]:
    """Each item of the lists that count, with the class and argument it stands under."""
    for element in root.iterfind("type"):
        # With a leading backslash, Magento takes it for another class and then lets its list
        # replace all others'. A secret must not slip through for that: here it adds to them.
        name = element.get("name", "").lstrip("\\")
        for argument in element.iterfind("arguments/argument"):
            key = (name, argument.get("name", ""))
            if key in _LISTS:
                yield from ((key, item) for item in argument.iterfind("item"))


def _is_true(item: Element, owner: str) -> bool:
    kind = item.get(_XSI_TYPE, "string")
    if kind in ("const", "init_parameter"):
        # Its value takes PHP to know; a secret must not slip through.
        return True
    text = (item.text or "").strip()
    if kind == "null":
        return False
    if owner == _EXCLUDE_LIST and kind != "boolean":
        # It asks for a value that is not empty.
        return text not in ("", "0")
    # TypePool asks filter_var(…, FILTER_VALIDATE_BOOLEAN).
    return text.lower() in ("1", "true", "on", "yes")
