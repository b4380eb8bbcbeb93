import pytest

from builder.errors import TreeError
from builder.magento.config_php import Setting, read_config_php

SOURCE = b"""<?php
return [
    'modules' => [
        'Magento_Store' => 1,
        'Acme_Off' => 0,
        'Acme_Kit' => '1',
    ],
    'scopes' => [
        'websites' => [
            'admin' => ['website_id' => '0', 'code' => 'admin'],
            'base' => ['website_id' => '1', 'code' => 'base', 'is_default' => '1'],
        ],
        'groups' => [
            ['group_id' => '0', 'code' => 'default'],
            ['group_id' => '1', 'code' => 'main'],
        ],
        'stores' => [
            'de' => ['store_id' => '1', 'code' => 'de'],
        ],
    ],
    'themes' => [
        'frontend/Acme/shop' => ['parent_id' => 'Magento/luma', 'area' => 'frontend'],
    ],
    'system' => [
        'default' => [
            'web' => ['secure' => [
                'use_in_frontend' => '1',
                'offloader_header' => null,
            ]],
        ],
        'websites' => [
            'base' => ['web' => ['cookie' => ['cookie_path' => '/']]],
        ],
        'stores' => [
            'de' => [
                'acme' => ['kit' => ['deep' => ['er' => 5]]],
            ],
        ],
    ],
];
"""


def test_modules_keep_their_order_and_are_1_or_0() -> None:
    config = read_config_php(SOURCE)
    assert list(config.modules.items()) == [("Magento_Store", 1), ("Acme_Off", 0), ("Acme_Kit", 1)]
    assert config.enabled_modules() == ("Magento_Store", "Acme_Kit")


def test_scopes_and_themes_are_rows_by_code() -> None:
    config = read_config_php(SOURCE)
    assert config.websites["base"]["is_default"] == "1"
    assert list(config.groups) == ["0", "1"]
    assert config.groups["1"]["code"] == "main"
    assert list(config.stores) == ["de"]
    assert config.themes["frontend/Acme/shop"]["parent_id"] == "Magento/luma"


def test_entries_know_their_lines() -> None:
    config = read_config_php(SOURCE)
    assert config.line_of(("modules", "Acme_Off")) == 5
    assert config.line_of(("scopes", "groups", 1)) == 15
    assert config.where("scopes", "stores", "de") == "app/etc/config.php:18"


def test_locked_settings_are_flattened_with_scope_path_and_line() -> None:
    assert list(read_config_php(SOURCE).flatten_system()) == [
        Setting("default", "web/secure/use_in_frontend", "1", 27),
        Setting("default", "web/secure/offloader_header", None, 28),
        Setting("websites/base", "web/cookie/cookie_path", "/", 32),
        Setting("stores/de", "acme/kit/deep/er", 5, 36),
    ]


def test_missing_sections_are_empty() -> None:
    config = read_config_php(b"<?php return ['modules' => null];")
    assert config.modules == {}
    assert config.websites == config.groups == config.stores == config.themes == {}
    assert list(config.flatten_system()) == []


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"<?php return [\n'modules' => 1];", 2),
        (b"<?php return [\n'modules' => [\n'A_B' => []]];", 3),
        (b"<?php return [\n'scopes' => [\n'websites' => 'x']];", 3),
        (b"<?php return [\n'scopes' => ['stores' => [\n\n'de' => 5]]];", 4),
        (b"<?php return [\n'themes' => ['frontend/A/b' => 1]];", 2),
        (b"<?php return [\n'system' => 'x'];", 2),
    ],
)
def test_a_section_of_another_shape_is_refused_with_its_line(source: bytes, line: int) -> None:
    with pytest.raises(TreeError) as caught:
        read_config_php(source)
    assert caught.value.where == f"app/etc/config.php:{line}"


def test_a_key_given_twice_is_a_finding() -> None:
    config = read_config_php(b"<?php return ['modules' => [\n'A_B' => 1,\n'A_B' => 0]];")
    assert config.modules == {"A_B": 0}
    assert [finding.where for finding in config.findings] == ["app/etc/config.php:3"]
