from pathlib import Path

import pytest

from builder.dev.shop import keep_search_modules, set_aside, switch_on

CONFIG = """<?php
/* kept */
return [
    'modules' => [
        'Magento_Store' => 1,
        'Magento_OpenSearch' => 1,
        'Acme_Off' => 0
    ],
    'system' => ['default' => ['a' => ['Magento_OpenSearch' => '0']]]
];
"""
SEARCH_OFF = CONFIG.replace("'Magento_OpenSearch' => 1", "'Magento_OpenSearch' => 0")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "app/etc").mkdir(parents=True)
    (tmp_path / "vendor/magento/module-open-search").mkdir(parents=True)
    (tmp_path / "app/etc/config.php").write_text(CONFIG)
    return tmp_path


def test_what_a_command_switches_off_for_want_of_a_search_engine_stays_on(tree: Path) -> None:
    config = tree / "app/etc/config.php"
    config.chmod(0o640)
    with keep_search_modules(tree):
        config.write_text(SEARCH_OFF.replace("'Magento_Store' => 1", "'Acme_New' => 1"))
    assert config.read_text() == CONFIG.replace("'Magento_Store' => 1", "'Acme_New' => 1")
    assert config.stat().st_mode & 0o777 == 0o640


def test_what_a_user_switches_off_is_off(tree: Path) -> None:
    config = tree / "app/etc/config.php"
    with keep_search_modules(tree, but=("module:disable", "Magento_OpenSearch")):
        config.write_text(SEARCH_OFF)
    assert config.read_text() == SEARCH_OFF


def test_what_was_off_before_stays_off(tree: Path) -> None:
    config = tree / "app/etc/config.php"
    config.write_text(SEARCH_OFF)
    with keep_search_modules(tree):
        pass
    assert config.read_text() == SEARCH_OFF


def test_a_tree_without_config_php_is_no_error(tmp_path: Path) -> None:
    with keep_search_modules(tmp_path):
        pass


def test_switching_on_changes_the_named_modules_alone(tree: Path) -> None:
    config = tree / "app/etc/config.php"
    config.write_text(SEARCH_OFF)
    switch_on(config, {"Magento_OpenSearch"})
    assert config.read_text() == CONFIG


def test_an_env_php_of_another_system_is_kept_out_of_the_tree(tmp_path: Path) -> None:
    env = tmp_path / "env.php"
    for content in ("one", "two"):
        env.write_text(content)
        kept = set_aside(env, tmp_path)
        assert not env.exists()
        assert kept.read_text() == content
        assert kept.stat().st_mode & 0o777 == 0o600
