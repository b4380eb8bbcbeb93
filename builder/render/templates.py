"""The templates' environment: strict, and with the quoting that Dockerfiles need."""

import json
from pathlib import Path

import jinja2

from builder.magento.env_tree import EnvValue, SecretRef

_PACKAGE = Path(__file__).parent.parent
_CHECKOUT = _PACKAGE.parent


def template_folder(name: str = "dockerfiles") -> Path:
    """Where templates lie: in the installed package, or in the checkout."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _CHECKOUT / name


def template_environment() -> jinja2.Environment:
    """Jinja2 over the templates; a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(
            [template_folder(name) for name in ("dockerfiles", "compose", "kubernetes", "shop")]
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["json"] = quote_json
    environment.filters["compose"] = quote_compose
    environment.filters["yaml"] = quote_yaml
    environment.filters["yaml_block"] = write_yaml_block
    environment.filters["copy_form"] = quote_copy
    environment.filters["run_form"] = quote_run
    environment.filters["php_string"] = quote_php
    environment.filters["php_value"] = write_php
    environment.filters["php_list"] = lambda values: f"[{', '.join(map(quote_php, values))}]"
    return environment


def quote_json(value: object) -> str:
    """A value as JSON on one line; a Dockerfile's double-quoted word, too, if it has no `$`."""
    return json.dumps(value, ensure_ascii=False)


def quote_compose(value: object) -> str:
    """A value in a compose file, in which `$` would begin a variable even inside of quotes."""
    return quote_json(value).replace("$", "$$")


def quote_yaml(value: object) -> str:
    """A value in YAML on one line, whatever reads it: PyYAML, or Kubernetes' Go.

    JSON is YAML but for characters that YAML takes for the end of a line, or does not take at all.
    """
    text = quote_json(value)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in text)


def write_yaml_block(text: str, indent: int) -> str:
    """Lines of text as YAML's literal block, indented; quoted where no block can hold them."""
    lines = text.removesuffix("\n").split("\n")
    begins = text[:1].strip() and text.endswith("\n") and lines[-1]
    if not begins or not all(line.isprintable() for line in lines):
        return quote_yaml(text)
    return "|\n" + "\n".join(" " * indent + line if line else "" for line in lines)


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


_SECRET_READERS = {"value": "$secret", "crypt_key": "$cryptKey", "cache_id_salt": "$cacheIdSalt"}


def write_php(value: EnvValue, depth: int = 0) -> str:
    """A value as PHP text; arrays over several lines, indented by `depth` times four spaces.

    A secret is a call of the closure that reads it.

    Raises:
        TypeError: PHP has no literal for it.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return quote_php(value)
        case SecretRef():
            return f"{_SECRET_READERS[value.use]}({quote_php(value.name)})"
        case dict():
            indent = "    " * (depth + 1)
            lines = [
                f"{indent}{write_php(key)} => {write_php(below, depth + 1)},\n"
                for key, below in value.items()
            ]
            return f"[\n{''.join(lines)}{'    ' * depth}]" if lines else "[]"
    raise TypeError(f"no PHP literal for {type(value).__name__}")
