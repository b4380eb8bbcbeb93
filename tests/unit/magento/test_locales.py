import pytest

from builder.magento.locales import is_locale, load_locales, nearest_locales


def test_locales_are_magentos_sorted_each_once() -> None:
    assert len(load_locales()) == 92
    assert list(load_locales()) == sorted(set(load_locales()))


def test_case_and_script_matter() -> None:
    assert is_locale("de_DE")
    assert is_locale("zh_Hans_CN")
    assert not is_locale("de_de")
    assert not is_locale("zh_CN")
    assert not is_locale("")


@pytest.mark.parametrize(
    ("code", "nearest"),
    [("de-DE", "de_DE"), ("de_de", "de_DE"), ("zh_CN", "zh_Hans_CN"), ("en_USA", "en_US")],
)
def test_a_mistyped_code_finds_its_neighbour(code: str, nearest: str) -> None:
    assert nearest in nearest_locales(code)


def test_a_language_alone_finds_its_countries() -> None:
    assert nearest_locales("de") == ["de_AT", "de_CH", "de_DE"]


def test_nonsense_finds_nothing() -> None:
    assert nearest_locales("qqqqqq") == []
