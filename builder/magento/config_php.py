"""app/etc/config.php: enabled modules, websites and store views, themes, locked settings.

The file is written by `app:config:dump` and `module:enable`, and read here without PHP.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder.errors import TreeError
from builder.magento.finding import Finding
from builder.magento.php_array import PhpArray, PhpFile, PhpKey, PhpScalar, PhpValue, read_php_file

CONFIG_PHP = "app/etc/config.php"


@dataclass(frozen=True, slots=True)
class Setting:
    """One locked value under `system`.

    Attributes:
        scope: `default`, `websites/<code>` or `stores/<code>`.
        path: `section/group/field`, deeper where an extension's is.
        value: the literal.
        line: where it stands, from 1.
    """

    scope: str
    path: str
    value: PhpScalar
    line: int


@dataclass(frozen=True, slots=True)
class ConfigPhp:
    """config.php, read. Sections that are missing are empty.

    Attributes:
        file: the whole array with its lines, and keys given twice as findings.
        modules: 1 (enabled) or 0 by module name, in the order Magento loads them.
        websites: rows by website code.
        groups: rows by the key the dump gives them, usually their position.
        stores: store views by code.
        themes: rows by `area/Vendor/theme`.
        system: the array under `system`, by scope.
    """

    file: PhpFile
    modules: Mapping[str, int]
    websites: Mapping[str, PhpArray]
    groups: Mapping[str, PhpArray]
    stores: Mapping[str, PhpArray]
    themes: Mapping[str, PhpArray]
    system: PhpArray

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Keys that are given twice."""
        return self.file.findings

    def line_of(self, path: tuple[PhpKey, ...]) -> int:
        """The line, from 1, of an entry, e.g. `("modules", "Magento_Store")`.

        The nearest parent's line where there is no such entry.
        """
        return self.file.line_of(path)

    def where(self, *path: PhpKey) -> str:
        """`app/etc/config.php:12` for an entry, e.g. `where("scopes", "stores", "de")`."""
        return self.file.where(*path)

    def enabled_modules(self) -> tuple[str, ...]:
        """Names of the modules that are on, in the order Magento loads them."""
        return tuple(name for name, enabled in self.modules.items() if enabled)

    def flatten_system(self) -> Iterator[Setting]:
        """The locked values one by one, in the file's order."""
        for scope, values in self.system.items():
            if scope == "default":
                yield from self._settings("default", ("system", scope), values)
            elif isinstance(values, dict):
                for code, below in values.items():
                    yield from self._settings(f"{scope}/{code}", ("system", scope, code), below)

    def _settings(
        self, scope: str, prefix: tuple[PhpKey, ...], value: PhpValue
    ) -> Iterator[Setting]:
        if isinstance(value, dict):
            for key, below in value.items():
                yield from self._settings(scope, (*prefix, key), below)
            return
        path = prefix[2:] if scope == "default" else prefix[3:]
        yield Setting(scope, "/".join(map(str, path)), value, self.line_of(prefix))


def read_config_php(source: bytes, name: str = CONFIG_PHP) -> ConfigPhp:
    """Read config.php.

    Args:
        source: the file's content.
        name: the file for messages.

    Raises:
        TreeError: it is not PHP, holds more than literals, or a section is not an array.
    """
    file = read_php_file(source, name)
    scopes = _section(file, "scopes")
    modules = {}
    for module, enabled in _section(file, "modules").items():
        if isinstance(enabled, dict):
            raise TreeError(
                f"the module {module} must be 1 or 0",
                where=file.where("modules", module),
                hint="write it with `bin/magento module:enable` or `module:disable`",
            )
        # Magento asks for truth only: Magento\Framework\Module\ModuleList::loadConfigData.
        modules[str(module)] = int(enabled not in (None, False, 0, 0.0, "", "0"))
    return ConfigPhp(
        file=file,
        modules=modules,
        websites=_rows(file, scopes.get("websites"), "scopes", "websites"),
        groups=_rows(file, scopes.get("groups"), "scopes", "groups"),
        stores=_rows(file, scopes.get("stores"), "scopes", "stores"),
        themes=_rows(file, file.value.get("themes"), "themes"),
        system=_section(file, "system"),
    )


def _section(file: PhpFile, key: str) -> PhpArray:
    value = file.value.get(key)
    return {} if value is None else _array(file, value, key)


def _rows(file: PhpFile, value: PhpValue, *path: PhpKey) -> dict[str, PhpArray]:
    if value is None:
        return {}
    rows = {}
    for key, row in _array(file, value, *path).items():
        rows[str(key)] = _array(file, row, *path, key)
    return rows


def _array(file: PhpFile, value: PhpValue, *path: PhpKey) -> PhpArray:
    if isinstance(value, dict):
        return value
    raise TreeError(
        f"`{'/'.join(map(str, path))}` must be an array",
        where=file.where(*path),
        hint=f"write it with `bin/magento app:config:dump {path[0]}`",
    )
