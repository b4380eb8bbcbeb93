from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import TreeError
from builder.magento.config_php import read_config_php
from builder.magento.config_xml import Default, Defaults
from builder.magento.dump_config import Dropped, Dump, dump_config
from builder.magento.module_files import EnabledModules
from builder.magento.php_array import PhpArray, PhpValue
from builder.magento.php_export import export_php_file
from builder.magento.shop_settings import ShopSettings
from builder.magento.type_pool import TypePool
from tests.unit.magento.php_literals import SCALARS, arrays
from tests.unit.shops import make_shop

# As real dumps do: columns in the database's order, rows by code, fields without a value as null.
DUMPED: PhpArray = {
    "themes": {
        "frontend/Acme/shop": {"parent_id": None, "area": "frontend"},
        "adminhtml/Acme/admin": {"area": "adminhtml"},
    },
    "scopes": {
        "websites": {
            "admin": {"website_id": "0", "code": "admin"},
            "base": {"website_id": "10", "code": "base", "is_default": "1"},
            "a_second": {"website_id": "11", "code": "a_second"},
        },
        "groups": {0: {"group_id": "0", "code": "default"}, 1: {"group_id": "1", "code": "main"}},
        "stores": {
            "German": {"store_id": "2", "code": "German"},
            "admin": {"store_id": "0", "code": "admin"},
        },
    },
    "modules": {"Acme_Shop": 1, "Acme_Off": 0, "Acme_Another": 1},
    "system": {
        "default": {
            "web": {"b": {"c": None}},
            "acme": {
                "text": {"welcome": "Changed", "empty": None},
                "api": {"url": "http://dev.test/", "key": "geheim"},
                "mail": {"password": "0:3:geheim"},
            },
        },
        "websites": {"gone": {"acme": {"text": {"welcome": "x"}}}},
        "stores": {
            "German": {"acme": {"text": {"welcome": "Moin"}}},
            "german": {"acme": {"text": {"welcome": "Moin"}}},
        },
    },
    "i18n": {"de_DE": {"Add to Cart": "In den Korb"}},
    "db": {"password": "geheim"},
}


def dump(shop: ShopSettings, value: PhpArray = DUMPED, wanted: tuple[str, ...] | None = ()) -> Dump:
    return dump_config(read_config_php(export_php_file(value).encode()), shop, wanted)


@pytest.fixture
def shop(tmp_path: Path) -> ShopSettings:
    return make_shop(tmp_path)


def test_the_order_of_modules_stays(shop: ShopSettings) -> None:
    assert list(dump(shop).value) == ["modules", "scopes", "themes"]
    assert dump(shop).value["modules"] == DUMPED["modules"]
    assert repr(dump(shop).value["modules"]) == repr(DUMPED["modules"])


def test_scopes_come_by_their_numbers_and_all_else_by_its_key(shop: ShopSettings) -> None:
    text = dump(shop).text
    order = ["'websites'", "'admin'", "'base'", "'a_second'", "'groups'", "'stores'", "'German'"]
    positions = [text.index(f"{one} => [") for one in order]
    assert positions == sorted(positions)
    assert text.index("'adminhtml/Acme/admin'") < text.index("'frontend/Acme/shop'")
    assert text.index("'area' => 'frontend'") < text.index("'parent_id'")


def test_one_entry_stands_on_one_line(shop: ShopSettings) -> None:
    assert "            'base' => [\n                'code' => 'base',\n" in dump(shop).text


def test_no_setting_is_locked_unasked_and_each_is_named(shop: ShopSettings) -> None:
    done = dump(shop)
    assert "system" not in done.value
    assert set(done.dropped) == {
        Dropped("acme/text/welcome", "default", "not asked for", ""),
        Dropped("acme/text/welcome", "stores/German", "not asked for", ""),
        Dropped("acme/text/welcome", "websites/gone", "unknown scope", ""),
        Dropped("acme/api/url", "default", "system-specific", "app/code/Acme/Shop/etc/di.xml:9"),
        Dropped("acme/api/key", "default", "sensitive", "app/code/Acme/Shop/etc/di.xml:6"),
        Dropped(
            "acme/mail/password",
            "default",
            "encrypted",
            "app/code/Acme/Shop/etc/adminhtml/system.xml:5",
        ),
        Dropped("db", "", "system-specific", ""),
        Dropped("i18n", "", "system-specific", ""),
    }


@pytest.mark.parametrize(
    "wanted", [("acme/text/welcome",), ("acme/text",), ("acme",), ("acme/",), None]
)
def test_what_is_asked_for_is_locked_where_it_differs(
    shop: ShopSettings, wanted: tuple[str, ...] | None
) -> None:
    done = dump(shop, wanted=wanted)
    assert done.value["system"] == {
        "default": {"acme": {"text": {"welcome": "Changed"}}},
        "stores": {"German": {"acme": {"text": {"welcome": "Moin"}}}},
    }
    assert done.added == (("default", "acme/text/welcome"), ("stores/German", "acme/text/welcome"))


def test_a_name_that_only_begins_alike_is_not_asked_for(shop: ShopSettings) -> None:
    assert dump(shop, wanted=("acme/tex", "acm")).added == ()


def test_a_value_like_the_default_is_not_locked(shop: ShopSettings) -> None:
    system: PhpValue = {"default": {"acme": {"text": {"welcome": "Hello", "empty": ""}}}}
    done = dump(shop, {**DUMPED, "system": system}, None)
    assert "system" not in done.value
    assert {one.path for one in done.dropped} == {"db", "i18n"}


def test_what_was_locked_stays_locked_with_its_new_value(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, "'default' => ['acme' => ['text' => ['welcome' => 'Hello']]]")
    done = dump(shop)
    assert done.value["system"] == {"default": {"acme": {"text": {"welcome": "Changed"}}}}
    assert (done.added, done.changed) == ((), (("default", "acme/text/welcome"),))


def test_what_is_sensitive_is_left_out_even_if_it_was_locked(tmp_path: Path) -> None:
    locked = (
        "'default' => ['acme' => ['api' => ['key' => 'geheim'], 'mail' => ['password' => 'x']]]"
    )
    done = dump(make_shop(tmp_path, locked), wanted=None)
    assert "geheim" not in done.text
    assert "geheim" not in repr(done.dropped)


def test_a_section_of_the_shops_own_stays(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, "],\n'acme_own' => ['b' => 1, 'a' => 2]," + "'db' => ['x' => 1")
    done = dump(shop, {**DUMPED, "acme_own": {"b": 1, "a": 2}, "other": {"x": 1}})
    assert list(done.value)[-1] == "acme_own"
    assert repr(done.value["acme_own"]) == "{'a': 2, 'b': 1}"
    assert {"db", "other"} <= {one.path for one in done.dropped}


@pytest.mark.parametrize("section", ["modules", "scopes"])
def test_a_dump_without_a_section_is_refused(shop: ShopSettings, section: str) -> None:
    with pytest.raises(TreeError, match=f"no {section}"):
        dump(shop, {key: value for key, value in DUMPED.items() if key != section})


def test_a_key_with_slashes_cannot_take_anothers_place(tmp_path: Path) -> None:
    system: PhpValue = {"default": {"a/b": {"c": "1"}, "a": {"b": {"c": "2"}}}}
    shop = make_shop(tmp_path, "'default' => ['a' => ['b' => ['c' => 1]]]")
    with pytest.raises(TreeError, match="within or above"):
        dump(shop, {**DUMPED, "system": system})


@dataclass(frozen=True)
class Surroundings:
    """Settings of a shop without files."""

    pool: TypePool
    defaults: Defaults

    def before(self, config: str) -> ShopSettings:
        modules = EnabledModules({}, frozenset())
        read = read_config_php(config.encode())
        encrypted = {"acme/mail/password": "system.xml:1"}
        return ShopSettings(read, modules, self.pool, self.defaults, {}, encrypted)


SHOP = Surroundings(
    TypePool(frozenset({"acme/api/key"}), frozenset({"acme/api/url"}), {}),
    {"default": {"acme/text/welcome": Default("x", "config.xml:1")}},
)
PARTS = st.sampled_from(["acme", "text", "api", "welcome", "url", "key", "x", "B", "10", "9", "é"])
SETTINGS: st.SearchStrategy[PhpValue] = st.dictionaries(
    PARTS,
    st.dictionaries(PARTS, st.dictionaries(PARTS, SCALARS, max_size=3), max_size=3),
    max_size=3,
)
SYSTEMS: st.SearchStrategy[PhpValue] = st.fixed_dictionaries(
    {},
    optional={
        "default": SETTINGS,
        "websites": st.dictionaries(st.sampled_from(["base", "gone"]), SETTINGS, max_size=2),
        "stores": st.dictionaries(st.sampled_from(["German", "german"]), SETTINGS, max_size=2),
    },
)
DUMPS = st.builds(
    lambda system, themes, own: {**DUMPED, "system": system, "themes": themes, "own": own},
    SYSTEMS,
    st.dictionaries(st.sampled_from(["b", "a", "é"]), arrays(), max_size=3),
    arrays(),
)


@settings(deadline=None)
@given(DUMPS, st.booleans())
def test_a_dump_of_a_dump_is_the_same_and_loses_nothing(value: PhpArray, everything: bool) -> None:
    shop = SHOP.before("<?php return ['own' => []];")
    once = dump(shop, value, None if everything else ())
    config = read_config_php(once.text.encode())
    again = dump_config(config, SHOP.before(once.text))
    assert again.text == once.text
    assert (again.added, again.changed, again.dropped) == ((), (), ())
    assert config.file.value == once.value
    for section in ("modules", "scopes", "themes", "own"):
        assert once.value[section] == value[section]
    assert "geheim" not in once.text
