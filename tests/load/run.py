"""Runs a plan: visitors side by side, each with one request at a time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.load.connection import Connection, Reason, RequestFailedError, connect
from tests.load.plan import LoadPlan
from tests.load.result import Failure, LoadResult, Record
from tests.load.visitor import Request, Seen, Visitor

# Of each reason, so that the frequent one does not hide the others.
FIRST_FAILURES = 20
# Without an answer to wait for, a closed loop would do nothing but fail.
_PAUSE_AFTER_FAILURE_S = 0.05
_PEER_CLOSES_S = 1.0


@dataclass
class Progress:
    """How far a run is."""

    sent: int = 0
    done: int = 0
    failed: int = 0


@dataclass
class _Run:
    plan: LoadPlan
    progress: Progress
    stop: asyncio.Event
    begun: float
    seen: Seen = field(default_factory=Seen)
    records: list[Record] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    closed_idle: int = 0
    ended_by: str = ""

    def end(self, by: str) -> None:
        self.ended_by = self.ended_by or by

    def may_send(self) -> bool:
        if self.stop.is_set():
            self.end("stopped")
        elif self.progress.sent >= self.plan.requests:
            self.end("requests")
        return not self.ended_by


async def run_load(
    plan: LoadPlan,
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> LoadResult:
    """Run a plan to its end or until `stop` is set; requests under way are finished."""
    run = _Run(plan, progress or Progress(), stop or asyncio.Event(), clock())
    timer = asyncio.get_running_loop().call_later(plan.seconds, run.end, "seconds")
    async with asyncio.TaskGroup() as group:
        for number in range(plan.clients):
            group.create_task(_visit(run, number, clock))
    timer.cancel()
    return LoadResult(
        begun=run.begun,
        ended=clock(),
        ended_by=run.ended_by,
        closed_idle=run.closed_idle,
        versions=run.seen.versions,
        acknowledged=run.seen.acknowledged,
        replayed=run.seen.replayed,
        first_failures=run.failures,
        records=run.records,
    )


async def _visit(run: _Run, number: int, clock: Callable[[], float]) -> None:
    """All requests of one client."""
    kept = number < run.plan.keepalive_clients
    visitor = Visitor(run.plan, run.seen, number, kept)
    client = _Client(run, kept)
    interval = run.plan.clients / run.plan.rate if run.plan.rate else 0.0
    # Clients take turns.
    due = run.begun + interval * number / run.plan.clients
    while run.may_send():
        if interval:
            # A client that is late does not wait, and its lateness counts as latency.
            while (early := due - clock()) > 0 and run.may_send():
                # Naps, so that a stop is seen; waiting for the event costs more at each request.
                await asyncio.sleep(min(early, 1.0))
            if not run.may_send():
                break
            start = due
            due += interval
        else:
            start = clock()
        run.progress.sent += 1
        if not await _send(run, client, visitor, start, clock) and not interval:
            await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
    await client.close()


async def _send(
    run: _Run, client: "_Client", visitor: Visitor, start: float, clock: Callable[[], float]
) -> bool:
    """One request and its record; whether it was answered rightly."""
    request = visitor.next_request()
    status, failure = 0, None
    answered_before = 0
    try:
        connection = await client.connected()
        answered_before = client.answered
        answer = await connection.exchange(request.content, run.plan.timeout_s)
        status = answer.status
        failure = visitor.check(request, answer)
        await client.done(answer.keeps)
    except RequestFailedError as error:
        failure = (error.reason, error.detail)
        await client.close()
    _note(run, client, request, start, clock() - start, status, failure, answered_before)
    return failure is None


def _note(
    run: _Run,
    client: "_Client",
    request: Request,
    start: float,
    latency: float,
    status: int,
    failure: tuple[Reason, str] | None,
    answered_before: int,
) -> None:
    reason = failure[0] if failure else None
    run.records.append(Record(start, latency, request.kind, client.kept, status, reason))
    run.progress.done += 1
    if failure:
        run.progress.failed += 1
        if sum(one.reason is reason for one in run.failures) < FIRST_FAILURES:
            run.failures.append(
                Failure(start, request.kind, request.path, client.kept, answered_before, *failure)
            )


class _Client:
    """The connection of one visitor at a time."""

    def __init__(self, run: _Run, kept: bool) -> None:
        self.kept = kept
        self.answered = 0
        self._run = run
        self._connection: Connection | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def connected(self) -> Connection:
        if self._connection is not None and not self._connection.is_open:
            # Closed between two requests, seen before one was written: a browser opens another
            # without anybody noticing.
            self._run.closed_idle += 1
            await self.close()
        if self._connection is None:
            plan = self._run.plan
            self._connection = await connect(plan.host, plan.port, plan.timeout_s)
            self.answered = 0
        return self._connection

    async def done(self, keeps: bool) -> None:
        self.answered += 1
        if not (self.kept and keeps) and self._connection is not None:
            # Aside, so that the wait is no part of a request's time.
            task = asyncio.create_task(self._connection.close(_PEER_CLOSES_S))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self._connection = None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        if self._closing:
            await asyncio.wait(self._closing)
