"""The files in an image's layers, read where the layers lie: in a layout or in a registry."""

import io
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import zstandard

from builder.build.disk import explain_refusal
from builder.errors import RegistryError
from builder.registry.client import Registry
from builder.registry.oci import blob_path
from builder.registry.reference import ImageReference

# RFC 8878, 3.1.1.
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class LayerFiles:
    """What one layer holds.

    Attributes:
        sizes: bytes of each regular file, by path without a slash in front.
        contents: of the files that were asked for.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)


LayerReader = Callable[[str], LayerFiles]
"""Reads a layer by its digest."""


def open_layer(raw: IO[bytes]) -> tarfile.TarFile:
    """A layer as a tar archive, to be read from its begin to its end, however it is compressed."""
    begin = raw.read(len(_ZSTD))
    raw.seek(0)
    if begin != _ZSTD:
        return tarfile.open(fileobj=raw, mode="r|*")
    reader = zstandard.ZstdDecompressor().stream_reader(raw)
    stream = cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", reader)))
    return tarfile.open(fileobj=stream, mode="r|")


def layer_reader(
    registry: Registry, image: ImageReference, layout: Path, wanted: Collection[str]
) -> LayerReader:
    """A reader of an image's layers, each of which it reads once.

    Args:
        registry: the client.
        image: any reference into the repository.
        layout: an OCI layout whose blobs need no registry; may be missing.
        wanted: paths of files whose content is kept.
    """
    known: dict[str, LayerFiles] = {}

    def read(digest: str) -> LayerFiles:
        if digest not in known:
            local = blob_path(layout, digest)
            try:
                with local.open("rb") if local.is_file() else tempfile.TemporaryFile() as raw:
                    if not local.is_file():
                        registry.save_blob(image, digest, raw)
                        raw.seek(0)
                    known[digest] = _list_files(raw, wanted)
            except (tarfile.TarError, zstandard.ZstdError) as error:
                raise RegistryError(
                    f"the layer cannot be read: {error}",
                    where=digest,
                    hint="build the image again",
                ) from error
            except OSError as error:
                raise explain_refusal(error, Path(tempfile.gettempdir())) from error
        return known[digest]

    return read


def find_contents(
    read: LayerReader, layers: Iterable[str], wanted: Collection[str]
) -> dict[str, bytes]:
    """The contents of some files of an image; those that it lacks are left out.

    Args:
        read: which keeps these files.
        layers: digests from the bottom up.
        wanted: the files' paths.
    """
    found: dict[str, bytes] = {}
    for digest in reversed([*layers]):
        if len(found) == len(wanted):
            break
        found = {**read(digest).contents, **found}
    return found


def _list_files(raw: IO[bytes], wanted: Collection[str]) -> LayerFiles:
    files = LayerFiles()
    with open_layer(raw) as tar:
        for member in tar:
            if not member.isreg():
                continue
            path = member.name.removeprefix("./").lstrip("/")
            files.sizes[path] = member.size
            content = tar.extractfile(member) if path in wanted else None
            if content is not None:
                files.contents[path] = content.read()
    return files
