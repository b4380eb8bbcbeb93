import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.magento.readers import (
    WayKind,
    config_variable,
    judge_ways,
    load_delivery_table,
    why_not_config,
)
from builder.magento.versions import load_versions

LINES = tuple(load_versions().lines)


def works(path: str, way: WayKind, version: str = "2.4.7-p3", scope: str = "default") -> bool:
    (found,) = (one for one in judge_ways(path, version, scope) if one.way is way)
    assert found.reason
    return found.works


@pytest.mark.parametrize("version", LINES)
@pytest.mark.parametrize(
    "path",
    [
        "db/connection/default/host",
        "db/connection/default/password",
        "cache/frontend/default/id_prefix",
        "queue/amqp/host",
        "lock/config/path",
        "resource/default_setup/connection",
        "http_cache_hosts/0/host",
        "cache_types/config",
    ],
)
def test_what_is_read_as_an_array_goes_by_env_php_alone(path: str, version: str) -> None:
    assert works(path, WayKind.ENV_PHP, version)
    assert not works(path, WayKind.MAGENTO_DC, version)
    assert not works(path, WayKind.CONFIG, version)


@pytest.mark.parametrize("version", LINES)
@pytest.mark.parametrize(
    "path", ["crypt/key", "session/save", "session/redis/host", "install/date", "cron/enabled"]
)
def test_a_leaf_is_reached_by_magento_dc(path: str, version: str) -> None:
    assert works(path, WayKind.MAGENTO_DC, version)


@pytest.mark.parametrize("version", ["2.4.3-p3", "2.4.3", "2.3.7"])
def test_magento_dc_is_absent_before_2_4_4(version: str) -> None:
    assert not works("crypt/key", WayKind.MAGENTO_DC, version)


@pytest.mark.parametrize("path", ["backend/frontName", "MAGE_MODE", "x-frame-options"])
def test_magento_dc_reaches_no_path_that_its_names_cannot_bear(path: str) -> None:
    assert not works(path, WayKind.MAGENTO_DC)


def test_magento_dc_does_not_reach_the_system_configuration() -> None:
    assert not works("web/secure/base_url", WayKind.MAGENTO_DC)
    assert works("web/secure/base_url", WayKind.CONFIG)
    assert works("web/secure/base_url", WayKind.SYSTEM)


@pytest.mark.parametrize(
    ("scope", "path", "reason"),
    [
        ("default", "acme/someFeature/isOn", "path has upper-case"),
        ("stores/DE", "web/secure/base_url", "scope's code has upper-case"),
        ("default", "acme/two__marks/on", "two underscores"),
        ("default", "acme/ends_/on", "two underscores"),
        ("default", "web/secure/base_url", ""),
        ("stores/german_1", "web/secure/base_url", ""),
        ("default", "acme/_begins/on", ""),
    ],
)
def test_a_config_name_stands_for_what_magento_makes_of_it_again(
    scope: str, path: str, reason: str
) -> None:
    found = why_not_config(scope, path)
    assert reason in found
    assert bool(found) == bool(reason)


SEGMENT = st.from_regex(r"[A-Za-z0-9_]{1,6}", fullmatch=True)


@given(st.lists(SEGMENT, min_size=3, max_size=4).map("/".join))
def test_two_settings_never_share_a_config_name(path: str) -> None:
    # What Magento\Config\Model\Placeholder\Environment::restore does.
    name = config_variable("default", path)
    restored = name.removeprefix("CONFIG__").replace("__", "/").lower()
    assert (why_not_config("default", path) == "") == (restored == f"default/{path}")


def test_every_reader_is_named_with_its_class() -> None:
    table = load_delivery_table()
    assert {reader.reads for reader in table.readers.values()} == {"leaf", "parent"}
    assert all(reader.class_name.startswith("Magento\\") for reader in table.readers.values())
    assert "compiled_config" in table.cache_types
    assert set(table.cache_types_off_in_developer_mode) < set(table.cache_types)


def test_the_longest_path_says_who_reads() -> None:
    table = load_delivery_table()
    salt = table.reader_of("cache/graphql/id_salt")
    assert salt is not None
    assert salt.reads == "leaf"
    assert table.reader_of("cachet/x/y") is None
