"""What a look at a value can tell without showing it. Pure."""

import base64
import binascii
from dataclasses import dataclass

from builder.secrets.value import SecretValue

_SHORT = 12
_PLACEHOLDERS = (b"changeme", b"change-me", b"password", b"secret", b"todo", b"xxx", b"example")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one value.

    Attributes:
        problems: why it cannot be right; fail a check.
        warnings: why it may be wrong.
    """

    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def examine_value(value: SecretValue) -> Verdict:
    """Any secret: blank, odd at the ends, a placeholder, short. Never says more than that."""
    content = value.reveal()
    if not content.strip():
        return Verdict(problems=("is blank",))
    warnings = []
    if content.endswith(b"\r"):
        warnings.append("ends in a carriage return, which is part of the value")
    elif content != content.strip():
        warnings.append("has white space at its start or end, which is part of the value")
    if content.strip().lower().startswith(_PLACEHOLDERS):
        warnings.append("looks like a placeholder")
    elif len(content) < _SHORT:
        warnings.append(f"is shorter than {_SHORT} bytes")
    return Verdict(warnings=tuple(warnings))


def examine_crypt_key(value: SecretValue) -> Verdict:
    """Magento's encryption key: keys parted by white space, the last of which encrypts.

    A key is 32 characters, or `base64` and 32 bytes in base64 (2.4.7 and later).
    Source: `Magento\\Framework\\Encryption\\KeyValidator` and `Encryptor::__construct`, 2.4.7-p3.
    """
    keys = value.reveal().split()
    if not keys:
        return Verdict(problems=("is blank: Magento would encrypt with no key, and say nothing",))
    return Verdict(
        problems=tuple(
            f"key {number} of {len(keys)} is not of Magento's form: 32 characters, or `base64` "
            "and 32 bytes in base64"
            for number, key in enumerate(keys, 1)
            if not _is_key(key)
        )
    )


def _is_key(key: bytes) -> bool:
    if key.startswith(b"base64"):
        try:
            return len(base64.b64decode(key.removeprefix(b"base64"), validate=True)) == 32
        except binascii.Error:
            return False
    return len(key) == 32
