"""The way of the data, as docs/architecture.md draws it, read off the imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

BUILDER = Path(__file__).parent.parent.parent / "builder"
# Each package may import those before it, and nothing else of Kiln.
ORDER = [
    "project",
    "secrets",
    "magento",
    "plan",
    "render",
    "registry",
    "build",
    "host",
    "dev",
    "deploy",
    "cli",
]
SHARED = {"errors", "process", "__version__"}
PURE = [
    "magento",
    "plan",
    "render",
    "project/loading.py",
    "project/model.py",
    "project/references.py",
    "secrets/plausible.py",
    "build/causes.py",
]
# Values of run-time secrets: kept away from what builds, renders and plans.
MEET_SECRETS = {"secrets", "cli", "deploy"}
EFFECTS = {"subprocess", "docker", "requests", "time", "socket", "os.environ"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(*places: str) -> list[Path]:
    found: list[Path] = []
    for place in places:
        path = BUILDER / place
        found += [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("package", ORDER)
def test_imports_go_one_way(package: str) -> None:
    allowed = {*ORDER[: ORDER.index(package) + 1], *SHARED}
    for path in modules(package):
        for name in imports(path):
            if name.startswith("builder."):
                assert name.split(".")[1] in allowed, f"{path}: {name}"


def test_what_builds_and_plans_never_meets_a_secret_value() -> None:
    for path in modules("."):
        if path.relative_to(BUILDER).parts[0] not in MEET_SECRETS:
            found = [name for name in imports(path) if name.startswith("builder.secrets")]
            assert not found, f"{path}: {found}"


def test_what_decides_has_no_effects() -> None:
    for path in modules(*PURE):
        found = set(imports(path)) & EFFECTS
        assert not found, f"{path}: {found}"


def test_only_the_command_line_reads_the_environment() -> None:
    for path in modules("."):
        if "cli" not in path.parts:
            assert "os.environ" not in path.read_text(), path
