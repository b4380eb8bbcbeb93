"""What `app:config:dump` writes -> the config.php that belongs into git. Pure.

Magento's own dump locks every field of the Admin, defaults included (magento2#11396), and takes
encrypted values along where TypePool does not list them (2.4.7: `system/smtp/password`). Here
stays what is shared and meant: modules, websites and store views, themes, what was locked
before, and the changed settings that the user asks for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from builder.errors import TreeError
from builder.magento.config_php import CONFIG_PHP, ConfigPhp, Setting
from builder.magento.php_array import PhpArray, PhpKey, PhpScalar, PhpValue, php_key
from builder.magento.php_export import export_php_file
from builder.magento.shop_settings import ShopSettings

Reason = Literal["sensitive", "encrypted", "system-specific", "unknown scope", "not asked for"]

# In Magento's order, with the column of the number.
_SCOPES: Mapping[str, str] = {
    "websites": "website_id",
    "groups": "group_id",
    "stores": "store_id",
}
_FIRST = ("modules", "scopes", "themes", "system")
# Sections of env.php: what one system has, and its secrets. `i18n` are translations of one
# database, which a dump of everything takes along.
_OF_ONE_SYSTEM = frozenset(
    (
        *("MAGE_MODE", "backend", "cache", "cache_types", "crypt", "db", "directories", "i18n"),
        *("http_cache_hosts", "install", "lock", "queue", "remote_storage", "resource", "session"),
        *("cron", "cron_consumers_runner", "deployment", "downloadable_domains", "x-frame-options"),
    )
)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something of the dump that is not in the file.

    Attributes:
        path: a setting's, or the name of a section.
        scope: the setting's scope; empty for a section.
        reason: why it is left out.
        declared: the file:line that makes it sensitive, encrypted or system-specific.
    """

    path: str
    scope: str
    reason: Reason
    declared: str


@dataclass(frozen=True, slots=True)
class Dump:
    """A config.php for git.

    Attributes:
        text: the file's.
        value: what it returns.
        added: settings that were not locked before, as (scope, path).
        changed: settings that were, with another value.
        dropped: what is left out and why; settings at their default or empty are not listed.
    """

    text: str
    value: PhpArray
    added: tuple[tuple[str, str], ...]
    changed: tuple[tuple[str, str], ...]
    dropped: tuple[Dropped, ...]


def dump_config(
    dumped: ConfigPhp, before: ShopSettings, wanted: Collection[str] | None = ()
) -> Dump:
    """Reduce a dump to what belongs into git, sorted so that it merges well.

    The order of `modules` stays, for Magento loads them by it; so does that of websites, groups
    and store views by their numbers, for an import creates them in this order and so gives them
    the same numbers in every system. All else is sorted by key, one entry a line.

    Args:
        dumped: config.php as `app:config:dump scopes themes` or `... system` left it.
        before: the tree's settings: what config.php locked before, defaults, classification.
        wanted: settings, groups or sections that are to be locked if the dump has another value
            than the default; None for all.

    Raises:
        TreeError: the dump has no modules or no scopes.
    """
    file = dumped.file
    for section in ("modules", "scopes"):
        if not file.value.get(section):
            raise TreeError(
                f"the dump has no {section}",
                where=file.name,
                hint="take one that `bin/magento app:config:dump scopes themes system` made",
            )
    kept, dropped = _choose_settings(dumped, before, wanted)
    value: PhpArray = {"modules": file.value["modules"]}
    value["scopes"] = _sort_scopes(file.value["scopes"])
    value["themes"] = _sort(file.value.get("themes") or {})
    if kept:
        value["system"] = _sort(_nest(kept))
    for key in sorted(set(file.value) - set(_FIRST), key=_key_order):
        if key in before.config.file.value and key not in _OF_ONE_SYSTEM:
            value[key] = _sort(file.value[key])
        elif file.value[key]:
            dropped.append(Dropped(str(key), "", "system-specific", ""))
    locked = before.locked
    return Dump(
        text=export_php_file(value),
        value=value,
        added=tuple(sorted((one.scope, one.path) for one in kept if _key(one) not in locked)),
        changed=tuple(
            sorted(
                (one.scope, one.path)
                for one in kept
                if _key(one) in locked and locked[_key(one)].value != one.value
            )
        ),
        dropped=tuple(dropped),
    )


def _choose_settings(
    dumped: ConfigPhp, before: ShopSettings, wanted: Collection[str] | None
) -> tuple[list[Setting], list[Dropped]]:
    kept: list[Setting] = []
    dropped: list[Dropped] = []
    for setting in dumped.flatten_system():
        reason = _why_not(setting, dumped, before, wanted)
        if reason is None:
            kept.append(setting)
        elif reason != "no value":
            declared = before.declared_in(setting.path) or before.encrypted.get(setting.path, "")
            dropped.append(Dropped(setting.path, setting.scope, reason, declared))
    return kept, dropped


def _why_not(
    setting: Setting, dumped: ConfigPhp, before: ShopSettings, wanted: Collection[str] | None
) -> Reason | Literal["no value"] | None:
    """Why a setting is not for config.php; None if it is."""
    if not setting.path or not _is_set(setting, before):
        return "no value"
    if setting.path in before.pool.sensitive:
        return "sensitive"
    if setting.path in before.encrypted:
        return "encrypted"
    if setting.path in before.pool.environment:
        return "system-specific"
    if not _has_scope(dumped, setting.scope):
        kind, _, code = setting.scope.partition("/")
        codes = {one.lower() for one in _codes(dumped, kind)}
        # Magento's dump has each code once more in lower case (RuntimeConfigSource).
        return "no value" if code in codes else "unknown scope"
    if _key(setting) in before.locked or _is_wanted(setting.path, wanted):
        return None
    return "not asked for"


def _is_set(setting: Setting, before: ShopSettings) -> bool:
    """Whether a value is more than what config.xml gives: locked before, or changed since."""
    if _key(setting) in before.locked:
        return True
    default = before.default_of(setting.scope, setting.path)
    # The dump has every field of the Admin, with null where nothing gives it a value.
    return _text(setting.value) != _text(default.value if default else None)


def _is_wanted(path: str, wanted: Collection[str] | None) -> bool:
    return wanted is None or any(f"{path}/".startswith(f"{one.strip('/')}/") for one in wanted)


def _has_scope(config: ConfigPhp, scope: str) -> bool:
    kind, _, code = scope.partition("/")
    return scope == "default" or code in _codes(config, kind)


def _codes(config: ConfigPhp, kind: str) -> Collection[str]:
    rows: Mapping[str, Mapping[str, PhpArray]] = {
        "websites": config.websites,
        "stores": config.stores,
    }
    return rows.get(kind, {}).keys()


def _text(value: PhpScalar) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _key(setting: Setting) -> tuple[str, str]:
    return setting.scope, setting.path


def _nest(settings: Sequence[Setting]) -> PhpArray:
    tree: PhpArray = {}
    for one in settings:
        branch = tree
        *above, last = _keys(one)
        for key in above:
            below = branch.setdefault(key, {})
            if not isinstance(below, dict):
                raise _in_the_way(one)
            branch = below
        if last in branch:
            raise _in_the_way(one)
        branch[last] = one.value
    return tree


def _keys(setting: Setting) -> Iterator[PhpKey]:
    return (php_key(part) for part in f"{setting.scope}/{setting.path}".split("/"))


def _in_the_way(setting: Setting) -> TreeError:
    # Only a key with a slash in it can do so.
    return TreeError(
        f"{setting.path} ({setting.scope}) lies within or above another value",
        where=f"{CONFIG_PHP}:{setting.line}",
        hint="write one key for each part of the path",
    )


def _sort(value: PhpValue) -> PhpValue:
    if not isinstance(value, dict):
        return value
    return {key: _sort(value[key]) for key in sorted(value, key=_key_order)}


def _sort_scopes(scopes: PhpValue) -> PhpValue:
    if not isinstance(scopes, dict):
        return scopes
    result: PhpArray = {}
    for kind in (*_SCOPES, *sorted(set(scopes) - set(_SCOPES), key=_key_order)):
        rows = scopes.get(kind)
        if isinstance(rows, dict) and str(kind) in _SCOPES:
            number = _SCOPES[str(kind)]
            keys = sorted(rows, key=lambda key: (_number(rows[key], number), _key_order(key)))
            result[kind] = {key: _sort(rows[key]) for key in keys}
        elif kind in scopes:
            result[kind] = _sort(rows)
    return result


def _number(row: PhpValue, column: str) -> int:
    value = row.get(column) if isinstance(row, dict) else None
    return int(str(value)) if str(value).isdecimal() else 2**63


def _key_order(key: PhpKey) -> tuple[int, int, str]:
    # Numbers by their value, and before words.
    return (0, key, "") if isinstance(key, int) else (1, 0, key)
