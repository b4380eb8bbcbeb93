from typing import Any

import pytest

from builder.errors import ProjectFileError
from builder.magento.config_php import read_config_php
from builder.magento.delivery import Delivery, Way, plan_delivery
from builder.magento.env_tree import EnvValue, Leaf, SecretRef, build_tree
from builder.magento.readers import WayKind
from builder.magento.services import cache_prefix
from builder.magento.versions import load_versions
from tests.unit.environments import (
    FULL,
    MINIMAL,
    make_environment,
    with_services,
    with_settings,
)

VERSION = "2.4.7-p3"
LINES = tuple(load_versions().lines)
CONFIG_PHP = read_config_php(
    b"<?php return ['scopes' => ['websites' => ['base' => []],"
    b" 'stores' => ['default' => [], 'german' => []]]];"
)


def plan(value: dict[str, Any], version: str = VERSION, **options: Any) -> Delivery:
    return plan_delivery(make_environment(value), version, **options)


def at(delivery: Delivery, path: str) -> EnvValue:
    value: EnvValue = delivery.env_php
    for key in path.split("/"):
        assert isinstance(value, dict), path
        value = value[int(key) if key.isdigit() else key]
    return value


def way_of(delivery: Delivery, path: str, scope: str = "default") -> Way:
    (way,) = (way for way in delivery.ways if (way.path, way.scope) == (path, scope))
    return way


def refusal(value: dict[str, Any], version: str = VERSION, **options: Any) -> str:
    with pytest.raises(ProjectFileError) as caught:
        plan(value, version, **options)
    error = caught.value
    return "\n".join([f"{error.where}: {error.message}", *error.details])


@pytest.mark.parametrize("version", LINES)
def test_a_setting_goes_by_its_config_name_at_every_scope(version: str) -> None:
    value = with_settings(
        default={"web/secure/base_url": "https://a/"},
        websites={"base": {"web/secure/base_url": "https://b/"}},
        stores={"german": {"web/secure/base_url": "https://c/"}},
    )
    delivery = plan(value, version)
    assert delivery.config == {
        "CONFIG__DEFAULT__WEB__SECURE__BASE_URL": "https://a/",
        "CONFIG__WEBSITES__BASE__WEB__SECURE__BASE_URL": "https://b/",
        "CONFIG__STORES__GERMAN__WEB__SECURE__BASE_URL": "https://c/",
    }
    assert not delivery.changes_config_hash
    way = way_of(delivery, "web/secure/base_url", "stores/german")
    assert way.where.startswith("environments/production.yaml:")
    assert way.reason


@pytest.mark.parametrize(
    ("given", "kept"), [(True, "1"), (False, "0"), (0, "0"), (8080, "8080"), ("", ""), ("no", "no")]
)
def test_a_value_is_text_as_magento_keeps_it(given: object, kept: str) -> None:
    delivery = plan(with_settings(default={"a/b/c": given}))
    assert delivery.config == {"CONFIG__DEFAULT__A__B__C": kept}


def test_null_takes_an_inherited_value_away() -> None:
    delivery = plan(with_settings(default={"a/b/c": None}))
    assert delivery.config == {}
    assert way_of(delivery, "a/b/c").way is WayKind.NONE


def test_a_path_that_config_cannot_name_is_in_system() -> None:
    delivery = plan(FULL)
    assert at(delivery, "system/default/acme/someFeature/isOn") == "1"
    assert at(delivery, "system/stores/DE/general/store_information/phone") == "030"
    assert delivery.changes_config_hash
    way = way_of(delivery, "acme/someFeature/isOn")
    assert way.way is WayKind.SYSTEM
    assert "app:config:import" in way.reason


def test_a_secret_that_config_cannot_name_is_refused() -> None:
    told = refusal(with_settings(default={"acme/apiKeys/live": {"secret": "acme"}}))
    assert "environments/production.yaml:" in told
    assert "upper-case" in told
    assert "database" in told


def test_secrets_are_named_and_never_held() -> None:
    delivery = plan(FULL)
    assert at(delivery, "db/connection/default/password") == SecretRef("db-password")
    assert at(delivery, "crypt/key") == SecretRef("crypt-key", "crypt_key")
    assert delivery.config["CONFIG__DEFAULT__CARRIERS__UPS__PASSWORD"] == SecretRef("ups-password")
    assert delivery.secrets == (
        "crypt-key",
        "db-password",
        "mq-password",
        "redis-password",
        "search-password",
        "ups-password",
    )
    assert delivery.variables == {"MAGE_MODE": "production"}


def test_caches_have_a_prefix_for_each_release_and_sessions_none() -> None:
    first, second = (plan(FULL, release=name) for name in ("r1", "r2"))
    prefixes = {at(one, "cache/frontend/default/id_prefix") for one in (first, second)}
    assert prefixes == {cache_prefix("production", "r1"), cache_prefix("production", "r2")}
    assert at(first, "cache/frontend/page_cache/id_prefix") == cache_prefix("production", "r1")
    preloaded = at(first, "cache/frontend/default/backend_options/preload_keys")
    assert isinstance(preloaded, dict)
    assert all(str(key).startswith(cache_prefix("production", "r1")) for key in preloaded.values())
    assert at(first, "session") == at(second, "session")
    assert "prefix" not in str(at(first, "session"))


def test_without_a_release_the_prefix_is_magentos_own() -> None:
    default = at(plan(FULL), "cache/frontend/default")
    assert isinstance(default, dict)
    assert "id_prefix" not in default
    assert "preload_keys" not in str(default)


def test_a_prefix_is_what_magento_allows_in_a_cache_id() -> None:
    prefix = cache_prefix("staging", "2026-11-02 ümlaut/../x")
    assert len(prefix) == 9
    assert prefix.replace("_", "").isalnum()


def test_the_port_of_the_database_is_in_its_host() -> None:
    assert at(plan(FULL), "db/connection/default/host") == "db.internal:3307"
    assert at(plan(MINIMAL), "db/connection/default/host") == "db"
    told = refusal(with_services(database={**MINIMAL["services"]["database"], "host": "::1"}))
    assert "colon" in told


def test_sessions_are_in_the_database_where_no_redis_is_given() -> None:
    assert at(plan(MINIMAL), "session") == {"save": "db"}


@pytest.mark.parametrize("version", LINES)
def test_blue_green_and_compiled_config_are_on_in_production(version: str) -> None:
    delivery = plan(MINIMAL, version)
    assert at(delivery, "deployment/blue_green/enabled") == 1
    assert at(delivery, "cache_types/compiled_config") == 1
    assert at(delivery, "cron_consumers_runner/cron_run") == 0


def test_blue_green_is_not_set_where_magento_does_not_have_it() -> None:
    assert "deployment" not in plan(MINIMAL, "2.4.3-p3").env_php


def test_developer_mode_has_no_page_cache_and_says_its_mode() -> None:
    delivery = plan({**MINIMAL, "mode": "developer"})
    assert at(delivery, "cache_types/full_page") == 0
    assert at(delivery, "cache_types/config") == 1
    assert "deployment" not in delivery.env_php
    assert delivery.variables == {"MAGE_MODE": "developer"}


def test_types_of_cache_that_modules_add_are_on() -> None:
    assert at(plan(MINIMAL, cache_types=["acme_prices"]), "cache_types/acme_prices") == 1


@pytest.mark.parametrize(
    ("version", "engine", "found"),
    [
        ("2.4.8", "opensearch", ("opensearch", "opensearch")),
        ("2.4.6-p1", "opensearch", ("opensearch", "opensearch")),
        ("2.4.5", "opensearch", ("elasticsearch7", "elasticsearch7")),
        ("2.4.4-p2", "opensearch", ("elasticsearch7", "elasticsearch7")),
        ("2.4.7", "elasticsearch8", ("elasticsearch8", "elasticsearch8")),
    ],
)
def test_search_goes_by_the_paths_of_the_releases_adapter(
    version: str, engine: str, found: tuple[str, str]
) -> None:
    delivery = plan(with_services(search={"engine": engine, "host": "search"}), version)
    prefix = "CONFIG__DEFAULT__CATALOG__SEARCH__"
    assert delivery.config[f"{prefix}ENGINE"] == found[0]
    assert delivery.config[f"{prefix}{found[1].upper()}_SERVER_HOSTNAME"] == "search"
    assert delivery.config[f"{prefix}{found[1].upper()}_ENABLE_AUTH"] == "0"


def test_a_search_engine_that_the_release_lacks_is_refused() -> None:
    value = with_services(search={"engine": "elasticsearch8", "host": "x"})
    assert "Magento has elasticsearch8 from 2.4.6 on, and this is 2.4.5" in refusal(value, "2.4.5")


def test_search_needs_user_and_password_or_neither() -> None:
    told = refusal(with_services(search={"host": "x", "user": "me"}))
    assert "search needs user and password, or neither" in told


@pytest.mark.parametrize("service", ["cache", "page_cache", "session", "search"])
def test_a_service_without_a_host_is_refused(service: str) -> None:
    assert "a host must not be empty" in refusal(with_services(**{service: {"host": ""}}))


def test_the_cache_of_2_4_9_is_named_by_a_word_and_preloads_nothing() -> None:
    default = at(plan(FULL, "2.4.9", release="r1"), "cache/frontend/default")
    assert isinstance(default, dict)
    assert default["backend"] == "redis"
    assert "preload_keys" not in str(default)


def test_varnish_is_told_to_purge_and_magento_that_it_is_there() -> None:
    delivery = plan(FULL)
    assert at(delivery, "http_cache_hosts/1") == {"host": "varnish-2", "port": "6081"}
    name = "CONFIG__DEFAULT__SYSTEM__FULL_PAGE_CACHE__CACHING_APPLICATION"
    assert delivery.config[name] == "2"
    own = {**with_services(varnish=[{"host": "v"}])}
    own["settings"] = {"default": {"system/full_page_cache/caching_application": 42}}
    assert plan(own).config[name] == "42"


def test_a_path_that_a_service_gives_as_well_is_refused() -> None:
    value = {
        **with_services(search={"host": "search"}),
        "settings": {"default": {"catalog/search/engine": "opensearch"}},
    }
    assert "catalog/search/engine is given twice" in refusal(value)


def test_a_path_within_another_is_refused() -> None:
    told = refusal(with_settings(default={"a/b/c": 1, "a/b/c/d": 2}))
    assert "a/b/c/d lies within a/b/c" in told


@pytest.mark.parametrize("value", ["#env(HOME)", '#env( X , "y")', "nul\0", "half \ud83d"])
def test_a_value_that_would_not_arrive_is_refused(value: str) -> None:
    environment = make_environment(with_settings(default={"a/b/c": "x"}))
    settings = environment.file.settings.model_copy(update={"default": {"a/b/c": value}})
    file = environment.file.model_copy(update={"settings": settings})
    with pytest.raises(ProjectFileError):
        plan_delivery(type(environment)("x", file, environment.marks), VERSION)


def test_a_scope_that_config_php_lacks_is_refused_with_the_nearest() -> None:
    value = with_settings(websites={"main": {"a/b/c": 1}}, stores={"germna": {"a/b/c": 1}})
    told = refusal(value, config=CONFIG_PHP)
    assert "config.php has no main among its websites; there are: base" in told
    assert "did you mean german?" in told
    assert told.count("environments/production.yaml:1") == 2


def test_all_problems_are_told_at_once() -> None:
    value = with_settings(default={"a/bC/d": {"secret": "x"}}, stores={"nowhere": {"a/b/c": 1}})
    told = refusal(value, config=CONFIG_PHP)
    assert "2 settings cannot work" in told


def test_locks_in_the_cache_need_a_cache() -> None:
    assert "services.cache" in refusal(with_services(lock="cache"))
    assert at(plan(with_services(lock="cache", cache={"host": "r"})), "lock/provider") == "cache"


@pytest.mark.parametrize("value", [MINIMAL, FULL])
def test_every_value_has_a_way_with_its_reason(value: dict[str, Any]) -> None:
    delivery = plan(value, release="r1")
    assert all(way.reason and (way.name or way.way is WayKind.NONE) for way in delivery.ways)
    names = [way.name for way in delivery.ways if way.way is WayKind.CONFIG]
    assert sorted(names) == list(delivery.config)
    by_env_php = {w.name for w in delivery.ways if w.way in (WayKind.ENV_PHP, WayKind.SYSTEM)}
    assert by_env_php == set(_leaves(delivery.env_php, ""))


def _leaves(value: EnvValue, prefix: str) -> list[str]:
    if not isinstance(value, dict):
        return [prefix]
    return [
        one
        for key, below in value.items()
        for one in _leaves(below, f"{prefix}/{key}" if prefix else str(key))
    ]


def test_a_tree_refuses_what_is_given_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        build_tree([Leaf(("a", "b"), 1), Leaf(("a", "b"), 2)])
    with pytest.raises(TypeError, match="through"):
        build_tree([Leaf(("a",), 1), Leaf(("a", "b"), 2)])


STORAGE = {"bucket": "media", "region": "eu-central-1"}


def test_media_in_an_object_storage_go_by_remote_storage() -> None:
    keys = {"access_key": {"secret": "s3-key"}, "secret_key": {"secret": "s3-secret"}}
    storage = {**STORAGE, **keys, "endpoint": "https://s3.example", "path_style": True}
    delivery = plan(with_services(object_storage=storage))
    assert at(delivery, "remote_storage") == {
        "driver": "aws-s3",
        "prefix": "",
        "config": {
            "bucket": "media",
            "region": "eu-central-1",
            "endpoint": "https://s3.example",
            "path_style": "1",
            "credentials": {"key": SecretRef("s3-key"), "secret": SecretRef("s3-secret")},
        },
    }
    assert {"s3-key", "s3-secret"} <= set(delivery.secrets)


def test_an_object_storage_by_the_machines_role_has_no_keys() -> None:
    config = at(plan(with_services(object_storage=STORAGE)), "remote_storage/config")
    assert config == STORAGE


def test_an_object_storage_that_cannot_work_is_refused() -> None:
    one_key = {**STORAGE, "access_key": {"secret": "s3-key"}}
    assert "or neither" in refusal(with_services(object_storage=one_key))
    assert "Magento_AwsS3" in refusal(with_services(object_storage=STORAGE), config=CONFIG_PHP)
    media = {**MINIMAL, "deploy": {"media": {"object_storage": True}}}
    assert "services.object_storage" in refusal(media)
