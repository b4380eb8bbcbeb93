"""Which settings are sensitive, and which belong to one system only.

Modules say so in di.xml, under `Magento\\Config\\Model\\Config\\TypePool`; `app:config:dump`
keeps such values out of config.php.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from builder.magento.tables import read_table
from builder.magento.xml import parse_xml

_CLASS = "Magento\\Config\\Model\\Config\\TypePool"
_TYPES = ("sensitive", "environment")
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


def read_type_pool(files: Iterable[tuple[str, bytes]]) -> TypePool:
    """Read the entries of di.xml files.

    Args:
        files: path for messages and content, in the order of the modules in config.php: a
            later module's 0 takes a path out again.

    Raises:
        TreeError: a file with such entries is not well-formed XML.
    """
    flags: dict[str, dict[str, bool]] = {name: {} for name in _TYPES}
    declared: dict[str, str] = {}
    for name, content in files:
        # Few of the hundreds of di.xml have such entries, and parsing all takes seconds.
        if b"Config\\TypePool" not in content:
            continue
        for element in parse_xml(content, name).iter("type"):
            if element.get("name", "").lstrip("\\") != _CLASS:
                continue
            for argument in element.iterfind("arguments/argument"):
                if argument.get("name") not in _TYPES:
                    continue
                for item in argument.iterfind("item"):
                    path = item.get("name", "")
                    flags[argument.attrib["name"]][path] = _is_true(item)
                    declared[path] = _where(name, content, path)
    pool = {name: frozenset(p for p, on in flags[name].items() if on) for name in _TYPES}
    known = pool["sensitive"] | pool["environment"]
    return TypePool(
        pool["sensitive"],
        pool["environment"],
        {path: where for path, where in declared.items() if path in known},
    )


@functools.cache
def load_core_type_pool() -> TypePool:
    """The entries of Magento Open Source itself, for a tree that has no vendor/ yet."""
    table = read_table("core_type_pool.yaml")
    return TypePool(
        sensitive=frozenset(path for row in table.values() for path in row["sensitive"]),
        environment=frozenset(path for row in table.values() for path in row["environment"]),
        declared={
            path: f"vendor/{package}/etc/di.xml"
            for package, row in table.items()
            for path in (*row["environment"], *row["sensitive"])
        },
    )


def _is_true(item: Element) -> bool:
    if item.get(_XSI_TYPE) == "const":
        # Its value takes PHP to know; a secret must not slip through.
        return True
    # TypePool asks filter_var(…, FILTER_VALIDATE_BOOLEAN).
    return (item.text or "").strip().lower() in ("1", "true", "on", "yes")


def _where(name: str, content: bytes, path: str) -> str:
    position = content.find(f'"{path}"'.encode())
    line = content.count(b"\n", 0, position) + 1
    return name if position < 0 else f"{name}:{line}"
