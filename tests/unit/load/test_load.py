"""What becomes of a request, against a server that misbehaves on purpose."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.load.connection import Reason
from tests.load.plan import Kind, LoadPlan
from tests.load.result import LoadResult
from tests.load.run import run_load
from tests.unit.load.servers import Asked, Server, added, answer, reset, serve

Handle = Callable[[Asked, asyncio.StreamWriter], Any]


def load(behave: Handle, requests: int = 1, **options: Any) -> tuple[LoadResult, Server]:
    """Run a small plan against a server; by default one client with a kept connection, pages."""

    async def handle(asked: Asked, writer: asyncio.StreamWriter) -> None:
        done = behave(asked, writer)
        if asyncio.iscoroutine(done):
            await done

    async def run() -> tuple[LoadResult, Server]:
        async with serve(handle) as server:
            settings = {
                "seconds": 30,
                "keepalive_clients": 1,
                "new_clients": 0,
                "mix": ((Kind.PAGE, 1),),
                **options,
            }
            plan = LoadPlan(host="127.0.0.1", port=server.port, requests=requests, **settings)
            return await run_load(plan), server

    return asyncio.run(run())


def write(content: bytes) -> Handle:
    return lambda _, writer: writer.write(content)


def write_and_close(content: bytes) -> Handle:
    def behave(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        writer.close()

    return behave


async def stay_silent(_: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def reset_within_the_body(_: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await writer.drain()
    await asyncio.sleep(0.1)
    reset(writer)


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (lambda _, writer: reset(writer), Reason.RESET),
        (write_and_close(b""), Reason.CLOSED),
        (write_and_close(b"HTTP/1.1 200 OK\r\nContent-Le"), Reason.TRUNCATED),
        (write_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), Reason.TRUNCATED),
        (
            write_and_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
            Reason.TRUNCATED,
        ),
        (reset_within_the_body, Reason.TRUNCATED),
        (stay_silent, Reason.TIMEOUT),
        (write(b"SSH-2.0-OpenSSH_9.2\r\n"), Reason.MALFORMED),
        (write(answer(b"sorry", 500)), Reason.STATUS_5XX),
        (write(answer(b"sorry", 503, "Retry-After: 1")), Reason.STATUS_5XX),
        (write(answer(b"gone", 404)), Reason.STATUS_OTHER),
        (write(answer(b"", 302, "Location: /")), Reason.STATUS_OTHER),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_request_without_a_right_answer_has_failed_for_its_reason(
    behave: Handle, reason: Reason, kept: bool
) -> None:
    result, server = load(
        behave, keepalive_clients=int(kept), new_clients=int(not kept), timeout_s=0.5
    )
    assert result.figures().failed_by == {str(reason): 1}
    assert len(server.asked) == 1, "sent again"
    (failure,) = result.first_failures
    assert (failure.reason, failure.path, failure.kept) == (reason, "/", kept)


@pytest.mark.parametrize(
    "content",
    [
        answer(b"whole"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nwhole",
    ],
)
def test_an_answer_is_whole_by_its_length_its_last_chunk_or_the_connections_end(
    content: bytes,
) -> None:
    result, _ = load(write_and_close(content))
    assert result.figures().failed == 0


def test_nobody_listening_is_refused() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        plan = LoadPlan("127.0.0.1", bound.getsockname()[1], requests=6, seconds=30)
        result = asyncio.run(run_load(plan))
    assert result.figures().failed_by == {"refused": 6}


def test_a_listener_that_takes_no_connection_is_a_timeout() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The queue is full with these.
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        plan = LoadPlan("127.0.0.1", full.getsockname()[1], 1, 30, 1, 0, timeout_s=0.3)
        result = asyncio.run(run_load(plan))
    assert result.figures().failed_by == {"connect_timeout": 1}


def test_a_kept_connection_serves_many_requests_and_a_new_one_a_single() -> None:
    _, kept = load(write(answer(b"")), requests=20)
    _, new = load(write(answer(b"")), requests=20, keepalive_clients=0, new_clients=2)
    assert (kept.connections, new.connections) == (1, 20)
    assert "connection" not in kept.asked[0].headers
    assert new.asked[0].headers["connection"] == "close"


def test_a_connection_closed_while_idle_is_noted_and_no_failure() -> None:
    result, server = load(write_and_close(answer(b"")), requests=4, rate=10)
    assert result.figures().failed == 0
    assert (result.closed_idle, server.connections) == (3, 4)


def test_an_announced_close_is_no_idle_close() -> None:
    result, server = load(write(answer(b"", 200, "Connection: close")), requests=3)
    assert result.figures().failed == 0
    assert (result.closed_idle, server.connections) == (0, 3)


def test_a_kept_connection_that_ends_under_a_request_is_a_failure() -> None:
    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.number == 2:
            writer.close()
        else:
            writer.write(answer(b""))

    result, server = load(behave, requests=5)
    assert result.figures().failed_by == {"closed": 1}
    assert (len(server.asked), server.connections) == (5, 2)
    assert result.first_failures[0].answered_before == 2


def test_an_addition_is_acknowledged_by_its_answer_and_never_sent_twice() -> None:
    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.number in (1, 3):
            reset(writer)
        elif asked.number == 4:
            writer.write(answer(json.dumps({"ok": True, "request_id": "another's"}).encode()))
        else:
            writer.write(added(asked, duplicate=asked.number == 2))

    result, server = load(behave, requests=6, mix=((Kind.ADD, 1),))
    ids = [asked.form["request_id"] for asked in server.asked]
    assert len(set(ids)) == len(ids) == 6
    assert result.acknowledged == [ids[0], ids[2], ids[5]]
    assert result.replayed == [ids[2]]
    assert result.figures().failed_by == {"reset": 2, "wrong_body": 1}


def test_sessions_are_kept_by_client_and_begin_anew() -> None:
    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        content = added(asked)
        if "cookie" not in asked.headers:
            cookie = b"HTTP/1.1 200 X\r\nSet-Cookie: PHPSESSID=s%d; path=/\r\n" % asked.number
            content = content.replace(b"HTTP/1.1 200 X\r\n", cookie)
        writer.write(content)

    _, server = load(behave, requests=6, mix=((Kind.ADD, 1),), additions_per_session=3)
    sent = [asked.headers.get("cookie", "") for asked in server.asked]
    assert sent == ["", "PHPSESSID=s0", "PHPSESSID=s0", "", "PHPSESSID=s3", "PHPSESSID=s3"]


def test_a_cart_that_has_lost_an_addition_is_a_failure() -> None:
    kept: list[str] = []

    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.method == "POST":
            kept.append(asked.form["request_id"])
            writer.write(added(asked))
        else:
            writer.write(answer(" ".join(kept).encode()))
            kept.clear()

    result, _ = load(behave, requests=4, mix=((Kind.ADD, 1), (Kind.CART, 1)))
    assert result.figures().failed_by == {"wrong_body": 1}
    assert result.first_failures[0].kind is Kind.CART


def test_a_subscription_is_acknowledged_by_the_message_that_follows() -> None:
    told = [
        "[{%22type%22:%22success%22,%22text%22:%22Thank+you%22}]",
        "[{%22type%22:%22error%22,%22text%22:%22This+email+address+is+already+subscribed.%22}]",
        "[{%22type%22:%22error%22,%22text%22:%22Something+went+wrong%22}]",
        "",
    ]

    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        cookie = f"Set-Cookie: mage-messages={told[asked.number]}; path=/"
        writer.write(answer(b"", 302, cookie if told[asked.number] else ""))

    result, server = load(behave, requests=4, mix=((Kind.SUBSCRIBE, 1),))
    emails = [asked.form["email"] for asked in server.asked]
    assert all(asked.form["form_key"] in asked.headers["cookie"] for asked in server.asked)
    assert result.acknowledged == emails[:2]
    assert result.replayed == emails[1:2]
    assert result.figures().failed_by == {"wrong_body": 2}


PAGE = b'<link href="http://shop/static/version%s/a.css"><img src="/static/version%s/b%%20c.svg">'


def test_static_content_is_asked_for_under_the_version_of_the_page() -> None:
    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        version = b"11" if asked.number < 4 else b"22"
        if asked.path == "/":
            writer.write(answer(PAGE % (version, version)))
        elif asked.path.endswith("deployed_version.txt"):
            writer.write(answer(asked.path.split("/")[2].removeprefix("version").encode()))
        else:
            writer.write(answer(asked.path.encode()))

    result, server = load(behave, requests=8, mix=((Kind.PAGE, 1), (Kind.STATIC, 3)))
    assert result.figures().failed == 0
    # Where no page has named any, a page; from the second page on, the other version.
    assert [asked.path for asked in server.asked] == [
        "/",
        "/",
        "/static/version11/deployed_version.txt",
        "/static/version11/a.css",
        "/static/version11/b%20c.svg",
        "/",
        "/static/version22/deployed_version.txt",
        "/static/version22/a.css",
    ]
    assert result.versions == {"11": 2, "22": 1}


@pytest.mark.parametrize(
    ("path", "content"),
    [("deployed_version.txt", b"22"), ("a.css", None)],
)
def test_another_releases_bytes_under_a_version_are_a_failure(
    path: str, content: bytes | None
) -> None:
    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.path == "/":
            writer.write(answer(PAGE % (b"11", b"11")))
        elif asked.path.endswith(path):
            writer.write(answer(content or str(asked.number).encode()))
        elif asked.path.endswith("deployed_version.txt"):
            writer.write(answer(b"11"))
        else:
            writer.write(answer(b"same"))

    result, _ = load(behave, requests=20, mix=((Kind.PAGE, 1), (Kind.STATIC, 9)))
    assert set(result.figures().failed_by) == {"wrong_body"}
    assert all(path in one.path for one in result.first_failures)


def test_a_page_with_two_versions_is_a_failure() -> None:
    result, _ = load(write(answer(PAGE % (b"11", b"22"))))
    assert result.figures().failed_by == {"wrong_body": 1}


def test_paced_requests_are_due_at_their_times_whatever_the_server_does() -> None:
    """The first answer is late; the requests due meanwhile count their wait as latency."""

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.0 if asked.number == 0 else 0)
        writer.write(answer(b""))

    result, _ = load(behave, requests=5, rate=10)
    starts = [one.start - result.begun for one in result.records]
    assert starts == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    waits = [one.latency for one in result.records]
    assert waits[0] >= 1.0
    assert all(wait >= 1.0 - 0.1 * number - 0.001 for number, wait in enumerate(waits))


def test_a_run_ends_by_its_requests_by_its_time_and_when_told() -> None:
    by_requests, _ = load(write(answer(b"")), requests=10, keepalive_clients=3, new_clients=3)
    assert (by_requests.ended_by, len(by_requests.records)) == ("requests", 10)
    by_time, _ = load(write(answer(b"")), requests=1000, seconds=0.3, rate=20)
    assert by_time.ended_by == "seconds"
    assert 0 < len(by_time.records) < 1000

    async def stop_after_five(event: asyncio.Event) -> LoadResult:
        async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
            if asked.number == 4:
                event.set()
                await asyncio.sleep(0.1)
            writer.write(answer(b""))

        async with serve(behave) as server:
            plan = LoadPlan("127.0.0.1", server.port, 1000, 30, 1, 0, mix=((Kind.PAGE, 1),))
            return await run_load(plan, stop=event)

    async def stopped() -> LoadResult:
        return await stop_after_five(asyncio.Event())

    told = asyncio.run(stopped())
    # The request under way has got its answer.
    assert (told.ended_by, len(told.records), told.figures().failed) == ("stopped", 5, 0)


def test_the_first_failures_of_each_reason_are_kept_in_full() -> None:
    def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", 404 if asked.number == 50 else 500))

    result, _ = load(behave, requests=60, rate=5000)
    assert result.figures().failed == 60
    kept = [one.reason for one in result.first_failures]
    assert kept == [Reason.STATUS_5XX] * 20 + [Reason.STATUS_OTHER]


def test_marked_moments_are_of_the_clock_of_all_processes() -> None:
    before = time.monotonic()
    result, _ = load(write(answer(b"")), requests=3)
    after = time.monotonic()
    parts = result.around(before, after)
    assert [parts[name].requests for name in ("before", "during", "after")] == [0, 3, 0]
