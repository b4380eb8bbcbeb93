"""Where a setting's value comes from, and by which way it reaches a container. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.magento.config_php import CONFIG_PHP
from builder.magento.delivery import Delivery, Way
from builder.magento.env_tree import SecretRef
from builder.magento.readers import WayKind
from builder.magento.shop_settings import Kind, ShopSettings

MASKED = "(a sensitive value)"
_SECRET = "secret "
_OF_SYSTEM: Kind = "system-specific"
_BAKED = "baked into the image with config.php"
_DATABASE = "the database: the Admin, or a data patch"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one scope of one environment has a setting's value from.

    Attributes:
        scope: `default`, `websites/<code>` or `stores/<code>`; empty where there are none.
        value: as shown; a sensitive one is masked, or named as `secret NAME`.
        where: `file:line`; empty for what Kiln itself sets.
        locked: the Admin shows it, but cannot change it.
        way: how it reaches a container.
        reason: why by that way; may be empty.
    """

    scope: str
    value: str
    where: str
    locked: bool
    way: str
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a setting.

    Attributes:
        path: e.g. `web/secure/base_url`.
        kind: shared, system-specific or sensitive.
        also: the second kind, where modules list it as both; else empty.
        declared: the di.xml that makes it system-specific or sensitive; empty where shared.
        field: where the Admin's field for it is declared; empty where there is none.
        encrypted: where its field is declared, if Magento keeps its value encrypted.
        default: of config.xml, as shown; None where there is none.
        default_where: where that stands.
        known: whether anything in the tree or in an environment knows the path.
        environments: by environment's name, the origin at each scope that has a value.
    """

    path: str
    kind: Kind
    also: str
    declared: str
    field: str
    encrypted: str
    default: str | None
    default_where: str
    known: bool
    environments: Mapping[str, tuple[Origin, ...]]


def explain_setting(path: str, shop: ShopSettings, deliveries: Iterable[Delivery]) -> Explanation:
    """Explain one setting, or one path of env.php such as `db/connection/default/host`.

    Args:
        path: the setting's.
        shop: what the tree says.
        deliveries: of the environments that are asked for.
    """
    environments = {
        delivery.environment: tuple(_origins(path, shop, delivery.ways)) for delivery in deliveries
    }
    default = shop.default_of("default", path)
    pool = shop.pool
    origins = [one for found in environments.values() for one in found]
    both = path in pool.sensitive and path in pool.environment
    return Explanation(
        path=path,
        kind=_kind_of_service(origins) or shop.kind_of(path),
        also="system-specific" if both else "",
        declared=shop.declared_in(path),
        field=shop.fields[path].where if path in shop.fields else "",
        encrypted=shop.encrypted.get(path, ""),
        default=None if default is None else default.value or "",
        default_where="" if default is None else default.where,
        known=default is not None
        or path in pool.sensitive | pool.environment
        or path in shop.fields
        or any(known == path for _, known in shop.locked)
        or any(one.where or one.locked for one in origins),
        environments=environments,
    )


def _kind_of_service(origins: Sequence[Origin]) -> Kind | None:
    """Of what kind a part of env.php is; None for a setting of the configuration."""
    if not any(one.scope == "" for one in origins):
        return None
    return "sensitive" if any(one.value.startswith(_SECRET) for one in origins) else _OF_SYSTEM


def _origins(path: str, shop: ShopSettings, ways: Iterable[Way]) -> Iterator[Origin]:
    """The value at each scope: the environment's over config.php's over config.xml's."""
    given = {way.scope: way for way in ways if way.path == path}
    if "" in given:
        way = given[""]
        yield Origin("", _shown(path, way.value, shop), way.where, True, way.way, way.reason)
        return
    locked = {scope: one for (scope, known), one in shop.locked.items() if known == path}
    scopes = {"default": None, **dict.fromkeys([*locked, *given])}
    scopes.update((scope, None) for scope in shop.defaults if shop.default_of(scope, path))
    for scope in scopes:
        way_given = given.get(scope)
        if way_given is not None and way_given.way is not WayKind.NONE:
            shown = _shown(path, way_given.value, shop)
            reason = f"{way_given.name}: {way_given.reason}"
            yield Origin(scope, shown, way_given.where, True, way_given.way, reason)
        elif scope in locked:
            one = locked[scope]
            where = f"{CONFIG_PHP}:{one.line}"
            yield Origin(scope, _shown(path, one.value, shop), where, True, _BAKED, "")
        else:
            default = shop.default_of(scope, path)
            value = "" if default is None else default.value or ""
            where = "" if default is None else default.where
            yield Origin(scope, value, where, False, _DATABASE, "")


def _shown(path: str, value: object, shop: ShopSettings) -> str:
    if isinstance(value, SecretRef):
        return f"{_SECRET}{value.name}"
    if value is None:
        return ""
    return MASKED if shop.is_secret(path) and value != "" else str(value)
