"""kiln.yaml's text -> `Project`. Every problem is reported at once, with its line."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from builder.errors import ProjectFileError
from builder.project.model import ProjectFile

FILE_NAME = "kiln.yaml"
_MAX_BYTES = 1 << 20
_MAX_DEPTH = 32
_MAX_VALUES = 10_000

Marks = Mapping[tuple[str | int, ...], int]


@dataclass(frozen=True, slots=True)
class Project:
    """A shop's validated project file and where it lies.

    Attributes:
        root: the tree's root, the folder of kiln.yaml; absolute.
        path: the project file; absolute.
        file: what it says.
        marks: the line, counted from 1, of each key path in it.
    """

    root: Path
    path: Path
    file: ProjectFile
    marks: Marks

    def where(self, *keys: str | int) -> str:
        """`kiln.yaml:LINE` of a key, or of the nearest parent that the file holds."""
        for end in range(len(keys), 0, -1):
            if line := self.marks.get(tuple(keys[:end])):
                return f"{self.path.name}:{line}"
        return self.path.name

    @property
    def repository(self) -> str:
        """Where the image goes, without a tag, e.g. `localhost:5000/sample`."""
        return f"{self.file.registry}/{self.file.name}"


def load_project(path: Path) -> Project:
    """Read a project file.

    Args:
        path: kiln.yaml, or the folder that holds it.

    Raises:
        ProjectFileError: the file is missing, no YAML, or not what the model asks for.
    """
    if path.is_dir():
        path = path / FILE_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ProjectFileError(
            f"there is no {path.name} here",
            where=str(path),
            hint="run `kiln init` in the shop's root, or name the file with --project",
        ) from None
    except OSError as error:
        raise ProjectFileError(f"cannot be read: {error.strerror}", where=str(path)) from None
    file, marks = parse_project_file(text, path.name)
    return Project(path.resolve().parent, path.resolve(), file, marks)


def parse_project_file(text: bytes, name: str = FILE_NAME) -> tuple[ProjectFile, Marks]:
    """Validate a project file's text; `name` is used in messages.

    Raises:
        ProjectFileError: with one detail line a problem, each as `file:line key: what is wrong`.
    """
    if len(text) > _MAX_BYTES:
        raise ProjectFileError("is larger than 1 MiB", where=name)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ProjectFileError(
            f"is not YAML: {error.problem or error.context}", where=f"{name}:{line}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProjectFileError(f"is not YAML: {error}", where=name) from None
    if not isinstance(node, yaml.MappingNode):
        raise ProjectFileError(
            "must be a mapping of settings", where=name, hint="`kiln init` writes one to start from"
        )
    marks: dict[tuple[str | int, ...], int] = {}
    problems: list[tuple[int, str]] = []
    value = _value_of(node, (), marks, problems)
    if not problems:
        try:
            return ProjectFile.model_validate(value), marks
        except ValidationError as error:
            problems = [_problem(detail, marks) for detail in error.errors(include_url=False)]
    problems.sort()
    line, first = problems[0]
    raise ProjectFileError(
        first if len(problems) == 1 else f"{len(problems)} settings are not right",
        where=f"{name}:{line}" if len(problems) == 1 else name,
        hint="`kiln schema` prints every setting; `kiln init` writes them with comments",
        details=tuple(f"{name}:{line} {text}" for line, text in problems)
        if len(problems) > 1
        else (),
    )


def _value_of(
    node: yaml.Node,
    path: tuple[str | int, ...],
    marks: dict[tuple[str | int, ...], int],
    problems: list[tuple[int, str]],
) -> Any:
    line = node.start_mark.line + 1
    marks.setdefault(path, line)
    if len(path) > _MAX_DEPTH or len(marks) > _MAX_VALUES:
        # Anchors can make a small file expand without end.
        if not any("too many" in text for _, text in problems):
            problems.append((line, "has too many or too deeply nested values"))
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                problems.append((key_line, "a key must be a plain word"))
                continue
            key = key_node.value
            if key in result:
                # safe_load keeps the last of two equal keys in silence.
                problems.append((key_line, f"{_dotted((*path, key))}: is given twice"))
            marks[(*path, key)] = key_line
            result[key] = _value_of(value_node, (*path, key), marks, problems)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            _value_of(item, (*path, index), marks, problems)
            for index, item in enumerate(node.value)
        ]
    return yaml.SafeLoader("").construct_object(node)


def _problem(detail: Any, marks: Marks) -> tuple[int, str]:
    loc: tuple[str | int, ...] = tuple(part for part in detail["loc"] if part != "[key]")
    line = next((marks[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in marks), 1)
    kind, message = detail["type"], str(detail["msg"])
    if kind == "extra_forbidden":
        message = "is not a setting" + _nearest(str(loc[-1]), _names_at(loc[:-1]))
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
    return line, f"{_dotted(loc)}: {message}" if loc else message


def _names_at(loc: tuple[str | int, ...]) -> list[str]:
    model: Any = ProjectFile
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


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)
