from typing import Any

import pytest

from builder.magento.diff_environments import (
    MASKED,
    Comparison,
    Difference,
    diff_environments,
)
from builder.project.environments import Environment
from tests.unit.environments import FULL, MINIMAL, make_environment, with_services, with_settings


def diff(
    first: Environment, second: Environment, secrets: Comparison = "equal"
) -> dict[str, Difference]:
    found = diff_environments(first, second, lambda *_: secrets, lambda path: path == "a/b/secret")
    return {one.key: one for one in found}


def environment(name: str, **settings: Any) -> Environment:
    return make_environment(with_settings(default=settings), name)


def test_equal_environments_do_not_differ() -> None:
    assert diff(make_environment(FULL, "a"), make_environment(FULL, "b")) == {}


def test_a_value_is_shown_with_the_place_of_both() -> None:
    first = make_environment(with_services(session={"host": "one"}), "a")
    second = make_environment(with_services(session={"host": "two"}), "b")
    found = diff(first, second)
    assert set(found) == {"services.session.host"}
    one = found["services.session.host"]
    assert (one.first.value, one.second.value) == ("one", "two")
    assert one.first.where.startswith("environments/a.yaml:")
    assert one.second.where.startswith("environments/b.yaml:")


def test_what_one_side_lacks_has_no_place() -> None:
    found = diff(environment("a", **{"web/a/b": True}), environment("b"))
    one = found["web/a/b (default)"]
    assert (one.first.value, one.second.value, one.second.where) == ("1", None, "")


def test_settings_are_told_apart_by_scope() -> None:
    german = make_environment(with_settings(stores={"german": {"web/a/b": "x"}}), "a")
    assert set(diff(german, environment("b", **{"web/a/b": "x"}))) == {
        "web/a/b (default)",
        "web/a/b (stores/german)",
    }


@pytest.mark.parametrize("secrets", ["different", "unknown"])
def test_secrets_of_one_name_are_named_unless_equal(secrets: Comparison) -> None:
    found = diff(make_environment(MINIMAL, "a"), make_environment(MINIMAL, "b"), secrets)
    assert set(found) == {"services.database.password", "crypt_key"}
    assert found["crypt_key"].secrets == secrets
    assert found["crypt_key"].first.value == "secret crypt-key"


def test_secrets_of_two_names_are_named_even_if_equal() -> None:
    second = make_environment({**MINIMAL, "crypt_key": {"secret": "other"}}, "b")
    found = diff(make_environment(MINIMAL, "a"), second)
    assert found["crypt_key"].secrets == "equal"
    assert found["crypt_key"].second.value == "secret other"


def test_a_sensitive_setting_in_plain_text_is_masked() -> None:
    found = diff(environment("a", **{"a/b/secret": "geheim"}), environment("b"))
    assert found["a/b/secret (default)"].first.value == MASKED
    assert "geheim" not in repr(found)


def test_a_plain_value_and_a_secret_are_not_compared() -> None:
    named = environment("b", **{"a/b/c": {"secret": "x"}})
    found = diff(environment("a", **{"a/b/c": "x"}), named)
    assert found["a/b/c (default)"].secrets == ""


def test_services_come_first_then_settings_then_the_rest() -> None:
    first = make_environment({**MINIMAL, "admin_path": "x"}, "a")
    second = make_environment(
        {
            **MINIMAL,
            "settings": {"default": {"a/b/c": 1}},
            "services": {**MINIMAL["services"], "varnish": [{"host": "v"}], "lock": "file"},
        },
        "b",
    )
    assert list(diff(first, second)) == [
        "services.lock",
        "services.varnish.0.host",
        "services.varnish.0.port",
        "a/b/c (default)",
        "admin_path",
    ]
