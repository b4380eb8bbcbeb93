from pathlib import Path

import pytest

from builder.magento.committed_settings import find_committed_secrets, warn_system_specific
from builder.magento.config_php import CONFIG_PHP
from tests.unit.shops import config_php, locked, make_shop, only


@pytest.mark.parametrize(
    ("group", "field", "declared"),
    [
        ("api", "key", "etc/di.xml:6"),
        ("mail", "password", "encrypted: app/code/Acme/Shop/etc/adminhtml/system.xml:5"),
    ],
)
def test_a_secret_in_config_php_is_found_and_not_printed(
    tmp_path: Path, group: str, field: str, declared: str
) -> None:
    shop = make_shop(tmp_path, locked(group, field, "'geheim'"))
    finding = only(find_committed_secrets(shop.config, shop.pool, shop.encrypted))
    assert finding.where == "app/etc/config.php:26"
    assert declared in finding.message
    assert "geheim" not in repr(finding)


@pytest.mark.parametrize("empty", ["''", "null"])
def test_an_empty_sensitive_value_is_no_secret(tmp_path: Path, empty: str) -> None:
    shop = make_shop(tmp_path, locked("api", "key", empty))
    assert list(find_committed_secrets(shop.config, shop.pool, shop.encrypted)) == []


def test_a_system_specific_value_in_config_php_is_warned_of(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, locked("api", "url", "'http://a/'"))
    finding = only(warn_system_specific(shop.config, shop.pool))
    assert finding.where == "app/etc/config.php:26"
    assert "acme/api/url (default; app/code/Acme/Shop/etc/di.xml:9)" in finding.message


def test_a_module_without_its_files_has_what_magento_keeps_encrypted(tmp_path: Path) -> None:
    """A tree without vendor/, as most are that Composer fills in the build."""
    config = config_php("'default' => ['system' => ['smtp' => ['password' => 'geheim']]]").replace(
        "'Acme_Off' => 0", "'Magento_Backend' => 1"
    )
    shop = make_shop(tmp_path, **{CONFIG_PHP: config})
    finding = only(find_committed_secrets(shop.config, shop.pool, shop.encrypted))
    assert "system/smtp/password (default; encrypted: vendor/magento/module-backend/etc)" in (
        finding.message
    )
