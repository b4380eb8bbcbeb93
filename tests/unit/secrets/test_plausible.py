import base64

import pytest

from builder.secrets.plausible import examine_crypt_key, examine_value
from builder.secrets.value import SecretValue

BASE64_KEY = b"base64" + base64.b64encode(bytes(range(32)))


@pytest.mark.parametrize(
    "key",
    [b"0123456789abcdef" * 2, BASE64_KEY, b"0123456789abcdef" * 2 + b"\n" + BASE64_KEY],
)
def test_magentos_forms_of_a_crypt_key_are_right(key: bytes) -> None:
    assert examine_crypt_key(SecretValue(key)).problems == ()


@pytest.mark.parametrize(
    "key",
    [b" \n", b"short", b"0" * 31, b"0" * 33, b"base64" + b"!" * 44, BASE64_KEY[:-4], b"base64"],
)
def test_another_form_is_a_problem_that_does_not_show_the_key(key: bytes) -> None:
    (problem,) = examine_crypt_key(SecretValue(key)).problems
    assert key.decode().strip() == "" or key.decode() not in problem or key == b"base64"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"  \n", "is blank"),
        (b"a-long-enough-value\r", "ends in a carriage return"),
        (b" a-long-enough-value", "white space"),
        (b"ChangeMe-please-soon", "placeholder"),
        (b"tiny", "shorter than"),
    ],
)
def test_odd_values_are_named_without_being_shown(value: bytes, found: str) -> None:
    verdict = examine_value(SecretValue(value))
    assert found in "; ".join(verdict.problems + verdict.warnings)


def test_an_ordinary_password_passes() -> None:
    verdict = examine_value(SecretValue("jZ4 größe$'\"".encode() * 2))
    assert (verdict.problems, verdict.warnings) == ((), ())
