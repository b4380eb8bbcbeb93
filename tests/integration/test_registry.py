"""The registry client against real and scripted registries."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.build.layout import read_layout
from builder.errors import RegistryError
from builder.registry import access as access_module
from builder.registry.access import RegistryAccess
from builder.registry.client import Registry
from builder.registry.oci import BuiltImage, blob_path, digest_of
from builder.registry.reference import ImageReference
from builder.registry.referrers import (
    ANNOTATION_CREATED,
    attach,
    fallback_tag,
    fetch_documents,
    list_referrers,
)

from .registry_server import (
    HTPASSWD,
    Answer,
    DockerRegistry,
    Request,
    cutting_proxy,
    docker_registry,
    scripted_registry,
    write_layout,
)

SBOM = "application/vnd.cyclonedx+json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry") / "plain") as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    directory = tmp_path_factory.mktemp("registry")
    (directory / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "shop", "path": str(directory / "htpasswd")}}
    with docker_registry(directory / "guarded", auth=auth) as running:
        yield running


@pytest.fixture
def client() -> Registry:
    return Registry(sleep=lambda seconds: None)


def make_image(directory: Path, *layers: bytes) -> tuple[Path, BuiltImage]:
    layout = write_layout(directory, layers, label=str(directory))
    return layout, read_layout(layout)


def reference(server: object, repository: str, tag: str = "") -> ImageReference:
    address = getattr(server, "address", server)
    return ImageReference.parse(f"{address}/{repository}{tag and ':' + tag}")


def login(directory: Path, address: str, user: str, password: str) -> Path:
    config = directory / "config.json"
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    config.write_text(json.dumps({"auths": {address: {"auth": auth}}}))
    return config


# -- pushing --------------------------------------------------------------------------------


def test_a_push_stores_the_manifest_bytes_under_digest_and_tags(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", b"one" * 1000, b"two" * 1000)
    ref = reference(server, "push/plain", "v1")
    seen: list[tuple[str, int, int]] = []

    result = client.push_image(
        layout, image, ref, ["v2", "v1"], lambda *progress: seen.append(progress)
    )

    size = 6000 + image.config_descriptor.size
    assert (result.digest, result.bytes_pushed, result.bytes_skipped) == (image.digest, size, 0)
    assert (result.layers_pushed, result.layers_reused) == (2, 0)
    for name in (ref, ref.with_tag("v2"), ref.with_digest(image.digest)):
        assert client.resolve(name) == image.digest
        body, digest, media_type = client.fetch_manifest(name)
        assert (body, digest) == (image.manifest, image.digest)
        assert media_type == image.descriptor.media_type
    ends = {digest: (done, total) for digest, done, total in seen}
    assert all(done == total for done, total in ends.values())
    assert set(ends) == {
        *(layer.descriptor.digest for layer in image.layers),
        image.config_descriptor.digest,
    }


def test_a_second_push_sends_nothing(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(5000))
    ref = reference(server, "push/again", "v1")
    first = client.push_image(layout, image, ref)
    second = client.push_image(layout, image, ref)
    assert second.bytes_pushed == 0
    assert second.bytes_skipped == first.bytes_pushed
    assert (second.layers_pushed, second.layers_reused) == (0, 1)


def test_images_share_the_layers_they_have_in_common(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    base = os.urandom(5000)
    ref = reference(server, "push/shared")
    client.push_image(*make_image(tmp_path / "a", base, b"first"), ref)
    result = client.push_image(*make_image(tmp_path / "b", base, b"second"), ref)
    assert (result.layers_pushed, result.layers_reused) == (1, 1)


def test_the_same_layer_twice_in_an_image_is_sent_once(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", b"same", b"same", b"")
    result = client.push_image(layout, image, reference(server, "push/twice"))
    assert result.layers_pushed == 2


def test_a_push_to_another_digest_than_the_name_says_is_refused(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", b"x")
    ref = reference(server, "push/other").with_digest("sha256:" + "0" * 64)
    with pytest.raises(RegistryError, match="not what the name says"):
        client.push_image(layout, image, ref)


def test_a_damaged_layer_is_not_pushed_and_no_tag_is_set(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(600_000))
    path = blob_path(layout, image.layers[0].descriptor.digest)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    ref = reference(server, "push/damaged", "v1")

    with pytest.raises(RegistryError, match="layout is damaged"):
        client.push_image(layout, image, ref)

    assert client.find_manifest(ref) is None


def test_a_layer_that_was_cut_short_is_not_pushed(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(600_000))
    path = blob_path(layout, image.layers[0].descriptor.digest)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RegistryError, match="layout is damaged"):
        client.push_image(layout, image, reference(server, "push/short", "v1"))
    path.unlink()
    with pytest.raises(RegistryError, match="cannot read a layer"):
        client.push_image(layout, image, reference(server, "push/short", "v1"))


def test_many_pushes_at_a_time_do_not_disturb_each_other(
    server: DockerRegistry, tmp_path: Path
) -> None:
    # This one waits before it asks again: while docker-registry 2.8 writes a link to a blob anew it
    # answers HEAD with 500, "invalid checksum digest format", for 0.1 s on a busy disk.
    client = Registry()
    shared = [os.urandom(50_000) for _ in range(5)]
    images = [make_image(tmp_path / str(n), *shared, b"%d" % n) for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        futures = [
            pool.submit(client.push_image, layout, image, reference(server, "push/many", f"v{n}"))
            for n, (layout, image) in enumerate(images)
            for _ in range(2)
        ]
        results = [future.result(timeout=60) for future in futures]
    for n, (_, image) in enumerate(images):
        assert client.resolve(reference(server, "push/many", f"v{n}")) == image.digest
    assert {result.digest for result in results} == {image.digest for _, image in images}


def test_a_push_that_was_cut_off_goes_on_where_it_stopped(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    small = [os.urandom(1000) for _ in range(3)]
    layout, image = make_image(tmp_path / "a", *small, os.urandom(3_000_000))
    with (
        cutting_proxy(server.address, [500_000]) as proxy,
        pytest.raises(RegistryError) as caught,
    ):
        client.push_image(layout, image, reference(proxy, "push/cut", "v1"))
    assert "broke" in caught.value.message
    ref = reference(server, "push/cut", "v1")
    assert client.find_manifest(ref) is None

    result = client.push_image(layout, image, ref)

    assert (result.layers_pushed, result.layers_reused) == (1, 3)
    assert client.resolve(ref) == image.digest


def test_a_connection_that_breaks_once_does_not_fail_the_push(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(3_000_000))
    with cutting_proxy(server.address, [200_000, 200_000, None]) as proxy:
        result = client.push_image(layout, image, reference(proxy, "push/once", "v1"))
    assert result.digest == client.resolve(reference(server, "push/once", "v1"))


def test_an_exception_in_the_progress_callback_ends_the_push(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    def interrupt(digest: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    layout, image = make_image(tmp_path / "a", *(os.urandom(400_000) for _ in range(8)))
    with pytest.raises(KeyboardInterrupt):
        client.push_image(layout, image, reference(server, "push/interrupted"), (), interrupt)


def test_blobs_that_a_stale_cache_claims_are_sent_again(tmp_path: Path, client: Registry) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(5000), os.urandom(5000))
    cache = {"cache": {"blobdescriptor": "inmemory"}}
    with docker_registry(tmp_path / "cached", storage=cache) as cached:
        ref = reference(cached, "gc/blob", "v1")
        client.push_image(layout, image, ref)
        lost = image.layers[0].descriptor.digest
        (data,) = cached.storage_files(f"blobs/sha256/??/{lost.removeprefix('sha256:')}/data")
        data.unlink()

        result = client.push_image(layout, image, ref)

        assert (result.layers_pushed, result.layers_reused) == (1, 1)
        assert digest_of(client.fetch_blob(ref, lost)) == lost


def test_a_manifest_that_a_stale_cache_swallows_is_noticed(
    tmp_path: Path, client: Registry
) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(5000))
    cache = {"cache": {"blobdescriptor": "inmemory"}}
    with docker_registry(tmp_path / "cached", storage=cache) as cached:
        ref = reference(cached, "gc/manifest", "v1")
        client.push_image(layout, image, ref)
        encoded = image.digest.removeprefix("sha256:")
        (data,) = cached.storage_files(f"blobs/sha256/??/{encoded}/data")
        data.unlink()
        with pytest.raises(RegistryError, match="does not serve it") as caught:
            client.push_image(layout, image, ref)
    assert "restart the registry" in caught.value.hint


# -- checking before a build ----------------------------------------------------------------


def test_a_check_leaves_nothing_behind(server: DockerRegistry, client: Registry) -> None:
    client.check_push(reference(server, "check/ok"))
    assert server.storage_files("repositories/check/ok/_uploads/*/data") == []


def test_a_closed_port_is_told_apart(client: Registry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(RegistryError, match="connection refused") as caught:
        client.check_push(reference(address, "a/b"))
    assert address in caught.value.where
    assert "start the registry" in caught.value.hint


def test_a_name_that_does_not_exist_is_told_apart(client: Registry) -> None:
    with pytest.raises(RegistryError, match="cannot be resolved") as caught:
        client.check_push(ImageReference.parse("registry.invalid/a/b"))
    assert "DNS" in caught.value.hint


def test_a_registry_that_says_nothing_is_told_apart() -> None:
    access = RegistryAccess(read_timeout=0.2)
    client = Registry(access, sleep=lambda seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryError, match="does not answer in time"):
            client.check_push(reference(address, "a/b"))


def test_a_missing_login_is_told_apart(guarded: DockerRegistry, client: Registry) -> None:
    with pytest.raises(RegistryError, match="wants a login to push") as caught:
        client.check_push(reference(guarded, "a/b"))
    assert f"docker login {guarded.address}" in caught.value.hint


def test_a_wrong_login_is_told_apart_and_not_shown(guarded: DockerRegistry, tmp_path: Path) -> None:
    config = login(tmp_path, guarded.address, "shop", "wrongpassword")
    with pytest.raises(RegistryError, match="does not accept the login") as caught:
        Registry(RegistryAccess(auth_config=config)).check_push(reference(guarded, "a/b"))
    said = " ".join([caught.value.message, caught.value.hint, *caught.value.details])
    assert "wrongpassword" not in said
    assert base64.b64encode(b"shop:wrongpassword").decode() not in said


def test_the_login_of_dockers_configuration_is_used(
    guarded: DockerRegistry, tmp_path: Path
) -> None:
    config = login(tmp_path, guarded.address, "shop", "secret")
    client = Registry(RegistryAccess(auth_config=config))
    ref = reference(guarded, "login/ok", "v1")
    client.check_push(ref)
    layout, image = make_image(tmp_path / "a", *(os.urandom(400_000) for _ in range(6)))
    assert client.push_image(layout, image, ref).layers_pushed == 6
    assert client.resolve(ref) == image.digest


def test_a_read_only_registry_is_told_apart(tmp_path: Path, client: Registry) -> None:
    storage = {"maintenance": {"readonly": {"enabled": True}}}
    with (
        docker_registry(tmp_path / "readonly", storage=storage) as readonly,
        pytest.raises(RegistryError, match="does not take a push") as caught,
    ):
        client.check_push(reference(readonly, "a/b"))
    assert "read-only" in caught.value.hint


def test_a_full_registry_is_told_apart_during_and_before_a_push(
    tmp_path: Path, client: Registry
) -> None:
    layout, image = make_image(tmp_path / "a", os.urandom(3_000_000))
    with docker_registry(tmp_path / "full", tmpfs="1m") as full:
        ref = reference(full, "a/b", "v1")
        client.check_push(ref)
        with pytest.raises(RegistryError, match="registry is full") as caught:
            client.push_image(layout, image, ref)
        assert "garbage collection" in caught.value.hint
        assert client.find_manifest(ref) is None
        _fill(full)
        with pytest.raises(RegistryError, match="registry is full"):
            client.check_push(ref)


def _fill(full: DockerRegistry) -> None:
    """Fill the tmpfs, which only the registry's own mount namespace sees, through /proc."""
    filler = Path(f"/proc/{full.process.pid}/root{full.root}/filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)


# -- TLS ------------------------------------------------------------------------------------


@pytest.fixture
def tls_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is spoken plain HTTP to, and the tests have no other address for sure."""
    monkeypatch.setattr(access_module, "speaks_plain_http", lambda registry: False)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=kiln test"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.mark.usefixtures("tls_everywhere")
def test_an_unknown_issuer_is_told_apart_and_a_ca_bundle_mends_it(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    http = {"tls": {"certificate": str(cert), "key": str(key)}}
    with docker_registry(tmp_path / "tls", http=http) as tls:
        ref = reference(tls, "a/b", "v1")
        with pytest.raises(RegistryError, match="no trusted TLS connection") as caught:
            Registry().check_push(ref)
        assert "CA bundle" in caught.value.hint
        client = Registry(RegistryAccess(ca_bundle=cert))
        client.check_push(ref)
        layout, image = make_image(tmp_path / "a", b"x")
        assert client.push_image(layout, image, ref).digest == client.resolve(ref)
        with pytest.raises(RegistryError, match="speaks TLS alone"):
            Registry(RegistryAccess(plain_http=True)).check_push(ref)


@pytest.mark.usefixtures("tls_everywhere")
def test_a_registry_without_tls_is_told_apart(server: DockerRegistry, client: Registry) -> None:
    with pytest.raises(RegistryError, match="does not speak TLS") as caught:
        client.check_push(reference(server, "a/b"))
    assert "plain HTTP" in caught.value.hint


# -- reading --------------------------------------------------------------------------------


def test_a_tag_moves(server: DockerRegistry, client: Registry, tmp_path: Path) -> None:
    ref = reference(server, "tags/move")
    first = client.push_image(*make_image(tmp_path / "a", b"1"), ref, ["staging", "production"])
    second = client.push_image(*make_image(tmp_path / "b", b"2"), ref, ["staging"])
    production = ref.with_tag("production")
    assert client.resolve(production) == first.digest
    client.tag(ref, second.digest, "production")
    assert client.resolve(production) == second.digest
    assert client.fetch_manifest(production).digest == second.digest
    assert client.resolve(ref.with_digest(first.digest)) == first.digest


def test_what_is_not_there_is_said_to_be_missing(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    client.push_image(*make_image(tmp_path / "a", b"1"), reference(server, "read/some", "v1"))
    for ref in (reference(server, "read/some", "v2"), reference(server, "read/none", "v1")):
        for read in (client.resolve, client.fetch_manifest):
            with pytest.raises(RegistryError, match="has no") as caught:
                read(ref)
            assert str(ref) in caught.value.message
    with pytest.raises(RegistryError, match="has no"):
        client.tag(ref, "sha256:" + "0" * 64, "v3")
    with pytest.raises(RegistryError, match="has no"):
        client.fetch_blob(ref, "sha256:" + "0" * 64)
    with pytest.raises(RegistryError, match="neither tag nor digest"):
        client.resolve(reference(server, "read/some"))


def test_a_blob_larger_than_expected_is_refused(server: DockerRegistry, client: Registry) -> None:
    ref = reference(server, "read/large")
    digest = client.put_blob(ref, b"x" * 1000)
    assert client.fetch_blob(ref, digest, max_bytes=1000) == b"x" * 1000
    with pytest.raises(RegistryError, match="more than 999 bytes"):
        client.fetch_blob(ref, digest, max_bytes=999)


def test_content_that_does_not_match_its_digest_is_refused(client: Registry) -> None:
    wanted = digest_of(b"right")
    with scripted_registry(lambda request: Answer(200, body=b"wrong")) as scripted:
        ref = reference(scripted, "a/b")
        with pytest.raises(RegistryError, match="instead of"):
            client.fetch_blob(ref, wanted)
        with pytest.raises(RegistryError, match="instead of"):
            client.fetch_manifest(ref.with_digest(wanted))


def test_a_digest_is_computed_where_the_registry_does_not_say_it(client: Registry) -> None:
    with scripted_registry(lambda request: Answer(200, body=b"{}")) as scripted:
        assert client.resolve(reference(scripted, "a/b", "v1")) == digest_of(b"{}")


# -- scripted failures ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (Answer(403), "does not allow this login to push", "docker login"),
        (Answer(507), "registry is full", "garbage collection"),
        (
            Answer(412, body=b'{"errors":[{"code":"DENIED","message":"exceed the quota"}]}'),
            "registry is full",
            "quota",
        ),
        (Answer(413), "refuses large uploads", "client_max_body_size"),
        (Answer(404), "does not know this repository", "created"),
        (Answer(503), "fails with HTTP 503", "log"),
        (Answer(418), "refuses with HTTP 418", "log"),
        (Answer(301, {"Location": "https://new.example/"}), "redirects to https://new", "name"),
        (Answer(202), "without saying where", ""),
        (Answer(401), "wants a login", "docker login"),
        (Answer(401, {"WWW-Authenticate": "Negotiate"}), "wants a login", "docker login"),
    ],
)
def test_refusals_are_told_apart(client: Registry, answer: Answer, message: str, hint: str) -> None:
    with scripted_registry(lambda request: answer) as scripted:
        with pytest.raises(RegistryError, match=message) as caught:
            client.check_push(reference(scripted, "a/b"))
        assert hint in caught.value.hint
        assert len(scripted.requests) <= 2


def test_a_registrys_own_words_are_passed_on(client: Registry) -> None:
    body = b'{"errors":[{"code":"DENIED","message":"pay first","detail":{"a":1}}]}'
    with (
        scripted_registry(lambda request: Answer(403, body=body)) as scripted,
        pytest.raises(RegistryError) as caught,
    ):
        client.check_push(reference(scripted, "a/b"))
    assert 'DENIED: pay first ({"a": 1})' in caught.value.details


def store(
    *, subject: bool = False, digest_header: bool = True
) -> tuple[dict[str, bytes], Callable[[Request], Answer]]:
    """A registry in memory: blobs and manifests by the last part of their path."""
    kept: dict[str, bytes] = {}

    def script(request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        last = path.rpartition("/")[2]
        if request.method == "POST":
            return Answer(202, {"Location": "/v2/a/b/blobs/uploads/1?state=x"})
        if request.method == "PUT" and "/uploads/" in path:
            kept[query.partition("digest=")[2].replace("%3A", ":")] = request.body
            return Answer(201)
        if request.method == "PUT":
            kept[last] = kept[digest_of(request.body)] = request.body
            headers = {"Docker-Content-Digest": digest_of(request.body)} if digest_header else {}
            parsed = json.loads(request.body)
            if subject and "subject" in parsed:
                headers["OCI-Subject"] = parsed["subject"]["digest"]
            return Answer(201, headers)
        if request.method == "DELETE":
            return Answer(204)
        if last not in kept:
            return Answer(404)
        return Answer(200, {"Content-Length": str(len(kept[last]))}, kept[last])

    return kept, script


def test_failures_that_may_pass_are_tried_again(tmp_path: Path) -> None:
    kept, script = store()
    waits: list[float] = []
    failures = [
        Answer(503, {"Retry-After": "7"}),
        Answer(500),
        Answer(429, {"Retry-After": "9999"}),
    ]

    def failing(request: Request) -> Answer:
        if request.method == "PUT" and "/uploads/" in request.path and failures:
            return failures.pop(0)
        return script(request)

    layout, image = make_image(tmp_path / "a", b"x")
    with scripted_registry(failing) as scripted:
        client = Registry(sleep=waits.append)
        client.push_image(layout, image, reference(scripted, "a/b", "v1"))
        # Every failed upload's session was cancelled.
        assert len(scripted.asked("DELETE", "uploads")) == 3
    assert kept["v1"] == image.manifest
    assert 7 in waits
    assert max(waits) == 30


def test_failures_that_do_not_pass_end_the_push(tmp_path: Path, client: Registry) -> None:
    _, script = store()

    def failing(request: Request) -> Answer:
        return Answer(503) if request.method == "PUT" else script(request)

    layout, image = make_image(tmp_path / "a", b"x")
    with scripted_registry(failing) as scripted:
        with pytest.raises(RegistryError, match="HTTP 503"):
            client.push_image(layout, image, reference(scripted, "a/b", "v1"))
        assert len(scripted.asked("PUT")) <= 8


def test_a_registry_that_changes_manifests_is_noticed(tmp_path: Path, client: Registry) -> None:
    _, script = store()

    def changing(request: Request) -> Answer:
        if request.method == "PUT" and "/manifests/" in request.path:
            return Answer(201, {"Docker-Content-Digest": "sha256:" + "1" * 64})
        return script(request)

    layout, image = make_image(tmp_path / "a", b"x")
    with (
        scripted_registry(changing) as scripted,
        pytest.raises(RegistryError, match="instead of"),
    ):
        client.push_image(layout, image, reference(scripted, "a/b", "v1"))


def test_a_registry_that_names_no_digest_is_asked_for_the_manifest(
    tmp_path: Path, client: Registry
) -> None:
    kept, script = store(digest_header=False)
    layout, image = make_image(tmp_path / "a", b"x")
    with scripted_registry(script) as scripted:
        client.push_image(layout, image, reference(scripted, "a/b", "v1"))
    assert kept["v1"] == image.manifest


def test_a_login_is_not_sent_to_the_storage_an_upload_is_redirected_to(tmp_path: Path) -> None:
    kept, script = store()
    challenge = {"WWW-Authenticate": 'Basic realm="x"'}
    with scripted_registry(script) as storage:

        def front(request: Request) -> Answer:
            if "Authorization" not in request.headers:
                return Answer(401, challenge)
            if request.method == "POST":
                return Answer(202, {"Location": f"http://{storage.address}/v2/uploads/1"})
            return script(request)

        with scripted_registry(front) as scripted:
            config = login(tmp_path, scripted.address, "shop", "secret")
            client = Registry(RegistryAccess(auth_config=config))
            client.put_blob(reference(scripted, "a/b"), b"content")
        (upload,) = storage.asked("PUT")
    assert kept[digest_of(b"content")] == b"content"
    assert "Authorization" not in upload.headers


def test_a_configured_proxy_is_used(tmp_path: Path) -> None:
    _, script = store()
    with scripted_registry(script) as proxy:
        settings = {"http": f"http://{proxy.address}", "no_proxy": "other.test"}
        access = RegistryAccess(plain_http=True, proxies=settings)
        client = Registry(access, sleep=lambda seconds: None)
        client.check_push(ImageReference.parse("registry.test/a/b"))
        assert proxy.asked("POST", "^http://registry.test/v2/a/b/blobs/uploads/$")
        with pytest.raises(RegistryError, match="cannot be resolved"):
            client.check_push(ImageReference.parse("other.test/a/b"))


def test_the_environment_is_not_read(
    guarded: DockerRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ORAS_USER", "shop")
    monkeypatch.setenv("ORAS_PASS", "secret")
    login(tmp_path, guarded.address, "shop", "secret").rename(tmp_path / "saved")
    (tmp_path / ".docker").mkdir()
    (tmp_path / "saved").rename(tmp_path / ".docker" / "config.json")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login shop password secret")
    with pytest.raises(RegistryError, match="wants a login to push"):
        Registry().check_push(reference(guarded, "a/b"))


# -- tokens ---------------------------------------------------------------------------------


class TokenRegistry:
    """A registry with tokens that cover only their scope and run out after some requests."""

    def __init__(self, *, allowed: str = "pull,push", uses: int = 1000) -> None:
        self.kept, self._script = store()
        self.address = ""
        self.issued: list[Request] = []
        self._allowed = allowed
        self._uses = uses
        self._tokens: dict[str, tuple[str, int]] = {}

    def __call__(self, request: Request) -> Answer:
        if request.path.startswith("/token"):
            return self._issue(request)
        needed = "pull" if request.method in ("GET", "HEAD") else "push"
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        actions, left = self._tokens.get(token, ("", 0))
        if left > 0 and needed in actions:
            self._tokens[token] = (actions, left - 1)
            return self._script(request)
        scope = "pull" if needed == "pull" else "pull,push"
        error = ',error="insufficient_scope"' if left > 0 else ""
        value = (
            f'Bearer realm="http://{self.address}/token",service="test",'
            f'scope="repository:a/b:{scope}"{error}'
        )
        return Answer(401, {"WWW-Authenticate": value})

    def _issue(self, request: Request) -> Answer:
        self.issued.append(request)
        wanted = "push" if "push" in request.path + request.body.decode() else "pull"
        granted = "pull,push" if wanted == "push" and "push" in self._allowed else "pull"
        token = f"token{len(self.issued)}"
        self._tokens[token] = (granted, self._uses)
        name = "access_token" if request.method == "POST" else "token"
        return Answer(200, body=json.dumps({name: token}).encode())


def test_tokens_are_fetched_for_their_scope_and_again_when_they_run_out(tmp_path: Path) -> None:
    tokens = TokenRegistry(uses=12)
    layout, image = make_image(tmp_path / "a", *(os.urandom(300_000) for _ in range(6)))
    with scripted_registry(tokens) as scripted:
        tokens.address = scripted.address
        config = login(tmp_path, scripted.address, "shop", "secret")
        client = Registry(RegistryAccess(auth_config=config), sleep=lambda seconds: None)
        client.push_image(layout, image, reference(scripted, "a/b", "v1"))
    assert tokens.kept["v1"] == image.manifest
    expected = "Basic " + base64.b64encode(b"shop:secret").decode()
    assert all(request.headers["Authorization"] == expected for request in tokens.issued)


def test_a_token_without_the_right_to_push_is_told_apart(tmp_path: Path) -> None:
    tokens = TokenRegistry(allowed="pull")
    with scripted_registry(tokens) as scripted:
        tokens.address = scripted.address
        config = login(tmp_path, scripted.address, "shop", "secret")
        with pytest.raises(RegistryError, match="does not allow this login to push"):
            Registry(RegistryAccess(auth_config=config)).check_push(reference(scripted, "a/b"))
        assert len(scripted.requests) <= 6


def test_without_a_login_an_anonymous_token_is_asked_for(client: Registry) -> None:
    tokens = TokenRegistry()
    with scripted_registry(tokens) as scripted:
        tokens.address = scripted.address
        client.check_push(reference(scripted, "a/b"))
    assert "Authorization" not in tokens.issued[0].headers


def test_an_identity_token_is_exchanged(tmp_path: Path) -> None:
    tokens = TokenRegistry()
    with scripted_registry(tokens) as scripted:
        tokens.address = scripted.address
        config = tmp_path / "config.json"
        config.write_text(
            json.dumps({"auths": {scripted.address: {"identitytoken": "refresh-me"}}})
        )
        Registry(RegistryAccess(auth_config=config)).check_push(reference(scripted, "a/b"))
    assert b"refresh_token=refresh-me" in tokens.issued[0].body


# -- referrers ------------------------------------------------------------------------------


def test_referrers_are_listed_newest_first_on_a_registry_without_the_api(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", b"x")
    ref = reference(server, "referrers/fallback", "v1")
    client.push_image(layout, image, ref)
    digests = [
        attach(
            client,
            ref,
            image.descriptor,
            kind,
            [(kind, content, "file.json")],
            {ANNOTATION_CREATED: created},
        )
        for kind, content, created in [
            (SBOM, b"{1}", "2026-01-01T00:00:00Z"),
            ("application/vnd.in-toto+json", b"{2}", "2026-03-01T00:00:00Z"),
            (SBOM, b"{3}", "2026-02-01T00:00:00Z"),
            (SBOM, b"{3}", "2026-02-01T00:00:00Z"),
        ]
    ]
    assert digests[2] == digests[3]

    listed = list_referrers(client, ref, image.digest)
    assert [each.digest for each in listed] == [digests[1], digests[2], digests[0]]
    boms = list_referrers(client, ref, image.digest, SBOM)
    assert [each.digest for each in boms] == [digests[2], digests[0]]
    (document,) = fetch_documents(client, ref, boms[0])
    assert (document.media_type, document.content, document.title) == (SBOM, b"{3}", "file.json")
    assert client.resolve(ref) == image.digest
    assert client.find_manifest(ref.with_tag(fallback_tag(image.digest))) is not None


def test_an_image_without_referrers_has_an_empty_list(
    server: DockerRegistry, client: Registry
) -> None:
    ref = reference(server, "referrers/none")
    assert list_referrers(client, ref, "sha256:" + "0" * 64) == ()


def test_referrers_attached_at_the_same_time_are_all_listed(
    server: DockerRegistry, tmp_path: Path
) -> None:
    layout, image = make_image(tmp_path / "a", b"x")
    ref = reference(server, "referrers/many", "v1")
    Registry().push_image(layout, image, ref)

    def attach_one(number: int) -> str:
        return attach(Registry(), ref, image.descriptor, SBOM, [(SBOM, b"%d" % number, "")], {})

    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(attach_one, range(8), timeout=60))
    assert {each.digest for each in list_referrers(Registry(), ref, image.digest)} == digests


def test_a_registry_with_the_referrers_api_gets_no_fallback_tag(
    tmp_path: Path, client: Registry
) -> None:
    kept, script = store(subject=True)
    _, image = make_image(tmp_path / "a", b"x")
    with scripted_registry(script) as scripted:
        ref = reference(scripted, "a/b")
        attach(client, ref, image.descriptor, SBOM, [(SBOM, b"{}", "")], {})
    assert fallback_tag(image.digest) not in kept


def test_a_list_of_referrers_is_read_page_by_page(client: Registry) -> None:
    subject = "sha256:" + "a" * 64

    def entry(letter: str, created: str) -> dict[str, object]:
        return {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": "sha256:" + letter * 64,
            "size": 1,
            "artifactType": SBOM,
            "annotations": {ANNOTATION_CREATED: created},
        }

    def script(request: Request) -> Answer:
        second = "last=1" in request.path
        entries = [entry("c", "2026-02-01T00:00:00Z")] if second else [entry("b", "")]
        link = f'</v2/a/b/referrers/{subject}?last=1>; rel="next"'
        return Answer(
            200,
            {} if second else {"Link": link},
            json.dumps({"manifests": entries}).encode(),
        )

    with scripted_registry(script) as scripted:
        found = list_referrers(client, reference(scripted, "a/b"), subject)
    assert [each.digest[7] for each in found] == ["c", "b"]


def test_one_client_serves_many_threads(
    server: DockerRegistry, client: Registry, tmp_path: Path
) -> None:
    """Progress is told by one thread at a time, so that a callback needs no lock."""
    layout, image = make_image(tmp_path / "a", *(os.urandom(600_000) for _ in range(6)))
    inside = threading.Lock()

    def progress(digest: str, done: int, total: int) -> None:
        assert inside.acquire(blocking=False)
        inside.release()

    client.push_image(layout, image, reference(server, "threads/one"), (), progress)
