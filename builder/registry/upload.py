"""Sending blobs: only what the registry lacks, several at a time, checked on the way."""

import contextlib
import hashlib
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import requests

from builder.errors import RegistryError
from builder.registry.oci import Descriptor, blob_path
from builder.registry.transport import ANY_STATUS, BLOCK, PARALLEL, Connection

ProgressCallback = Callable[[str, int, int], None]
"""Called with a blob's digest, the bytes done and the bytes in all; never twice at a time."""

# Seconds of silence. A registry on object storage copies the blob before it answers.
_TIMEOUT = 300.0


def push_blobs(
    connection: Connection,
    layout: Path,
    blobs: Iterable[Descriptor],
    progress: ProgressCallback | None,
) -> set[Descriptor]:
    """Send a layout's blobs that the registry lacks; returns those.

    Raises:
        RegistryError: also when a blob in the layout is damaged; all other uploads end too.
    """
    stop = threading.Event()
    lock = threading.Lock()

    def report(digest: str, done: int, total: int) -> None:
        if progress is not None:
            with lock:
                progress(digest, done, total)

    def push(blob: Descriptor) -> bool:
        sent = push_blob(connection, blob, _BlobFile(layout, blob, report, stop))
        report(blob.digest, blob.size, blob.size)
        return sent

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="kiln-push") as pool:
        futures = {pool.submit(push, blob): blob for blob in blobs}
        try:
            return {futures[future] for future in as_completed(futures) if future.result()}
        finally:
            # Failed, interrupted or all done: whatever still runs shall end now.
            stop.set()
            pool.shutdown(cancel_futures=True)


def push_blob(connection: Connection, blob: Descriptor, body: Iterable[bytes] | bytes) -> bool:
    """Send a blob unless the registry has it: POST a session, PUT the content, as containerd does.

    Returns:
        Whether it was sent.
    """

    def attempt() -> bool:
        # Asked anew after a failure: the answer may have been lost after the blob had arrived.
        if _has_blob(connection, blob):
            return False
        location = start_upload(connection, attempts=1)
        joint = "&" if "?" in location else "?"
        try:
            connection.request(
                "PUT",
                f"{location}{joint}{urllib.parse.urlencode({'digest': blob.digest})}",
                expect=(201, 204),
                headers={"Content-Type": "application/octet-stream"},
                body=body,
                timeout=_TIMEOUT,
                attempts=1,
            )
        except BaseException:
            cancel_upload(connection, location)
            raise
        return True

    return connection.retry(attempt)


def start_upload(connection: Connection, attempts: int) -> str:
    """Start an upload; returns the URL of its session."""
    response = connection.request("POST", "blobs/uploads/", expect=(202,), attempts=attempts)
    location = response.headers.get("Location")
    if not location:
        raise RegistryError(
            "the registry started an upload without saying where", where=connection.where
        )
    return connection.resolve_url(response, location)


def cancel_upload(connection: Connection, location: str) -> None:
    """End an upload session, as far as the registry lets one.

    What was sent would lie in its storage until the next clean-up, and may be just what fills
    it. docker-registry 2.8 ends only sessions that have received nothing.
    """
    with contextlib.suppress(RegistryError):
        connection.request("DELETE", location, expect=ANY_STATUS, attempts=1)


def _has_blob(connection: Connection, blob: Descriptor) -> bool:
    """Whether the registry has a blob and serves it.

    After a garbage collection, docker-registry's descriptor cache says 200 to HEAD for blobs that
    are gone, and the push of an image that cannot be pulled succeeds (distribution#1803, #3743,
    #4569). So its first byte is fetched.
    """
    path = f"blobs/{blob.digest}"
    head = connection.request("HEAD", path, expect=(200, 404), attempts=1)
    if head.status_code == 404 or blob.size == 0:
        return head.status_code == 200
    first = {"Range": "bytes=0-0"}
    with connection.request("GET", path, expect=ANY_STATUS, headers=first, attempts=1) as probe:
        try:
            return probe.status_code in (200, 206) and bool(next(probe.iter_content(1), b""))
        except requests.RequestException:
            return False


class _StoppedError(Exception):
    """Another upload has failed, so this one ends too."""


class _BlobFile:
    """A blob of a layout as a request body: streamed, checked, reported, and stoppable."""

    def __init__(
        self, layout: Path, blob: Descriptor, report: ProgressCallback, stop: threading.Event
    ) -> None:
        self._path = blob_path(layout, blob.digest)
        self._blob = blob
        self._report = report
        self._stop = stop

    def __len__(self) -> int:
        return self._blob.size

    def __iter__(self) -> Iterator[bytes]:
        """Read the file.

        Raises:
            RegistryError: it cannot be read, or is not the blob; the last block is then kept
                back, so that the registry stores nothing.
        """
        blob, done, seen = self._blob, 0, hashlib.sha256()
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise RegistryError(
                f"cannot read a layer of the image: {error.strerror}",
                where=str(self._path),
                hint="build the image again",
            ) from error
        with file:
            while done < blob.size:
                if self._stop.is_set():
                    raise _StoppedError
                block = file.read(BLOCK)
                done += len(block)
                seen.update(block)
                ended = not block or done >= blob.size
                if ended and f"sha256:{seen.hexdigest()}" != blob.digest:
                    raise RegistryError(
                        f"the layout is damaged: a blob does not match its digest {blob.digest}",
                        where=str(self._path),
                        hint="build the image again",
                    )
                self._report(blob.digest, done, blob.size)
                yield block
