"""What a tree says of its settings: of which kind each is, what is locked, the defaults."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from builder.errors import TreeError
from builder.magento.config_php import CONFIG_PHP, ConfigPhp, Setting, read_config_php
from builder.magento.config_xml import Default, Defaults, read_cron_groups, read_defaults
from builder.magento.encrypted import admin_files, read_encrypted
from builder.magento.module_files import EnabledModules, find_enabled_modules
from builder.magento.system_xml import Field, read_fields
from builder.magento.type_pool import TypePool, read_tree_type_pool
from builder.project.tree import Tree

Kind = Literal["shared", "system-specific", "sensitive"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class ShopSettings:
    """A tree's settings.

    Attributes:
        config: config.php.
        modules: those that are on.
        pool: Magento's own classification.
        defaults: of config.xml, by scope and path.
        fields: of the Admin, by path.
        encrypted: where values are declared that Magento keeps encrypted, by path. Magento
            itself does not list all of them as sensitive (2.4.7: `system/smtp/password`).
    """

    config: ConfigPhp
    modules: EnabledModules
    pool: TypePool
    defaults: Defaults
    fields: Mapping[str, Field]
    encrypted: Mapping[str, str]

    def kind_of(self, path: str) -> Kind:
        """Of which kind a setting is, by TypePool; one that is of both types is sensitive."""
        if path in self.pool.sensitive:
            return "sensitive"
        return "system-specific" if path in self.pool.environment else "shared"

    def is_secret(self, path: str) -> bool:
        """Whether a value may be in no file: sensitive by TypePool, or kept encrypted."""
        return path in self.pool.sensitive or path in self.encrypted

    def declared_in(self, path: str) -> str:
        """The place that makes a setting other than shared, as `file:line`; else empty."""
        return self.pool.declared_in(path)

    @functools.cached_property
    def locked(self) -> Mapping[tuple[str, str], Setting]:
        """The values of config.php by scope and path."""
        return {(one.scope, one.path): one for one in self.config.flatten_system()}

    def default_of(self, scope: str, path: str) -> Default | None:
        """What config.xml gives a setting at a scope."""
        return self.defaults.get(scope, {}).get(path)

    def has_scope(self, scope: str) -> bool:
        """Whether config.php knows `default`, `websites/<code>` or `stores/<code>`."""
        kind, _, code = scope.partition("/")
        rows = {"websites": self.config.websites, "stores": self.config.stores}
        return scope == "default" or code in rows.get(kind, {})


def read_shop_settings(tree: Tree) -> ShopSettings:
    """Read config.php, di.xml, config.xml and system.xml of the modules that are on.

    Raises:
        TreeError: there is no config.php, or a file cannot be read.
    """
    if CONFIG_PHP not in tree.paths():
        raise TreeError(
            f"there is no {CONFIG_PHP}",
            where=str(tree.root),
            hint="run `kiln config dump` on a development system and commit it",
        )
    config = read_config_php(tree.read(CONFIG_PHP))
    modules = find_enabled_modules(tree, config)
    defaults = {"default": {}, **read_defaults(modules.read(tree, "etc/config.xml"))}
    defaults["default"] = {
        **defaults["default"],
        **read_cron_groups(modules.read(tree, "etc/cron_groups.xml")),
    }
    fields = read_fields(admin_files(tree, modules))
    return ShopSettings(
        config,
        modules,
        read_tree_type_pool(tree, modules),
        defaults,
        fields,
        read_encrypted(tree, modules),
    )
