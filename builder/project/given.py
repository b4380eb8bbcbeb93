"""The settings an environment gives, one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from builder.project.environment import Settings, Value
from builder.project.environments import Environment


@dataclass(frozen=True, slots=True)
class GivenSetting:
    """One value of an environment's `settings`.

    Attributes:
        scope: `default`, `websites/<code>` or `stores/<code>`.
        path: e.g. `web/secure/base_url`.
        value: the value, or the secret's name.
        where: `environments/x.yaml:LINE`, of this file or of one that it extends.
    """

    scope: str
    path: str
    value: Value
    where: str


def given_settings(environment: Environment) -> Iterator[GivenSetting]:
    """The settings by scope, in the order of the files."""
    scoped = environment.file.settings
    for path, value in scoped.default.items():
        where = environment.where("settings", "default", path)
        yield GivenSetting("default", path, value, where)
    by_kind: tuple[tuple[str, Mapping[str, Settings]], ...] = (
        ("websites", scoped.websites),
        ("stores", scoped.stores),
    )
    for kind, scopes in by_kind:
        for code, settings in scopes.items():
            for path, value in settings.items():
                where = environment.where("settings", kind, code, path)
                yield GivenSetting(f"{kind}/{code}", path, value, where)
