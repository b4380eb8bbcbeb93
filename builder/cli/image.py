"""`kiln inspect`, `kiln sbom` and `kiln verify`: what hangs beside an image."""

import json
from pathlib import Path

import click

from builder.build.image import last_built
from builder.build.record import PROVENANCE_TYPE, RECORD_TYPE, SBOM_TYPE, ImageRecord
from builder.build.sign import verify_image
from builder.cli.output import as_rows, output_option, print_json, print_table
from builder.cli.settings import Settings, read_settings
from builder.errors import ProjectFileError, RegistryError
from builder.process import run
from builder.project.loading import FILE_NAME, Project, load_project
from builder.registry.client import Registry
from builder.registry.reference import ImageReference
from builder.registry.referrers import fetch_documents, list_referrers
from builder.render.units import human_bytes


def resolve_image(project: Project, settings: Settings, image: str | None) -> str:
    """An image by digest, named by a reference, a digest, or a tag of the shop's own repository.

    Without a name, the newest that was built and pushed from this tree.

    Raises:
        RegistryError: there is no such image.
    """
    repository = ImageReference.parse(project.repository)
    if image is None:
        image = last_built(settings.tree_cache(project))
        if image is None:
            raise click.UsageError("name the image, or `kiln build --push` one from this tree")
    if image.startswith("sha256:"):
        reference = repository.with_digest(image)
    elif "/" in image or "@" in image:
        reference = ImageReference.parse(image)
    else:
        reference = repository.with_tag(image)
    digest = settings.registry(project).resolve(reference)
    return f"{reference.name}@{digest}"


def _pinned(registry: Registry, name: str) -> ImageReference:
    reference = ImageReference.parse(name)
    return reference.with_digest(reference.digest or registry.resolve(reference))


def _document(registry: Registry, image: ImageReference, kind: str, what: str) -> bytes:
    for referrer in list_referrers(registry, image, str(image.digest), kind):
        for document in fetch_documents(registry, image, referrer):
            return document.content
    raise RegistryError(
        f"there is no {what} beside this image",
        where=str(image),
        hint="`kiln build --push` attaches it; another tool may have copied the image without",
    )


@click.command()
@click.argument("image")
@output_option
def inspect(image: str, output: str) -> None:
    """Print the record of IMAGE, from its registry."""
    registry = read_settings().registry()
    pinned = _pinned(registry, image)
    record = ImageRecord.model_validate_json(_document(registry, pinned, RECORD_TYPE, "record"))
    if output == "json":
        print_json(record.model_dump(mode="json"))
        return
    facts = record.model_dump(
        exclude={
            *("stages", "layers", "themes", "input_groups"),
            *("git", "settings", "schema_version"),
        }
    )
    facts["size"] = human_bytes(record.size)
    facts["tags"] = ", ".join(record.tags)
    facts["git"] = "-"
    if record.git:
        facts["git"] = record.git.commit + (" with uncommitted changes" if record.git.dirty else "")
    for theme, locales in record.themes.items():
        facts[theme] = ", ".join(locales)
    print_table(("what", ""), as_rows(facts))
    click.echo()
    print_table(
        ("stage", "seconds"),
        [(s.name, "cached" if s.cached else f"{s.seconds:.1f}") for s in record.stages],
    )
    click.echo()
    print_table(
        ("layer", "size", "made by"),
        [(one.digest[:19], human_bytes(one.size), one.created_by[:100]) for one in record.layers],
    )
    others = [
        referrer.artifact_type for referrer in list_referrers(registry, pinned, str(pinned.digest))
    ]
    click.echo(f"\nbeside the image: {', '.join(others)}")


@click.command()
@click.argument("image")
@click.option("--provenance", is_flag=True, help="BuildKit's provenance instead of the SBOM.")
def sbom(image: str, provenance: bool) -> None:
    """Print the SBOM of IMAGE (CycloneDX 1.6, JSON)."""
    registry = read_settings().registry()
    pinned = _pinned(registry, image)
    kind, what = (PROVENANCE_TYPE, "provenance") if provenance else (SBOM_TYPE, "SBOM")
    print_json(json.loads(_document(registry, pinned, kind, what)))


@click.command()
@click.argument("image")
@click.option("--key", help="The public key; by default sign.public_key of kiln.yaml.")
@output_option
@click.pass_obj
def verify(path: Path, image: str, key: str | None, output: str) -> None:
    """See that IMAGE is signed by the configured key; ends with 18 if it is not."""
    settings = read_settings()
    if key is None:
        project = load_project(path)
        configured = project.file.sign.public_key
        if configured is None:
            raise ProjectFileError(
                "there is no public key",
                where=f"{FILE_NAME} sign.public_key",
                hint="set it, or give --key",
            )
        key = configured if "://" in configured else str(project.root / configured)
    pinned = _pinned(settings.registry(), image)
    verify_image(run, pinned, key, env=settings.env, access=settings.registry_access())
    if output == "json":
        print_json({"image": str(pinned), "signed": True, "key": key})
    else:
        click.echo(f"{pinned} is signed by the owner of {key}")
