"""`kiln report`: a build and what it changed, as a page for a browser."""

from collections.abc import Iterable
from pathlib import Path

import click

from builder.build.layer_files import LayerFiles, LayerReader, find_contents, layer_reader
from builder.build.record import RECORD_TYPE, ImageRecord
from builder.build.report import (
    WANTED,
    Comparison,
    Report,
    compare_images,
    find_big_files,
    find_place,
    render_report,
)
from builder.cli.image import resolve_image
from builder.cli.settings import read_settings
from builder.errors import HostError, RegistryError
from builder.project.loading import load_project
from builder.registry.client import Registry
from builder.registry.reference import ImageReference
from builder.registry.referrers import fetch_documents, list_referrers


@click.command()
@click.option("--image", help="A reference, digest or tag; by default what this tree last built.")
@click.option("--against", help="The image to compare with; by default the one before.")
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write, not in the tree, or it goes into the image; by default in the cache.",
)
@click.pass_obj
def report(path: Path, image: str | None, against: str | None, target: Path | None) -> None:
    """Write one HTML page on a pushed image: stages, layers, biggest files, and what changed.

    Prints where it is.

    The image before is the one that its record names: what its tag stood for when it was pushed,
    or else what was pushed from the same tree before it.
    """
    settings = read_settings()
    project = load_project(path)
    registry = settings.registry(project)
    reference = ImageReference.parse(resolve_image(project, settings, image))
    records = _records(registry, reference)
    if not records:
        raise RegistryError(
            "there is no record beside this image",
            where=str(reference),
            hint="`kiln build --push` attaches it; another tool may have copied the image without",
        )
    # Pushed again, it has no other before it; the first push had.
    record = records[0]
    before = next((one.previous for one in records if one.previous), None)
    read = layer_reader(registry, reference, settings.tree_cache(project) / "image", WANTED)
    comparison, remark = None, "Its record names no image before it."
    if against or before:
        if against:
            other = ImageReference.parse(resolve_image(project, settings, against))
        else:
            other = reference.with_digest(str(before))
        comparison = _compare(registry, read, record, other)
        remark = f"The image before, {other}, or its record is not in the registry any more."
    if against and comparison is None:
        raise RegistryError(
            "there is no record beside the image to compare with",
            where=against,
            hint="name an image that `kiln build --push` has made",
        )
    sizes = [(layer, read(layer.digest).sizes) for layer in record.layers]
    places = {layer.digest: find_place(paths) for layer, paths in sizes}
    files = find_big_files(sizes)
    target = target or settings.tree_cache(project) / "report.html"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        page = render_report(Report(record, places, files, comparison, remark))
        # A file's name may be no UTF-8.
        target.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise HostError(
            f"cannot be written: {error.strerror}",
            where=str(target),
            hint="name another file with --to",
        ) from None
    click.echo(str(target))


def _records(registry: Registry, image: ImageReference) -> list[ImageRecord]:
    """The records of an image, the newest first."""
    return [
        ImageRecord.model_validate_json(document.content)
        for referrer in list_referrers(registry, image, str(image.digest), RECORD_TYPE)
        for document in fetch_documents(registry, image, referrer)
    ]


def _compare(
    registry: Registry, read: LayerReader, record: ImageRecord, image: ImageReference
) -> Comparison | None:
    records = _records(registry, image) if registry.find(image) else []
    if not records:
        return None
    shared = {layer.digest for layer in record.layers}
    fetch = layer_reader(registry, image, Path(), WANTED)

    def read_either(digest: str) -> LayerFiles:
        return read(digest) if digest in shared else fetch(digest)

    def contents(layers: Iterable[str]) -> dict[str, bytes]:
        return find_contents(read_either, layers, WANTED)

    return compare_images(
        record,
        contents(layer.digest for layer in record.layers),
        records[0],
        contents(layer.digest for layer in records[0].layers),
    )
