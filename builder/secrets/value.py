"""A sensitive value that shows itself to nobody, and the names of its versions.

Masking lives in the type, not in what prints (pyinfra's MaskString): a value that ends up in a
message, a log, a record or a traceback with locals reads `***`.
"""

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass
from typing import NoReturn

MASK = "***"
VERSION_LENGTH = 12
_LETTERS_AND_DIGITS = string.ascii_letters + string.digits


class SecretValue:
    """Bytes that are shown only by `reveal`.

    It cannot be pickled, copied or made JSON of, is compared in constant time, and has no hash
    of its own, since a dictionary would compare it otherwise.
    """

    __slots__ = ("_content",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """The value itself; for writing it to its place, and for nothing else."""
        return self._content

    def keyed_hash(self, key: bytes) -> bytes:
        """HMAC-SHA256 of the value; says nothing to who lacks the key. 32 bytes."""
        return hmac.digest(key, self._content, "sha256")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        return hmac.compare_digest(self._content, other._content)

    def __repr__(self) -> str:
        return f"SecretValue({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret value is not serialised")


@dataclass(frozen=True, slots=True)
class VersionNames:
    """Names the versions of one environment's secrets: short keyed hashes of their values.

    The key is made of the first crypt key. Every environment has one, whoever may read an
    environment's secrets has it, and so every machine gives a value the same name, with no
    further secret to keep. Magento's own key rotation appends keys and leaves the first
    (`Magento\\Framework\\Encryption\\Encryptor`, 2.4.7), so names outlive it; another first key
    renames every version. Without the key a name gives no way to try out values.

    Two environments with different crypt keys have different names for the same value: who has
    both values compares them with `==`.
    """

    key: SecretValue

    @classmethod
    def from_crypt_key(cls, crypt_key: SecretValue) -> "VersionNames":
        """The names of an environment that has this `crypt_key`."""
        first = SecretValue((crypt_key.reveal().split() or [b""])[0])
        return cls(SecretValue(hmac.digest(first.reveal(), b"kiln secret version 1", "sha256")))

    def fingerprint(self, name: str, value: SecretValue) -> str:
        """64 hexadecimal digits. The secret's name is part of it: equal values do not show."""
        inner = value.keyed_hash(self.key.reveal())
        mixed = hmac.digest(self.key.reveal(), name.encode() + b"\0" + inner, hashlib.sha256)
        return mixed.hex()

    def version(self, name: str, value: SecretValue) -> str:
        """The fingerprint's first 12 digits, a version's name."""
        return self.fingerprint(name, value)[:VERSION_LENGTH]


def generate_password() -> SecretValue:
    """32 letters and digits, 190 bits; no sign that a shell, a DSN or YAML reads otherwise."""
    return SecretValue(_random_text())


def generate_crypt_key(before: SecretValue | None) -> SecretValue:
    """A crypt key of the form that every Magento 2 takes: 32 letters and digits.

    Args:
        before: the keys so far. Magento reads all with the keys it was written with and writes
            with the last (`Encryptor`): the new one is appended, on a line of its own.
    """
    old = b"" if before is None else before.reveal().rstrip() + b"\n"
    return SecretValue(old + _random_text())


def extends_crypt_key(before: SecretValue, after: SecretValue) -> bool:
    """Whether all that was encrypted before can be read after: no key is lost or moved."""
    old, new = before.reveal().split(), after.reveal().split()
    return new[: len(old)] == old


def _random_text() -> bytes:
    return "".join(secrets.choice(_LETTERS_AND_DIGITS) for _ in range(32)).encode()
