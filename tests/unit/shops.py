"""Small trees to test settings with."""

from collections.abc import Iterable
from pathlib import Path

from builder.magento.config_php import CONFIG_PHP
from builder.magento.finding import Finding
from builder.magento.shop_settings import ShopSettings, read_shop_settings
from builder.project.tree import Entry, Tree

CONFIG = """<?php
return [
    'modules' => [
        'Acme_Shop' => 1,
        'Acme_Off' => 0
    ],
    'scopes' => [
        'websites' => [
            'admin' => ['website_id' => '0', 'code' => 'admin'],
            'base' => ['website_id' => '1', 'code' => 'base', 'is_default' => '1']
        ],
        'groups' => [
            ['group_id' => '0', 'code' => 'default'],
            ['group_id' => '1', 'code' => 'main']
        ],
        'stores' => [
            'admin' => ['store_id' => '0', 'code' => 'admin'],
            'german' => ['store_id' => '1', 'code' => 'german']
        ]
    ],
    'themes' => [
        'frontend/Acme/shop' => ['parent_id' => null, 'area' => 'frontend']
    ]SYSTEM
];
"""
DI = """<?xml version="1.0"?>
<config xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
    <type name="Magento\\Config\\Model\\Config\\TypePool">
        <arguments>
            <argument name="sensitive" xsi:type="array">
                <item name="acme/api/key" xsi:type="string">1</item>
            </argument>
            <argument name="environment" xsi:type="array">
                <item name="acme/api/url" xsi:type="string">1</item>
            </argument>
        </arguments>
    </type>
</config>
"""
DEFAULTS = """<?xml version="1.0"?>
<config>
    <default>
        <acme>
            <api>
                <url>http://localhost/</url>
                <key backend_model="Magento\\Config\\Model\\Config\\Backend\\Encrypted"/>
            </api>
            <text>
                <welcome>Hello</welcome>
                <empty/>
            </text>
        </acme>
    </default>
    <stores><german><acme><text><welcome>Hallo</welcome></text></acme></german></stores>
</config>
"""
SYSTEM_XML = """<?xml version="1.0"?>
<config><system>
    <section id="acme">
        <group id="mail">
            <field id="password" type="obscure">
                <backend_model>Magento\\Config\\Model\\Config\\Backend\\Encrypted</backend_model>
            </field>
            <field id="host" type="text"/>
        </group>
    </section>
</system></config>
"""


def register(module: str) -> str:
    """The registration.php of a module."""
    return (
        "<?php\nuse Magento\\Framework\\Component\\ComponentRegistrar;\n"
        f"ComponentRegistrar::register(ComponentRegistrar::MODULE, '{module}', __DIR__);\n"
    )


FILES = {
    "app/code/Acme/Shop/registration.php": register("Acme_Shop"),
    "app/code/Acme/Shop/etc/di.xml": DI,
    "app/code/Acme/Shop/etc/config.xml": DEFAULTS,
    "app/code/Acme/Shop/etc/adminhtml/system.xml": SYSTEM_XML,
    "app/code/Acme/Off/registration.php": register("Acme_Off"),
    "app/code/Acme/Off/etc/di.xml": DI.replace("acme/api/key", "acme/off/key"),
}


def write_tree(root: Path, files: dict[str, str]) -> Tree:
    """A tree with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Tree(root, tuple(Entry(name, len(files[name]), False, "") for name in sorted(files)))


def config_php(system: str = "") -> str:
    """config.php with what stands under `system`, as PHP text, each entry on a line of its own."""
    return CONFIG.replace("SYSTEM", f",\n    'system' => [\n{system}\n    ]" if system else "")


def make_shop(root: Path, system: str = "", **files: str) -> ShopSettings:
    """The settings of a shop with the module Acme_Shop on and Acme_Off off."""
    return read_shop_settings(write_tree(root, {**FILES, CONFIG_PHP: config_php(system), **files}))


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding; it says what to do."""
    (finding,) = findings
    assert finding.hint
    return finding


def locked(group: str, field: str, value: str) -> str:
    """What stands under `system`, in line 25 and 26 of config.php."""
    return f"'default' => ['acme' => ['{group}' => [\n'{field}' => {value}]]]"
