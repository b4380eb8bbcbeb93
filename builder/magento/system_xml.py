"""Settings that Magento keeps encrypted, from the Admin's fields in etc/adminhtml/system.xml."""

from collections.abc import Iterable, Iterator, Mapping
from xml.etree.ElementTree import Element

from builder.magento.config_xml import is_encrypting
from builder.magento.xml import parse_xml_lines


def read_encrypted_fields(files: Iterable[tuple[str, bytes]]) -> Mapping[str, str]:
    """The configuration paths of encrypted fields, and where each is declared.

    Such a value is encrypted with one system's crypt key: in config.php it is a secret, and
    of no use to any other system. An extension may have forgotten to list it in TypePool.

    Args:
        files: path for messages and content of system.xml files and of those they include.

    Raises:
        TreeError: a file that names such a model is not well-formed XML.
    """
    found: dict[str, str] = {}
    for name, content in files:
        if b"Encrypted" not in content:
            continue
        root, lines = parse_xml_lines(content, name)
        # An included file stands below a section that it does not name; its fields count where
        # they say what they are kept as.
        tops = [root] if root.tag == "include" else list(root.iter("section"))
        for top in tops:
            for path, element in _fields(top, top.get("id", "")):
                if path and is_encrypting(element.findtext("backend_model", "")):
                    found.setdefault(path, f"{name}:{lines[element]}")
    return found


def _fields(parent: Element, path: str) -> Iterator[tuple[str, Element]]:
    for element in parent:
        below = f"{path}/{element.get('id', '')}" if path else ""
        if element.tag == "group":
            yield from _fields(element, below)
        elif element.tag == "field":
            named = (element.findtext("config_path") or "").strip()
            yield named or (below if path else ""), element
