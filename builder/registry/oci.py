"""The OCI's words for an image: media types, digests, descriptors (image-spec 1.1)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEDIA_TYPE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_TYPE_INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPES = frozenset(
    {MEDIA_TYPE_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"}
)
INDEX_TYPES = frozenset(
    {MEDIA_TYPE_INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"}
)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What the OCI calls a descriptor: a blob's type, name and length.

    Attributes:
        media_type: IANA media type of the content.
        digest: `sha256:` and 64 hexadecimal digits.
        size: bytes.
    """

    media_type: str
    digest: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """The descriptor as manifests hold it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image.

    Attributes:
        descriptor: the (compressed) blob.
        created_by: the build step that made it, or "" where the history does not map to layers.
    """

    descriptor: Descriptor
    created_by: str


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image as it lies in a layout.

    Attributes:
        descriptor: the image manifest's own; its digest is what Kiln pushes and deploys.
        manifest: the manifest's bytes, exactly as they are hashed.
        config_descriptor: the image configuration blob.
        config: that blob, parsed.
        layers: from the bottom up.
        provenance: BuildKit's SLSA provenance (an in-toto statement), or None without one.
    """

    descriptor: Descriptor
    manifest: bytes
    config_descriptor: Descriptor
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]
    provenance: bytes | None

    @property
    def digest(self) -> str:
        """The image manifest's digest."""
        return self.descriptor.digest


def layer_steps(config: Mapping[str, Any], count: int) -> list[str]:
    """The build step that made each of an image's layers, from the bottom up.

    Args:
        config: the image configuration.
        count: how many layers the image has. Squashed and imported images have a history that
            does not pair with them: then each step is "".
    """
    steps = [
        str(step.get("created_by", ""))
        for step in config.get("history") or []
        if not step.get("empty_layer")
    ]
    return steps if len(steps) == count else [""] * count


def digest_of(content: bytes) -> str:
    """The OCI digest of `content`, `sha256:…`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether `text` is a digest Kiln takes: `sha256:` and 64 hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def blob_path(layout: Path, digest: str) -> Path:
    """Where a layout keeps a blob.

    Raises:
        ValueError: `digest` is not a sha256 digest (it might leave the directory).
    """
    if not is_digest(digest):
        raise ValueError(f"not a sha256 digest: {digest!r}")
    return layout / "blobs" / digest.replace(":", "/")
