"""Which secrets an environment names, and where. Pure."""

from collections.abc import Iterator

from pydantic import BaseModel

from builder.project.environment import EnvironmentFile
from builder.project.secret_name import Secret
from builder.project.yaml_file import KeyPath


def referenced_secrets(file: EnvironmentFile) -> dict[str, tuple[KeyPath, ...]]:
    """Each secret's name, sorted, and the key paths that name it, in the model's order.

    A key path is what `Environment.where(*path)` takes, e.g.
    `("services", "database", "password")`.
    """
    found: dict[str, list[KeyPath]] = {}
    for path, secret in _secrets_in(file, ()):
        found.setdefault(secret.secret, []).append(path)
    return {name: tuple(found[name]) for name in sorted(found)}


def _secrets_in(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, Secret]]:
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secrets_in(item, (*path, key))
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _secrets_in(item, (*path, index))
