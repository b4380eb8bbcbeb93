"""What happens to a shop between two builds, as its developer would do it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.build.working_copy import (
    BACKEND,
    LOCALE,
    LUMA,
    SALT_CLASS,
    THEME,
    THEMES,
    change_line,
    salt_tree,
    set_shared_setting,
    write_json,
    write_themes,
)
from builder.magento.locales import load_locales

COLD = "cold"
NONE = "none"

_MODULE = Path(SALT_CLASS).parent.parent
_THEME = Path("app/design") / THEME
# Storefronts have four locales each, the Admin two.
_MATRIX = {THEME: 4, LUMA: 4, BACKEND: 2}
_ONE_EACH = 20

Edit = Callable[[Path, str], None]
"""Changes a tree; the text is another one each time, a number but for `cold`."""


def _change(path: Path, pattern: str) -> Edit:
    return lambda tree, number: change_line(tree / path, pattern, number)


def _leave(tree: Path, number: str) -> None:
    """Build what was built before."""


def change_lock(tree: Path, number: str) -> None:
    """Change composer.lock, and no package in it."""
    path = tree / "composer.lock"
    lock = json.loads(path.read_text())
    lock["_readme"] = [*lock["_readme"][:3], f"Change {number}"]
    write_json(path, lock)


def add_locale(tree: Path, number: str) -> None:
    """Give one theme another locale beside its own; the one of the time before goes."""
    locale = _other_locales()[int(number) % _ONE_EACH]
    write_themes(tree, {**THEMES, THEME: [LOCALE, locale]})


def set_matrix(tree: Path, number: str) -> None:
    """Ten pairs of theme and locale, none of which was deployed before."""
    locales = _other_locales()[_ONE_EACH:]
    most = max(_MATRIX.values())
    start = (int(number) * most) % (len(locales) - most)
    write_themes(
        tree, {theme: [*locales[start : start + count]] for theme, count in _MATRIX.items()}
    )


def _other_locales() -> tuple[str, ...]:
    return tuple(locale for locale in load_locales() if locale != LOCALE)


# In this order, so that each but `cold` finds everything as the one before has left it: what
# changes kiln.yaml comes last.
SCENARIOS: Mapping[str, Edit] = {
    COLD: salt_tree,
    NONE: _leave,
    "phtml": _change(_MODULE / "view/frontend/templates/note.phtml", r'(?<=data-change=")\d+'),
    "less": _change(_THEME / "Bench_Shop/web/css/source/_module.less", r"(?<=order: )\d+"),
    "php-body": _change(_MODULE / "Model/Price.php", r"(?<=\$amount \+ )\d+"),
    "php-constructor": _change(_MODULE / "Model/Price.php", r"(?<=\$digits = )\d+"),
    "di-xml": _change(_MODULE / "etc/di.xml", r"(?<=>unit )\d+"),
    "translation": _change(_MODULE / "i18n/en_US.csv", r"(?<=shop, )\d+"),
    "lock": change_lock,
    "config": lambda tree, number: set_shared_setting(
        tree, "general/store_information/name", f"Shop {number}"
    ),
    "locale": add_locale,
    "matrix": set_matrix,
}
