"""A Composer repository with a login, as Magento's own has one: one package, in any version."""

import base64
import contextlib
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from builder.magento.composer_lock import content_hash

NAME = "acme/secret-sauce"
_FILES = {
    "composer.json": json.dumps({"name": NAME, "autoload": {"psr-4": {"Acme\\Sauce\\": "src/"}}}),
    "src/Sauce.php": "<?php\nnamespace Acme\\Sauce;\n\nclass Sauce\n{\n}\n",
}


@dataclass(frozen=True)
class ComposerRepository:
    """A running repository.

    Attributes:
        address: `host:port`, by which auth.json names it.
        answers: the status of every answer so far.
    """

    address: str
    answers: list[int]

    def auth_json(self, user: str, password: str) -> str:
        return json.dumps({"http-basic": {self.address: {"username": user, "password": password}}})

    def require_in(self, tree: Path, version: str = "1.0.0") -> None:
        """Make a tree need a version of the package, as `composer require` does."""
        url = f"http://{self.address}/secret-sauce-{version}.zip"
        package = {
            "name": NAME,
            "version": version,
            "dist": {"type": "zip", "url": url, "shasum": hashlib.sha1(_zip()).hexdigest()},
            "type": "library",
            "autoload": {"psr-4": {"Acme\\Sauce\\": "src/"}},
        }
        root = json.loads((tree / "composer.json").read_text())
        root["require"][NAME] = version
        root["repositories"].append({"type": "composer", "url": f"http://{self.address}"})
        root["config"]["secure-http"] = False
        text = json.dumps(root, indent=4, ensure_ascii=False)
        (tree / "composer.json").write_text(text)
        lock = json.loads((tree / "composer.lock").read_text())
        lock["packages"].append(package)
        lock["content-hash"] = content_hash(text.encode())
        (tree / "composer.lock").write_text(json.dumps(lock, indent=4, ensure_ascii=False))


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in _FILES.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return buffer.getvalue()


@contextlib.contextmanager
def composer_repository(host: str, user: str, password: str) -> Iterator[ComposerRepository]:
    """Serve the package on a free port of an address that builds can reach."""
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization") == expected
            body = _zip() if self.path.endswith(".zip") else b'{"packages": {}}'
            answers.append(200 if known else 401)
            self.send_response(answers[-1])
            if not known:
                self.send_header("WWW-Authenticate", 'Basic realm="Composer"')
            self.send_header("Content-Length", str(len(body) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield ComposerRepository(f"{host}:{server.server_port}", answers)
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
