"""Pushing to and reading from an OCI registry.

Protocol: OCI distribution-spec 1.1; authentication: distribution's `docs/spec/auth/token.md` and
HTTP Basic; the docker client's rules for references, loopback registries and config.json.

oras supplies the token exchange (`oras.auth`). Its `oras.provider` is not used (0.2.43): importing
it takes over a second (jsonschema's format checkers), and `do_request` sleeps through five
retries, over two minutes, on a wrong password; knows no timeout; sends a streamed body empty when
repeated after a 401; repeats an expired token instead of asking for a new one; and takes the
environment's word for credentials.
"""

import base64
import binascii
import contextlib
import errno
import hashlib
import ipaddress
import json
import logging
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import IO, Any, NamedTuple

import oras.auth.utils  # type: ignore[import-untyped]
import requests
import requests.adapters
import urllib3.exceptions

from builder import process
from builder.build.layout import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    MEDIA_TYPE_MANIFEST,
    BuiltImage,
    Descriptor,
    blob_path,
    digest_of,
)
from builder.errors import RegistryError

ProgressCallback = Callable[[str, int, int], None]
"""Called with a blob's digest, the bytes done and the bytes in all; never twice at a time."""

# Without a handler of its own, logging prints oras's warnings to stderr amid Kiln's output.
logging.getLogger("oras.logger").addHandler(logging.NullHandler())

_DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"
_DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"

# The grammar of distribution/reference, `reference.go`.
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_ACCEPT = ", ".join(sorted(MANIFEST_TYPES | INDEX_TYPES))
_MAX_MANIFEST = 4 * 1024 * 1024  # distribution-spec: what a registry must take at least
_MAX_BLOB = 64 * 1024 * 1024
_BLOCK = 256 * 1024
_PARALLEL = 4
_ATTEMPTS = 4
_MAX_WAIT = 30.0  # seconds between two attempts, whatever Retry-After says

# Where distributions keep the system's CA certificates (Go's crypto/x509/root_linux.go, which is
# what the docker client trusts; requests would trust certifi's list alone).
_SYSTEM_CA_BUNDLES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
    Path("/etc/ssl/cert.pem"),
)

# docker-registry 2.8 says 500 and one of the first two; quotas: Harbor, Quay, Artifactory.
_FULL = re.compile(r'no space left on device|"Err": ?28\b|disk quota exceeded|\bquota\b', re.I)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """The name of an image in a registry.

    Attributes:
        registry: host and optional port, e.g. `localhost:5000`; `docker.io` for Docker Hub.
        repository: path, e.g. `shop/web`; `library/…` for Docker Hub's official images.
        tag: None where none was given; there is no silent `latest`.
        digest: `sha256:…` or None.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Read a reference as docker does: `[registry/]repository[:tag][@digest]`.

        Raises:
            RegistryError: it is none; the message names the part that is wrong.
        """

        def wrong(what: str, hint: str = "") -> RegistryError:
            return RegistryError(
                f"Not an image name: {what}",
                where=repr(text),
                hint=hint or "Write it as registry.example:5000/shop/web:tag.",
            )

        if "://" in text:
            raise wrong("it starts with a scheme", "Leave out the https:// or http://.")
        if not text or text != text.strip() or any(c.isspace() for c in text):
            raise wrong("it is empty or holds white space")
        rest, at, digest = text.partition("@")
        if at and not _DIGEST.fullmatch(digest):
            raise wrong(f"{digest!r} is not a digest", "A digest is sha256: and 64 hex digits.")
        first, slash, path = rest.partition("/")
        if slash and (
            "." in first or ":" in first or first == "localhost" or first != first.lower()
        ):
            registry, rest = first, path
            if not _HOST.fullmatch(registry):
                raise wrong(f"{registry!r} is not a host and port")
        else:
            registry = _DOCKER_HUB
        repository, colon, tag = rest.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise wrong(
                f"{tag!r} is not a tag",
                "A tag has at most 128 letters, digits, dots, dashes and underscores.",
            )
        if registry in (_DOCKER_HUB, "index.docker.io", _DOCKER_HUB_API):
            registry = _DOCKER_HUB
            repository = repository if "/" in repository else f"library/{repository}"
        if not _REPOSITORY.fullmatch(repository):
            hint = "Use lower case." if repository != repository.lower() else ""
            raise wrong(f"{repository!r} is not a repository", hint)
        if len(registry) + 1 + len(repository) > 255:
            raise wrong("registry and repository are longer than 255 characters")
        return cls(registry, repository, tag or None, digest or None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str) -> "ImageReference":
        """The same repository under `tag`, without a digest.

        Raises:
            RegistryError: `tag` is not a tag.
        """
        return ImageReference.parse(f"{self.name}:{tag}")

    def with_digest(self, digest: str) -> "ImageReference":
        """The same repository at `digest`, without a tag.

        Raises:
            RegistryError: `digest` is not a sha256 digest.
        """
        return ImageReference.parse(f"{self.name}@{digest}")


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """How registries are reached. Nothing is read from the environment.

    Attributes:
        auth_config: docker's config.json with logins and credential helpers, or None.
        plain_http: speak HTTP to every registry; loopback addresses are spoken HTTP to anyway.
        ca_bundle: PEM file of the CA certificates to trust instead of the system's.
        proxies: URLs by `http` and `https`, and a comma-separated list by `no_proxy`.
        connect_timeout: seconds until a registry that does not answer is unreachable.
        read_timeout: seconds of silence after which a request has failed.
        upload_timeout: likewise while a blob is uploaded; a registry on object storage copies
            the blob before it answers.
    """

    auth_config: Path | None = None
    plain_http: bool = False
    ca_bundle: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    upload_timeout: float = 300.0


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


def speaks_plain_http(registry: str) -> bool:
    """Whether a registry is on this machine, which docker reaches without TLS too."""
    host = registry if registry.endswith("]") else registry.rpartition(":")[0] or registry
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


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
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.Lock()

    def check_push(self, ref: ImageReference) -> None:
        """Find out, before a long build, whether an image can be pushed: start an upload.

        Raises:
            RegistryError: it cannot; the hint says what to do.
        """
        repository = self._at(ref)
        # One repetition, so that a name that does not exist is reported at once.
        response = repository.request("POST", "blobs/uploads/", expect=(202,), attempts=2)
        repository.cancel_upload(repository.location(response))

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
                f"The image to push is {image.digest}, not what the name says", where=str(ref)
            )
        targets = [ref.with_tag(tag) for tag in dict.fromkeys([ref.tag, *tags]) if tag is not None]
        repository = self._at(ref)
        report = _serialised(progress)
        layers = list(dict.fromkeys(layer.descriptor for layer in image.layers))
        blobs = list(dict.fromkeys([*layers, image.config_descriptor]))
        manifest = RemoteManifest(image.manifest, image.digest, image.descriptor.media_type)
        pushed = repository.push_blobs(layout, blobs, report)
        repository.put_manifest(manifest, image.digest)
        self._check_served(ref.with_digest(image.digest))
        for target in targets:
            repository.put_manifest(manifest, str(target.tag))
        return PushResult(
            digest=image.digest,
            bytes_pushed=sum(blob.size for blob in pushed),
            bytes_skipped=sum(blob.size for blob in blobs if blob not in pushed),
            layers_pushed=sum(layer in pushed for layer in layers),
            layers_reused=sum(layer not in pushed for layer in layers),
        )

    def fetch_manifest(self, ref: ImageReference) -> RemoteManifest:
        """The manifest under a reference's digest or else its tag.

        Returns:
            `(body, digest, media type)`; the body has been checked against the digest.
        """
        found = self.find_manifest(ref)
        if found is None:
            raise _missing(ref)
        return found

    def find_manifest(self, ref: ImageReference) -> RemoteManifest | None:
        """Like `fetch_manifest`, but None where the registry has no such manifest."""
        target = _target(ref)
        response = self._at(ref).request(
            "GET", f"manifests/{target}", expect=(200, 404), headers={"Accept": _ACCEPT}
        )
        with response:
            if response.status_code == 404:
                return None
            body = _read_bounded(response, _MAX_MANIFEST, ref)
        digest = digest_of(body)
        for claimed in (ref.digest, response.headers.get("Docker-Content-Digest")):
            if claimed is not None and claimed != digest:
                raise _mismatch(ref, claimed, digest)
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
        if digest_of(body) != digest:
            raise _mismatch(place, digest, digest_of(body))
        return body

    def resolve(self, ref: ImageReference) -> str:
        """The digest a reference stands for now.

        Raises:
            RegistryError: also when there is no such image.
        """
        response = self._at(ref).request(
            "HEAD", f"manifests/{_target(ref)}", expect=(200, 404), headers={"Accept": _ACCEPT}
        )
        if response.status_code == 404:
            raise _missing(ref)
        digest = response.headers.get("Docker-Content-Digest", "")
        if not _DIGEST.fullmatch(digest):
            # distribution-spec: the header is a SHOULD.
            return self.fetch_manifest(ref).digest
        if ref.digest not in (None, digest):
            raise _mismatch(ref, str(ref.digest), digest)
        return digest

    def tag(self, ref: ImageReference, digest: str, tag: str) -> None:
        """Put the same manifest bytes under a further tag; the tag moves if it exists.

        Args:
            ref: any reference into the repository.
            digest: the manifest's, which the repository must have.
            tag: the tag to set.
        """
        ref.with_tag(tag)
        self._at(ref).put_manifest(self.fetch_manifest(ref.with_digest(digest)), tag)

    def put_manifest(
        self, ref: ImageReference, body: bytes, media_type: str, tag: str | None = None
    ) -> Mapping[str, str]:
        """Store a manifest under its digest or, with `tag`, under a tag.

        Returns:
            The response's headers (case-insensitive), for `OCI-Subject`.
        """
        manifest = RemoteManifest(body, digest_of(body), media_type)
        if tag is not None:
            ref.with_tag(tag)
        return self._at(ref).put_manifest(manifest, tag or manifest.digest)

    def put_blob(self, ref: ImageReference, content: bytes) -> str:
        """Store a small blob, unless the repository has it; returns its digest."""
        descriptor = Descriptor("application/octet-stream", digest_of(content), len(content))
        repository = self._at(ref)
        if not repository.has_blob(descriptor):
            repository.upload(descriptor, lambda: content)
        return descriptor.digest

    def get_json(self, ref: ImageReference, path: str) -> tuple[dict[str, Any], str | None] | None:
        """A JSON document below the repository, e.g. `referrers/<digest>`.

        Returns:
            The document and the path of the next page, if any; None where the registry does not
            know the path.
        """
        # A registry that does not know an endpoint says 404 by the specification, but gateways
        # in front of one say 400, 405 or 501.
        response = self._at(ref).request("GET", path, expect=(200, 400, 404, 405, 501))
        with response:
            if response.status_code != 200:
                return None
            body = _read_bounded(response, _MAX_MANIFEST, ref)
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return None
        following = response.links.get("next", {}).get("url")
        if following is None:
            return document, None
        marker = f"/v2/{ref.repository}/"
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(response.url, following))
        _, found, rest = parts.path.partition(marker)
        return document, (f"{rest}?{parts.query}" if found else None)

    def _check_served(self, ref: ImageReference) -> None:
        try:
            served = self.find_manifest(ref) is not None
        except RegistryError:
            served = False
        if not served:
            raise RegistryError(
                f"The registry took {ref} but does not serve it",
                where=f"registry {ref.registry}",
                # distribution#3743: what its garbage collection deleted is still in its cache.
                hint="Restart the registry: its cache is older than its storage. Then push again.",
            )

    def _at(self, ref: ImageReference) -> "_Repository":
        with self._lock:
            if ref.name not in self._repositories:
                self._repositories[ref.name] = _Repository(
                    ref, self._access, self._run, self._sleep
                )
            return self._repositories[ref.name]


class _ExchangeError(RegistryError):
    """A failed exchange, with what the retry logic must know."""

    def __init__(
        self,
        message: str,
        *,
        where: str,
        hint: str = "",
        details: tuple[str, ...] = (),
        transient: bool = False,
        wait: float | None = None,
        codes: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(message, where=where, hint=hint, details=details)
        self.transient = transient
        self.wait = wait
        self.codes = codes


class _StoppedError(Exception):
    """Another upload has failed, so this one ends too."""


class _Repository:
    """One repository in one registry: requests, authentication, retries."""

    def __init__(
        self,
        ref: ImageReference,
        access: RegistryAccess,
        run: process.Runner,
        sleep: Callable[[float], None],
    ) -> None:
        self._ref = replace(ref, tag=None, digest=None)
        self._where = f"registry {ref.registry}, repository {ref.repository}"
        self._access = access
        self._sleep = sleep
        host = _DOCKER_HUB_API if ref.registry == _DOCKER_HUB else ref.registry
        plain = access.plain_http or speaks_plain_http(ref.registry)
        verify = _ca_bundle(access.ca_bundle)
        self._base = f"{'http' if plain else 'https'}://{host}/v2/{ref.repository}/"
        self._verify = verify
        self._session = requests.Session()
        # Harbor takes a client that returns its cookies for a browser, and wants a CSRF token.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # trust_env would bring in ~/.netrc and the environment's proxies.
        self._session.trust_env = False
        adapter = _Adapter(access)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._tokens = oras.auth.get_auth_backend("token", self._session, plain, verify)
        self._credentials = _find_credentials(access.auth_config, ref.registry, run)
        if self._credentials.basic is not None:
            self._tokens._basic_auth = self._credentials.basic
        # By whether they allow writing: a token for pulls that another thread has fetched must
        # not take the place of one for pushes.
        self._authorization: dict[bool, str] = {}
        self._auth_lock = threading.Lock()

    # -- requests ---------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *,
        expect: tuple[int, ...],
        headers: Mapping[str, str] | None = None,
        body: Callable[[], Any] | None = None,
        attempts: int = _ATTEMPTS,
        timeout: float | None = None,
    ) -> requests.Response:
        """One request, authenticated, repeated while the failure may pass.

        Args:
            method: GET, HEAD, POST, PUT or DELETE.
            path: below the repository, or a whole URL the registry gave.
            expect: status codes that are an answer rather than a failure.
            headers: further headers.
            body: makes the body anew for every attempt.
            attempts: how often at most.
            timeout: seconds of silence; None for the usual.

        Returns:
            A response; that of a GET has not been read yet.
        """
        for attempt in range(1, attempts + 1):
            try:
                response = self._authenticated(method, path, headers or {}, body, timeout)
                if response.status_code in expect:
                    return response
                raise self._explain_status(response)
            except _ExchangeError as failure:
                if not failure.transient or attempt == attempts:
                    raise
                self._sleep(min(_MAX_WAIT, failure.wait or 0.5 * 3 ** (attempt - 1)))
        raise AssertionError("attempts is at least 1")

    def _authenticated(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None,
        timeout: float | None,
    ) -> requests.Response:
        url = urllib.parse.urljoin(self._base, path)
        # An upload may go straight to object storage, which must not see the login.
        ours = urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(self._base).netloc
        writes = method not in ("GET", "HEAD")
        tries = 3  # without a token, with one that has run out meanwhile, with a new one
        while True:
            authorization = self._authorization.get(writes) if ours else None
            response = self._exchange(method, url, headers, body, timeout, authorization)
            tries -= 1
            if response.status_code != 401 or not ours or tries == 0:
                return response
            if not self._answer_challenge(response, authorization, writes=writes):
                return response
            response.close()

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None,
        timeout: float | None,
        authorization: str | None,
    ) -> requests.Response:
        sent = dict(headers)
        if authorization is not None:
            sent["Authorization"] = authorization
        content = None if body is None else body()
        access = self._access
        try:
            return self._session.request(
                method,
                url,
                data=content,
                headers=sent,
                stream=method == "GET",
                verify=self._verify,
                # urllib3 sends the body under the connect timeout.
                timeout=(
                    (timeout, timeout)
                    if timeout is not None
                    else (access.connect_timeout, access.read_timeout)
                ),
                allow_redirects=method in ("GET", "HEAD"),
            )
        except (requests.RequestException, OSError, urllib3.exceptions.HTTPError) as error:
            raise self._explain_exception(error) from error
        finally:
            if isinstance(content, _BlobBody):
                content.close()

    # -- authentication ---------------------------------------------------------------------

    def _answer_challenge(
        self, response: requests.Response, used: str | None, *, writes: bool
    ) -> bool:
        """Whether there is now another Authorization than the one that got a 401."""
        with self._auth_lock:
            if self._authorization.get(writes) != used:
                return True  # another thread was faster
            challenge = response.headers.get("WWW-Authenticate", "")
            scheme = challenge.partition(" ")[0].lower()
            found: str | None = None
            if scheme == "basic" and self._credentials.basic is not None:
                found = f"Basic {self._credentials.basic}"
            elif scheme == "bearer":
                token = self._fetch_token(challenge)
                found = None if token is None else f"Bearer {token}"
            if found is None or found == used:
                return False
            self._authorization[writes] = found
            return True

    def _fetch_token(self, challenge: str) -> str | None:
        header = oras.auth.utils.parse_auth_header(challenge)
        if not header.realm:
            return None
        credentials = self._credentials
        secret = credentials.basic is not None or credentials.identity_token is not None
        if secret and self._base.startswith("https:") and header.realm.startswith("http:"):
            raise _ExchangeError(
                "The registry wants the login sent in clear text",
                where=f"token service {header.realm}",
                hint="Set the registry's auth.token.realm to an https:// address.",
            )
        try:
            if credentials.identity_token is not None:
                return self._refresh_token(header)
            if credentials.basic is not None:
                token = self._tokens.request_token(header)
            else:
                token = self._tokens.request_anonymous_token(header)
        except (requests.RequestException, OSError, urllib3.exceptions.HTTPError) as error:
            raise self._explain_exception(error, f"token service {header.realm}") from error
        except ValueError:
            return None
        return token if isinstance(token, str) and token else None

    def _refresh_token(self, header: Any) -> str | None:
        # distribution `docs/spec/auth/oauth.md`; oras knows only the GET form.
        response = self._session.post(
            header.realm,
            data={
                "grant_type": "refresh_token",
                "service": header.service or "",
                "scope": header.scope or "",
                "client_id": "kiln",
                "refresh_token": self._credentials.identity_token,
            },
            verify=self._verify,
        )
        if response.status_code != 200:
            return None
        token = response.json().get("access_token")
        return token if isinstance(token, str) else None

    # -- blobs and manifests ----------------------------------------------------------------

    def has_blob(self, blob: Descriptor) -> bool:
        """Whether the registry has a blob and serves it."""
        response = self.request("HEAD", f"blobs/{blob.digest}", expect=(200, 404))
        if response.status_code == 404:
            return False
        length = response.headers.get("Content-Length")
        if length is not None and length != str(blob.size):
            raise _ExchangeError(
                f"The registry holds {length} bytes under {blob.digest} instead of {blob.size}",
                where=self._where,
                hint="The registry's storage is damaged: delete the blob there and push again.",
            )
        return blob.size == 0 or self._serves_blob(blob)

    def _serves_blob(self, blob: Descriptor) -> bool:
        """Fetch a blob's first byte.

        After a garbage collection, docker-registry's descriptor cache says 200 to HEAD for blobs
        that are gone, and the push of an image that cannot be pulled succeeds
        (distribution#1803, #3743, #4569).
        """
        probe = self.request(
            "GET",
            f"blobs/{blob.digest}",
            expect=tuple(range(200, 600)),
            headers={"Range": "bytes=0-0"},
        )
        with probe:
            try:
                return probe.status_code in (200, 206) and bool(next(probe.iter_content(1), b""))
            except requests.RequestException:
                return False

    def push_blobs(
        self,
        layout: Path,
        blobs: Sequence[Descriptor],
        report: ProgressCallback,
    ) -> set[Descriptor]:
        """Send what is missing, several at a time; returns what was sent."""
        stop = threading.Event()

        def push(blob: Descriptor) -> bool:
            if stop.is_set():
                raise _StoppedError
            if self.has_blob(blob):
                report(blob.digest, blob.size, blob.size)
                return False
            path = blob_path(layout, blob.digest)
            self.upload(blob, lambda: _BlobBody(path, blob, report, stop))
            return True

        with ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="kiln-push") as pool:
            futures = {pool.submit(push, blob): blob for blob in blobs}
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                # Failed, interrupted or all done: whatever still runs shall end now.
                stop.set()
        errors = [e for f in futures if (e := f.exception()) and not isinstance(e, _StoppedError)]
        if errors:
            raise errors[0]
        return {blob for future, blob in futures.items() if future.result()}

    def upload(self, blob: Descriptor, body: Callable[[], "bytes | _BlobBody"]) -> None:
        """Send one blob: POST a session, PUT the content, as containerd does."""
        sent: list[bytes | _BlobBody] = []

        def make_body() -> bytes | _BlobBody:
            sent.append(body())
            return sent[-1]

        for attempt in range(1, _ATTEMPTS + 1):
            session = self.request("POST", "blobs/uploads/", expect=(202,))
            location = self.location(session)
            joint = "&" if "?" in location else "?"
            try:
                self.request(
                    "PUT",
                    f"{location}{joint}digest={urllib.parse.quote(blob.digest, safe='')}",
                    expect=(201, 204),
                    headers={"Content-Type": "application/octet-stream"},
                    body=make_body,
                    attempts=1,
                    timeout=self._access.upload_timeout,
                )
                return
            except BaseException as error:
                self.cancel_upload(location)
                if not isinstance(error, _ExchangeError):
                    raise
                if isinstance(sent[-1], _BlobBody):
                    sent[-1].check()
                corrupted = "DIGEST_INVALID" in error.codes  # in transit: ours has been checked
                if attempt == _ATTEMPTS or not (error.transient or corrupted):
                    raise
                self._sleep(min(_MAX_WAIT, error.wait or 0.5 * 3 ** (attempt - 1)))
                # The answer may have been lost after the blob had arrived.
                if self.has_blob(blob):
                    return

    def cancel_upload(self, location: str) -> None:
        """End an upload session, as far as the registry lets one.

        What was sent would lie in its storage until the next clean-up, and may be just what
        fills it. docker-registry 2.8 ends only sessions that have received nothing.
        """
        with contextlib.suppress(RegistryError):
            self.request("DELETE", location, expect=tuple(range(200, 600)), attempts=1)

    def put_manifest(self, manifest: RemoteManifest, target: str) -> Mapping[str, str]:
        response = self.request(
            "PUT",
            f"manifests/{target}",
            expect=(201,),
            headers={"Content-Type": manifest.media_type},
            body=lambda: manifest.body,
        )
        stored = response.headers.get("Docker-Content-Digest")
        if stored is None:
            check = self.request(
                "GET", f"manifests/{target}", expect=(200,), headers={"Accept": _ACCEPT}
            )
            with check:
                stored = digest_of(_read_bounded(check, _MAX_MANIFEST, self._ref))
        if stored != manifest.digest:
            raise _mismatch(self._ref, manifest.digest, stored)
        return response.headers

    def location(self, response: requests.Response) -> str:
        """The URL of the upload session that a response has started."""
        location = response.headers.get("Location")
        if not location:
            raise _ExchangeError(
                "The registry started an upload without saying where", where=self._where
            )
        url = urllib.parse.urljoin(response.url, location)
        parts, base = urllib.parse.urlsplit(url), urllib.parse.urlsplit(self._base)
        if parts.netloc == base.netloc:
            # A registry behind a TLS proxy that does not tell it so answers http://.
            url = urllib.parse.urlunsplit(parts._replace(scheme=base.scheme))
        return url

    # -- explanations -----------------------------------------------------------------------

    def _explain_status(self, response: requests.Response) -> _ExchangeError:
        status = response.status_code
        method = response.request.method
        with response:
            try:
                text = response.content[:20_000].decode("utf-8", "replace")
            except (requests.RequestException, OSError):
                text = ""
        codes, details = _read_errors(text)
        details = (f"HTTP {status} to {method} {_without_query(response.url)}", *details)
        registry = self._ref.registry
        doing = "pull" if method in ("GET", "HEAD") else "push"
        login = f"Run `docker login {registry}` with an account that may {doing}."
        transient, wait_for = False, None
        if status == 507 or (status >= 400 and _FULL.search(text)):
            message = "The registry is full"
            hint = (
                "Free space in the registry (delete old images, then run its garbage collection)"
                " or raise its quota."
            )
        elif status == 401:
            denied = "insufficient_scope" in response.headers.get("WWW-Authenticate", "")
            if denied and self._credentials.known:
                message = f"The registry does not allow this login to {doing}"
            elif self._credentials.known:
                message = "The registry does not accept the login"
            else:
                message = f"The registry wants a login to {doing}"
            hint = login
            details += self._credentials.notes
        elif status == 403:
            message = f"The registry does not allow this login to {doing}"
            hint = login
            details += self._credentials.notes
        elif status == 404:
            message = "The registry does not know this repository"
            hint = (
                "Check the name; some registries want a repository created before the first push."
            )
        elif status == 405:
            message = f"The registry does not take a {doing}"
            hint = "It is read-only or a pull-through cache: push to another one."
        elif status == 413:
            message = "A proxy in front of the registry refuses large uploads"
            hint = "Raise the proxy's limit (nginx: client_max_body_size 0)."
        elif 300 <= status < 400:
            message = f"The registry redirects to {response.headers.get('Location', 'nowhere')}"
            hint = "Use that address as the registry's name."
        elif status in (408, 425, 429) or status >= 500:
            message = f"The registry fails with HTTP {status}"
            hint = "Look at the registry's log, or try again later."
            transient, wait_for = True, _retry_after(response)
        elif "HTTP request to an HTTPS server" in text:
            message = f"{registry} speaks TLS alone"
            hint = "Do not allow plain HTTP for it; name it by its host name, not as localhost."
        else:
            message = f"The registry refuses with HTTP {status}"
            hint = "Look at the registry's log."
        return _ExchangeError(
            message,
            where=self._where,
            hint=hint,
            details=details,
            transient=transient,
            wait=wait_for,
            codes=codes,
        )

    def _explain_exception(self, error: Exception, where: str = "") -> _ExchangeError:
        place = where or self._where
        registry = self._ref.registry
        causes = list(_causes(error))
        reason = str(causes[-1]) if causes else str(error)

        def failure(message: str, hint: str, *, transient: bool) -> _ExchangeError:
            return _ExchangeError(
                message, where=place, hint=hint, details=(reason[:500],), transient=transient
            )

        def caused_by(kind: type[BaseException]) -> bool:
            return any(isinstance(cause, kind) for cause in causes)

        if caused_by(requests.exceptions.SSLError) or caused_by(ssl.SSLError):
            if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason:
                return failure(
                    f"{registry} does not speak TLS",
                    "Allow plain HTTP for this registry, or give it a certificate.",
                    transient=False,
                )
            return failure(
                f"No trusted TLS connection to {registry}",
                "Name a CA bundle (PEM) that holds the registry's or the proxy's issuer.",
                transient=False,
            )
        if caused_by(requests.exceptions.ProxyError):
            return failure(
                f"The proxy on the way to {registry} does not answer",
                "Check the proxy's address, or list the registry under no_proxy.",
                transient=True,
            )
        if caused_by(urllib3.exceptions.NameResolutionError):
            return failure(
                f"The name {registry} cannot be resolved",
                "Check the registry's name and this machine's DNS.",
                transient=True,
            )
        numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}
        if errno.ECONNREFUSED in numbers:
            return failure(
                f"Nothing answers at {registry}: connection refused",
                "Start the registry, or check its name and port.",
                transient=True,
            )
        if numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH}:
            return failure(
                f"No route to {registry}",
                "Check this machine's network and the registry's address.",
                transient=True,
            )
        if caused_by(requests.exceptions.Timeout) or caused_by(TimeoutError):
            return failure(
                f"{registry} does not answer in time",
                "Check the network, any firewall and the registry's load.",
                transient=True,
            )
        return failure(
            f"The connection to {registry} broke",
            "Run the command again: what has arrived is not sent twice.",
            transient=True,
        )


class _Adapter(requests.adapters.HTTPAdapter):
    """Gives every request a timeout (oras's token requests have none) and the right proxy."""

    def __init__(self, access: RegistryAccess) -> None:
        self._access = access
        super().__init__(pool_maxsize=2 * _PARALLEL)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 reads a body in blocks of 16 KiB, which costs one core at 1 Gbit/s.
        super().init_poolmanager(*args, **kwargs, blocksize=_BLOCK)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        access = self._access
        parts = urllib.parse.urlsplit(str(request.url))
        proxy = access.proxies.get(parts.scheme)
        direct = proxy is None or _bypasses_proxy(parts.netloc, access.proxies.get("no_proxy", ""))
        return super().send(
            request,
            stream=stream,
            timeout=timeout or (access.connect_timeout, access.read_timeout),
            verify=verify,
            cert=cert,
            proxies={} if direct else {parts.scheme: str(proxy)},
        )


class _BlobBody:
    """A blob as a request body: streamed, hashed, reported, and stoppable."""

    def __init__(
        self, path: Path, blob: Descriptor, report: ProgressCallback, stop: threading.Event
    ) -> None:
        self._blob = blob
        self._report = report
        self._stop = stop
        self._hash = hashlib.sha256()
        self._done = 0
        self._ended = False
        self._path = path
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise RegistryError(
                f"Cannot read a layer of the image: {error.strerror}",
                where=str(path),
                hint="Build the image again.",
            ) from error

    def __len__(self) -> int:
        return self._blob.size

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(_BLOCK):
            yield block

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise _StoppedError
        block = self._file.read(size)
        self._hash.update(block)
        self._done += len(block)
        self._ended = not block or self._done >= self._blob.size
        if not block and self._done < self._blob.size:
            self.check()  # the registry would wait for the rest
        if block:
            self._report(self._blob.digest, self._done, self._blob.size)
        return block

    def check(self) -> None:
        """Find out whether the layout is to blame for a failed upload.

        The registry checks the digest as well, so nothing wrong is stored under it.

        Raises:
            RegistryError: the file has been read to its end and is not the blob.
        """
        if self._ended and f"sha256:{self._hash.hexdigest()}" != self._blob.digest:
            raise RegistryError(
                f"The layout is damaged: a blob does not match its digest {self._blob.digest}",
                where=str(self._path),
                hint="Build the image again.",
            )

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What config.json knows of a registry; secrets stay out of repr."""

    basic: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        return self.basic is not None or self.identity_token is not None


def _find_credentials(config: Path | None, registry: str, run: process.Runner) -> _Credentials:
    """Look a registry up as docker does (docker/cli `cli/config/configfile`)."""
    if config is None or not config.is_file():
        return _Credentials()
    try:
        document = json.loads(config.read_bytes())
        auths = dict(document.get("auths") or {})
        helpers = dict(document.get("credHelpers") or {})
        store = document.get("credsStore")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"Docker's configuration cannot be read: {error}",
            where=str(config),
            hint="Mend the file, or log in again with `docker login`.",
        ) from error
    server = _DOCKER_HUB_LOGIN if registry == _DOCKER_HUB else registry
    helper = helpers.get(server) or helpers.get(registry) or store
    if helper:
        found = _ask_helper(str(helper), server, run)
        if found.known:
            return found
    else:
        found = _Credentials()
    for key, entry in auths.items():
        if _login_host(key) == _login_host(server) and isinstance(entry, dict):
            return _read_login(entry, found.notes)
    return found


def _ask_helper(helper: str, server: str, run: process.Runner) -> _Credentials:
    program = f"docker-credential-{helper}"
    try:
        done = run([program, "get"], stdin=server.encode(), timeout=60)
        if done.returncode != 0:
            said = (done.stdout.strip() or done.stderr.strip())[:200]
            return _Credentials(notes=(f"{program}: {said}",))
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except FileNotFoundError:
        return _Credentials(notes=(f"{program}, named in docker's config.json, is not installed",))
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, TypeError) as error:
        return _Credentials(notes=(f"{program}: {type(error).__name__}",))
    if user == "<token>":
        return _Credentials(identity_token=secret)
    return _Credentials(basic=base64.b64encode(f"{user}:{secret}".encode()).decode())


def _read_login(entry: Mapping[str, Any], notes: tuple[str, ...]) -> _Credentials:
    if entry.get("identitytoken"):
        return _Credentials(identity_token=str(entry["identitytoken"]))
    if entry.get("auth"):
        try:
            decoded = base64.b64decode(str(entry["auth"]), validate=True).rstrip(b"\0")
        except binascii.Error:
            return _Credentials(notes=(*notes, "the login in docker's config.json is not base64"))
        return _Credentials(basic=base64.b64encode(decoded).decode())
    if entry.get("username"):
        login = f"{entry['username']}:{entry.get('password', '')}"
        return _Credentials(basic=base64.b64encode(login.encode()).decode())
    return _Credentials(notes=notes)


def _login_host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _ca_bundle(configured: Path | None) -> str | bool:
    if configured is not None:
        if not configured.is_file():
            raise RegistryError(
                "The CA bundle does not exist", where=str(configured), hint="Check the path."
            )
        return str(configured)
    for path in _SYSTEM_CA_BUNDLES:
        if path.is_file():
            return str(path)
    return True


def _bypasses_proxy(netloc: str, no_proxy: str) -> bool:
    """curl's rule for no_proxy: whole names and domains, with or without a leading dot."""
    host = netloc.rpartition(":")[0] or netloc
    for item in no_proxy.lower().split(","):
        name = item.strip().lstrip("*").lstrip(".")
        if item.strip() == "*" or (name and f".{host.lower()}".endswith(f".{name}")):
            return True
    return speaks_plain_http(netloc)


def _target(ref: ImageReference) -> str:
    target = ref.digest or ref.tag
    if target is None:
        raise RegistryError(
            "The image name has neither tag nor digest", where=str(ref), hint="Add :tag or @digest."
        )
    return target


def _missing(ref: ImageReference) -> RegistryError:
    return RegistryError(
        f"The registry has no {ref}",
        where=f"registry {ref.registry}",
        hint="Check the name, and that the image was pushed and not deleted.",
    )


def _mismatch(ref: ImageReference, wanted: str, got: str) -> RegistryError:
    return RegistryError(
        f"The registry's digest is {got} instead of {wanted}",
        where=str(ref),
        hint="Something between here and the registry changes content: push past any such proxy.",
    )


def _read_bounded(response: requests.Response, limit: int, ref: ImageReference) -> bytes:
    body = bytearray()
    try:
        for block in response.iter_content(_BLOCK):
            body += block
            if len(body) > limit:
                raise RegistryError(
                    f"The registry sends more than {limit} bytes for what should be small",
                    where=str(ref),
                )
    except requests.RequestException as error:
        raise RegistryError(
            f"The connection to {ref.registry} broke while reading",
            where=str(ref),
            hint="Run the command again.",
        ) from error
    return bytes(body)


def _read_errors(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The codes and messages of an error body (distribution-spec, "Error Codes")."""
    codes: set[str] = set()
    lines: list[str] = []
    try:
        for error in json.loads(text).get("errors") or []:
            codes.add(str(error.get("code", "")))
            detail = error.get("detail")
            extra = f" ({json.dumps(detail)})" if detail else ""
            lines.append(f"{error.get('code', '')}: {error.get('message', '')}{extra}"[:500])
    except (ValueError, AttributeError, TypeError):
        first = text.strip().partition("\n")[0].strip()
        if first and not first.startswith("<"):
            lines.append(first[:200])
    return frozenset(codes), tuple(lines[:5])


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _without_query(url: str) -> str:
    # An upload's query holds the session's state, or a storage service's signature.
    return url.partition("?")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what lies below it; requests and urllib3 nest in three ways."""
    seen: set[int] = set()
    queue: list[BaseException] = [error]
    while queue:
        current = queue.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        below = [
            *current.args,
            getattr(current, "reason", None),
            current.__cause__,
            current.__context__,
        ]
        queue += [cause for cause in below if isinstance(cause, BaseException)]


def _serialised(progress: ProgressCallback | None) -> ProgressCallback:
    if progress is None:
        return lambda digest, done, total: None
    lock = threading.Lock()

    def report(digest: str, done: int, total: int) -> None:
        with lock:
            progress(digest, done, total)

    return report
