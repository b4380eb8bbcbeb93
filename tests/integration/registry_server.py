"""Registries for the tests: a real docker-registry, a scripted one, and a proxy that cuts."""

import contextlib
import hashlib
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from builder.registry.oci import MEDIA_TYPE_MANIFEST

_START_SECONDS = 20

# User shop, password secret, by `htpasswd -nbB`: docker-registry takes no hash but bcrypt.
HTPASSWD = "shop:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@dataclass
class DockerRegistry:
    """A running docker-registry."""

    address: str
    root: Path
    process: subprocess.Popen[bytes]
    log: Path

    def storage_files(self, pattern: str) -> list[Path]:
        return sorted(self.root.glob(f"docker/registry/v2/{pattern}"))


@contextlib.contextmanager
def docker_registry(
    directory: Path,
    *,
    storage: Mapping[str, Any] | None = None,
    http: Mapping[str, Any] | None = None,
    auth: Mapping[str, Any] | None = None,
    tmpfs: str | None = None,
) -> Iterator[DockerRegistry]:
    """Start a docker-registry of one's own on a free port; stop it afterwards.

    Args:
        directory: for its files; must be new.
        storage: further settings of `storage`.
        http: further settings of `http`.
        auth: settings of `auth`.
        tmpfs: size of a tmpfs to store in, e.g. `1m`; it is mounted in a mount namespace of the
            registry's own and goes with it.
    """
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed: apt-get install docker-registry"
    root = directory / "storage"
    root.mkdir(parents=True)
    settings: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(root)},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
            **(storage or {}),
        },
        "http": {"addr": "127.0.0.1:0", "secret": "test", **(http or {})},
    }
    if auth is not None:
        settings["auth"] = auth
    config = directory / "config.yml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    argv = [program, "serve", str(config)]
    if tmpfs is not None:
        mount = f'mount -t tmpfs -o size={tmpfs} tmpfs "$0" && exec "$@"'
        argv = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, str(root), *argv]
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield DockerRegistry(_wait_for_address(process, log), root, process, log)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"listening on ([0-9.]+:[0-9]+)", log.read_text())
        if found:
            return found.group(1)
        assert process.poll() is None, f"docker-registry ended:\n{log.read_text()}"
        time.sleep(0.05)
    raise AssertionError(f"docker-registry did not start:\n{log.read_text()}")


@dataclass(frozen=True)
class Request:
    """A request the scripted registry received."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the scripted registry is to say."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Script = Callable[[Request], Answer]


@dataclass
class ScriptedRegistry:
    """An HTTP server that answers as its script says, and remembers what it was asked."""

    address: str
    requests: list[Request]

    def asked(self, method: str, pattern: str = "") -> list[Request]:
        return [r for r in self.requests if r.method == method and re.search(pattern, r.path)]


@contextlib.contextmanager
def scripted_registry(script: Script) -> Iterator[ScriptedRegistry]:
    """Serve a script on a free loopback port."""
    requests: list[Request] = []
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            request = Request(
                self.command, self.path, dict(self.headers.items()), self.rfile.read(length)
            )
            with lock:
                requests.append(request)
                answer = script(request)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield ScriptedRegistry(f"127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


@contextlib.contextmanager
def cutting_proxy(target: str, limits: Sequence[int | None]) -> Iterator[str]:
    """A TCP proxy that resets its n-th connection after limits[n] bytes from the client.

    Args:
        target: `host:port` to forward to.
        limits: bytes; None for no limit. The last one holds for all further connections.
    """
    host, _, port = target.rpartition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    count = 0
    sockets: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                passed += len(block)
                if limit is not None and passed > limit:
                    break
                sink.sendall(block)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                # Closing with SO_LINGER 0 sends a reset, as a dying middlebox does.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        nonlocal count
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, int(port)))
                sockets.extend((client, server))
                limit = limits[min(count, len(limits) - 1)]
                count += 1
                threading.Thread(target=pump, args=(client, server, limit), daemon=True).start()
                threading.Thread(target=pump, args=(server, client, None), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for each in sockets:
            each.close()


def write_layout(directory: Path, layers: Sequence[bytes], label: str = "") -> Path:
    """Write an OCI layout with one plain image whose layers are the given bytes."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(media_type: str, content: bytes) -> dict[str, Any]:
        encoded = hashlib.sha256(content).hexdigest()
        (blobs / encoded).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{encoded}", "size": len(content)}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"label": label}},
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [{"created_by": f"layer {n}"} for n, _ in enumerate(layers)],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE_MANIFEST,
        "config": put("application/vnd.oci.image.config.v1+json", json.dumps(config).encode()),
        "layers": [put("application/vnd.oci.image.layer.v1.tar+gzip", each) for each in layers],
    }
    entry = put(MEDIA_TYPE_MANIFEST, json.dumps(manifest).encode())
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return directory
