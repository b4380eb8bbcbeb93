import pytest

from builder.errors import TreeError
from builder.magento.xml import parse_xml, parse_xml_lines


def test_each_element_has_the_line_in_which_it_begins() -> None:
    root, lines = parse_xml_lines(b"<?xml version='1.0'?>\n<a>\n  <b\n x='1'/>\n<c/></a>", "a.xml")
    assert [(element.tag, lines[element]) for element in root.iter()] == [
        ("a", 2),
        ("b", 3),
        ("c", 5),
    ]


def test_blanks_around_a_cdata_section_are_no_part_of_the_text() -> None:
    root = parse_xml(b"<a><b>\n  <![CDATA[\n x <y>\n]]>\n</b><c> d </c></a>", "a.xml")
    assert [element.text for element in root] == ["\n x <y>\n", " d "]


def test_text_beside_a_cdata_section_stays() -> None:
    assert parse_xml(b"<a>x <![CDATA[ y ]]></a>", "a.xml").text == "x  y "


def test_a_bomb_is_refused() -> None:
    bomb = b'<!DOCTYPE a [\n<!ENTITY b "bbbb">\n<!ENTITY c "&b;&b;">]><a>&c;</a>'
    with pytest.raises(TreeError, match="entity") as caught:
        parse_xml(bomb, "a.xml")
    assert caught.value.where == "a.xml:2"


@pytest.mark.parametrize("content", [b"", b"<a>", b"<a/><b/>", b"\0"])
def test_what_is_no_xml_is_refused(content: bytes) -> None:
    with pytest.raises(TreeError, match="not XML"):
        parse_xml(content, "a.xml")
