"""How two environments differ, in what they give and in nothing else. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from builder.project.environments import Environment
from builder.project.secret_name import Secret
from builder.project.yaml_file import KeyPath

Comparison = Literal["equal", "different", "unknown"]
# Says of two secrets, by their names in the first and the second environment, whether they are
# equal; `unknown` where one cannot be read.
CompareSecrets = Callable[[str, str], Comparison]

MASKED = "(in plain text)"
_NOT_COMPARED = ("extends", "abstract")


@dataclass(frozen=True, slots=True)
class Side:
    """What one environment gives.

    Attributes:
        value: as shown; `secret NAME` for a secret, None where there is none.
        where: `environments/x.yaml:LINE`; empty where there is none.
    """

    value: str | None
    where: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One value in which two environments differ.

    Attributes:
        key: e.g. `services.database.host`, `web/secure/base_url (default)`.
        first: what the first gives.
        second: what the second gives.
        secrets: of two secrets, whether their values are equal; empty for all else.
    """

    key: str
    first: Side
    second: Side
    secrets: Comparison | Literal[""] = ""


def diff_environments(
    first: Environment,
    second: Environment,
    compare: CompareSecrets,
    is_secret: Callable[[str], bool],
) -> tuple[Difference, ...]:
    """All values that differ: services, then settings, then the rest; by key.

    Args:
        first: one environment.
        second: the other.
        compare: compares two secrets.
        is_secret: says of a setting that it is sensitive: given in plain text, it is masked.

    Two secrets are named if they have different names, different values, or values that could
    not be compared. No value of a secret is in the result.
    """
    values = dict(_values(first)), dict(_values(second))
    found = []
    for key in sorted({*values[0], *values[1]}, key=_order):
        left, right = values[0].get(key), values[1].get(key)
        secrets: Comparison | Literal[""] = ""
        if isinstance(left, Secret) and isinstance(right, Secret):
            secrets = compare(left.secret, right.secret)
            if left == right and secrets == "equal":
                continue
        elif left == right:
            continue
        hidden = key[0] == "settings" and is_secret(str(key[-1]))
        sides = _side(first, key, left, hidden), _side(second, key, right, hidden)
        found.append(Difference(_shown_key(key), *sides, secrets))
    return tuple(found)


def _values(environment: Environment) -> Iterator[tuple[KeyPath, object]]:
    for name in type(environment.file).model_fields:
        if name not in _NOT_COMPARED:
            yield from _leaves((name,), getattr(environment.file, name))


def _leaves(key: KeyPath, value: object) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, BaseModel) and not isinstance(value, Secret):
        for name in type(value).model_fields:
            yield from _leaves((*key, name), getattr(value, name))
    elif isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves((*key, name), below)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, below in enumerate(value):
            yield from _leaves((*key, index), below)
    elif value is not None and value != ():
        yield key, value


def _side(environment: Environment, key: KeyPath, value: object, hidden: bool) -> Side:
    if value is None:
        return Side(None, "")
    where = environment.where(*key)
    match value:
        case Secret():
            return Side(f"secret {value.secret}", where)
        case _ if hidden:
            return Side(MASKED, where)
        case bool():
            return Side(str(int(value)), where)
        case tuple():
            return Side(" ".join(map(str, value)), where)
        case _:
            return Side(str(value), where)


def _order(key: KeyPath) -> tuple[int, tuple[str, ...]]:
    parts = tuple(map(str, key))
    rank = {"services": 0, "settings": 1}.get(parts[0], 2)
    return rank, parts


def _shown_key(key: KeyPath) -> str:
    if key[0] == "settings":
        scope = "/".join(map(str, key[1:-1]))
        return f"{key[-1]} ({scope})"
    return ".".join(map(str, key))
