"""YAML text -> a validated model. Every problem is reported at once, with its file and line."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from builder.errors import ProjectFileError

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
_MAX_VALUES = 10_000

KeyPath = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; the line is counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


Marks = Mapping[KeyPath, Mark]


def read_yaml(text: bytes, name: str) -> tuple[dict[str, Any], dict[KeyPath, Mark]]:
    """Read a mapping and where each of its keys stands.

    Args:
        text: the file's content.
        name: the file, for messages.

    Raises:
        ProjectFileError: it is not YAML, no mapping, too large, or gives a key twice.
    """
    if len(text) > _MAX_BYTES:
        raise ProjectFileError("the file is larger than 1 MiB", where=name)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ProjectFileError(
            f"the file is not YAML: {error.problem or error.context}", where=f"{name}:{line}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProjectFileError(f"the file is not YAML: {error}", where=name) from None
    if not isinstance(node, yaml.MappingNode):
        raise ProjectFileError("the file must be a mapping of settings", where=name)
    marks: dict[KeyPath, Mark] = {}
    problems: list[tuple[Mark, str]] = []
    value = _value_of(node, (), name, marks, problems)
    if problems:
        raise _all_at_once(problems)
    mapping: dict[str, Any] = value
    return mapping, marks


def validate(model: type[Model], value: Mapping[str, Any], marks: Marks) -> Model:
    """Make a model of a mapping.

    Raises:
        ProjectFileError: with one detail line a problem, each as `file:line key: what is wrong`.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise _all_at_once([_problem(model, detail, marks) for detail in details]) from None


def mark_of(marks: Marks, keys: KeyPath) -> Mark | None:
    """Where a key stands, or its nearest parent that a file holds."""
    return next((marks[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in marks), None)


def _all_at_once(problems: list[tuple[Mark, str]]) -> ProjectFileError:
    problems = sorted(set(problems))
    hint = "`kiln schema` prints every setting"
    mark, text = problems[0]
    if len(problems) == 1:
        return ProjectFileError(text, where=str(mark), hint=hint)
    return ProjectFileError(
        f"{len(problems)} settings are not right",
        where=mark.file,
        hint=hint,
        details=tuple(f"{mark} {text}" for mark, text in problems),
    )


def _value_of(
    node: yaml.Node,
    path: KeyPath,
    file: str,
    marks: dict[KeyPath, Mark],
    problems: list[tuple[Mark, str]],
) -> Any:
    mark = Mark(file, node.start_mark.line + 1)
    marks.setdefault(path, mark)
    if len(path) > _MAX_DEPTH or len(marks) > _MAX_VALUES:
        # Anchors can make a small file expand without end.
        if not any("too many" in text for _, text in problems):
            problems.append((mark, "the file has too many or too deeply nested values"))
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_mark = Mark(file, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                problems.append((key_mark, "a key must be a plain word"))
                continue
            key = key_node.value
            if key in result:
                # safe_load keeps the last of two equal keys in silence.
                problems.append((key_mark, f"{_dotted((*path, key))}: is given twice"))
            marks[(*path, key)] = key_mark
            result[key] = _value_of(value_node, (*path, key), file, marks, problems)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _value_of(item, (*path, index), file, marks, problems)
            for index, item in enumerate(node.value)
        ]
    try:
        value = yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError):
        # An unknown tag, or e.g. a date that there is not.
        problems.append((mark, f"{_dotted(path)}: is no value: write it in quotes"))
        return None
    if isinstance(node, yaml.ScalarNode) and node.style is None and _is_trap(node.value, value):
        read = str(value).lower()
        problems.append(
            (mark, f"{_dotted(path)}: YAML reads {node.value} as {read}: write that, or quotes")
        )
    return value


def _is_trap(text: str, value: object) -> bool:
    """Whether plain text is read as something else: Norway's NO, a postcode 01234, a time 12:30."""
    if isinstance(value, bool):
        return text.lower() not in ("true", "false")
    return isinstance(value, int) and text != str(value)


def _problem(model: type[BaseModel], detail: Any, marks: Marks) -> tuple[Mark, str]:
    loc: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
    mark = mark_of(marks, loc) or Mark("", 1)
    kind, message = detail["type"], str(detail["msg"])
    if kind == "extra_forbidden":
        message = "is not a setting" + _nearest(str(loc[-1]), _names_at(model, loc[:-1]))
    elif kind == "missing":
        message = "must be given"
    elif kind == "string_type" and isinstance(detail["input"], int | float):
        # YAML reads 8.10 as the number 8.1 and `no` as False.
        message = "must be text: write it in quotes"
    elif kind == "literal_error":
        expected = str(detail["ctx"]["expected"])
        names = [name.strip("' ") for name in expected.replace(" or ", ",").split(",")]
        message = f"must be one of {expected}" + _nearest(str(detail["input"]), names)
    elif kind == "string_pattern_mismatch":
        message = f"{detail['input']!r} does not have the form {detail['ctx']['pattern']}"
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
    elif kind == "model_type":
        message = "must be a mapping of settings"
    return mark, f"{_dotted(loc)}: {message}" if loc else message


def _names_at(model: Any, loc: KeyPath) -> list[str]:
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field else None
        candidates = [one for one in _flatten(model) if isinstance(one, type)]
        model = next((one for one in candidates if issubclass(one, BaseModel)), None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return []


def _flatten(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, UnionType, tuple, dict, list):
        for argument in get_args(annotation):
            yield from _flatten(argument)
    else:
        yield annotation


def _nearest(name: str, names: list[str]) -> str:
    if near := difflib.get_close_matches(name, names, n=1):
        return f"; did you mean {near[0]}?"
    return f"; here are: {', '.join(names)}" if names else ""


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)
