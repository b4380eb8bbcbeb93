from collections.abc import Mapping

import pytest

from builder.errors import TreeError
from builder.magento.components import Component, Components
from builder.magento.config_php import read_config_php
from builder.magento.themes import Theme, read_themes, scope_of

FOLDERS = {
    "app/design/frontend/Acme/shop": "frontend/Acme/shop",
    "app/design/frontend/Acme/shop2": "frontend/Acme/other",
}


def themes_of(files: Mapping[str, str], config: str = "<?php return [];") -> dict[str, Theme]:
    """The themes of a tree in which each of these files declares one."""
    components = tuple(
        Component("theme", path.removeprefix("app/design/"), path)
        for path in (file.removesuffix("/theme.xml") for file in files)
    )
    texts = {path: text.encode() for path, text in files.items()}
    found = read_themes(Components(components, ()), read_config_php(config.encode()), texts.get)
    return {theme.name: theme for theme in found}


def theme_xml(parent: str = "") -> str:
    inside = f"<parent>{parent}</parent>" if parent else ""
    return f"<theme><title>A</title>{inside}</theme>"


def test_a_theme_has_the_parents_of_theme_xml_and_those_that_config_php_knows() -> None:
    config = """<?php return ['themes' => [
        'frontend/Magento/luma' => ['parent_id' => 'Magento/blank'],
        'frontend/Magento/blank' => ['parent_id' => null],
        'frontend/Acme/base' => ['parent_id' => 'Acme/gone'],
    ]];"""
    found = themes_of(
        {
            "app/design/frontend/Acme/shop/theme.xml": theme_xml("\n Acme/base "),
            "app/design/frontend/Acme/base/theme.xml": theme_xml("Magento/luma"),
            "app/design/adminhtml/Acme/base/theme.xml": theme_xml(),
        },
        config,
    )
    assert found["frontend/Acme/shop"] == Theme(
        "frontend/Acme/shop",
        "app/design/frontend/Acme/shop",
        ("frontend/Acme/base", "frontend/Magento/luma", "frontend/Magento/blank"),
    )
    assert found["frontend/Magento/luma"].directory is None
    assert found["adminhtml/Acme/base"].ancestors == ()


def test_what_a_theme_inherits_from_is_unknown_where_one_of_its_parents_is() -> None:
    config = "<?php return ['themes' => ['frontend/Brand/new' => ['parent_id' => 'Brand/gone']]];"
    found = themes_of({"app/design/frontend/A/a/theme.xml": theme_xml("Brand/new")}, config)
    assert found["frontend/A/a"].ancestors is None
    assert found["frontend/Brand/new"].ancestors is None


def test_themes_that_inherit_from_each_other_are_all_ancestors() -> None:
    found = themes_of(
        {
            "app/design/frontend/A/a/theme.xml": theme_xml("B/b"),
            "app/design/frontend/B/b/theme.xml": theme_xml("A/a"),
        }
    )
    assert found["frontend/A/a"].ancestors == ("frontend/B/b", "frontend/A/a")


def test_a_theme_xml_that_is_none_is_named() -> None:
    with pytest.raises(TreeError) as error:
        themes_of({"app/design/frontend/A/a/theme.xml": "<theme>\n<parent>"})
    assert error.value.where == "app/design/frontend/A/a/theme.xml:2"


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("app/design/frontend/Acme/shop/web/css/a.less", "frontend/Acme/shop"),
        ("app/design/frontend/Acme/shop/Acme_Kit2/web/a.svg", "frontend/Acme/shop"),
        ("app/design/frontend/Acme/shop/Acme_Kit2/web/a.js", "frontend"),
        ("app/design/frontend/Acme/shop/Acme_Kit2/requirejs-config.js", "frontend"),
        ("app/design/frontend/Acme/shop/web/template/a.html", "frontend"),
        ("app/design/frontend/Acme/shop2/web/a.json", "frontend/Acme/other"),
        ("app/design/frontend/Acme/shop/i18n/de_DE.csv", None),
        ("app/design/frontend/Acme/shop/media/preview.jpg", None),
        ("app/design/frontend/Acme/shop/node_modules/web/a.js", None),
        ("app/design/frontend/Acme/unregistered/web/a.js", None),
        ("app/code/Acme/Kit/view/frontend/web/a.js", "frontend"),
        ("app/code/Acme/Kit/src/view/adminhtml/requirejs-config.js", "adminhtml"),
        ("app/code/Acme/Kit/view/base/web/a.js", None),
        ("app/code/Acme/Kit/view/frontend/a.phtml", None),
        ("lib/web/view/frontend/a.js", None),
    ],
)
def test_a_view_file_is_for_its_area_or_theme(path: str, scope: str | None) -> None:
    assert scope_of(path, FOLDERS) == scope
