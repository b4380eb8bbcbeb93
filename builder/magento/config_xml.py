"""Defaults of settings, from the modules' etc/config.xml.

Merged as `Magento\\Framework\\App\\Config\\Initial\\Reader` does: file by file in config.php's
order of modules, node by node; a node without a value leaves the value that is there.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element
from xml.sax.saxutils import unescape

from builder.magento.xml import parse_xml_lines

_ENTITIES = {"&quot;": '"', "&apos;": "'"}


@dataclass(frozen=True, slots=True)
class Default:
    """What config.xml gives a setting.

    Attributes:
        value: the text; None for a field without one.
        where: `vendor/.../etc/config.xml:12`.
        encrypted: it names a backend model that encrypts.
    """

    value: str | None
    where: str
    encrypted: bool = False


@dataclass(slots=True)
class _Node:
    value: str | None
    where: str
    encrypted: bool
    below: dict[str, "_Node"] = field(default_factory=dict)


Defaults = Mapping[str, Mapping[str, Default]]


def read_defaults(files: Iterable[tuple[str, bytes]]) -> Defaults:
    """Read config.xml files.

    Args:
        files: path for messages and content, in the order of the modules in config.php.

    Returns:
        Defaults by scope (`default`, `websites/<code>`, `stores/<code>`) and path.

    Raises:
        TreeError: a file is not well-formed XML.
    """
    top = _Node(None, "", False)
    for name, content in files:
        root, lines = parse_xml_lines(content, name)
        _merge(top, root, lines, name)
    result: dict[str, dict[str, Default]] = {}
    for scope, node in top.below.items():
        if scope == "default":
            result["default"] = dict(_leaves(node, ""))
        elif scope in ("websites", "stores"):
            for code, one in node.below.items():
                result[f"{scope}/{code}"] = dict(_leaves(one, ""))
    return result


def read_cron_groups(files: Iterable[tuple[str, bytes]]) -> Mapping[str, Default]:
    """Defaults of cron groups, `system/cron/<group>/<field>`, from etc/cron_groups.xml.

    Source: `Magento\\Cron\\Model\\System\\Config\\Initial\\Converter`.
    """
    found: dict[str, Default] = {}
    for name, content in files:
        root, lines = parse_xml_lines(content, name)
        for group in root.iterfind("group"):
            for field_ in group:
                if isinstance(field_.tag, str) and (field_.text or "").strip():
                    path = f"system/cron/{group.get('id', '')}/{field_.tag}"
                    found[path] = Default(field_.text, f"{name}:{lines[field_]}")
    return found


def is_encrypting(model: str) -> bool:
    """Whether a backend model keeps its value encrypted in the database."""
    # Magento\Config\Model\Config\Backend\Encrypted, and extensions' children of it.
    return model.rstrip().endswith("Encrypted")


def _merge(node: _Node, element: Element, lines: Mapping[Element, int], name: str) -> None:
    for child in element:
        # Comments and processing instructions have no name.
        if not isinstance(child.tag, str):
            continue
        where = f"{name}:{lines[child]}"
        encrypted = is_encrypting(child.get("backend_model", ""))
        merged = child.tag in node.below
        known = node.below.setdefault(child.tag, _Node(None, where, encrypted))
        known.encrypted |= encrypted
        if len(child):
            _merge(known, child, lines, name)
        elif child.text and child.text.strip():
            # Merged over a node that is there, a text's entities are resolved a second time
            # (PHP: DOMElement::$nodeValue).
            text = unescape(child.text, _ENTITIES) if merged else child.text
            known.value, known.where = text, where


def _leaves(node: _Node, path: str) -> Iterator[tuple[str, Default]]:
    for name, below in node.below.items():
        at = f"{path}/{name}" if path else name
        if below.below:
            yield from _leaves(below, at)
        else:
            yield at, Default(below.value, below.where, below.encrypted)
