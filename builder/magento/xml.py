"""Parses Magento's XML, safe against entity bombs and external entities."""

from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from builder.errors import TreeError


def parse_xml(content: bytes, where: str) -> Element:
    """Parse an XML file.

    Args:
        content: the file's content.
        where: the file's path for messages.

    Raises:
        TreeError: not well-formed, or with entities or external references of its own.
    """
    try:
        root: Element = defusedxml.ElementTree.fromstring(content)
    except ParseError as error:
        line, _ = error.position
        raise TreeError(f"the file is not XML: {error.msg}", where=f"{where}:{line}") from None
    except DefusedXmlException:
        line = content.count(b"\n", 0, max(content.find(b"<!ENTITY"), 0)) + 1
        raise TreeError(
            "the file declares an XML entity, which can expand without end",
            where=f"{where}:{line}",
            hint="write the text in place of the entity",
        ) from None
    except (ValueError, LookupError) as error:
        # An encoding that expat does not know.
        raise TreeError(f"the file is not XML: {error}", where=where) from None
    return root
