"""kiln.yaml's text -> `Project`."""

from dataclasses import dataclass
from pathlib import Path

from builder.errors import ProjectFileError
from builder.project.model import ProjectFile
from builder.project.yaml_file import Marks, mark_of, read_yaml, validate

FILE_NAME = "kiln.yaml"


@dataclass(frozen=True, slots=True)
class Project:
    """A shop's validated project file and where it lies.

    Attributes:
        root: the tree's root, the folder of kiln.yaml; absolute.
        path: the project file; absolute.
        file: what it says.
        marks: where each key path of it stands.
    """

    root: Path
    path: Path
    file: ProjectFile
    marks: Marks

    def where(self, *keys: str | int) -> str:
        """`kiln.yaml:LINE` of a key, or of the nearest parent that the file holds."""
        return str(mark_of(self.marks, keys) or self.path.name)

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
        raise ProjectFileError(
            f"the file cannot be read: {error.strerror}", where=str(path)
        ) from None
    file, marks = parse_project_file(text, path.name)
    return Project(path.resolve().parent, path.resolve(), file, marks)


def parse_project_file(text: bytes, name: str = FILE_NAME) -> tuple[ProjectFile, Marks]:
    """Validate a project file's text; `name` is used in messages.

    Raises:
        ProjectFileError: with one detail line a problem, each as `file:line key: what is wrong`.
    """
    value, marks = read_yaml(text, name)
    return validate(ProjectFile, value, marks), marks
