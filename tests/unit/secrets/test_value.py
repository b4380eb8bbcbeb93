import copy
import dataclasses
import json
import logging
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.secrets.plausible import examine_crypt_key
from builder.secrets.value import (
    SecretValue,
    VersionNames,
    extends_crypt_key,
    generate_crypt_key,
    generate_password,
)

CANARY = "canary-7f3a-geheim"
VALUE = SecretValue(CANARY.encode())
KEY = SecretValue(b"0123456789abcdef0123456789abcdef")


@dataclasses.dataclass(frozen=True)
class Holder:
    value: SecretValue


@pytest.mark.parametrize(
    "shown",
    [
        repr(VALUE),
        str(VALUE),
        f"{VALUE}",
        f"{VALUE!r:>40}",
        f"{VALUE:>40}",
        "%s %r" % (VALUE, VALUE),  # noqa: UP031
        str([VALUE]),
        str({"a": VALUE}),
        str(Holder(VALUE)),
        str(VersionNames(VALUE)),
        json.dumps({"a": VALUE}, default=str),
    ],
)
def test_no_way_of_printing_shows_the_value(shown: str) -> None:
    assert CANARY not in shown
    assert "***" in shown


def test_a_log_and_a_traceback_with_locals_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("kiln").error("got %s in %r", VALUE, {"value": VALUE})
    assert CANARY not in caplog.text

    def fail(value: SecretValue) -> None:
        raise ValueError(f"bad {value}")

    try:
        fail(VALUE)
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        text = "".join(told.format())
    assert "SecretValue(***)" in text
    assert CANARY not in text


@pytest.mark.parametrize(
    "serialise", [pickle.dumps, json.dumps, copy.copy, copy.deepcopy, lambda v: {v: 1}]
)
def test_it_is_not_serialised_copied_or_hashed(serialise: Any) -> None:
    with pytest.raises(TypeError) as caught:
        serialise(VALUE)
    assert CANARY not in str(caught.value)


def test_it_has_no_dictionary_that_shows_it() -> None:
    with pytest.raises(TypeError):
        vars(VALUE)


@given(st.binary(), st.binary())
def test_equality_is_that_of_the_values(a: bytes, b: bytes) -> None:
    assert (SecretValue(a) == SecretValue(b)) is (a == b)
    assert SecretValue(a) != a


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_a_version_tells_values_apart_and_tells_nothing_else(a: bytes, b: bytes) -> None:
    names = VersionNames.from_crypt_key(KEY)
    first, second = names.version("db", SecretValue(a)), names.version("db", SecretValue(b))
    assert (first == second) is (a == b)
    assert len(first) == 12
    assert names.version("other", SecretValue(a)) != first
    other_key = VersionNames.from_crypt_key(SecretValue(b"x" * 32))
    assert other_key.version("db", SecretValue(a)) != first


def test_versions_outlive_magentos_own_rotation_of_the_crypt_key() -> None:
    grown = generate_crypt_key(KEY)
    assert grown.reveal().startswith(KEY.reveal() + b"\n")
    value = SecretValue(b"x")
    assert VersionNames.from_crypt_key(grown).version("db", value) == VersionNames.from_crypt_key(
        KEY
    ).version("db", value)
    assert extends_crypt_key(KEY, grown)
    assert not extends_crypt_key(grown, KEY)


def test_what_is_generated_is_plausible_and_new_each_time() -> None:
    assert not examine_crypt_key(generate_crypt_key(None)).problems
    assert not examine_crypt_key(generate_crypt_key(generate_crypt_key(None))).problems
    assert generate_password() != generate_password()
    assert generate_password().reveal().isalnum()
