"""The tree that is built: a copy of a shop, with a module and a theme of the benchmark's own."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from builder.magento.config_php import CONFIG_PHP
from builder.magento.php_array import PhpArray, read_php_file
from builder.magento.php_export import export_php_file
from tests.conftest import STORE, change_project, copy_store

OWN_FILES = Path(__file__).parent / "shop"
MODULE = "Bench_Shop"
SALT_CLASS = "app/code/Bench/Shop/Model/Salt.php"
THEME = "frontend/Bench/theme"
LUMA = "frontend/Magento/luma"
BACKEND = "adminhtml/Magento/backend"
LOCALE = "en_US"

Themes = Mapping[str, list[str]]

# What a build deploys but for the scenarios that change it.
THEMES: Themes = {
    THEME: [LOCALE],
    "frontend/Magento/blank": [LOCALE],
    LUMA: [LOCALE],
    BACKEND: [LOCALE],
}

# Read by LESS, minifiers and bundling one by one: were only some of them new, a cache that goes by
# a file's content would know the others. All three have the same comments.
_SALTED_SUFFIXES = {".css", ".js", ".less"}
_SALTED_FOLDERS = ("app", "lib", "packages", "vendor")
_SALT = re.compile(rb"\n/\* salt \w+ \*/\n\Z")


def make_copy(source: Path, target: Path, registry: str) -> None:
    """Copy a shop and add the benchmark's own module, theme and kiln.yaml. Takes a minute.

    A copy and not links: what is written must never reach the source.

    Args:
        source: a tree that `kiln build` takes; it stays as it is.
        target: must not exist.
        registry: address of the registry that Kiln pushes to.
    """
    if source.resolve() == STORE:
        copy_store(target)
    else:
        target.mkdir(parents=True)
        entries = [str(path) for path in sorted(source.iterdir()) if path.name != ".git"]
        subprocess.run(["cp", "-a", "--reflink=auto", *entries, str(target)], check=True)
    shutil.copytree(OWN_FILES, target, dirs_exist_ok=True)
    config = read_config(target)
    _section(config, "modules")[MODULE] = 1
    area, vendor, name = THEME.split("/")
    _section(config, "themes")[THEME] = {
        "parent_id": "Magento/luma",
        "theme_path": f"{vendor}/{name}",
        "theme_title": "Bench",
        "is_featured": "0",
        "area": area,
        "type": "0",
        "code": f"{vendor}/{name}",
    }
    write_config(target, config)
    path = target / "kiln.yaml"
    if not path.is_file():
        path.write_text("{}\n")
    change_project(target, name="kiln", registry=registry)
    write_themes(target, THEMES)


def read_config(tree: Path) -> PhpArray:
    """app/etc/config.php of a tree."""
    return read_php_file((tree / CONFIG_PHP).read_bytes(), CONFIG_PHP).value


def write_config(tree: Path, config: PhpArray) -> None:
    """Write app/etc/config.php as Magento would."""
    (tree / CONFIG_PHP).write_text(export_php_file(config))


def _section(config: PhpArray, name: str) -> PhpArray:
    section = config.setdefault(name, {})
    assert isinstance(section, dict), f"{CONFIG_PHP}: {name}"
    return section


def set_shared_setting(tree: Path, path: str, value: str) -> None:
    """Lock a setting in config.php for all scopes, as `config:set --lock-config` does.

    Args:
        tree: the tree.
        path: `section/group/field`.
        value: what it is set to.
    """
    config = read_config(tree)
    sections, _, field = path.rpartition("/")
    below = config
    for name in ("system", "default", *sections.split("/")):
        below = _section(below, name)
    below[field] = value
    write_config(tree, config)


def read_themes(tree: Path) -> Themes:
    """The locales of each theme in a tree's kiln.yaml."""
    file = yaml.safe_load((tree / "kiln.yaml").read_text())
    themes: Themes = file["static"]["themes"]
    return themes


def write_themes(tree: Path, themes: Themes) -> None:
    """Set the locales of each theme in a tree's kiln.yaml."""
    static = yaml.safe_load((tree / "kiln.yaml").read_text()).get("static", {})
    themes = {name: [*of] for name, of in themes.items()}
    change_project(tree, static={**static, "themes": themes})


def deploy_options(themes: Themes) -> list[str]:
    """Options of setup:static-content:deploy that deploy what kiln.yaml asks for, and no more.

    One call deploys each of its themes in each of its locales, so themes with other locales take
    a call of their own.
    """
    together: dict[tuple[str, ...], list[str]] = {}
    for theme, locales in themes.items():
        together.setdefault(tuple(locales), []).append(theme.partition("/")[2])
    return [
        " ".join([*(f"--theme={theme}" for theme in names), *locales])
        for locales, names in together.items()
    ]


def salt_tree(tree: Path, salt: str) -> None:
    """Change the tree in every place where a build could know a part of it from before.

    It still builds to what works: files get a comment, packages a PHP file without code,
    composer.json another description, and one constructor another default.

    Args:
        tree: the tree.
        salt: letters and digits; what was salted before gets this one instead.
    """
    comment = f"\n/* salt {salt} */\n".encode()
    for folder in _SALTED_FOLDERS:
        for path in (tree / folder).rglob("*"):
            if path.suffix in _SALTED_SUFFIXES and path.is_file() and not path.is_symlink():
                path.write_bytes(_SALT.sub(b"", path.read_bytes()) + comment)
    for folder in ("packages", "vendor"):
        for package in (tree / folder).glob("*/*/"):
            (package / "salt.php").write_text(f"<?php\n// salt {salt}\n")
    change_line(tree / SALT_CLASS, r"(?<=salt = ')\w+", salt)
    path = tree / "composer.json"
    # The description is no part of composer.lock's content-hash.
    write_json(path, {**json.loads(path.read_text()), "description": f"salt {salt}"})


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file as Composer would."""
    path.write_text(json.dumps(value, indent=4, ensure_ascii=False) + "\n")


def change_line(path: Path, pattern: str, text: str) -> None:
    """Replace what a pattern finds, which must be there once.

    Raises:
        ValueError: it is not.
    """
    changed, count = re.subn(pattern, lambda _: text, path.read_text())
    if count != 1:
        raise ValueError(f"{path}: {pattern} is found {count} times")
    path.write_text(changed)
