"""Parses Magento's XML, safe against entity bombs and external entities."""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

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
    root, _ = parse_xml_lines(content, where)
    return root


def parse_xml_lines(content: bytes, where: str) -> tuple[Element, Mapping[Element, int]]:
    """Parse an XML file, and say in which line, from 1, each element begins.

    Raises:
        TreeError: as `parse_xml`.
    """
    builder = _LineBuilder()
    parser = defusedxml.ElementTree.DefusedXMLParser(target=builder)
    builder.listen(parser.parser)
    try:
        parser.feed(content)
        root: Element = parser.close()
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
    return root, builder.lines


class _LineBuilder(TreeBuilder):
    """Builds the tree, and asks the parser for the line as each element begins.

    Blanks around a CDATA section are layout and no part of the text, as Magento has it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Element, int] = {}
        self._parser: Any = None
        self._cdata: str | None = None
        self._in_cdata = False

    def listen(self, parser: Any) -> None:
        """Take lines and CDATA sections from an expat parser."""
        self._parser = parser
        parser.StartCdataSectionHandler = self._begin_cdata
        parser.EndCdataSectionHandler = self._end_cdata

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        element: Element = super().start(tag, attrs)
        self.lines[element] = self._parser.CurrentLineNumber
        self._cdata = None
        return element

    def data(self, data: str, /) -> None:
        if self._in_cdata:
            self._cdata = (self._cdata or "") + data
        super().data(data)

    def end(self, tag: str, /) -> Element:
        element: Element = super().end(tag)
        if self._cdata is not None and (element.text or "").strip() == self._cdata.strip():
            element.text = self._cdata
        self._cdata = None
        return element

    def _begin_cdata(self) -> None:
        self._in_cdata = True

    def _end_cdata(self) -> None:
        self._in_cdata = False
