from pathlib import Path

from builder.magento.components import Component, Components
from builder.magento.config_php import CONFIG_PHP, read_config_php
from builder.magento.module_files import find_enabled_modules, locate_modules
from tests.unit.shops import register, write_tree

COMPONENTS = Components(
    (
        Component("module", "Acme_A", "app/code/Acme/A"),
        Component("module", "Acme_B", "vendor/acme/b"),
        Component("module", "Acme_Off", "vendor/acme/off"),
        Component("theme", "frontend/Acme/shop", "app/design/frontend/Acme/shop"),
    ),
    (),
)


def test_modules_come_in_the_order_of_config_php() -> None:
    found = locate_modules(["Acme_B", "Acme_A"], COMPONENTS)
    assert list(found.directories.items()) == [
        ("Acme_B", "vendor/acme/b"),
        ("Acme_A", "app/code/Acme/A"),
    ]
    assert found.missing == frozenset()


def test_a_module_that_is_on_but_not_in_the_tree_is_missing() -> None:
    assert locate_modules(["Acme_A", "Magento_Ups"], COMPONENTS).missing == {"Magento_Ups"}


def test_files_of_modules_that_are_on_are_read_and_of_no_other(tmp_path: Path) -> None:
    config = "<?php return ['modules' => ['Acme_B' => 1, 'Acme_A' => 1, 'Acme_Off' => 0]];"
    files = {CONFIG_PHP: config, "vendor/acme/none/etc/di.xml": "none"}
    for name in ("A", "B", "Off"):
        files[f"app/code/Acme/{name}/registration.php"] = register(f"Acme_{name}")
        files[f"app/code/Acme/{name}/etc/di.xml"] = name
    tree = write_tree(tmp_path, files)
    modules = find_enabled_modules(tree, read_config_php(config.encode()))
    assert list(modules.read(tree, "etc/di.xml")) == [
        ("app/code/Acme/B/etc/di.xml", b"B"),
        ("app/code/Acme/A/etc/di.xml", b"A"),
    ]
    assert list(modules.read(tree, "etc/config.xml")) == []


def test_what_vendor_has_is_taken_before_the_folder_that_it_came_from(tmp_path: Path) -> None:
    config = "<?php return ['modules' => ['Acme_A' => 1]];"
    places = ("packages/acme/a", "vendor/acme/a")
    tree = write_tree(tmp_path, {f"{at}/registration.php": register("Acme_A") for at in places})
    modules = find_enabled_modules(tree, read_config_php(config.encode()))
    assert modules.directories == {"Acme_A": "vendor/acme/a"}
