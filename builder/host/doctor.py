"""`kiln doctor`: what is on this host, what is missing, and the command that mends it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.errors import KilnError
from builder.host.base_image import base_reference
from builder.host.engine import check_builder, read_builder, read_engine
from builder.process import Runner
from builder.project.loading import Project
from builder.project.model import Sign
from builder.registry.client import Registry
from builder.registry.reference import ImageReference

# A real shop's tree, its layers, and the image each take about 1 GB.
NEEDED_BYTES = 5 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what.
        ok: whether a build can go on with it.
        found: what is there, or what is wrong.
        mend: the command or change that mends it; empty if nothing is to be done.
    """

    name: str
    ok: bool
    found: str
    mend: str = ""


def examine_host(
    run: Runner, registry: Registry, project: Project | None, suite: str, cache: Path
) -> tuple[Check, ...]:
    """Look at everything that a build needs.

    Args:
        run: runs programs.
        registry: a client.
        project: the shop, for its registry, builder and signing key; None outside of one.
        suite: the Debian release whose base image is wanted.
        cache: Kiln's cache folder, whose disk must have room.
    """
    builder_name = project.file.build.builder if project else None
    target = project.repository if project else "localhost:5000/kiln"
    base = project.file.base.image if project else "auto"

    def engine() -> str:
        found = read_engine(run)
        return f"{found.version}, API {found.api}"

    def builder() -> str:
        found, engine = read_builder(run, builder_name), read_engine(run)
        check_builder(engine, found)
        return f"{found.name}, driver {found.driver}, buildx {found.buildx}"

    def registry_accepts() -> str:
        registry.check_push(ImageReference.parse(target))
        return f"{target} accepts pushes"

    def base_image() -> str:
        reference = base_reference(suite) if base == "auto" else ImageReference.parse(base)
        return f"{reference} is {registry.resolve(reference)}"

    checks = [
        _check("engine", engine),
        _check("builder", builder),
        _check("registry", registry_accepts),
        _check("base image", base_image, "kiln setup" if base == "auto" else ""),
        _disk(cache),
    ]
    if project and project.file.sign != Sign():
        checks.append(_program("cosign", "kiln setup"))
    return tuple(checks)


def _check(name: str, look: Callable[[], str], mend: str = "") -> Check:
    try:
        return Check(name, True, look())
    except KilnError as error:
        return Check(name, False, error.message, mend or error.hint)


def _disk(folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / (1 << 30):.1f} GiB free at {existing}"
    if free >= NEEDED_BYTES:
        return Check("disk", True, found)
    return Check("disk", False, found, "free room: docker system df; docker buildx prune")


def _program(name: str, mend: str) -> Check:
    path = shutil.which(name)
    return Check(name, path is not None, path or "is not installed", "" if path else mend)
