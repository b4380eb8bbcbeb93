"""Modules, themes, language packs and libraries, as registration.php files declare them."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, cast, get_args

from builder.magento.finding import Finding

# Magento\Framework\Component\ComponentRegistrar; `setup` is Magento's own setup application.
Kind = Literal["module", "theme", "language", "library", "setup"]
_KINDS = frozenset(get_args(Kind))

_REGISTRAR = "magento\\framework\\component\\componentregistrar"

_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
# Strings are matched too, so that `//` inside of one does not count as a comment.
_COMMENT = re.compile(rf"({_STRING})|/\*.*?\*/|//[^\n]*|#(?!\[)[^\n]*", re.DOTALL)
_USE = re.compile(
    r"\buse\s+\\?Magento\\Framework\\Component\\(?:ComponentRegistrar(?:\s+as\s+(\w+))?\s*;"
    r"|\{[^}]*\})",
    re.I,
)
_CALL = re.compile(r"([\\\w]+)\s*::\s*register\s*\(", re.I)
_ARGUMENTS = re.compile(
    rf"\s*(?:[\\\w]+\s*::\s*(?P<constant>\w+)|(?P<kind>{_STRING}))\s*,"
    rf"\s*(?P<name>{_STRING})\s*,(?P<path>(?:{_STRING}|[^;'\"])*?),?\s*\)\s*(?:;|$)",
    re.DOTALL,
)
_PATH_PART = re.compile(
    rf"\s*(?:(?P<dir>__DIR__)|(?P<file>dirname\s*\(\s*__FILE__\s*\))"
    rf"|dirname\s*\(\s*__DIR__\s*(?:,\s*(?P<levels>\d))?\s*\)"
    rf"|(?P<string>{_STRING})|(?P<separator>\\?DIRECTORY_SEPARATOR))\s*",
    re.I,
)
# The idiom of Magento 2.0, which extensions still carry; $file is never set where Magento loads it.
_OLD_IDIOM = re.compile(
    r"isset\s*\(\s*\$file\s*\)\s*\?\s*dirname\s*\(\s*\$file\s*\)\s*:\s*__DIR__", re.I
)
_REALPATH = re.compile(r"\\?realpath\s*\((?P<inner>.*)\)", re.I | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Component:
    """One registered component.

    Attributes:
        kind: see `Kind`.
        name: e.g. `Magento_Store`, `frontend/Magento/luma`, `de_de`, `magento/framework`.
        directory: its root, relative to the tree's, with forward slashes; empty for the tree's.
    """

    kind: Kind
    name: str
    directory: str


@dataclass(frozen=True, slots=True)
class Components:
    """What a set of registration.php files declares.

    Attributes:
        all: in the order of the files.
        findings: calls that cannot be read without PHP, and names that are given twice.
    """

    all: tuple[Component, ...]
    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Component]:
        return iter(self.all)

    def of(self, kind: Kind) -> dict[str, Component]:
        """The components of one kind by name."""
        return {component.name: component for component in self.all if component.kind == kind}


def read_components(files: Iterable[tuple[str, bytes]]) -> Components:
    """Read registration.php files.

    Args:
        files: path relative to the tree's root, with forward slashes, and content.
    """
    found: dict[tuple[Kind, str], Component] = {}
    findings: list[Finding] = []
    for path, content in files:
        for item in _read_file(path, content):
            if isinstance(item, Finding):
                findings.append(item)
                continue
            first = found.setdefault((item.kind, item.name), item)
            if first is not item:
                # PHP throws a LogicException here: ComponentRegistrar::register.
                findings.append(
                    Finding(
                        f"the {item.kind} {item.name} is registered in {first.directory} already",
                        where=path,
                        hint="remove one of the two",
                    )
                )
    return Components(tuple(found.values()), tuple(findings))


def _read_file(path: str, content: bytes) -> Iterator[Component | Finding]:
    # Bytes outside ASCII stand in comments and strings only; latin-1 keeps all positions.
    source = _COMMENT.sub(_blank_comment, content.decode("latin-1"))
    names = {_REGISTRAR}
    for use in _USE.finditer(source):
        names.add((use[1] or "ComponentRegistrar").lower())
    for call in _CALL.finditer(source):
        if call[1].lower().lstrip("\\") not in names:
            continue
        where = f"{path}:{source.count(chr(10), 0, call.start()) + 1}"
        arguments = _ARGUMENTS.match(source, call.end())
        component = _component(path, arguments) if arguments else None
        yield component or Finding(
            "this registration cannot be read without PHP",
            where=where,
            hint="write it as ComponentRegistrar::register(ComponentRegistrar::MODULE, "
            "'Vendor_Name', __DIR__)",
        )


def _component(path: str, arguments: re.Match[str]) -> Component | None:
    kind = (arguments["constant"] or _unquote(arguments["kind"])).lower()
    directory = _directory(path, arguments["path"].strip())
    if kind not in _KINDS or directory is None:
        return None
    return Component(cast(Kind, kind), _unquote(arguments["name"]), directory)


def _directory(path: str, expression: str) -> str | None:
    """`__DIR__ . '/src'` as a path relative to the root, or None when it is something else."""
    expression = _OLD_IDIOM.sub("__DIR__", expression)
    if realpath := _REALPATH.fullmatch(expression):
        expression = realpath["inner"]
    own = posixpath.dirname(path)
    result = ""
    position = 0
    while True:
        part = _PATH_PART.match(expression, position)
        if part is None:
            return None
        if part["string"]:
            result += _unquote(part["string"]).replace("\\", "/")
        elif part["separator"]:
            result += "/"
        elif result:
            return None
        else:
            # A leading dot keeps the path relative, for the tree's root too.
            levels = 0 if part["dir"] or part["file"] else int(part["levels"] or 1)
            result = posixpath.join(".", own, *[".."] * levels)
        position = part.end()
        if position == len(expression):
            break
        if expression[position] != ".":
            return None
        position += 1
    if not result.startswith("."):
        return None
    normal = posixpath.normpath(result)
    return None if normal.startswith("..") else normal.removeprefix(".")


def _blank_comment(match: re.Match[str]) -> str:
    # Keep the line numbers.
    return match[1] or "\n" * match[0].count("\n") + " "


def _unquote(literal: str) -> str:
    body = literal[1:-1]
    return re.sub(r"\\([\\'\"])", r"\1", body).encode("latin-1").decode("utf-8", "replace")
