"""Images that serve the shop's: built once by BuildKit, named by what they are made from."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from builder.build.buildkit import run_buildkit
from builder.build.disk import explain_refusal
from builder.build.image import Watcher
from builder.process import Runner
from builder.render.images import RenderedImage


def provide_images(
    images: tuple[RenderedImage, ...],
    *,
    work: Path,
    epoch: int,
    builder: str | None,
    run: Runner,
    env: Mapping[str, str],
    watcher: Watcher,
) -> None:
    """Build the images that the engine does not have.

    Args:
        images: as rendered.
        work: a folder for the time of the build.
        epoch: as in the image's build, so that both share what they have in common.
        builder: the buildx builder, or None for the current one.
        run: runs programs.
        env: the environment for client programs.
        watcher: told of progress.

    Raises:
        BuildError: a step failed.
        DiskFullError: the disk is full.
    """
    missing = [
        one
        for one in images
        if run(["docker", "image", "inspect", one.name], env=env, timeout=60).returncode != 0
    ]
    try:
        for image in missing:
            watcher.phase(f"building the image of {image.service} (once)")
            shutil.rmtree(work, ignore_errors=True)
            folder = _write_context(image, work)
            run_buildkit(image_argv(image, folder, epoch, builder), env, watcher.step)
    except OSError as error:
        raise explain_refusal(error, work) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def image_argv(image: RenderedImage, folder: Path, epoch: int, builder: str | None) -> list[str]:
    """The command line that builds an image into the engine. Pure."""
    argv = ["docker", "buildx", "build"]
    if builder:
        argv += ["--builder", builder]
    argv += ["--file", str(folder / "Dockerfile"), "--target", image.service]
    argv += ["--build-context", f"src-kiln={folder / 'files'}"]
    argv += ["--build-arg", f"SOURCE_DATE_EPOCH={epoch}", "--provenance", "false"]
    argv += ["--tag", image.name, "--load", "--progress", "rawjson"]
    return [*argv, str(folder / "empty")]


def _write_context(image: RenderedImage, work: Path) -> Path:
    (work / "empty").mkdir(parents=True)
    (work / "files").mkdir()
    (work / "Dockerfile").write_text(image.dockerfile, encoding="utf-8")
    for path, content in image.contents.items():
        target = work / "files" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755 if content.startswith(b"#!") else 0o644)
    for folder in (work, *(path for path in work.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return work
