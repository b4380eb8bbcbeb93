"""By which ways a setting can reach the class that reads it, for one Magento release."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from builder.magento.tables import read_table
from builder.magento.versions import parse_version

_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_APPLICABLE = re.compile(r"CONFIG__[a-zA-Z]+[a-zA-Z0-9_]*")
_DC_NAME = re.compile(r"[A-Z0-9_]+")


class WayKind(StrEnum):
    """How a setting reaches a container."""

    ENV_PHP = "env.php"
    CONFIG = "CONFIG__, set by env.php"
    SYSTEM = "env.php, section system"
    VARIABLE = "environment variable"
    MAGENTO_DC = "MAGENTO_DC_ variable"
    NONE = "not delivered"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a way reaches the reader.

    Attributes:
        way: the way.
        works: whether a value sent by it is what the reader gets.
        reason: why, or why not.
    """

    way: WayKind
    works: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Reader:
    """The class that reads a part of env.php, and whether it takes one value or an array."""

    path: str
    reads: Literal["leaf", "parent"]
    class_name: str


@dataclass(frozen=True, slots=True)
class SearchEngine:
    """A search engine's adapter.

    Attributes:
        since: the first release that has it.
        instead: the adapter that earlier releases have for it, or empty.
    """

    since: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryTable:
    """delivery.yaml, read."""

    since: Mapping[str, str]
    readers: Mapping[str, Reader]
    search: Mapping[str, SearchEngine]
    cache_types: tuple[str, ...]
    cache_types_off_in_developer_mode: tuple[str, ...]
    preload_keys: tuple[str, ...]

    def has(self, mechanism: str, version: str) -> bool:
        """Whether a release has a mechanism, by its name under `since`."""
        return release_of(version) >= parse_version(self.since[mechanism])

    def reader_of(self, path: str) -> Reader | None:
        """Who reads a path of env.php, or what lies above it; None where nobody is known to."""
        fitting = [one for one in self.readers if f"{path}/".startswith(f"{one}/")]
        return self.readers[max(fitting, key=len)] if fitting else None


@functools.cache
def load_delivery_table() -> DeliveryTable:
    """Read delivery.yaml."""
    table = read_table("delivery.yaml")
    return DeliveryTable(
        since=table["since"],
        readers={
            path: Reader(path, row["reads"], row["class"]) for path, row in table["readers"].items()
        },
        search={name: SearchEngine(**row) for name, row in table["search"].items()},
        cache_types=tuple(table["cache_types"]),
        cache_types_off_in_developer_mode=tuple(table["cache_types_off_in_developer_mode"]),
        preload_keys=tuple(table["preload_keys"]),
    )


def release_of(version: str) -> tuple[int, ...]:
    """`2.4.7-p3` as `(2, 4, 7)`; a version without digits is older than any."""
    match = _RELEASE.search(version)
    return parse_version(match[0])[:3] if match else ()


def config_variable(scope: str, path: str) -> str:
    """The CONFIG__ name of a setting, as Magento's own documentation derives it.

    Args:
        scope: `default`, `websites/<code>` or `stores/<code>`.
        path: e.g. `web/secure/base_url`.
    """
    return "CONFIG__" + f"{scope}/{path}".replace("/", "__").upper()


def why_not_config(scope: str, path: str) -> str:
    """Why no CONFIG__ name stands for a setting; empty where one does.

    Magento turns a name back with two replacements and strtolower
    (`Magento\\Config\\Model\\Placeholder\\Environment::restore`), so that a name stands for a
    setting only if that gives the setting again.
    """
    name = config_variable(scope, path)
    wanted = f"{scope}/{path}"
    restored = name.removeprefix("CONFIG__").replace("__", "/").lower()
    if restored == wanted and _APPLICABLE.fullmatch(name):
        return ""
    if wanted != wanted.lower():
        part = "path" if path != path.lower() else "scope's code"
        return f"Magento lowercases CONFIG__ names, and this {part} has upper-case letters"
    return "Magento reads the two underscores in it as a slash"


def judge_ways(path: str, version: str, scope: str = "default") -> tuple[Judgement, ...]:
    """Which ways reach a setting's reader, and why the others do not.

    Args:
        path: of env.php, e.g. `db/connection/default/host`, or of the configuration, e.g.
            `web/secure/base_url`.
        version: of Magento, e.g. `2.4.7-p3`.
        scope: `default`, `websites/<code>` or `stores/<code>`; for configuration paths.
    """
    reader = load_delivery_table().reader_of(path)
    if reader is None:
        return _judge_setting(path, version, scope)
    return (
        Judgement(WayKind.ENV_PHP, True, f"{reader.class_name} reads it there"),
        _judge_magento_dc(path, version, reader),
        Judgement(
            WayKind.CONFIG,
            False,
            "CONFIG__ names stand for paths of the system configuration, and this is none",
        ),
    )


def _judge_setting(path: str, version: str, scope: str) -> tuple[Judgement, ...]:
    why_not = why_not_config(scope, path)
    return (
        Judgement(
            WayKind.CONFIG,
            not why_not,
            why_not or f"{config_variable(scope, path)} is over env.php, config.php and database",
        ),
        Judgement(
            WayKind.SYSTEM,
            True,
            "it is over config.php and database, but changes the configuration's hash: "
            "app:config:import must run",
        ),
        Judgement(
            WayKind.MAGENTO_DC,
            False,
            "the system configuration is read from the files themselves "
            "(Magento\\Framework\\App\\Config\\InitialConfigSource)"
            if load_delivery_table().has("magento_dc", version)
            else _absent("magento_dc"),
        ),
    )


def _judge_magento_dc(path: str, version: str, reader: Reader) -> Judgement:
    way = WayKind.MAGENTO_DC
    name = path.replace("/", "__").upper()
    if not load_delivery_table().has("magento_dc", version):
        return Judgement(way, False, _absent("magento_dc"))
    if name.lower().replace("__", "/") != path or not _DC_NAME.fullmatch(name):
        return Judgement(way, False, "Magento lowercases the names, which this path does not bear")
    if reader.reads == "parent":
        return Judgement(
            way,
            False,
            f"{reader.class_name} reads the array {reader.path}, which such variables "
            "do not change (magento2#39026, #41206)",
        )
    return Judgement(way, True, f"{reader.class_name} reads this one value")


def _absent(mechanism: str) -> str:
    return f"Magento has it from {load_delivery_table().since[mechanism]} on"
