"""The fields of the Admin's configuration, from etc/adminhtml/system.xml."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from builder.magento.config_xml import is_encrypting
from builder.magento.xml import parse_xml_lines


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the Admin.

    Attributes:
        where: `vendor/.../etc/adminhtml/system.xml:12`.
        encrypted: its value is encrypted with one system's crypt key: in config.php it is a
            secret, and of no use to any other system. An extension, as Magento itself, may have
            forgotten to list it in TypePool.
    """

    where: str
    encrypted: bool


def read_fields(files: Iterable[tuple[str, bytes]]) -> Mapping[str, Field]:
    """The fields by configuration path.

    Args:
        files: path for messages and content of system.xml files and of those they include.

    Raises:
        TreeError: a file is not well-formed XML.
    """
    found: dict[str, Field] = {}
    for name, content in files:
        root, lines = parse_xml_lines(content, name)
        # An included file stands below a section that it does not name; its fields count where
        # they say what they are kept as.
        tops = [root] if root.tag == "include" else list(root.iter("section"))
        for top in tops:
            for path, element in _fields(top, top.get("id", "")):
                encrypted = is_encrypting(element.findtext("backend_model", ""))
                if path and (path not in found or (encrypted and not found[path].encrypted)):
                    found[path] = Field(f"{name}:{lines[element]}", encrypted)
    return found


def _fields(parent: Element, path: str) -> Iterator[tuple[str, Element]]:
    for element in parent:
        below = f"{path}/{element.get('id', '')}" if path else ""
        if element.tag == "group":
            yield from _fields(element, below)
        elif element.tag == "field":
            named = (element.findtext("config_path") or "").strip()
            yield named or (below if path else ""), element
