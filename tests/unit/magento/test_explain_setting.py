from pathlib import Path
from typing import Any

import pytest

from builder.magento.delivery import plan_delivery
from builder.magento.explain_setting import MASKED, Explanation, explain_setting
from builder.magento.shop_settings import ShopSettings
from tests.unit.environments import make_environment, with_settings
from tests.unit.shops import make_shop

LOCKED = "'default' => ['acme' => ['text' => ['welcome' => 'Locked'], 'api' => ['key' => 'x']]]"


@pytest.fixture
def shop(tmp_path: Path) -> ShopSettings:
    return make_shop(tmp_path, LOCKED)


def explain(shop: ShopSettings, path: str, **settings: Any) -> Explanation:
    environment = make_environment(with_settings(**settings), "staging")
    return explain_setting(path, shop, [plan_delivery(environment, "2.4.7", config=shop.config)])


def test_a_value_of_an_environment_is_named_with_its_place_and_way(shop: ShopSettings) -> None:
    explained = explain(
        shop,
        "acme/api/url",
        default={"acme/api/url": "http://a/"},
        stores={"german": {"acme/api/url": "http://b/"}},
    )
    assert explained.kind == "system-specific"
    assert explained.declared == "app/code/Acme/Shop/etc/di.xml:9"
    assert explained.default == "http://localhost/"
    assert explained.default_where == "app/code/Acme/Shop/etc/config.xml:6"
    default, german = explained.environments["staging"]
    assert (default.scope, default.value, default.locked) == ("default", "http://a/", True)
    assert (german.scope, german.value) == ("stores/german", "http://b/")
    assert default.where.startswith("environments/staging.yaml:")
    assert german.where != default.where
    assert default.reason.startswith("CONFIG__DEFAULT__ACME__API__URL: ")


def test_what_config_php_locks_is_baked_in(shop: ShopSettings) -> None:
    explained = explain(shop, "acme/text/welcome")
    assert explained.kind == "shared"
    default, german = explained.environments["staging"]
    assert (default.value, default.where, default.locked) == (
        "Locked",
        "app/etc/config.php:25",
        True,
    )
    assert "image" in default.way
    # config.xml has a value of its own for this store view.
    assert (german.value, german.locked) == ("Hallo", False)
    assert german.where == "app/code/Acme/Shop/etc/config.xml:15"


def test_an_environment_wins_over_config_php(shop: ShopSettings) -> None:
    explained = explain(shop, "acme/text/welcome", default={"acme/text/welcome": "Mine"})
    assert explained.environments["staging"][0].value == "Mine"


def test_null_leaves_it_to_config_php(shop: ShopSettings) -> None:
    explained = explain(shop, "acme/text/welcome", default={"acme/text/welcome": None})
    assert explained.environments["staging"][0].value == "Locked"


def test_nothing_given_is_left_to_the_database(shop: ShopSettings) -> None:
    (only,) = explain(shop, "acme/text/empty").environments["staging"]
    assert (only.value, only.locked) == ("", False)
    assert "database" in only.way


def test_no_sensitive_value_is_in_an_explanation(shop: ShopSettings) -> None:
    named = explain(shop, "acme/api/key", default={"acme/api/key": {"secret": "api-key"}})
    assert named.environments["staging"][0].value == "secret api-key"
    locked = explain(shop, "acme/api/key")
    assert locked.environments["staging"][0].value == MASKED
    plain = explain(shop, "acme/api/key", default={"acme/api/key": "geheim"})
    assert "geheim" not in repr(plain)


def test_a_part_of_env_php_is_explained_too(shop: ShopSettings) -> None:
    host = explain(shop, "db/connection/default/host")
    assert (host.kind, host.known) == ("system-specific", True)
    (only,) = host.environments["staging"]
    assert (only.scope, only.value, only.way) == ("", "db", "env.php")
    assert explain(shop, "crypt/key").kind == "sensitive"


def test_what_nothing_knows_is_not_known(shop: ShopSettings) -> None:
    assert not explain(shop, "acme/api/urll").known
    assert explain(shop, "acme/api/new", default={"acme/api/new": 1}).known
