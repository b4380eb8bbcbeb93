"""Which files differ between two builds that should be equal."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from builder.build.layer_files import open_layer
from builder.registry.oci import BuiltImage, Layer, blob_path


def differing_files(
    first: tuple[Path, BuiltImage], second: tuple[Path, BuiltImage]
) -> tuple[str, ...]:
    """Name what differs, one line a file: `path: what (layer's step)`.

    Args:
        first, second: a layout's folder and the image in it.
    """
    found: list[str] = []
    pairs = zip(first[1].layers, second[1].layers, strict=False)
    for one, other in pairs:
        if one.descriptor.digest != other.descriptor.digest:
            found.extend(_differing_in_layer(first[0], one, second[0], other))
    if len(first[1].layers) != len(second[1].layers):
        found.append(f"{len(first[1].layers)} layers against {len(second[1].layers)}")
    if not found and first[1].config != second[1].config:
        found.append("the image configuration")
    return tuple(found)


def _differing_in_layer(folder: Path, one: Layer, other_folder: Path, other: Layer) -> list[str]:
    step = one.created_by[:120]
    left = dict(_members(blob_path(folder, one.descriptor.digest)))
    right = dict(_members(blob_path(other_folder, other.descriptor.digest)))
    lines = [
        f"{path}: {_difference(left.get(path), right.get(path))} ({step})"
        for path in sorted({*left, *right})
        if left.get(path) != right.get(path)
    ]
    return lines or [f"the order or form of the layer's files ({step})"]


Member = tuple[str, str, int, str]


def _difference(one: Member | None, other: Member | None) -> str:
    if one is None or other is None:
        return "only in one of the builds"
    names = ("content", "mode and owner", "time", "kind and link")
    return ", ".join(
        name for name, left, right in zip(names, one, other, strict=True) if left != right
    )


def _members(blob: Path) -> Iterator[tuple[str, Member]]:
    with blob.open("rb") as raw, open_layer(raw) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            digest = ""
            if content:
                file = cast("io.BufferedReader", content)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            owner = f"{member.mode:o} {member.uid}:{member.gid}"
            kind = f"{member.type!r} {member.linkname}"
            yield member.name, (digest, owner, int(member.mtime), kind)
