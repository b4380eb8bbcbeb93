"""Settings that Magento keeps encrypted: secrets, although its TypePool does not list all of them.

In 2.4.7-p3 24 of them are not listed, `system/smtp/password` among them.
"""

import functools
import re
from collections.abc import Iterator, Mapping

from builder.magento.config_xml import read_defaults
from builder.magento.module_files import EnabledModules
from builder.magento.system_xml import read_fields
from builder.magento.tables import read_table
from builder.project.tree import Tree

_ADMIN_FILE = re.compile(r"(?P<module>.*)/etc/adminhtml/system(?:\.xml|/[^/]+\.xml)")
_MODEL = b"Encrypted"


def read_encrypted(tree: Tree, modules: EnabledModules) -> Mapping[str, str]:
    """Where each setting of a tree is given a backend model that encrypts, by path.

    A module that is on but not in the tree (no vendor/) has those that Magento 2.4.7 gives it.

    Raises:
        TreeError: a file that names such a model is not well-formed XML.
    """
    # Few files name one, and a build that must parse them all takes a second more.
    defaults = read_defaults(one for one in modules.read(tree, "etc/config.xml") if _names(one))
    fields = read_fields(one for one in admin_files(tree, modules) if _names(one))
    return {
        **load_core_encrypted(modules.missing),
        **{
            path: one.where
            for scope in defaults.values()
            for path, one in scope.items()
            if one.encrypted
        },
        **{path: one.where for path, one in fields.items() if one.encrypted},
    }


def admin_files(tree: Tree, modules: EnabledModules) -> Iterator[tuple[str, bytes]]:
    """system.xml of the modules that are on, and what it includes from etc/adminhtml/system/."""
    on = set(modules.directories.values())
    for path in sorted(tree.paths()):
        match = _ADMIN_FILE.fullmatch(path)
        if match and match["module"] in on:
            yield path, tree.read(path)


@functools.cache
def load_core_encrypted(modules: frozenset[str]) -> Mapping[str, str]:
    """Those of Magento Open Source's own modules that TypePool does not list."""
    return {
        path: f"vendor/{package}/etc"
        for package, row in read_table("core_type_pool.yaml").items()
        if row["module"] in modules
        for path in row.get("encrypted", ())
    }


def _names(file: tuple[str, bytes]) -> bool:
    return _MODEL in file[1]
