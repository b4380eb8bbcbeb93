"""The OCI image layout BuildKit writes: reading what was built, pruning what is old.

Format: OCI image-spec 1.1, `image-layout.md`; the attestation manifests beside the image follow
BuildKit's `docs/attestations/attestation-storage.md`.
"""

import contextlib
import errno
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from builder.errors import BuildError, DiskFullError
from builder.registry.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_MANIFEST,
    BuiltImage,
    Descriptor,
    Layer,
    blob_path,
    digest_of,
    is_digest,
    layer_steps,
)

ANNOTATION_REF_NAME = "org.opencontainers.image.ref.name"
_ATTESTATION_TYPE = "vnd.docker.reference.type"
_ATTESTATION_OF = "vnd.docker.reference.digest"
_PREDICATE_TYPE = "in-toto.io/predicate-type"
_SLSA_PROVENANCE = "https://slsa.dev/provenance/"

# Manifests and configs are read into memory. Registries refuse manifests above 4 MiB
# (distribution-spec, "Pushing Manifests"); mode=max provenance holds the Dockerfile and the whole
# build graph and is larger, but never by orders of magnitude.
_MAX_DOCUMENT = 64 * 1024 * 1024

_REBUILD = "build the image again; if it happens again, check the free space of this disk"


def read_layout(layout: Path, *, name: str | None = None) -> BuiltImage:
    """Read the one image in an OCI layout directory.

    The small blobs (index, manifest, config, provenance) are checked against their digests; of a
    layer only presence and size are, its digest is checked while it is pushed.

    Args:
        layout: the directory given to buildx as `--output type=oci,dest=…,tar=false`.
        name: which entry to read, by `org.opencontainers.image.ref.name`; None where there is
            only one image.

    Raises:
        BuildError: no layout, a half-written or damaged one, or not exactly one image in it.
    """
    entries = _read_entries(layout)
    if name is not None:
        entries = [e for e in entries if _annotations(e).get(ANNOTATION_REF_NAME) == name]
    images: dict[str, Descriptor] = {}
    attestations: list[tuple[str, Descriptor]] = []
    for entry in entries:
        for descriptor, of in _walk_entry(layout, entry):
            if of is None:
                images[descriptor.digest] = descriptor
            else:
                attestations.append((of, descriptor))
    if not images:
        named = "" if name is None else f" named {name!r}"
        raise BuildError(f"the layout holds no image{named}", where=str(layout), hint=_REBUILD)
    if len(images) > 1:
        raise BuildError(
            f"the layout holds {len(images)} images where one is expected",
            where=str(layout),
            hint="build for one platform, to a directory no other build writes to",
            details=tuple(sorted(images)),
        )
    (image,) = images.values()
    provenance = None
    for of, descriptor in attestations:
        if of == image.digest and provenance is None:
            provenance = _read_provenance(layout, descriptor)
    return _read_image(layout, image, provenance)


def name_provenance(statement: bytes, name: str, digest: str) -> bytes:
    """Put the image's name and digest into an in-toto statement that names no subject.

    BuildKit leaves `subject` empty when it exports a layout without a name (seen with 0.13), and
    an in-toto statement without a subject vouches for nothing (in-toto `spec/v1/statement.md`).

    Args:
        statement: the statement as BuildKit wrote it.
        name: the image's repository, without tag or digest.
        digest: `sha256:…` of the image manifest.

    Raises:
        BuildError: the statement is not a JSON object.
    """
    parsed = _parse(statement, "provenance statement")
    algorithm, _, encoded = digest.partition(":")
    parsed["subject"] = [{"name": name, "digest": {algorithm: encoded}}]
    return json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode()


def prune_layout(layout: Path, keep: Collection[str]) -> int:
    """Delete the blobs no kept image needs, and index entries of images not kept.

    An index that lists a kept manifest stays, and with it the attestations. Leftovers of
    interrupted builds (`ingest/`) go. No build may be writing to the layout meanwhile. Killed
    half-way, the layout is still readable and a second call finishes the work.

    Args:
        layout: the layout directory; nothing is done where it does not exist.
        keep: digests of manifests; those the layout does not hold are ignored.

    Returns:
        Bytes freed.

    Raises:
        BuildError: the layout cannot be read.
        DiskFullError: no room for the new index.json.
    """
    if not (layout / "index.json").is_file():
        return 0
    entries: list[Mapping[str, Any]] = []
    reachable: set[str] = set()
    for entry in _read_entries(layout):
        below = _reachable(layout, _descriptor(entry, layout))
        if below & set(keep):
            entries.append(entry)
            reachable |= below
    for digest in keep:
        if is_digest(digest) and blob_path(layout, digest).is_file():
            manifest = blob_path(layout, digest)
            reachable |= _reachable(
                layout, Descriptor(MEDIA_TYPE_MANIFEST, digest, manifest.stat().st_size)
            )
    # The index first: killed after it, blobs lie about unused; the other way round, the index
    # would name blobs that are gone.
    _write_entries(layout, entries)
    freed = 0
    for path in sorted((layout / "blobs" / "sha256").glob("*")):
        if f"sha256:{path.name}" not in reachable:
            freed += path.stat().st_size
            path.unlink()
    for path in sorted((layout / "ingest").rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        else:
            freed += path.stat().st_size
            path.unlink()
    return freed


def _read_entries(layout: Path) -> list[Mapping[str, Any]]:
    if not (layout / "oci-layout").is_file() or not (layout / "index.json").is_file():
        raise BuildError("no complete OCI image layout is here", where=str(layout), hint=_REBUILD)
    index = _parse((layout / "index.json").read_bytes(), str(layout / "index.json"))
    entries = index.get("manifests")
    if not isinstance(entries, list):
        raise BuildError("index.json lists no manifests", where=str(layout), hint=_REBUILD)
    return entries


def _write_entries(layout: Path, entries: list[Mapping[str, Any]]) -> None:
    document = {"schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": entries}
    temporary = layout / "index.json.new"
    try:
        temporary.write_text(json.dumps(document, separators=(",", ":")))
        temporary.replace(layout / "index.json")  # atomic
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                "no room to write the image layout's index",
                where=str(layout),
                hint="free some space on this disk, then run the command again",
            ) from error
        raise BuildError(
            f"cannot write the image layout's index: {error.strerror}", where=str(layout)
        ) from error


def _walk_entry(
    layout: Path, entry: Mapping[str, Any], depth: int = 0
) -> list[tuple[Descriptor, str | None]]:
    """The manifests below an entry, each with the digest it attests, or None for an image."""
    descriptor = _descriptor(entry, layout)
    if descriptor.media_type in INDEX_TYPES and depth < 3:
        found = []
        for child in _read_json(layout, descriptor).get("manifests") or []:
            found += _walk_entry(layout, child, depth + 1)
        return found
    if descriptor.media_type not in MANIFEST_TYPES:
        return []
    annotations = _annotations(entry)
    if annotations.get(_ATTESTATION_TYPE) == "attestation-manifest":
        return [(descriptor, annotations.get(_ATTESTATION_OF, ""))]
    return [(descriptor, None)]


def _read_image(layout: Path, descriptor: Descriptor, provenance: bytes | None) -> BuiltImage:
    content = _read_blob(layout, descriptor)
    manifest = _parse(content, descriptor.digest)
    config_descriptor = _descriptor(manifest.get("config"), layout)
    config = _read_json(layout, config_descriptor)
    descriptors = [_descriptor(layer, layout) for layer in manifest.get("layers") or []]
    for layer in descriptors:
        _check_size(layout, layer)
    steps = layer_steps(config, len(descriptors))
    layers = tuple(Layer(d, step) for d, step in zip(descriptors, steps, strict=True))
    return BuiltImage(descriptor, content, config_descriptor, config, layers, provenance)


def _read_provenance(layout: Path, attestation: Descriptor) -> bytes | None:
    for layer in _read_json(layout, attestation).get("layers") or []:
        if str(_annotations(layer).get(_PREDICATE_TYPE, "")).startswith(_SLSA_PROVENANCE):
            return _read_blob(layout, _descriptor(layer, layout))
    return None


def _reachable(layout: Path, root: Descriptor) -> set[str]:
    """Digests of all blobs `root` needs; a missing or strange blob ends its branch."""
    found: set[str] = set()
    queue = [root]
    while queue:
        descriptor = queue.pop()
        if descriptor.digest in found:
            continue
        found.add(descriptor.digest)
        if descriptor.media_type not in INDEX_TYPES | MANIFEST_TYPES:
            continue
        try:
            document = _read_json(layout, descriptor)
            children = [*(document.get("manifests") or []), *(document.get("layers") or [])]
            if "config" in document:
                children.append(document["config"])
            queue += [_descriptor(child, layout) for child in children]
        except BuildError:
            # Pruning must work on a half-written layout too: what is damaged is kept no longer
            # than what refers to it.
            continue
    return found


def _check_size(layout: Path, descriptor: Descriptor) -> None:
    path = blob_path(layout, descriptor.digest)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise BuildError(
            f"the layout is incomplete: blob {descriptor.digest} is missing",
            where=str(layout),
            hint=_REBUILD,
        ) from None
    if size != descriptor.size:
        raise BuildError(
            f"the layout is incomplete: blob {descriptor.digest} has {size} bytes"
            f" instead of {descriptor.size}",
            where=str(layout),
            hint=_REBUILD,
        )


def _read_blob(layout: Path, descriptor: Descriptor) -> bytes:
    _check_size(layout, descriptor)
    if descriptor.size > _MAX_DOCUMENT:
        raise BuildError(
            f"blob {descriptor.digest} is too large for a manifest or config"
            f" ({descriptor.size} bytes)",
            where=str(layout),
        )
    content = blob_path(layout, descriptor.digest).read_bytes()
    if digest_of(content) != descriptor.digest:
        raise BuildError(
            f"the layout is damaged: blob {descriptor.digest} does not match its digest",
            where=str(layout),
            hint=_REBUILD,
        )
    return content


def _read_json(layout: Path, descriptor: Descriptor) -> dict[str, Any]:
    return _parse(_read_blob(layout, descriptor), f"{layout}: {descriptor.digest}")


def _parse(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise BuildError(f"not JSON: {error}", where=where, hint=_REBUILD) from error
    if not isinstance(document, dict):
        raise BuildError("not a JSON object", where=where, hint=_REBUILD)
    return document


def _descriptor(value: object, layout: Path) -> Descriptor:
    if isinstance(value, dict):
        media_type, digest, size = (value.get(key) for key in ("mediaType", "digest", "size"))
        if (
            isinstance(media_type, str)
            and isinstance(digest, str)
            and is_digest(digest)
            and isinstance(size, int)
        ):
            return Descriptor(media_type, digest, size)
    raise BuildError(
        f"the layout holds a descriptor that is none: {value!r}", where=str(layout), hint=_REBUILD
    )


def _annotations(value: Mapping[str, Any]) -> Mapping[str, Any]:
    found = value.get("annotations")
    return found if isinstance(found, dict) else {}
