"""Changes of a shop between two builds, drawn by hypothesis, and the stages that may see them."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.build.working_copy import change_line
from builder.magento.locales import load_locales
from tests.conftest import change_project

Reads = Literal[
    "nothing", "template", "view", "frontend", "adminhtml", "theme", "code", "packages", "themes"
]

# Each build has another content version, which these two stages write into the image.
_ALWAYS = "finish|runtime"
_DEPLOYMENT = f"{_ALWAYS}|view|static-.*|shared"
_ALL_CODE = f"{_DEPLOYMENT}|code|sources|compiled"

# Stages that may run again after a change, as a pattern of their names.
# One that was not there before runs anyway: with another theme or locale, no other does.
READERS: Mapping[Reads, str] = {
    "nothing": "",
    "template": _ALWAYS,
    "view": _DEPLOYMENT,
    "frontend": rf"{_ALWAYS}|static-frontend\..*|shared",
    "adminhtml": rf"{_ALWAYS}|static-adminhtml\..*|shared",
    # The sample's own, which no other inherits from.
    "theme": rf"{_ALWAYS}|static-frontend\.kiln\.sample-.*|shared",
    "code": _ALL_CODE,
    "packages": rf"{_ALL_CODE}|vendor",
    "themes": rf"{_ALWAYS}|shared",
}

_MODULE = "app/code/Kiln/Sample"
_THEME = "app/design/frontend/Kiln/sample"

Edit = Callable[[Path, int, int], None]
"""Changes a tree; the first number chooses among files that fit, the second is written."""


@dataclass(frozen=True)
class Files:
    """Files that come and go.

    Attributes:
        name: of one, with a number.
        text: of one, with the name's number and that of the change.
    """

    folder: str
    name: str
    text: str

    def add(self, tree: Path, at: int, number: int) -> None:
        self._write(tree, number, number)

    def edit(self, tree: Path, at: int, number: int) -> None:
        self._write(tree, self._pick(tree, at, number), number)

    def remove(self, tree: Path, at: int, number: int) -> None:
        gone = self._pick(tree, at, number)
        if gone == number:
            self._write(tree, number, number)
        else:
            self._path(tree, gone).unlink()

    def rename(self, tree: Path, at: int, number: int) -> None:
        gone = self._pick(tree, at, number)
        if gone == number:
            self._write(tree, number, number)
        else:
            path = self._path(tree, gone).rename(self._path(tree, number))
            path.write_text(path.read_text().replace(f"Extra{gone}", f"Extra{number}"))

    def _pick(self, tree: Path, at: int, number: int) -> int:
        """One that is there; where there is none, a new one, so that every change is one."""
        there = [one for one in range(number) if self._path(tree, one).is_file()]
        return there[at % len(there)] if there else number

    def _path(self, tree: Path, number: int) -> Path:
        return tree / self.folder / self.name.format(number)

    def _write(self, tree: Path, name: int, number: int) -> None:
        path = self._path(tree, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text.format(name, number))


_CLASS = """<?php
namespace Kiln\\Sample\\Model;
class Extra{0}
{{
    public function __construct(private WeatherFactory $weatherFactory, private int $number = {1})
    {{
    }}
}}
"""
_FILES: Mapping[str, tuple[Reads, Files]] = {
    "template": (
        "template",
        Files(f"{_MODULE}/view/frontend/templates", "extra{}.phtml", "<p>{1}</p>\n"),
    ),
    "layout": (
        "template",
        Files(f"{_MODULE}/view/frontend/layout", "extra{}.xml", "<page><!-- {1} --></page>\n"),
    ),
    "style": (
        "theme",
        Files(f"{_THEME}/web/css", "extra{}.less", "p {{ b {{ order: {1}; }} }}\n"),
    ),
    "script": (
        "view",
        Files(f"{_MODULE}/view/base/web/js", "extra{}.js", "define([], {{ at: {1} }});\n"),
    ),
    "image": ("theme", Files(f"{_THEME}/web/images", "extra {} größer.png", "PNG {1}")),
    "module style": (
        "frontend",
        Files(f"{_MODULE}/view/frontend/web/css", "extra{}.less", "b {{ i {{ order: {1}; }} }}\n"),
    ),
    "Admin script": (
        "adminhtml",
        Files(f"{_MODULE}/view/adminhtml/web/js", "extra{}.js", "define([], {{ at: {1} }});\n"),
    ),
    "font": ("view", Files("lib/web/fonts", "extra{}.woff2", "wOF2 {1}")),
    "class": ("code", Files(f"{_MODULE}/Model", "Extra{}.php", _CLASS)),
    "settings": (
        "code",
        Files(f"{_MODULE}/etc", "extra{}.xml", "<config><!-- {1} --></config>\n"),
    ),
    "package": ("packages", Files("packages/magento/module-cron", "extra{}.txt", "{1}\n")),
}


def _append(path: str, text: str) -> Edit:
    def edit(tree: Path, at: int, number: int) -> None:
        with (tree / path).open("a") as file:
            file.write(text.format(number))

    return edit


def _change(path: str, pattern: str, text: str) -> Edit:
    return lambda tree, at, number: change_line(tree / path, pattern, text.format(number))


def _write(path: str) -> Edit:
    def edit(tree: Path, at: int, number: int) -> None:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(f"{number}\n")

    return edit


def _lay_over(path: str, text: str) -> Edit:
    """Lay a theme's file over that of a module or a parent; the next time, take it away."""

    def edit(tree: Path, at: int, number: int) -> None:
        if (tree / path).is_file():
            (tree / path).unlink()
        else:
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text.format(number))

    return edit


def _translate(tree: Path, at: int, number: int) -> None:
    locale = ("en_US", "de_DE", *load_locales())[at]
    _append(f"{_MODULE}/i18n/{locale}.csv", '"Added to your cart","{0}"\n')(tree, at, number)


def _switch_module(tree: Path, at: int, number: int) -> None:
    config = tree / "app/etc/config.php"
    off = "'Magento_Customer' => 0" in config.read_text()
    change_line(config, r"(?<='Magento_Customer' => )[01]", "1" if off else "0")


def _switch_locale(tree: Path, at: int, number: int) -> None:
    locales = ("fr_FR", "it_IT", "de_DE")
    _switch_theme_in(tree, "frontend/Kiln/sample", locales[at % len(locales)])


def _switch_theme(tree: Path, at: int, number: int) -> None:
    _switch_theme_in(tree, "frontend/Magento/luma", "en_US")


def _switch_theme_in(tree: Path, theme: str, locale: str) -> None:
    themes = yaml.safe_load((tree / "kiln.yaml").read_text())["static"]["themes"]
    locales = {*themes.pop(theme, [])} ^ {locale}
    if locales:
        themes[theme] = sorted(locales)
    change_project(tree, static={"themes": themes})


def _switch_executable(path: str) -> Edit:
    def edit(tree: Path, at: int, number: int) -> None:
        (tree / path).chmod(0o644 if (tree / path).stat().st_mode & 0o111 else 0o755)

    return edit


def _touch(tree: Path, at: int, number: int) -> None:
    """Other times, and another umask, on every file."""
    for path in tree.rglob("*"):
        mode = path.stat().st_mode
        path.chmod(mode & 0o700 if number % 2 else mode | 0o044)
        os.utime(path, (number, number))


def _change_lock(tree: Path, at: int, number: int) -> None:
    path = tree / "composer.lock"
    lock = json.loads(path.read_text())
    lock["_readme"] = [f"Change {number}"]
    path.write_text(json.dumps(lock, indent=4))


EDITS: Mapping[str, tuple[Reads, Edit]] = {
    **{
        f"{verb} {name}": (reads, edit)
        for name, (reads, files) in _FILES.items()
        for verb, edit in {
            "add": files.add,
            "edit": files.edit,
            "rename": files.rename,
            "remove": files.remove,
        }.items()
    },
    "change page": ("template", _append(f"{_MODULE}/view/frontend/templates/home.phtml", "{}\n")),
    "make page executable": (
        "template",
        _switch_executable(f"{_MODULE}/view/frontend/templates/home.phtml"),
    ),
    "lay template over": (
        "template",
        _lay_over(f"{_THEME}/Magento_Theme/templates/noroute.phtml", "<p>{}</p>\n"),
    ),
    "change colour": (
        "theme",
        _change(f"{_THEME}/web/css/source/_theme.less", r"#\w+", "#{:06x}"),
    ),
    "translate": ("view", _translate),
    "lay script over": (
        "frontend",
        _lay_over(f"{_THEME}/Magento_Theme/web/js/menu.js", "define([], {{ at: {} }});\n"),
    ),
    "change method": ("code", _change(f"{_MODULE}/Model/Weather.php", r"(?<=\?\? )\d+", "9{}")),
    "change constructor": (
        "code",
        _change(f"{_MODULE}/Model/Greeting.php", r"(?<=template = ')[^']*", "Hello {}, %s"),
    ),
    "change di.xml": ("code", _change(f"{_MODULE}/etc/di.xml", r"HELLO\d*", "HELLO{}")),
    "change shared setting": (
        "code",
        _change("app/etc/config.php", r"Kiln Sample Shop\d*", "Kiln Sample Shop{}"),
    ),
    "switch module": ("code", _switch_module),
    "change composer.lock": ("packages", _change_lock),
    "switch locale": ("themes", _switch_locale),
    "switch theme": ("themes", _switch_theme),
    "touch": ("nothing", _touch),
    **{
        f"write {path}": ("nothing", _write(path))
        for path in (".git/description", "README.md", "var/log/system.log", "dev/tool.php")
    },
}


@dataclass(frozen=True)
class Change:
    """One change; it can be made in any tree.

    Attributes:
        name: in `EDITS`.
        at: which of the files that fit.
    """

    name: str
    at: int

    @property
    def reads(self) -> Reads:
        """What kind of input it changes."""
        return EDITS[self.name][0]

    def make(self, tree: Path, number: int) -> None:
        """Change a tree; the number is another one for each change of it."""
        EDITS[self.name][1](tree, self.at, number)


CHANGES = st.builds(Change, st.sampled_from(sorted(EDITS)), st.integers(0, 9))


def draw_changes(count: int, number: int) -> list[Change]:
    """A random sequence of changes; the same one for the same number."""
    drawn: list[list[Change]] = []

    # The first example is the simplest: one change again and again.
    @seed(number)
    @settings(max_examples=2, phases=[Phase.generate], database=None)
    @given(st.lists(CHANGES, min_size=count, max_size=count))
    def draw(changes: list[Change]) -> None:
        drawn.append(changes)

    draw()
    return drawn[-1]


def may_run(stages: Iterable[str], reads: Reads) -> set[str]:
    """Those of some stages that may run again after a change."""
    return {name for name in stages if re.fullmatch(READERS[reads], name)}
