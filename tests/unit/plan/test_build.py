from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.magento.themes import Theme
from builder.plan.build import group_entries, make_group, name_inputs, plan_static
from builder.project.model import Static
from builder.project.tree import Entry
from tests.unit.plans import SHOP, make_entry, make_plan, make_static


def names_of(path: str) -> list[str]:
    return [group.name for group in group_entries([make_entry(path)], SHOP)]


@pytest.mark.parametrize(
    ("path", "groups"),
    [
        ("app/code/Acme/Shop/Model/Item.php", ["code"]),
        ("app/code/Acme/Shop/etc/di.xml", ["code"]),
        ("app/code/Acme/Shop/view/frontend/templates/item.phtml", ["template"]),
        ("vendor/magento/module-cms/view/frontend/layout/x.xml", ["vendor-template"]),
        ("app/design/frontend/Acme/shop/web/css/source/_theme.less", ["view-frontend.acme.shop"]),
        ("app/design/frontend/Acme/shop/Magento_Theme/web/x.svg", ["view-frontend.acme.shop"]),
        ("app/design/frontend/Acme/shop/i18n/de_DE.csv", ["view"]),
        ("app/code/Acme/Shop/view/adminhtml/web/x.js", ["view-adminhtml"]),
        ("app/code/Acme/Shop/view/base/web/x.js", ["view"]),
        ("app/etc/config.php", ["code"]),
        ("composer.lock", ["code", "composer"]),
        ("vendor/magento/framework/App/Http.php", ["vendor-code"]),
        ("vendor/magento/module-theme/view/base/web/js/x.js", ["vendor-view"]),
    ],
)
def test_a_file_goes_to_the_stages_that_read_it(path: str, groups: list[str]) -> None:
    assert names_of(path) == groups


def test_a_link_is_code_wherever_it_is() -> None:
    link = Entry("app/design/x/web/link.css", 0, False, "0" * 64, "other.css")
    assert [group.name for group in group_entries([link], SHOP)] == ["code"]


def test_a_groups_digest_does_not_depend_on_the_order_of_files() -> None:
    one, other = make_entry("a"), make_entry("b")
    assert make_group("x", [one, other]).digest == make_group("x", [other, one]).digest


@pytest.mark.parametrize(
    "changed",
    [
        make_entry("b"),
        make_entry("a", digest="1" * 64),
        replace(make_entry("a"), executable=True),
        replace(make_entry("a"), target="x"),
    ],
)
def test_a_groups_digest_changes_with_path_content_mode_and_kind(changed: Entry) -> None:
    assert make_group("x", [changed]).digest != make_group("x", [make_entry("a")]).digest


@given(st.text())
def test_the_content_version_is_decimal_digits(dockerfile: str) -> None:
    version = name_inputs(make_plan(), dockerfile).content_version
    assert version.isdigit()
    assert version.isascii()
    assert len(version) <= 15


def test_every_input_changes_the_content_version() -> None:
    before = name_inputs(make_plan(), "FROM x")
    others = [
        name_inputs(make_plan(), "FROM y"),
        name_inputs(make_plan(base="x@sha256:" + "b" * 64), "FROM x"),
        name_inputs(make_plan(epoch=1), "FROM x"),
        name_inputs(make_plan(groups=()), "FROM x"),
    ]
    versions = {one.content_version for one in [before, *others]}
    assert len(versions) == 5
    assert name_inputs(make_plan(), "FROM x") == before


def test_each_theme_and_locale_is_a_stage_and_keeps_to_its_own_folder() -> None:
    themes = {"frontend/Magento/luma": ("en_US", "de_DE"), "adminhtml/Magento/backend": ("en_US",)}
    stages = make_static(themes)
    assert [(stage.name, stage.outputs) for stage in stages] == [
        ("static-adminhtml.magento.backend-en_us", ("adminhtml/Magento/backend/en_US/",)),
        ("static-frontend.magento.luma-de_de", ("frontend/Magento/luma/de_DE/",)),
        ("static-frontend.magento.luma-en_us", ("frontend/Magento/luma/en_US/",)),
    ]


def test_compact_deploys_the_themes_of_an_area_together() -> None:
    themes = {
        "frontend/Magento/luma": ("en_US", "de_DE"),
        "frontend/Magento/blank": ("de_DE", "en_US"),
        "adminhtml/Magento/backend": ("en_US",),
    }
    stages = make_static(themes, "compact")
    assert [(stage.area, stage.themes, stage.locales) for stage in stages] == [
        ("adminhtml", ("Magento/backend",), ("en_US",)),
        ("frontend", ("Magento/blank", "Magento/luma"), ("de_DE", "en_US")),
    ]


def test_static_content_is_made_from_its_area_and_its_chain_of_themes() -> None:
    (quick,) = make_static({"frontend/Acme/child": ("en_US",)})
    chain = ("view-frontend", "view-frontend.acme.child", "view-frontend.acme.shop")
    assert quick.groups == (*chain, "view-frontend.magento.blank")
    (parent,) = make_static({"frontend/Acme/shop": ("en_US",)})
    assert set(parent.groups) == {*quick.groups} - {"view-frontend.acme.child"}
    themes = {"frontend/Magento/blank": ("en_US",), "frontend/Acme/shop": ("en_US",)}
    (compact,) = make_static(themes, "compact")
    assert compact.groups == parent.groups
    some = [make_entry("app/design/frontend/Acme/shop/web/x.css")]
    plan = make_plan(groups=group_entries(some, SHOP))
    assert plan.own_groups(quick) == ("view-frontend.acme.shop",)


@pytest.mark.parametrize("theme", ["Brand/new", "Brand/unlisted"])
def test_a_theme_whose_parents_are_unknown_is_made_from_all_themes_of_its_area(theme: str) -> None:
    static = Static(themes={f"frontend/{theme}": ("en_US",)})
    (stage,) = plan_static(static, (*SHOP.themes, Theme("frontend/Brand/new", None, None)))
    of_all = {one.name for one in SHOP.themes if one.name.startswith("frontend/")}
    scopes = {"frontend", f"frontend/{theme}", "frontend/Brand/new", *of_all}
    assert set(stage.groups) == {f"view-{one.replace('/', '.').lower()}" for one in scopes}
