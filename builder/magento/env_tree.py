"""What env.php returns, with sensitive values named and not held."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Union

from builder.magento.php_array import PhpKey, PhpScalar

SecretUse = Literal["value", "crypt_key", "cache_id_salt"]


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A value that env.php makes of the file /run/secrets/<name> when it is read.

    Attributes:
        name: the secret's.
        use: `value` as it is; `crypt_key` checked to be one; `cache_id_salt`: a salt derived
            from it, from which it cannot be told.
    """

    name: str
    use: SecretUse = "value"


EnvScalar = PhpScalar | SecretRef
EnvValue = Union[EnvScalar, "EnvTree"]
EnvTree = dict[PhpKey, EnvValue]
KeyPath = tuple[PhpKey, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of env.php.

    Attributes:
        path: its keys, e.g. `("db", "connection", "default", "host")`.
        value: the value.
        origin: the keys of the environment's file that give it; empty for Kiln's own.
    """

    path: KeyPath
    value: EnvScalar
    origin: tuple[str | int, ...] = ()

    @property
    def shown_path(self) -> str:
        """`db/connection/default/host`."""
        return "/".join(map(str, self.path))


def build_tree(leaves: Sequence[Leaf]) -> EnvTree:
    """Leaves as nested arrays, in the order in which they come.

    Raises:
        ValueError: a path is given twice.
        TypeError: a path leads through another value.
    """
    tree: EnvTree = {}
    for leaf in leaves:
        branch = tree
        for key in leaf.path[:-1]:
            below = branch.setdefault(key, {})
            if not isinstance(below, dict):
                raise TypeError(f"{leaf.shown_path} leads through another value")
            branch = below
        if leaf.path[-1] in branch:
            raise ValueError(f"{leaf.shown_path} is given twice")
        branch[leaf.path[-1]] = leaf.value
    return tree


def find_secrets(values: Mapping[PhpKey, EnvValue] | Mapping[str, SecretRef]) -> Iterator[str]:
    """The names of the secrets in a tree."""
    for value in values.values():
        if isinstance(value, SecretRef):
            yield value.name
        elif isinstance(value, dict):
            yield from find_secrets(value)
