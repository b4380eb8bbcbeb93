from pathlib import Path

import pytest

from builder.errors import KilnError
from builder.magento.data_patch import DataPatch, name_patch, plan_patch
from builder.magento.shop_settings import ShopSettings
from tests.unit.shops import make_shop, register

VENDOR = {"vendor/acme/kit/registration.php": register("Acme_Kit")}


@pytest.fixture
def shop(tmp_path: Path) -> ShopSettings:
    return make_shop(tmp_path, "'default' => ['acme' => ['text' => ['locked' => 'x']]]")


def problem(shop: ShopSettings, path: str, value: str = "x", **options: str) -> str:
    module = options.pop("module", "Acme_Shop")
    with pytest.raises(KilnError) as caught:
        plan_patch(shop, path, value, module, **options)
    assert caught.value.hint
    assert value == "x" or value not in str(caught.value)
    return f"{caught.value.where}: {caught.value.message}; {caught.value.hint}"


def test_a_patch_lies_in_its_module_and_is_named_for_what_it_sets(shop: ShopSettings) -> None:
    patch = plan_patch(shop, "acme/text/welcome", "Hi", "Acme_Shop")
    assert patch == DataPatch(
        namespace="Acme\\Shop\\Setup\\Patch\\Data",
        class_name=name_patch("acme/text/welcome", "Hi"),
        file=f"app/code/Acme/Shop/Setup/Patch/Data/{patch.class_name}.php",
        path="acme/text/welcome",
        value="Hi",
        scope="default",
        code="",
        table="",
        column="",
    )
    assert patch.class_name.startswith("SetAcmeTextWelcome")


def test_a_patch_of_a_store_view_asks_for_its_number(shop: ShopSettings) -> None:
    patch = plan_patch(shop, "acme/text/welcome", "Hi", "Acme_Shop", scope="stores", code="german")
    assert (patch.table, patch.column, patch.code) == ("store", "store_id", "german")
    base = plan_patch(shop, "acme/text/welcome", "Hi", "Acme_Shop", scope="websites", code="base")
    assert (base.table, base.column) == ("store_website", "website_id")


def test_each_setting_scope_and_value_has_a_name_of_its_own_and_always_the_same() -> None:
    names = {
        name_patch(path, value, scope, code).lower()
        for path in ("a/b_c/d", "a/b/c_d", "A/b_c/d")
        for value in ("1", "2")
        for scope, code in (("default", ""), ("stores", "de"), ("websites", "de"))
    }
    assert len(names) == 18
    assert name_patch("a/b/c", "1") == "SetABC512ADE1F"


def test_a_long_path_makes_a_name_that_a_disk_takes() -> None:
    assert len(name_patch("/".join(["section" * 20] * 3), "x")) < 100


@pytest.mark.parametrize("path", ["acme/api/key", "acme/mail/password"])
def test_a_sensitive_setting_is_refused_with_the_way_to_do_it(
    shop: ShopSettings, path: str
) -> None:
    text = problem(shop, path, "geheim")
    assert f"{path}: {{secret: a-name}}" in text
    assert "app/code/Acme/Shop/etc/" in text


def test_a_system_specific_setting_belongs_to_the_environments(shop: ShopSettings) -> None:
    assert "environments/<name>.yaml" in problem(shop, "acme/api/url")


def test_a_locked_setting_is_refused_with_its_line(shop: ShopSettings) -> None:
    assert "app/etc/config.php:25: config.php locks" in problem(shop, "acme/text/locked")
    plan_patch(shop, "acme/text/locked", "x", "Acme_Shop", scope="stores", code="german")


def test_an_unknown_module_is_refused_and_those_there_are_named(shop: ShopSettings) -> None:
    for module in ("Acme_None", "Acme_Off", "", "../x"):
        assert "name one of Acme_Shop" in problem(shop, "acme/text/welcome", module=module)


def test_a_module_that_composer_writes_is_refused(tmp_path: Path) -> None:
    config = {"app/etc/config.php": "<?php return ['modules' => ['Acme_Kit' => 1]];"}
    shop = make_shop(tmp_path, **VENDOR, **config)
    text = problem(shop, "acme/text/welcome", module="Acme_Kit")
    assert "vendor/acme/kit, which Composer writes anew" in text


def test_an_unknown_scope_is_refused_and_those_there_are_named(shop: ShopSettings) -> None:
    text = problem(shop, "acme/text/welcome", scope="stores", code="french")
    assert "no french among its stores; there are: admin, german" in text
    assert "--scope-code" in problem(shop, "acme/text/welcome", scope="stores")
    assert "--scope-code" in problem(shop, "acme/text/welcome", code="german")


@pytest.mark.parametrize("path", ["", "a", "a/b", "a/b/c d", "a/b/../c", "a/b/c*/", "a/b/c\n"])
def test_what_is_no_setting_is_refused(shop: ShopSettings, path: str) -> None:
    assert "section/group/field" in problem(shop, path)


@pytest.mark.parametrize("name", ["1st", "a-b", "class", "String", "a\\b", "../x", "x\n"])
def test_what_is_no_name_of_a_class_is_refused(shop: ShopSettings, name: str) -> None:
    assert "PHP class" in problem(shop, "acme/text/welcome", class_name=name)


@pytest.mark.parametrize("value", ["a\0b", "\udcff"])
def test_a_value_that_no_way_carries_is_refused(shop: ShopSettings, value: str) -> None:
    assert "value" in problem(shop, "acme/text/welcome", value)
