"""What a release's image says of its database: read from files, before any of it runs. Pure."""

import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from builder.errors import TreeError
from builder.magento.components import read_components
from builder.magento.config_php import CONFIG_PHP, ConfigPhp, read_config_php
from builder.magento.db_schema import Schema, read_schema
from builder.magento.module_files import EnabledModules, locate_modules, order_registrations
from builder.magento.xml import parse_xml

PatchKind = Literal["Schema", "Data"]
ScriptName = Literal[
    "InstallSchema", "UpgradeSchema", "Recurring", "InstallData", "UpgradeData", "RecurringData"
]
SCRIPTS: tuple[ScriptName, ...] = get_args(ScriptName)

_APP_SCHEMA = "app/etc/db_schema.xml"

RELEASE_FILES: tuple[str, ...] = (
    f"./{CONFIG_PHP}",
    "*/registration.php",
    "*/etc/module.xml",
    "*/etc/cache.xml",
    "*/etc/db_schema.xml",
    "*/etc/db_schema_whitelist.json",
    *(f"*/Setup/Patch/{kind}/*.php" for kind in get_args(PatchKind)),
    *(f"*/Setup/{name}.php" for name in SCRIPTS),
)
"""Which files of an image are read here: patterns of `find . -path`, from the shop's root."""


@dataclass(frozen=True, slots=True)
class ReleaseFiles:
    """What the files of an image say.

    Attributes:
        config: config.php.
        modules: those that are on, in config.php's order, and where they are.
        setup_versions: `setup_version` of module.xml by module, of those that have one.
        schema: all tables that are declared.
        schema_patches, data_patches: class names as Magento's table `patch_list` has them, in
            the order of the modules.
        scripts: the old-style scripts in Setup/ by module and name, e.g.
            `("Acme_Shop", "Recurring")`, each with the SHA-256 of its content.
        cache_types: names in etc/cache.xml.
    """

    config: ConfigPhp
    modules: EnabledModules
    setup_versions: Mapping[str, str]
    schema: Schema
    schema_patches: tuple[str, ...]
    data_patches: tuple[str, ...]
    scripts: Mapping[tuple[str, ScriptName], str]
    cache_types: frozenset[str]


def read_release_files(files: Mapping[str, bytes]) -> ReleaseFiles:
    """Read the files of an image that `RELEASE_FILES` names.

    Args:
        files: content by path, relative to the shop's root, with or without a leading `./`.
            Others than those are not looked at.

    Raises:
        TreeError: there is no config.php, or a file cannot be read.
    """
    files = {path.removeprefix("./"): content for path, content in files.items()}
    if CONFIG_PHP not in files:
        raise TreeError(
            f"the image has no {CONFIG_PHP}", hint="build it with `kiln build` from a whole shop"
        )
    config = read_config_php(files[CONFIG_PHP])
    registrations = order_registrations(files)
    components = read_components((path, files[path]) for path in registrations)
    modules = locate_modules(config.enabled_modules(), components)
    # Off ones too: their whitelists let Magento drop their tables (magento2#24926).
    listed = locate_modules(config.modules, components)
    schema = read_schema(
        [*_pick(files, modules, "etc/db_schema.xml"), *_of(files, _APP_SCHEMA)],
        _pick(files, listed, "etc/db_schema_whitelist.json"),
    )
    return ReleaseFiles(
        config=config,
        modules=modules,
        setup_versions=dict(_read_setup_versions(files, modules)),
        schema=schema,
        schema_patches=tuple(_find_patches(files, modules, "Schema")),
        data_patches=tuple(_find_patches(files, modules, "Data")),
        scripts=dict(_find_scripts(files, modules)),
        cache_types=frozenset(_read_cache_types(_pick(files, modules, "etc/cache.xml"))),
    )


def _of(files: Mapping[str, bytes], path: str) -> Iterator[tuple[str, bytes]]:
    if path in files:
        yield path, files[path]


def _pick(
    files: Mapping[str, bytes], modules: EnabledModules, name: str
) -> Iterator[tuple[str, bytes]]:
    for directory in modules.directories.values():
        yield from _of(files, posixpath.join(directory, name))


def _read_setup_versions(
    files: Mapping[str, bytes], modules: EnabledModules
) -> Iterator[tuple[str, str]]:
    for module, directory in modules.directories.items():
        for path, content in _of(files, posixpath.join(directory, "etc/module.xml")):
            element = parse_xml(content, path).find("module")
            if element is not None and (version := element.get("setup_version")):
                yield module, version


def _find_patches(
    files: Mapping[str, bytes], modules: EnabledModules, kind: PatchKind
) -> Iterator[str]:
    """Magento\\Framework\\Setup\\Patch\\PatchReader: named after module and file, none below."""
    by_folder: dict[str, list[str]] = {}
    for path in sorted(files):
        folder, _, name = path.rpartition("/")
        if name.endswith(".php"):
            by_folder.setdefault(folder, []).append(name.removesuffix(".php"))
    for module, directory in modules.directories.items():
        namespace = module.replace("_", "\\")
        for name in by_folder.get(posixpath.join(directory, f"Setup/Patch/{kind}"), ()):
            yield f"{namespace}\\Setup\\Patch\\{kind}\\{name}"


def _find_scripts(
    files: Mapping[str, bytes], modules: EnabledModules
) -> Iterator[tuple[tuple[str, ScriptName], str]]:
    for module, directory in modules.directories.items():
        for name in SCRIPTS:
            for _, content in _of(files, posixpath.join(directory, f"Setup/{name}.php")):
                yield (module, name), hashlib.sha256(content).hexdigest()


def _read_cache_types(files: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    for path, content in files:
        for element in parse_xml(content, path).iter("type"):
            if name := element.get("name"):
                yield name
