"""The hooks that `kiln init` writes, taken into use as their comments say."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from builder.deploy.hooks import Hooks
from builder.errors import ReleaseError
from builder.plan.release import Swap
from builder.process import run
from tests.conftest import Kiln
from tests.unit.records import make_deploy_plan, make_release, make_stack

PLAN = make_deploy_plan(make_release(2), make_release(1))


class Webhook(HTTPServer):
    """Takes whatever is posted."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        self.status = 200

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805
                length = int(handler.headers.get("Content-Length", 0))
                self.posted.append(json.loads(handler.rfile.read(length) or b"{}"))
                handler.send_response(self.status)
                handler.end_headers()

            do_GET = do_POST  # noqa: N815

            def log_message(handler, *_: object) -> None:  # noqa: N805
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def folder(kiln: Kiln, tree: Path) -> Path:
    """The samples of `kiln init`, each with its name as a hook."""
    ended = kiln("init", "--force", cwd=tree)
    assert ended.code == 0, ended.err
    hooks = tree / "hooks"
    names = {one.name for one in hooks.iterdir()}
    assert names == {"after-release.sample", "after-swap.sample", "before-release.sample"}
    for sample in list(hooks.iterdir()):
        sample.rename(sample.with_suffix(""))
    (hooks / "failed-release").symlink_to("after-release")
    return hooks


def hooks_of(folder: Path, said: list[str], **env: str) -> Hooks:
    return Hooks(folder, make_stack(), {**os.environ, **env}, run, said.append)


def test_a_notification_tells_of_good_and_bad_ends(folder: Path, webhook: Webhook) -> None:
    said: list[str] = []
    hooks = hooks_of(folder, said, KILN_WEBHOOK=webhook.url)
    hooks.end(PLAN, "live", "")
    hooks.end(PLAN, "put back", "web-1 is unhealthy")
    assert [one["outcome"] for one in webhook.posted] == ["live", "put back"]
    assert "web-1 is unhealthy" in webhook.posted[1]["text"]
    assert said == []


def test_a_notification_that_is_not_taken_is_said(folder: Path, webhook: Webhook) -> None:
    webhook.status = 500
    said: list[str] = []
    hooks_of(folder, said, KILN_WEBHOOK=webhook.url).end(PLAN, "live", "")
    assert any("500" in line for line in said)


def test_without_an_address_the_samples_do_nothing(folder: Path) -> None:
    said: list[str] = []
    hooks = hooks_of(folder, said)
    hooks.end(PLAN, "live", "")
    hooks("after", Swap(release=2, slot="green", versions={}), 2)
    assert said == []


def test_an_address_is_checked_after_the_swap(folder: Path, webhook: Webhook) -> None:
    said: list[str] = []
    swap = Swap(release=2, slot="green", versions={})
    hooks = hooks_of(folder, said, KILN_CHECKED_URL=f"http://127.0.0.1:{webhook.server_port}")
    hooks("after", swap, 2)
    assert said == [f"http://127.0.0.1:{webhook.server_port} answers"]
    webhook.status = 503
    with pytest.raises(ReleaseError):
        hooks("after", swap, 2)


def test_quiet_hours_are_production_s_alone(folder: Path) -> None:
    friday = folder.parent.parent / "bin" / "date"
    friday.parent.mkdir()
    friday.write_text('#!/bin/sh\n[ "$1" = +%u ] && echo 5 || echo 15\n')
    friday.chmod(0o755)
    path = f"{friday.parent}:{os.environ['PATH']}"
    with pytest.raises(ReleaseError) as caught:
        hooks_of(folder, [], PATH=path).begin(PLAN)
    assert caught.value.details == ("not on a Friday afternoon",)
    staging = Hooks(folder, make_stack(environment="staging"), {"PATH": path}, run, print)
    staging.begin(PLAN)
