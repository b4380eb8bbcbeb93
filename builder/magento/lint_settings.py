"""What is wrong with the settings of a shop and its environments: all of it at once. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from builder.errors import ProjectFileError
from builder.magento.config_php import CONFIG_PHP
from builder.magento.finding import Finding
from builder.magento.shop_settings import ShopSettings
from builder.project.environment import Value
from builder.project.environments import DEVELOPMENT, FOLDER, Environment
from builder.project.given import GivenSetting, given_settings
from builder.project.secret_name import Secret
from builder.project.yaml_file import KeyPath

_OPTIONAL_SERVICES = ("cache", "page_cache", "session", "queue", "search", "varnish")
_PLACED = re.compile(r"(?P<where>\S+\.ya?ml:\d+) (?P<message>.*)", re.DOTALL)
_TYPE_POOL = re.compile(rb"""["'](?P<slash>\\?)Magento\\Config\\Model\\Config\\TypePool["']""")
_LOCK = "`bin/magento config:set --lock-config`"


@dataclass(frozen=True)
class Systems:
    """The environments that are complete, and what they give.

    Attributes:
        environments: by name, without abstract ones.
        given: by environment, then by scope and path.
    """

    environments: Mapping[str, Environment]
    given: Mapping[str, Mapping[tuple[str, str], GivenSetting]] = field(default_factory=dict)

    @classmethod
    def of(cls, environments: Sequence[Environment]) -> "Systems":
        """The concrete ones of a shop's environments."""
        concrete = {one.name: one for one in environments if not one.file.abstract}
        return cls(
            concrete,
            {
                name: {(given.scope, given.path): given for given in given_settings(one)}
                for name, one in concrete.items()
            },
        )

    def served(self) -> dict[str, Environment]:
        """Those with services and addresses of their own; `kiln dev up` gives development its."""
        return {name: one for name, one in self.environments.items() if name != DEVELOPMENT}

    def giving(self) -> dict[tuple[str, str], dict[str, GivenSetting]]:
        """For each scope and path, what each environment that has it gives; sorted."""
        found: dict[tuple[str, str], dict[str, GivenSetting]] = {}
        for name, settings in self.given.items():
            for key, one in settings.items():
                found.setdefault(key, {})[name] = one
        return dict(sorted(found.items()))


def find_plain_secrets(shop: ShopSettings, systems: Systems) -> Iterator[Finding]:
    """Sensitive settings that an environment gives in plain text."""
    seen: set[str] = set()
    for settings in systems.given.values():
        for (scope, path), one in settings.items():
            # A value of a parent is found once, not once for each child.
            if not shop.is_secret(path) or not _is_plain(one.value) or one.where in seen:
                continue
            seen.add(one.where)
            why = shop.declared_in(path) or f"encrypted: {shop.encrypted.get(path, '')}"
            yield Finding(
                f"the sensitive setting {path} ({scope}) is given in plain text; {why}",
                one.where,
                "put it into the secret source, and write `{secret: its-name}` here",
            )


def find_fights(shop: ShopSettings, systems: Systems) -> Iterator[Finding]:
    """Settings that config.php locks and an environment gives otherwise."""
    for (scope, path), giving in systems.giving().items():
        locked = shop.locked.get((scope, path))
        if locked is None or shop.is_secret(path):
            continue
        against = [
            (name, one)
            for name, one in giving.items()
            if one.value is not None and not _equal(one.value, locked.value)
        ]
        if against:
            places = ", ".join(f"{name} ({one.where})" for name, one in against)
            yield Finding(
                f"config.php locks {path} ({scope}), and an environment gives another value, "
                f"which wins there: {places}",
                f"{CONFIG_PHP}:{locked.line}",
                "decide for one place: shared by all systems, keep it here; else remove it here "
                "and give it in every environment",
            )


def find_missing(shop: ShopSettings, systems: Systems) -> Iterator[Finding]:
    """System-specific and sensitive settings that one environment lacks and another has."""
    yield from _missing(shop, systems, shared=False)


def warn_missing(shop: ShopSettings, systems: Systems) -> Iterator[Finding]:
    """Shared settings and services that one environment lacks and another has."""
    yield from _missing(shop, systems, shared=True)
    for service in _OPTIONAL_SERVICES:
        having = {
            name for name, one in systems.served().items() if getattr(one.file.services, service)
        }
        for name, environment in systems.served().items():
            if having and name not in having:
                other = systems.environments[min(having)]
                yield Finding(
                    f"{name} has no services.{service}, which {_named(sorted(having))} has "
                    f"({other.where('services', service)})",
                    _own_place(environment, ("services",)),
                    "add it, so that what is tested is what goes live",
                )


def warn_drift(shop: ShopSettings, systems: Systems) -> Iterator[Finding]:
    """Shared settings that environments give, so that systems can drift apart."""
    for (scope, path), giving in systems.giving().items():
        values = [one.value for one in giving.values() if one.value is not None]
        first = next(iter(giving.values()))
        locked = shop.locked.get((scope, path))
        if locked is not None and values and all(_equal(one, locked.value) for one in values):
            yield Finding(
                f"{path} ({scope}) has the same value in config.php ({CONFIG_PHP}:{locked.line})",
                first.where,
                "remove it here, if it is to be the same everywhere",
            )
        elif locked is None and shop.kind_of(path) == "shared" and path not in shop.encrypted:
            differ = any(value != values[0] for value in values)
            if differ:
                yield Finding(
                    f"the shared setting {path} ({scope}) differs between {_named(sorted(giving))}",
                    first.where,
                    "if it must, list it as `environment` under TypePool in a module's di.xml; "
                    f"else lock it in config.php with {_LOCK}",
                )
            elif values and set(giving) == set(systems.environments):
                yield Finding(
                    f"the shared setting {path} ({scope}) is the same in every environment",
                    first.where,
                    f"move it to config.php with {_LOCK}, so that it is built and tested",
                )


def warn_misplaced_types(files: Iterable[tuple[str, bytes]]) -> Iterator[Finding]:
    """Entries of TypePool where Magento does not see them, or lets them replace all others.

    Args:
        files: path and content of di.xml files, those of areas (etc/adminhtml/di.xml) as well.
    """
    for path, content in files:
        for match in _TYPE_POOL.finditer(content):
            where = f"{path}:{content.count(bytes([10]), 0, match.start()) + 1}"
            if match["slash"]:
                yield Finding(
                    "with a leading backslash, Magento takes TypePool for another class, and the "
                    "later of both lists replaces the other: secrets get into dumps",
                    where,
                    "write the name without it",
                )
            elif not path.endswith("/etc/di.xml"):
                yield Finding(
                    "TypePool in an area's di.xml is not seen by `app:config:dump`, and in the "
                    "area it hides all other modules' entries",
                    where,
                    "move it to etc/di.xml",
                )


def findings_of(error: ProjectFileError) -> Iterator[Finding]:
    """The problems of an environment that cannot be loaded or delivered, one by one."""
    hint = error.hint or "change it there; the message says what can work"
    if not error.details:
        yield Finding(error.message, error.where, hint)
    for detail in error.details:
        match = _PLACED.fullmatch(detail)
        where, message = (match["where"], match["message"]) if match else (error.where, detail)
        yield Finding(message, where, hint)


def _missing(shop: ShopSettings, systems: Systems, *, shared: bool) -> Iterator[Finding]:
    for (scope, path), giving in systems.giving().items():
        is_shared = shop.kind_of(path) == "shared" and path not in shop.encrypted
        if is_shared != shared or (scope, path) in shop.locked:
            continue
        other, one = next(iter(giving.items()))
        for name, environment in systems.served().items():
            if name not in giving:
                yield Finding(
                    f"{name} has no {path} ({scope}), which {other} has ({one.where})",
                    _own_place(environment, ("settings", *scope.split("/"))),
                    "give it, or write `null` where it is not needed",
                )


def _own_place(environment: Environment, keys: KeyPath) -> str:
    """Where in an environment's own file a key could stand: by its nearest parent there."""
    file = f"{FOLDER}/{environment.name}.yaml"
    for length in range(len(keys), -1, -1):
        mark = environment.marks.get(keys[:length])
        if mark is not None and mark.file == file:
            return str(mark)
    return file


def _is_plain(value: Value) -> bool:
    return not isinstance(value, Secret) and value is not None and value != ""


def _equal(given: Value, locked: object) -> bool:
    """Whether Magento takes both for the same: it keeps text, and 1 and 0 for yes and no."""
    return not isinstance(given, Secret) and _text(given) == _text(locked)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else str(value)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)
