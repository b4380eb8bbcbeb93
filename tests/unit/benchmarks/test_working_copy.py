"""The tree that the build benchmark builds: a copy of the sample shop with a module and a theme."""

import re
from pathlib import Path

import pytest

from benchmarks.build.working_copy import (
    BACKEND,
    LUMA,
    MODULE,
    THEME,
    THEMES,
    change_line,
    deploy_options,
    make_copy,
    read_config,
    read_themes,
    salt_tree,
    set_shared_setting,
    write_themes,
)
from builder.magento.composer_lock import content_hash
from builder.magento.config_php import read_config_php
from builder.project.loading import load_project
from tests.conftest import STORE
from tests.unit.benchmarks.trees import digests


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    make_copy(STORE, tmp_path / "shop", "localhost:1")
    return tmp_path / "shop"


def test_the_copy_has_a_module_and_a_theme_of_its_own(copy: Path) -> None:
    config = read_config_php((copy / "app/etc/config.php").read_bytes())
    assert MODULE in config.enabled_modules()
    assert config.themes[THEME]["parent_id"] == "Magento/luma"
    assert (copy / "app/code/Bench/Shop/registration.php").is_file()


def test_the_copy_is_pushed_to_the_registry_that_was_given(copy: Path) -> None:
    project = load_project(copy)
    assert project.repository == "localhost:1/kiln"
    assert project.file.static.themes.keys() == THEMES.keys()


def test_a_tree_that_is_not_the_sample_is_copied_without_git(tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_copy(STORE, source, "localhost:1")
    (source / ".git").mkdir()
    before = digests(source)
    make_copy(source, tmp_path / "target", "localhost:2")
    salt_tree(tmp_path / "target", "s1")
    assert digests(source) == before
    assert not (tmp_path / "target/.git").exists()


def test_salt_reaches_every_theme_package_and_script(copy: Path) -> None:
    before = digests(copy)
    salt_tree(copy, "s1")
    first = digests(copy)
    salt_tree(copy, "s2")
    second = digests(copy)
    for package in (copy / "packages").glob("*/*"):
        assert (package / "salt.php").read_text().endswith("salt s2\n")
    styled = [name for name in before if re.search(r"\.(css|js|less)$", name)]
    assert styled
    for name in styled:
        assert len({before[name], first[name], second[name]}) == 3, name
    salted = "app/code/Bench/Shop/Model/Salt.php"
    assert "$salt = 's2'" in (copy / salted).read_text()


def test_salt_is_replaced_and_does_not_pile_up(copy: Path) -> None:
    salt_tree(copy, "s1")
    first = digests(copy)
    salt_tree(copy, "s2")
    salt_tree(copy, "s1")
    assert digests(copy) == first


def test_salt_leaves_composer_json_to_its_lock(copy: Path) -> None:
    path = copy / "composer.json"
    before, known = path.read_bytes(), content_hash(path.read_bytes())
    salt_tree(copy, "s1")
    assert path.read_bytes() != before
    assert content_hash(path.read_bytes()) == known


def test_a_shared_setting_is_locked_beside_others(copy: Path) -> None:
    set_shared_setting(copy, "general/store_information/name", "Other")
    set_shared_setting(copy, "web/new_section/field", "1")
    config = read_config_php((copy / "app/etc/config.php").read_bytes())
    found = {(one.scope, one.path): one.value for one in config.flatten_system()}
    assert found["default", "general/store_information/name"] == "Other"
    assert found["default", "web/new_section/field"] == "1"
    assert found["default", "dev/js/merge_files"] == "0"
    assert MODULE in config.enabled_modules()


def test_themes_are_read_as_they_were_written(copy: Path) -> None:
    write_themes(copy, {THEME: ["fr_FR"]})
    assert read_themes(copy) == {THEME: ["fr_FR"]}


def test_themes_with_the_same_locales_are_deployed_together() -> None:
    options = deploy_options({THEME: ["en_US", "fr_FR"], LUMA: ["en_US"], BACKEND: ["en_US"]})
    assert options == [
        "--theme=Bench/theme en_US fr_FR",
        "--theme=Magento/luma --theme=Magento/backend en_US",
    ]


def test_a_line_that_is_not_there_once_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a1 a2")
    for pattern in (r"a\d", r"b\d"):
        with pytest.raises(ValueError, match="times"):
            change_line(path, pattern, "x")
    assert path.read_text() == "a1 a2"


def test_config_php_that_was_written_reads_the_same(copy: Path) -> None:
    before = read_config(copy)
    set_shared_setting(copy, "general/store_information/name", "Kiln Sample Shop")
    assert read_config(copy) == before
