"""What each scenario of the build benchmark changes, on a copy of the sample shop."""

from pathlib import Path

import pytest

from benchmarks.build.scenarios import COLD, SCENARIOS
from benchmarks.build.working_copy import LOCALE, THEME, THEMES, make_copy, read_themes
from builder.magento.composer_lock import check_lock
from builder.magento.locales import is_locale
from builder.magento.source_kind import kind_of
from tests.conftest import STORE
from tests.unit.benchmarks.trees import digests

_MODULE = "app/code/Bench/Shop"
ONE_FILE = {
    "phtml": f"{_MODULE}/view/frontend/templates/note.phtml",
    "less": "app/design/frontend/Bench/theme/Bench_Shop/web/css/source/_module.less",
    "php-body": f"{_MODULE}/Model/Price.php",
    "php-constructor": f"{_MODULE}/Model/Price.php",
    "di-xml": f"{_MODULE}/etc/di.xml",
    "translation": f"{_MODULE}/i18n/en_US.csv",
    "lock": "composer.lock",
    "config": "app/etc/config.php",
    "locale": "kiln.yaml",
    "matrix": "kiln.yaml",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    make_copy(STORE, tmp_path / "shop", "localhost:1")
    return tmp_path / "shop"


def changed(tree: Path, scenario: str, number: str) -> set[str]:
    before = digests(tree)
    SCENARIOS[scenario](tree, number)
    after = digests(tree)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_all_scenarios_are_known() -> None:
    assert set(SCENARIOS) == {"cold", "none", *ONE_FILE}


@pytest.mark.parametrize("scenario", ONE_FILE)
def test_a_scenario_changes_its_file_and_nothing_else(copy: Path, scenario: str) -> None:
    for number in ("1700000001", "1700000002"):
        assert changed(copy, scenario, number) == {ONE_FILE[scenario]}


def test_nothing_changed_changes_nothing(copy: Path) -> None:
    assert changed(copy, "none", "1700000001") == set()


def test_all_scenarios_follow_one_another(copy: Path) -> None:
    for edit in SCENARIOS.values():
        edit(copy, "1700000001")


def test_a_cold_tree_has_something_new_in_every_kind_of_input(copy: Path) -> None:
    names = changed(copy, COLD, "1700000001")
    kinds = {(name.partition("/")[0], kind_of(name)) for name in names}
    assert {("app", "code"), ("app", "view"), ("packages", "code"), ("packages", "view")} <= kinds
    assert "composer.json" in names


def test_a_class_changes_in_its_body_or_its_constructor(copy: Path) -> None:
    path = copy / ONE_FILE["php-body"]
    SCENARIOS["php-body"](copy, "1700000001")
    head, _, body = path.read_text().partition("public function format")
    assert "1700000001" in body
    assert "1700000001" not in head
    SCENARIOS["php-constructor"](copy, "1700000002")
    head, _, body = path.read_text().partition("public function format")
    assert "1700000002" in head
    assert "1700000002" not in body


def test_a_changed_lock_is_still_that_of_composer_json(copy: Path) -> None:
    SCENARIOS["lock"](copy, "1700000001")
    texts = [(copy / name).read_bytes() for name in ("composer.json", "composer.lock")]
    assert check_lock(texts[0], texts[1]) == ()


def test_a_locale_comes_to_one_theme_and_another_one_each_time(copy: Path) -> None:
    seen = set()
    for number in range(1700000001, 1700000006):
        SCENARIOS["locale"](copy, str(number))
        themes = read_themes(copy)
        assert {**themes, THEME: [LOCALE]} == THEMES
        own, other = themes[THEME]
        assert own == LOCALE
        assert is_locale(other)
        seen.add(other)
    assert len(seen) == 5
    assert LOCALE not in seen


def test_the_matrix_has_ten_pairs_that_no_run_and_no_other_scenario_has_deployed(
    copy: Path,
) -> None:
    seen: set[tuple[str, str]] = {(theme, LOCALE) for theme in THEMES}
    for number in range(1700000001, 1700000006):
        SCENARIOS["locale"](copy, str(number))
        seen |= {(THEME, locale) for locale in read_themes(copy)[THEME]}
    for number in range(1700000001, 1700000006):
        SCENARIOS["matrix"](copy, str(number))
        pairs = {(theme, locale) for theme, of in read_themes(copy).items() for locale in of}
        assert len(pairs) == 10
        assert not pairs & seen
        assert all(is_locale(locale) for _, locale in pairs)
        seen |= pairs
