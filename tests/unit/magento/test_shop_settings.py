from pathlib import Path

import pytest

from builder.errors import TreeError
from builder.magento.config_php import CONFIG_PHP
from builder.magento.shop_settings import read_shop_settings
from tests.unit.shops import FILES, config_php, make_shop, write_tree


def test_a_setting_is_of_the_kind_that_its_module_says(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    assert shop.kind_of("acme/api/key") == "sensitive"
    assert shop.kind_of("acme/api/url") == "system-specific"
    assert shop.kind_of("acme/text/welcome") == "shared"
    assert shop.declared_in("acme/api/key") == "app/code/Acme/Shop/etc/di.xml:6"


def test_a_module_that_is_off_classifies_nothing(tmp_path: Path) -> None:
    assert make_shop(tmp_path).kind_of("acme/off/key") == "shared"


def test_a_path_of_both_types_is_sensitive(tmp_path: Path) -> None:
    di = FILES["app/code/Acme/Shop/etc/di.xml"].replace("acme/api/url", "acme/api/key")
    assert (
        make_shop(tmp_path, **{"app/code/Acme/Shop/etc/di.xml": di}).kind_of("acme/api/key")
        == "sensitive"
    )


def test_what_magento_keeps_encrypted_is_a_secret_without_being_called_sensitive(
    tmp_path: Path,
) -> None:
    shop = make_shop(tmp_path)
    assert shop.kind_of("acme/mail/password") == "shared"
    assert shop.is_secret("acme/mail/password")
    assert shop.encrypted["acme/mail/password"] == ("app/code/Acme/Shop/etc/adminhtml/system.xml:5")
    assert not shop.is_secret("acme/mail/host")


def test_without_vendor_magentos_own_entries_count_for_its_modules(tmp_path: Path) -> None:
    config = config_php().replace("'Acme_Off' => 0", "'Acme_Off' => 0, 'Magento_Ups' => 1")
    shop = make_shop(tmp_path, **{CONFIG_PHP: config})
    assert shop.kind_of("carriers/ups/password") == "sensitive"
    assert shop.kind_of("carriers/usps/password") == "shared"


def test_locked_values_defaults_and_scopes_are_found(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, "'default' => ['acme' => ['text' => ['welcome' => 'Hi']]]")
    assert shop.locked[("default", "acme/text/welcome")].value == "Hi"
    default = shop.default_of("stores/german", "acme/text/welcome")
    assert default is not None
    assert default.value == "Hallo"
    assert shop.default_of("stores/french", "acme/text/welcome") is None
    scopes = ["default", "websites/base", "stores/german", "stores/base", "groups/main", "stores"]
    assert [shop.has_scope(one) for one in scopes] == [True, True, True, False, False, False]


def test_a_tree_without_config_php_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(TreeError) as caught:
        read_shop_settings(write_tree(tmp_path, FILES))
    assert "kiln config dump" in caught.value.hint
