"""An environment -> what reaches its containers, and by which way, with the reason of each choice.

All of it is in one generated env.php, which names secrets and holds none. The services are its
sections, because their readers take whole arrays. A setting is a CONFIG__ name that env.php puts
into `$_ENV` when PHP reads it; only what no such name can stand for is in the section `system`.
docs/architecture.md, "Settings at run time", says why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from builder.errors import ProjectFileError
from builder.magento.config_php import ConfigPhp
from builder.magento.env_settings import EnvSetting, own_settings, service_settings
from builder.magento.env_tree import EnvScalar, EnvTree, Leaf, SecretRef, build_tree, find_secrets
from builder.magento.php_array import php_key
from builder.magento.readers import (
    WayKind,
    config_variable,
    load_delivery_table,
    why_not_config,
)
from builder.magento.services import service_leaves
from builder.magento.unfit_settings import find_problems
from builder.project.environment import Value
from builder.project.environments import Environment
from builder.project.secret_name import Secret

_OVER_ALL = (
    "it is over config.php and the database, leaves the configuration's hash as it is, so that "
    "nothing must be imported, and is taken as it is where the database has it encrypted"
)


@dataclass(frozen=True, slots=True)
class Way:
    """How one setting reaches a container.

    Attributes:
        path: `web/secure/base_url`, or of env.php, e.g. `db/connection/default/host`.
        scope: `default`, `websites/<code>` or `stores/<code>`; empty for what has no scope.
        way: the way.
        name: the variable's or the path's name by which it goes.
        value: what is delivered.
        reason: why this way, one sentence.
        where: `environments/x.yaml:LINE`; empty for what Kiln itself sets.
    """

    path: str
    scope: str
    way: WayKind
    name: str
    value: EnvScalar
    reason: str
    where: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What reaches every container of an environment.

    Attributes:
        environment: the environment's name.
        env_php: what env.php returns.
        config: CONFIG__ names that env.php puts into `$_ENV`.
        variables: environment variables of the containers; no secrets.
        ways: every value, with its way and the reason.
        base64_keys: whether the release takes encryption keys in base64.
    """

    environment: str
    env_php: EnvTree
    config: Mapping[str, str | SecretRef]
    variables: Mapping[str, str]
    ways: tuple[Way, ...]
    base64_keys: bool

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of all secrets that containers need, sorted."""
        named = (value.name for value in self.config.values() if isinstance(value, SecretRef))
        return tuple(sorted({*find_secrets(self.env_php), *named}))

    @property
    def changes_config_hash(self) -> bool:
        """Whether `app:config:import` must run when the environment's settings change."""
        return "system" in self.env_php


def plan_delivery(
    environment: Environment,
    version: str,
    *,
    release: str | None = None,
    config: ConfigPhp | None = None,
    cache_types: Iterable[str] = (),
) -> Delivery:
    """Decide how each value of an environment reaches its containers.

    Args:
        environment: the environment.
        version: Magento's, e.g. `2.4.7-p3`; for Mage-OS the one it was built from.
        release: the release's name, for the caches' prefix; None where only one ever runs.
        config: the shop's config.php, whose websites and store views are then the only ones.
        cache_types: types of cache that the shop's modules add.

    Raises:
        ProjectFileError: something cannot work; all of it is named, with file:line and reason.
    """
    settings = [*own_settings(environment), *service_settings(environment, version)]
    leaves = service_leaves(environment.name, environment.file, version, release, cache_types)
    problems = list(find_problems(environment, version, settings, leaves, config))
    ways = [_way_of_service(environment, leaf) for leaf in leaves]
    chosen: list[Way] = []
    for setting in settings:
        try:
            chosen.append(_way_of_setting(setting))
        except ProjectFileError as error:
            problems.append((error.where, error.message))
    if problems:
        raise _all_problems(environment, problems)
    system = [
        Leaf(("system", *map(php_key, f"{way.scope}/{way.path}".split("/"))), way.value)
        for way in chosen
        if way.way is WayKind.SYSTEM
    ]
    return Delivery(
        environment=environment.name,
        env_php=build_tree([*leaves, *system]),
        config={
            way.name: way.value
            for way in sorted(chosen, key=lambda one: one.name)
            if way.way is WayKind.CONFIG and isinstance(way.value, str | SecretRef)
        },
        # The image says `production`, and the variable is over env.php.
        variables={"MAGE_MODE": environment.file.mode},
        ways=(*ways, *chosen),
        base64_keys=load_delivery_table().has("base64_key", version),
    )


def _way_of_setting(setting: EnvSetting) -> Way:
    value = _as_magento_has_it(setting.value)
    way = Way(setting.path, setting.scope, WayKind.NONE, "", value, "", setting.where)
    if value is None:
        reason = "null leaves it to config.php, the database or the module's default"
        return replace(way, reason=reason)
    why_not = why_not_config(setting.scope, setting.path)
    if not why_not:
        name = config_variable(setting.scope, setting.path)
        reason = f"{setting.reason}; {_OVER_ALL}" if setting.reason else _OVER_ALL
        return replace(way, way=WayKind.CONFIG, name=name, reason=reason)
    if isinstance(value, SecretRef):
        raise ProjectFileError(
            f"{setting.path} cannot be a secret here: {why_not}; in env.php's `system`, the other "
            "way, app:config:import would copy it in plain text into the database "
            "(flag system_config_snapshot). Set it in the Admin, which encrypts it",
            where=setting.where,
        )
    return replace(
        way,
        way=WayKind.SYSTEM,
        name=f"system/{setting.scope}/{setting.path}",
        reason=f"{why_not}; `system` changes the configuration's hash: app:config:import must run",
    )


def _way_of_service(environment: Environment, leaf: Leaf) -> Way:
    path = leaf.shown_path
    reader = load_delivery_table().reader_of(path)
    reason = "Kiln sets it"
    if reader is not None and reader.reads == "parent":
        reason = (
            f"{reader.class_name} reads the array {reader.path}, which MAGENTO_DC_ variables and "
            "#env() do not change (magento2#39026, #41206)"
        )
    elif reader is not None:
        reason = f"{reader.class_name} reads it; env.php is the same in every container"
    where = _where(environment, leaf)
    return Way(path, "", WayKind.ENV_PHP, path, leaf.value, reason, where)


def _where(environment: Environment, leaf: Leaf) -> str:
    return environment.where(*leaf.origin) if leaf.origin else ""


def _as_magento_has_it(value: Value) -> str | SecretRef | None:
    """A value as Magento keeps it: text, `1` and `0` for yes and no."""
    match value:
        case Secret():
            return SecretRef(value.secret)
        case None:
            return None
        case bool():
            return str(int(value))
        case _:
            return str(value)


def _all_problems(
    environment: Environment, problems: Sequence[tuple[str, str]]
) -> ProjectFileError:
    problems = sorted(set(problems))
    if len(problems) == 1:
        return ProjectFileError(problems[0][1], where=problems[0][0])
    return ProjectFileError(
        f"{len(problems)} settings cannot work",
        where=f"environments/{environment.name}.yaml",
        details=tuple(f"{where} {why}" for where, why in problems),
    )
