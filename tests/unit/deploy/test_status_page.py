"""The page on a system: what it shows and how it answers, over real connections."""

import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import ThreadingHTTPServer

import pytest

from builder.deploy.history import PastRelease, list_releases
from builder.deploy.keeper import LeaseHolder
from builder.deploy.status import SystemStatus, judge_status
from builder.deploy.status_page import Page, open_server, parse_address, render_page
from builder.errors import EngineError, HostError
from tests.unit.deploy.test_status import DONE, SEEN
from tests.unit.records import NOON, make_stack

Found = tuple[SystemStatus, Sequence[PastRelease]]
STATUS = judge_status(make_stack(), "unix:///engine", SEEN, NOON)
RELEASES = list_releases(SEEN.state)
SCRIPT = "<script>alert('x')</script>"


@contextmanager
def serve(page: Page) -> Iterator[ThreadingHTTPServer]:
    with open_server(page, "127.0.0.1:0") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(
    server: ThreadingHTTPServer, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer, answer.read().decode()


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with serve(Page(lambda: (STATUS, RELEASES))) as made:
        yield made


def test_the_page_may_run_no_script_and_load_nothing_from_elsewhere(
    server: ThreadingHTTPServer,
) -> None:
    answer, html = ask(server, "/")
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "<script" not in html
    assert "http://" not in html
    assert "https://" not in html
    style, css = ask(server, "/status.css")
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css")
    assert css


def test_the_same_is_there_for_a_machine(server: ThreadingHTTPServer) -> None:
    answer, text = ask(server, "/status.json?at=now")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(text) == STATUS.as_json()


def test_there_is_nothing_else(server: ThreadingHTTPServer) -> None:
    for path in ("/admin", "/../status.css", "/status.css/"):
        assert ask(server, path)[0].status == 404, path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"])
def test_only_get_is_answered(server: ThreadingHTTPServer, method: str) -> None:
    answer, _ = ask(server, "/", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8765", 200), ("127.0.0.1", 200), ("[::1]:1", 200), ("shop.example", 421)],
)
def test_another_sites_name_does_not_lead_here(
    server: ThreadingHTTPServer, host: str, status: int
) -> None:
    assert ask(server, "/", Host=host)[0].status == status


def test_text_from_a_host_is_no_html() -> None:
    lock = LeaseHolder(owner=SCRIPT, command=SCRIPT, since=SCRIPT, process="")
    seen = replace(SEEN, lock=lock, proxy=SCRIPT, unread=SCRIPT)
    status = judge_status(make_stack(name=SCRIPT), SCRIPT, seen, NOON)
    releases = [replace(RELEASES[0], failed=SCRIPT, by=SCRIPT, image=SCRIPT)]
    html = render_page(status, releases)
    assert SCRIPT not in html
    assert html.count("&lt;script&gt;") >= 8


def test_versions_of_secrets_are_not_on_the_page() -> None:
    assert STATUS.serving is not None
    html = render_page(STATUS, RELEASES)
    assert not [version for version in STATUS.serving.secrets.values() if version in html]


def test_a_host_that_does_not_answer_is_said() -> None:
    def fail() -> Found:
        raise EngineError("no answer", where="ssh://host")

    with serve(Page(fail)) as server:
        answer, text = ask(server, "/")
        assert (answer.status, text) == (503, "ssh://host: no answer\n")


def test_many_readers_ask_the_host_once() -> None:
    count = 0
    now = 0.0

    def read() -> Found:
        nonlocal count
        count += 1
        return STATUS, RELEASES

    page = Page(read, lambda: now)
    for _ in range(5):
        page.answer("/")
    assert count == 1
    now = 10
    page.answer("/status.json")
    assert count == 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8765", ("127.0.0.1", 8765)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:8765", ("::1", 8765)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_an_address_is_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "1:2:3", "127.0.0.1:99999", "host:80/path", ":80"])
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(HostError):
        parse_address(text)


def test_an_address_that_is_taken_is_said(server: ThreadingHTTPServer) -> None:
    page = Page(lambda: (STATUS, RELEASES))
    with pytest.raises(HostError, match="cannot be listened at"):
        open_server(page, f"127.0.0.1:{server.server_port}")


def test_a_release_is_in_the_list_with_its_outcome() -> None:
    assert DONE.release.number == RELEASES[0].release
    assert "<td>live" in render_page(STATUS, RELEASES)
