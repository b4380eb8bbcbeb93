"""Modules that tests write into copies of the sample shop."""

from collections.abc import Mapping
from pathlib import Path


def add_module(tree: Path, name: str, files: Mapping[str, str]) -> None:
    """Write a module into app/code and enable it in config.php.

    Args:
        tree: a copy of the sample shop.
        name: `Vendor_Module`.
        files: texts by path below the module's folder, besides its declaration.
    """
    declaration = {
        "registration.php": "<?php\nuse Magento\\Framework\\Component\\ComponentRegistrar;\n"
        f"ComponentRegistrar::register(ComponentRegistrar::MODULE, '{name}', __DIR__);\n",
        "etc/module.xml": f'<?xml version="1.0"?>\n<config><module name="{name}"/></config>\n',
    }
    for path, text in {**declaration, **files}.items():
        file = tree / "app/code" / name.replace("_", "/") / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    config = tree / "app/etc/config.php"
    enabled = "'Kiln_Sample' => 1,"
    assert enabled in config.read_text()
    config.write_text(config.read_text().replace(enabled, f"{enabled} '{name}' => 1,"))
