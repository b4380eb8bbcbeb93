"""What Kiln does with registries: push an image, set tags, read manifests and small blobs."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import requests

from builder import process
from builder.errors import RegistryError
from builder.registry.access import RegistryAccess
from builder.registry.oci import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MEDIA_TYPE_MANIFEST,
    BuiltImage,
    Descriptor,
    digest_of,
    is_digest,
)
from builder.registry.reference import ImageReference
from builder.registry.transport import BLOCK, Connection
from builder.registry.upload import (
    ProgressCallback,
    cancel_upload,
    push_blob,
    push_blobs,
    start_upload,
)

_ACCEPT = {"Accept": ", ".join(sorted(MANIFEST_TYPES | INDEX_TYPES))}
_MAX_MANIFEST = 4 * 1024 * 1024  # distribution-spec: what a registry must take at least
_MAX_BLOB = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PushResult:
    """What a push did.

    Attributes:
        digest: of the manifest, as computed here and confirmed by the registry.
        bytes_pushed: of layers and configuration sent.
        bytes_skipped: of layers and configuration the registry had.
        layers_pushed: layers sent.
        layers_reused: layers the registry had.
    """

    digest: str
    bytes_pushed: int
    bytes_skipped: int
    layers_pushed: int
    layers_reused: int


class RemoteManifest(NamedTuple):
    """A manifest as a registry serves it.

    Attributes:
        body: its bytes, which hash to `digest`.
        digest: `sha256:…`.
        media_type: from the Content-Type.
    """

    body: bytes
    digest: str
    media_type: str


class Registry:
    """A client for any number of registries; safe to use from several threads.

    Every method raises RegistryError when a registry is unreachable, refuses, is full or lacks
    what is asked for, with a hint that tells the cases apart.
    """

    def __init__(
        self,
        access: RegistryAccess | None = None,
        *,
        run: process.Runner = process.run,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is contacted yet.

        Args:
            access: how registries are reached.
            run: runs credential helpers (`docker-credential-…`).
            sleep: waits between attempts.
        """
        self._access = access or RegistryAccess()
        self._run = run
        self._sleep = sleep
        self._connections: dict[str, Connection] = {}
        self._lock = threading.Lock()

    def check_push(self, ref: ImageReference) -> None:
        """Find out, before a long build, whether an image can be pushed: start an upload.

        Raises:
            RegistryError: it cannot; the hint says what to do.
        """
        connection = self._at(ref)
        # One repetition, so that a name that does not exist is reported at once.
        cancel_upload(connection, start_upload(connection, attempts=2))

    def push_image(
        self,
        layout: Path,
        image: BuiltImage,
        ref: ImageReference,
        tags: Iterable[str] = (),
        progress: ProgressCallback | None = None,
    ) -> PushResult:
        """Push an image's blobs and its manifest, byte for byte.

        What the registry has is not sent again, so a push that was cut off goes on where it
        stopped. Tags are set last: whoever pulls one gets a whole image.

        Args:
            layout: the layout directory the image was read from.
            image: what to push.
            ref: the repository; its tag, if any, is set too.
            tags: further tags to set.
            progress: told of every blob; may be called from other threads.

        Raises:
            RegistryError: also when `ref` holds another digest, a blob in the layout is damaged,
                or the registry computes another digest.
        """
        if ref.digest not in (None, image.digest):
            raise RegistryError(
                f"the image to push is {image.digest}, not what the name says", where=str(ref)
            )
        targets = [ref.with_tag(tag) for tag in dict.fromkeys([ref.tag, *tags]) if tag is not None]
        layers = list(dict.fromkeys(layer.descriptor for layer in image.layers))
        blobs = list(dict.fromkeys([*layers, image.config_descriptor]))
        pushed = push_blobs(self._at(ref), layout, blobs, progress)
        self.put_manifest(ref, image.manifest, image.descriptor.media_type)
        if self.find_manifest(ref.with_digest(image.digest)) is None:
            raise RegistryError(
                f"the registry took {image.digest} but does not serve it",
                where=str(ref),
                # distribution#3743: what its garbage collection deleted is still in its cache.
                hint="restart the registry, whose cache is older than its storage; push again",
            )
        for target in targets:
            self.put_manifest(ref, image.manifest, image.descriptor.media_type, target.tag)
        return PushResult(
            digest=image.digest,
            bytes_pushed=sum(blob.size for blob in pushed),
            bytes_skipped=sum(blob.size for blob in blobs if blob not in pushed),
            layers_pushed=sum(layer in pushed for layer in layers),
            layers_reused=sum(layer not in pushed for layer in layers),
        )

    def fetch_manifest(self, ref: ImageReference) -> RemoteManifest:
        """The manifest under a reference's digest or else its tag, checked against the digest."""
        found = self.find_manifest(ref)
        if found is None:
            raise _missing(ref)
        return found

    def find_manifest(self, ref: ImageReference) -> RemoteManifest | None:
        """Like `fetch_manifest`, but None where the registry has no such manifest."""
        response = self._at(ref).request(
            "GET", _manifest_path(ref), expect=(200, 404), headers=_ACCEPT
        )
        with response:
            if response.status_code == 404:
                return None
            body = _read_bounded(response, _MAX_MANIFEST, ref)
        digest = digest_of(body)
        for claimed in (ref.digest, response.headers.get("Docker-Content-Digest")):
            _check_digest(ref, claimed, digest)
        media_type = response.headers.get("Content-Type", MEDIA_TYPE_MANIFEST).partition(";")[0]
        return RemoteManifest(body, digest, media_type.strip())

    def fetch_blob(self, ref: ImageReference, digest: str, *, max_bytes: int = _MAX_BLOB) -> bytes:
        """A small blob's content, checked against its digest.

        Args:
            ref: any reference into the repository.
            digest: `sha256:…`.
            max_bytes: more than this is refused.
        """
        place = ref.with_digest(digest)
        response = self._at(ref).request("GET", f"blobs/{digest}", expect=(200, 404))
        with response:
            if response.status_code == 404:
                raise _missing(place)
            body = _read_bounded(response, max_bytes, place)
        _check_digest(place, digest, digest_of(body))
        return body

    def save_blob(self, ref: ImageReference, digest: str, to: IO[bytes]) -> None:
        """Write a blob of any size to a file, checked against its digest.

        Args:
            ref: any reference into the repository.
            digest: `sha256:…`.
            to: an open file.
        """
        place = ref.with_digest(digest)
        response = self._at(ref).request("GET", f"blobs/{digest}", expect=(200, 404))
        hasher = hashlib.sha256()
        with response:
            if response.status_code == 404:
                raise _missing(place)
            for block in _read_blocks(response, place):
                hasher.update(block)
                to.write(block)
        _check_digest(place, digest, f"sha256:{hasher.hexdigest()}")

    def resolve(self, ref: ImageReference) -> str:
        """The digest a reference stands for now.

        Raises:
            RegistryError: also when there is no such image.
        """
        digest = self.find(ref)
        if digest is None:
            raise _missing(ref)
        return digest

    def find(self, ref: ImageReference) -> str | None:
        """The digest a reference stands for now; None where there is no such image."""
        # Docker Hub counts a GET as a pull, and allows few.
        response = self._at(ref).request(
            "HEAD", _manifest_path(ref), expect=(200, 404), headers=_ACCEPT
        )
        if response.status_code == 404:
            return None
        digest = response.headers.get("Docker-Content-Digest", "")
        if not is_digest(digest):
            # distribution-spec: the header is a SHOULD.
            return self.fetch_manifest(ref).digest
        _check_digest(ref, ref.digest, digest)
        return digest

    def tag(self, ref: ImageReference, digest: str, tag: str) -> None:
        """Put the same manifest bytes under a further tag; the tag moves if it exists.

        Args:
            ref: any reference into the repository.
            digest: the manifest's, which the repository must have.
            tag: the tag to set.
        """
        found = self.fetch_manifest(ref.with_digest(digest))
        self.put_manifest(ref, found.body, found.media_type, tag)

    def put_manifest(
        self, ref: ImageReference, body: bytes, media_type: str, tag: str | None = None
    ) -> Mapping[str, str]:
        """Store a manifest under its digest or, with `tag`, under a tag.

        Returns:
            The response's headers (case-insensitive), for `OCI-Subject`.
        """
        digest = digest_of(body)
        place = ref.with_digest(digest) if tag is None else ref.with_tag(tag)
        response = self._at(ref).request(
            "PUT",
            _manifest_path(place),
            expect=(201,),
            headers={"Content-Type": media_type},
            body=body,
        )
        stored = response.headers.get("Docker-Content-Digest")
        _check_digest(place, digest, stored or self.fetch_manifest(place).digest)
        return response.headers

    def put_blob(self, ref: ImageReference, content: bytes) -> str:
        """Store a small blob, unless the repository has it; returns its digest."""
        blob = Descriptor("application/octet-stream", digest_of(content), len(content))
        push_blob(self._at(ref), blob, content)
        return blob.digest

    def get_json(self, ref: ImageReference, path: str) -> tuple[dict[str, Any], str | None] | None:
        """A JSON document below the repository, e.g. `referrers/<digest>`.

        Returns:
            The document and the address of the next page, if any; None where the registry does
            not know the path.
        """
        connection = self._at(ref)
        # A registry that does not know an endpoint says 404 by the specification, but gateways
        # in front of one say 400, 405 or 501.
        response = connection.request("GET", path, expect=(200, 400, 404, 405, 501))
        with response:
            if response.status_code != 200:
                return None
            body = _read_bounded(response, _MAX_MANIFEST, ref)
        try:
            document = json.loads(body)
        except ValueError:
            return None
        following = response.links.get("next", {}).get("url")
        return document, following and connection.resolve_url(response, following)

    def _at(self, ref: ImageReference) -> Connection:
        with self._lock:
            if ref.name not in self._connections:
                self._connections[ref.name] = Connection(ref, self._access, self._run, self._sleep)
            return self._connections[ref.name]


def _manifest_path(ref: ImageReference) -> str:
    target = ref.digest or ref.tag
    if target is None:
        raise RegistryError(
            "the image name has neither tag nor digest", where=str(ref), hint="add :tag or @digest"
        )
    return f"manifests/{target}"


def _missing(ref: ImageReference) -> RegistryError:
    return RegistryError(
        f"the registry has no {ref}",
        where=f"registry {ref.registry}",
        hint="check the name, and that the image was pushed and not deleted",
    )


def _check_digest(ref: ImageReference, wanted: str | None, got: str) -> None:
    if wanted not in (None, got):
        raise RegistryError(
            f"the registry's digest is {got} instead of {wanted}",
            where=str(ref),
            hint="push past any proxy on the way: something there changes content",
        )


def _read_bounded(response: requests.Response, limit: int, ref: ImageReference) -> bytes:
    body = bytearray()
    for block in _read_blocks(response, ref):
        body += block
        if len(body) > limit:
            raise RegistryError(
                f"the registry sends more than {limit} bytes for what should be small",
                where=str(ref),
            )
    return bytes(body)


def _read_blocks(response: requests.Response, ref: ImageReference) -> Iterator[bytes]:
    try:
        yield from response.iter_content(BLOCK)
    except requests.RequestException as error:
        raise RegistryError(
            f"the connection to {ref.registry} broke while reading",
            where=str(ref),
            hint="run the command again",
        ) from error
