"""Files of the modules that config.php enables, in the order in which Magento reads them."""

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from builder.magento.components import Components, read_components
from builder.magento.config_php import ConfigPhp
from builder.project.tree import Tree


@dataclass(frozen=True, slots=True)
class EnabledModules:
    """The modules of a tree that are on.

    Attributes:
        directories: by module, in the order of config.php's list, which Magento goes by
            (`Magento\\Framework\\Module\\ModuleList::getNames`); not by the sequence of
            module.xml, and nothing of a module that is off or not listed.
        missing: modules that are on but not in the tree, e.g. where it has no vendor/.
    """

    directories: dict[str, str]
    missing: frozenset[str]

    def read(self, tree: Tree, name: str) -> Iterator[tuple[str, bytes]]:
        """Path and content of a file, e.g. `etc/di.xml`, of each module that has one."""
        paths = tree.paths()
        for directory in self.directories.values():
            path = posixpath.join(directory, name)
            if path in paths:
                yield path, tree.read(path)


def find_enabled_modules(tree: Tree, config: ConfigPhp) -> EnabledModules:
    """Look for the enabled modules by the registration.php files of a tree."""
    registered = read_components(
        (path, tree.read(path)) for path in order_registrations(tree.paths())
    )
    return locate_modules(config.enabled_modules(), registered)


def locate_modules(enabled: Iterable[str], components: Components) -> EnabledModules:
    """The directories of the modules that are on. Pure."""
    found = components.of("module")
    names = tuple(enabled)
    return EnabledModules(
        {name: found[name].directory for name in names if name in found},
        frozenset(name for name in names if name not in found),
    )


def order_registrations(paths: Iterable[str]) -> list[str]:
    """The registration.php files among paths, in the order in which they count. Pure."""
    found = [path for path in paths if posixpath.basename(path) == "registration.php"]
    # Where vendor/ has a copy of a package, nothing is loaded from the folder that it came from.
    return sorted(found, key=lambda path: (not path.startswith("vendor/"), path))
