"""Documents that hang beside an image: provenance, SBOM and Kiln's record, as OCI referrers.

A referrer is a manifest whose `subject` is the image's, so attaching one never changes the
image's digest. Registries with the referrers API list them; for others (docker-registry 2.8)
distribution-spec 1.1 keeps the list as an index under the tag `sha256-<hex>`.

Nothing is replaced: a second SBOM or record of one image is a further referrer, and the newest
comes first. The same document with the same annotations is one referrer, however often attached.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.errors import RegistryError
from builder.registry.client import Registry
from builder.registry.oci import MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, Descriptor, digest_of
from builder.registry.reference import ImageReference

ANNOTATION_CREATED = "org.opencontainers.image.created"
ANNOTATION_TITLE = "org.opencontainers.image.title"

# image-spec 1.1, `manifest.md`, "Guidance for an Empty Descriptor".
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_EMPTY = b"{}"

_MAX_PAGES = 50
_MERGE_ROUNDS = 5

# One for all repositories: attaching is rare, and a list lost to a race is not.
_fallback_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that refers to an image.

    Attributes:
        descriptor: the referring manifest's own.
        artifact_type: media type that says what it is.
        annotations: of the manifest.
    """

    descriptor: Descriptor
    artifact_type: str
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The referring manifest's digest."""
        return self.descriptor.digest

    @property
    def created(self) -> str:
        """RFC 3339 time from the annotations, or ""."""
        return self.annotations.get(ANNOTATION_CREATED, "")


@dataclass(frozen=True, slots=True)
class Document:
    """A blob of a referrer.

    Attributes:
        media_type: of the content.
        content: the bytes.
        title: file name for whoever downloads it, or "".
    """

    media_type: str
    content: bytes
    title: str


def attach(
    registry: Registry,
    ref: ImageReference,
    subject: Descriptor,
    artifact_type: str,
    blobs: Iterable[tuple[str, bytes, str]],
    annotations: Mapping[str, str],
) -> str:
    """Hang documents beside an image that has been pushed.

    Args:
        registry: the client.
        ref: any reference into the image's repository.
        subject: the image manifest's descriptor.
        artifact_type: media type that says what this is, e.g.
            `application/vnd.cyclonedx+json`.
        blobs: `(media type, content, title)` of each document; title may be empty.
        annotations: of the referrer; `org.opencontainers.image.created` orders the list.

    Returns:
        The referrer's digest, the same for the same arguments.

    Raises:
        RegistryError: the registry does not take it.
    """
    registry.put_blob(ref, _EMPTY)
    layers = []
    for media_type, content, title in blobs:
        layer = Descriptor(media_type, registry.put_blob(ref, content), len(content)).to_json()
        if title:
            layer["annotations"] = {ANNOTATION_TITLE: title}
        layers.append(layer)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE_MANIFEST,
        "artifactType": artifact_type,
        "config": Descriptor(_EMPTY_TYPE, digest_of(_EMPTY), len(_EMPTY)).to_json(),
        "layers": layers,
        "subject": subject.to_json(),
        "annotations": dict(sorted(annotations.items())),
    }
    body = json.dumps(manifest, separators=(",", ":")).encode()
    headers = registry.put_manifest(ref, body, MEDIA_TYPE_MANIFEST)
    digest = digest_of(body)
    # distribution-spec, "Pushing Manifests with Subject": only a registry with the referrers API
    # answers with OCI-Subject; for any other the client keeps the list.
    if headers.get("OCI-Subject") != subject.digest:
        referrer = Referrer(
            Descriptor(MEDIA_TYPE_MANIFEST, digest, len(body)), artifact_type, dict(annotations)
        )
        _add_to_fallback(registry, ref, subject.digest, referrer)
    return digest


def list_referrers(
    registry: Registry, ref: ImageReference, digest: str, artifact_type: str | None = None
) -> tuple[Referrer, ...]:
    """What hangs beside an image, the newest first.

    Args:
        registry: the client.
        ref: any reference into the image's repository.
        digest: the image manifest's.
        artifact_type: only these; None for all.

    Raises:
        RegistryError: the registry fails, or its list is none.
    """
    entries = _from_api(registry, ref, digest)
    if entries is None:
        entries = _from_fallback(registry, ref, digest)
    found = {
        referrer.digest: referrer
        for referrer in (_read_entry(entry) for entry in entries)
        # Filtering on the server is optional (OCI-Filters-Applied), so it is done here.
        if referrer is not None and artifact_type in (None, referrer.artifact_type)
    }
    # By digest too, so that the order of equals does not depend on the registry.
    return tuple(sorted(found.values(), key=lambda one: (one.created, one.digest), reverse=True))


def fetch_documents(
    registry: Registry, ref: ImageReference, referrer: Referrer
) -> tuple[Document, ...]:
    """The documents of a referrer, checked against their digests.

    Raises:
        RegistryError: one is missing, damaged or too large.
    """
    place = ref.with_digest(referrer.digest)
    manifest = json.loads(registry.fetch_manifest(place).body)
    documents = []
    for layer in manifest.get("layers") or []:
        title = (layer.get("annotations") or {}).get(ANNOTATION_TITLE, "")
        content = registry.fetch_blob(ref, layer["digest"])
        documents.append(Document(layer["mediaType"], content, title))
    return tuple(documents)


def fallback_tag(digest: str) -> str:
    """The tag that stands in for the referrers API: `sha256-<hex>`."""
    return digest.replace(":", "-", 1)


def _from_api(registry: Registry, ref: ImageReference, digest: str) -> list[Any] | None:
    path: str | None = f"referrers/{digest}"
    entries: list[Any] = []
    for _ in range(_MAX_PAGES):
        page = registry.get_json(ref, str(path))
        if page is None:
            return None
        document, path = page
        entries += document.get("manifests") or []
        if path is None:
            break
    return entries


def _from_fallback(registry: Registry, ref: ImageReference, digest: str) -> list[Any]:
    found = registry.find_manifest(ref.with_tag(fallback_tag(digest)))
    if found is None:
        return []
    try:
        entries = json.loads(found.body).get("manifests")
    except (ValueError, AttributeError):
        entries = None
    if not isinstance(entries, list):
        raise RegistryError(
            "the list of referrers is not an index",
            where=str(ref.with_tag(fallback_tag(digest))),
            hint="delete this tag and attach the documents again",
        )
    return entries


def _add_to_fallback(
    registry: Registry, ref: ImageReference, subject: str, referrer: Referrer
) -> None:
    """Read, merge and write the list under the fallback tag.

    The protocol has no compare-and-swap, so another machine may write between our read and our
    write; reading again after the write finds that out, save for a window of one request.
    """
    entry = {
        **referrer.descriptor.to_json(),
        "artifactType": referrer.artifact_type,
        "annotations": dict(sorted(referrer.annotations.items())),
    }
    with _fallback_lock:
        for _ in range(_MERGE_ROUNDS):
            entries = _from_fallback(registry, ref, subject)
            if any(e.get("digest") == referrer.digest for e in entries):
                return
            index = {
                "schemaVersion": 2,
                "mediaType": MEDIA_TYPE_INDEX,
                "manifests": [*entries, entry],
            }
            body = json.dumps(index, separators=(",", ":")).encode()
            registry.put_manifest(ref, body, MEDIA_TYPE_INDEX, tag=fallback_tag(subject))
        raise RegistryError(
            "the list of referrers is being changed by others all the time",
            where=str(ref.with_tag(fallback_tag(subject))),
            hint="run the command again when no other build pushes this image",
        )


def _read_entry(entry: object) -> Referrer | None:
    if not isinstance(entry, dict):
        return None
    media_type, digest, size = (entry.get(key) for key in ("mediaType", "digest", "size"))
    if not (isinstance(media_type, str) and isinstance(digest, str) and isinstance(size, int)):
        return None
    return Referrer(
        Descriptor(media_type, digest, size),
        str(entry.get("artifactType") or ""),
        {str(k): str(v) for k, v in (entry.get("annotations") or {}).items()},
    )
