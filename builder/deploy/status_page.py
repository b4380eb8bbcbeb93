"""A page for a browser on how a system is: read only, and without scripts."""

import ipaddress
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from builder.deploy.history import PastRelease, list_releases
from builder.deploy.site import Driver
from builder.deploy.status import SystemStatus, judge_status, see
from builder.errors import HostError, KilnError
from builder.plan.stack import Stack
from builder.render.templates import template_environment, template_folder

_REFRESH_SECONDS = 5
# So many readers at once ask the host no more often than one.
_FRESH_SECONDS = 2.0
_SHOWN_RELEASES = 20
# A reader who asks nothing for so long is not waited for.
_READER_SECONDS = 30.0
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path has."""

    status: HTTPStatus
    kind: str
    body: bytes


@dataclass
class Page:
    """What is shown, read anew when it is asked for.

    Attributes:
        read: how the system is, and its releases.
        clock: in seconds.
    """

    read: Callable[[], tuple[SystemStatus, Sequence[PastRelease]]]
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[float, tuple[SystemStatus, Sequence[PastRelease]]] | None = None

    def answer(self, path: str) -> Answer:
        """What a browser gets for a path."""
        if path == "/status.css":
            css = (template_folder() / "production" / "status.css").read_bytes()
            return Answer(HTTPStatus.OK, "text/css", css)
        if path not in ("/", "/status.json"):
            return _say(HTTPStatus.NOT_FOUND, "there is no such page")
        try:
            status, releases = self._fresh()
        except KilnError as error:
            return _say(HTTPStatus.SERVICE_UNAVAILABLE, f"{error.where}: {error.message}")
        if path == "/":
            html = render_page(status, releases)
            return Answer(HTTPStatus.OK, "text/html; charset=utf-8", html.encode())
        found = json.dumps(status.as_json(), indent=2).encode()
        return Answer(HTTPStatus.OK, "application/json", found)

    def _fresh(self) -> tuple[SystemStatus, Sequence[PastRelease]]:
        with self._lock:
            if self._last is None or self.clock() - self._last[0] > _FRESH_SECONDS:
                found = self.read()
                self._last = (self.clock(), found)
            return self._last[1]


def _say(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def open_page(driver: Driver, stack: Stack) -> Page:
    """The page of a system."""

    def read() -> tuple[SystemStatus, Sequence[PastRelease]]:
        seen = see(driver)
        status = judge_status(stack, driver.address, seen, datetime.now(UTC))
        return status, list_releases(seen.state)

    return Page(read)


def render_page(status: SystemStatus, releases: Sequence[PastRelease]) -> str:
    """The page as HTML. Pure."""
    environment = template_environment().overlay(autoescape=True)
    environment.filters["moment"] = lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return environment.get_template("production/status.html.j2").render(
        status=status, releases=releases[:_SHOWN_RELEASES], seconds=_REFRESH_SECONDS
    )


def open_server(page: Page, address: str) -> ThreadingHTTPServer:
    """A server that listens; `serve_forever` answers.

    Args:
        page: what it shows.
        address: [ADDRESS:]PORT, the address with brackets if it has colons; by default 127.0.0.1.

    Raises:
        HostError: it is no address, or not free.
    """
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = family

        def handle_error(self, request: object, client_address: object) -> None:
            # A reader who has gone away is no error.
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    try:
        return Server((host, port), make_handler(page, local=_is_loopback(host)))
    except OSError as error:
        raise HostError(
            f"cannot be listened at: {error.strerror or error}",
            where=address,
            hint="name another, e.g. --serve 127.0.0.1:8766",
        ) from None


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of [ADDRESS:]PORT. Pure.

    Raises:
        HostError: it is none.
    """
    try:
        parts = urlsplit(f"//{address}" if ":" in address else f"//127.0.0.1:{address}")
        if parts.hostname and parts.port is not None and not parts.path:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise HostError(
        "is no [ADDRESS:]PORT", where=address, hint="e.g. 127.0.0.1:8765, 8765 or [::1]:8765"
    )


def make_handler(page: Page, *, local: bool) -> type[BaseHTTPRequestHandler]:
    """What answers requests.

    Args:
        page: what it shows.
        local: it listens on this machine alone. Another site's name, led here by its DNS, would
            give that site's scripts the page to read: names other than localhost are refused.
    """

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "kiln", ""
        timeout = _READER_SECONDS

        def do_GET(self) -> None:
            if local and not _is_own_name(self.headers.get("Host", "")):
                self._send(_say(HTTPStatus.MISDIRECTED_REQUEST, "ask for it as localhost"))
            else:
                self._send(page.answer(urlsplit(self.path).path))

        def __getattr__(self, name: str) -> Callable[[], None]:
            # Any other verb: it is answered by a method of its name.
            if name.startswith("do_"):
                return self._refuse
            raise AttributeError(name)

        def _refuse(self) -> None:
            self.close_connection = True
            self._send(_say(HTTPStatus.METHOD_NOT_ALLOWED, "GET is all there is"))

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            headers = {**_HEADERS, "Content-Type": answer.kind}
            if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
                headers["Allow"] = "GET"
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _is_own_name(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name == "localhost" or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
