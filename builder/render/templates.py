"""The templates' environment: strict, and with the quoting that Dockerfiles need."""

import json
from pathlib import Path

import jinja2

_PACKAGED = Path(__file__).parent.parent / "dockerfiles"
_CHECKOUT = Path(__file__).parent.parent.parent / "dockerfiles"


def template_folder() -> Path:
    """Where the templates lie: in the installed package, or in the checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def template_environment() -> jinja2.Environment:
    """Jinja2 over the templates; a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["json"] = quote_json
    environment.filters["copy_form"] = quote_copy
    environment.filters["run_form"] = quote_run
    environment.filters["php_string"] = quote_php
    environment.filters["php_list"] = lambda values: f"[{', '.join(map(quote_php, values))}]"
    return environment


def quote_json(value: object) -> str:
    """A value as JSON on one line; a Dockerfile's double-quoted word, too, if it has no `$`."""
    return json.dumps(value, ensure_ascii=False)


def quote_run(command: str, prefix: str = "") -> str:
    """A shell command as RUN's exec form: the Dockerfile expands nothing in it."""
    return quote_json(["/bin/sh", "-euc", prefix + command])


def quote_copy(paths: list[str]) -> str:
    """COPY's exec form, in which a Dockerfile would still expand `$` and Go's match wildcards."""
    return quote_json([_literal(path) for path in paths[:-1]] + [paths[-1].replace("$", r"\$")])


def _literal(path: str) -> str:
    for character in "\\[*?":
        path = path.replace(character, f"\\{character}")
    return path.replace("$", r"\$")


def quote_php(value: str) -> str:
    """Text as a single-quoted PHP string, in which only the backslash and the quote are special."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
