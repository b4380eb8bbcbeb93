"""environments/<name>.yaml and its parents -> `Environment`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import ProjectFileError
from builder.project.environment import BROUGHT_ALONG, DevelopmentFile, EnvironmentFile
from builder.project.yaml_file import KeyPath, Mark, Marks, mark_of, read_yaml, validate

FOLDER = "environments"
DEVELOPMENT = "development"
_BROUGHT = tuple((key,) for key in BROUGHT_ALONG)
_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Environment:
    """One system's own values, with its parents' merged in.

    Attributes:
        name: of the file, without `.yaml`.
        file: what it says.
        marks: where each key path stands, in whichever file it does.
    """

    name: str
    file: EnvironmentFile
    marks: Marks

    def where(self, *keys: str | int) -> str:
        """`environments/x.yaml:LINE` of a key, or of its nearest parent."""
        return str(mark_of(self.marks, keys) or f"{FOLDER}/{self.name}.yaml")


def environment_names(root: Path) -> tuple[str, ...]:
    """The environments of a shop, sorted; abstract ones as well."""
    return tuple(sorted(path.stem for path in (root / FOLDER).glob("*.yaml")))


def secret_folders(root: Path) -> tuple[Path, ...]:
    """Folders that environments take secrets from, wherever they lie, for a build to leave out.

    Each file is read by itself, whether or not its settings are right.

    Raises:
        ProjectFileError: a file is no YAML, or a folder is the shop's own root.
    """
    found: set[Path] = set()
    for name in environment_names(root):
        shown = f"{FOLDER}/{name}.yaml"
        try:
            text = (root / FOLDER / f"{name}.yaml").read_bytes()
        except OSError as error:
            raise ProjectFileError(f"cannot be read: {error.strerror}", where=shown) from None
        value, marks = read_yaml(text, shown)
        source = value.get("secrets")
        directory = source.get("directory") if isinstance(source, dict) else None
        if isinstance(directory, str):
            folder = Path(os.path.normpath(root / directory))
            if root.resolve() in (folder, folder.resolve()):
                raise ProjectFileError(
                    "secrets must not lie in the shop's root, which is what an image is built of",
                    where=str(mark_of(marks, ("secrets", "directory"))),
                    hint="name a folder of their own, best outside of the tree",
                )
            found |= {folder, folder.resolve()}
    return tuple(sorted(found))


def load_environment(root: Path, name: str) -> Environment:
    """Read an environment and all that it extends.

    Of `development`, which is every tree's own development system, only settings and the source
    of their secrets count; what it extends may say more.

    Args:
        root: the shop's root.
        name: the environment's.

    Raises:
        ProjectFileError: there is none of the name, it extends itself, or is not right.
    """
    value, marks = _read_merged(root, name, ())
    if name == DEVELOPMENT:
        return _as_development(value, marks)
    return Environment(name, validate(EnvironmentFile, value, marks), marks)


def _as_development(value: dict[str, Any], marks: dict[KeyPath, Mark]) -> Environment:
    own = f"{FOLDER}/{DEVELOPMENT}.yaml"
    for key in BROUGHT_ALONG:
        mark = marks.get((key,))
        if mark is not None and mark.file == own:
            raise ProjectFileError(
                f"{key}: counts for nothing here, `kiln dev up` brings its own along",
                where=str(mark),
                hint="take it out; a system on a server needs another name than development",
            )
    value = {key: one for key, one in value.items() if key not in BROUGHT_ALONG}
    marks = {keys: mark for keys, mark in marks.items() if keys[:1] not in _BROUGHT}
    return Environment(DEVELOPMENT, validate(DevelopmentFile, value, marks), marks)


def _read_merged(
    root: Path, name: str, children: tuple[str, ...]
) -> tuple[dict[str, Any], dict[KeyPath, Mark]]:
    shown = f"{FOLDER}/{name}.yaml"
    if name in children:
        raise ProjectFileError(
            f"extends itself: {' -> '.join((*children, name))}",
            where=shown,
            hint="take one `extends` out",
        )
    if not _NAME.fullmatch(name):
        raise ProjectFileError(
            f"{name!r} is not a name of an environment",
            where=f"{FOLDER}/{children[-1]}.yaml" if children else "environment",
            hint="use lower-case letters, digits and dashes, as its file is named",
        )
    try:
        text = (root / FOLDER / f"{name}.yaml").read_bytes()
    except OSError as error:
        known = ", ".join(environment_names(root)) or "none"
        raise ProjectFileError(
            f"there is no environment {name}: {error.strerror}",
            where=shown,
            hint=f"write the file; environments here: {known}",
        ) from None
    value, marks = read_yaml(text, shown)
    parent = value.get("extends")
    if isinstance(parent, str):
        inherited, inherited_marks = _read_merged(root, parent, (*children, name))
        # Whether a file is only for others to extend is no inherited trait.
        inherited.pop("abstract", None)
        value = merge_values(inherited, value)
        marks = {**inherited_marks, **marks}
    return value, marks


def merge_values(parent: dict[str, Any], child: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; all else of the child replaces the parent's. Pure.

    `{secret: x}` stands for one value and is replaced as a whole, as is `null`.
    """
    merged = dict(parent)
    for key, value in child.items():
        before = merged.get(key)
        if (
            isinstance(value, dict)
            and isinstance(before, dict)
            and key != "secrets"
            and "secret" not in {*value, *before}
        ):
            merged[key] = merge_values(before, value)
        else:
            merged[key] = value
    return merged
