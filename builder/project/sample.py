"""The commented kiln.yaml of `kiln init`, written from the model. Pure."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from builder.project.model import ProjectFile


def render_sample(values: Mapping[str, Any]) -> str:
    """A project file with the given values set, and every other setting as a comment.

    Args:
        values: by setting, nested as in the file.
    """
    lines = [
        "# How Kiln builds this shop. Every setting is here; those behind `#` have their default.",
        "# Paths are relative to this file.",
    ]
    for name, field in ProjectFile.model_fields.items():
        lines.append("")
        lines += _setting(name, field, values.get(name), 0)
    return "\n".join(lines) + "\n"


def _setting(name: str, field: FieldInfo, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield from _comment(field.description or "", indent)
    model = field.annotation
    if isinstance(model, type) and issubclass(model, BaseModel):
        given = value or {}
        any_given = bool(given) or field.is_required()
        if model.__doc__:
            yield from _comment(model.__doc__.strip(), indent)
        yield f"{indent}{'' if any_given else '# '}{name}:"
        for inner_name, inner in model.model_fields.items():
            for line in _setting(inner_name, inner, given.get(inner_name), depth + 1):
                yield line if any_given or line.lstrip().startswith("#") else _commented(line)
        return
    if value is not None:
        text = yaml.safe_dump({name: value}, allow_unicode=True, sort_keys=False)
        yield from textwrap.indent(text, indent).splitlines()
    else:
        default = field.get_default(call_default_factory=True)
        plain = default if isinstance(default, str | bool | int | type(None)) else type(default)()
        shown = list(plain) if isinstance(plain, tuple) else plain
        text = yaml.safe_dump({name: shown}, default_flow_style=True).strip()[1:-1]
        yield f"{indent}# {text.replace(': null', ':')}"


def _comment(text: str, indent: str) -> Iterator[str]:
    width = 98 - len(indent)
    for line in textwrap.wrap(" ".join(text.split()), width):
        yield f"{indent}# {line}"


def _commented(line: str) -> str:
    bare = line.lstrip()
    return f"{line[: len(line) - len(bare)]}# {bare}"
