"""The generator in a process of its own."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load.plan import Kind, LoadPlan
from tests.load.process import ROOT, start_load

PAGES = ((Kind.PAGE, 1),)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_it_runs_a_plan_to_its_end(port: int) -> None:
    plan = LoadPlan("127.0.0.1", port, requests=50, seconds=30, mix=PAGES)
    with start_load(plan) as load:
        result = load.wait()
    assert (len(result.records), result.figures().failed) == (50, 0)


def test_it_can_be_stopped_and_keeps_what_it_has_measured(port: int) -> None:
    plan = LoadPlan("127.0.0.1", port, requests=100_000, seconds=60, rate=100, mix=PAGES)
    with start_load(plan) as load:
        load.wait_done(10)
        result = load.stop()
    assert result.ended_by == "stopped"
    assert len(result.records) >= 10


def test_it_is_gone_with_its_block(port: int) -> None:
    plan = LoadPlan("127.0.0.1", port, requests=100_000, seconds=60, rate=10, mix=PAGES)
    with start_load(plan) as load:
        pass
    assert not load.runs


def test_a_refused_plan_sends_nothing(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(
        '{"host": "192.0.2.1", "port": 80, "requests": 1, "seconds": 1, "mix": [], "pages": []}'
    )
    argv = [sys.executable, "-m", "tests.load", str(tmp_path / "plan.json"), str(tmp_path / "out")]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: 192.0.2.1 is neither on this machine" in done.stderr
