"""What was measured: one record a request, and figures of them."""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.load.connection import Reason
from tests.load.plan import Kind


@dataclass(frozen=True, slots=True)
class Record:
    """One request. Times are of time.monotonic(), which all processes of a host share."""

    # When it was due (open loop) or sent (closed loop).
    start: float
    # Seconds until its answer was whole or it had failed, with the connection if one was opened.
    latency: float
    kind: Kind
    # Whether on a connection that is kept, or on one of its own.
    kept: bool
    # 0 without an answer.
    status: int
    reason: Reason | None = None


@dataclass(frozen=True)
class Failure:
    """A failed request in full, for a diagnosis."""

    start: float
    kind: Kind
    path: str
    kept: bool
    # Requests that this connection had answered before.
    answered_before: int
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Figures:
    """Of the requests of some time."""

    requests: int
    failed: int
    failed_by: dict[str, int]
    failed_kinds: dict[str, int]
    requests_by: dict[str, int]
    # Of the requests that were answered rightly; milliseconds; None without any.
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


@dataclass(frozen=True)
class LoadResult:
    """A run that has ended."""

    begun: float
    ended: float
    # Why: "requests", "seconds" or "stopped".
    ended_by: str
    # Kept connections that the other side closed between two requests: no request has suffered.
    closed_idle: int
    versions: dict[str, int]
    acknowledged: list[str]
    replayed: list[str]
    first_failures: list[Failure]
    records: list[Record] = field(repr=False)

    def figures(self, start: float = 0, end: float = float("inf")) -> Figures:
        """Figures of the requests that began in [start, end), of time.monotonic()."""
        return summarize([one for one in self.records if start <= one.start < end])

    def around(self, start: float, end: float) -> dict[str, Figures]:
        """Figures before, during and after an interval."""
        return {
            "before": self.figures(end=start),
            "during": self.figures(start, end),
            "after": self.figures(end),
        }

    def summary(self) -> dict[str, Any]:
        """All but the records and request_ids, for people."""
        return {
            **dataclasses.asdict(self.figures()),
            "seconds": round(self.ended - self.begun, 3),
            "ended_by": self.ended_by,
            "closed_idle": self.closed_idle,
            "acknowledged": len(self.acknowledged),
            "replayed": len(self.replayed),
            "versions": self.versions,
            "first_failures": [dataclasses.asdict(one) for one in self.first_failures],
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "begun": self.begun,
            "ended": self.ended,
            "ended_by": self.ended_by,
            "closed_idle": self.closed_idle,
            "versions": self.versions,
            "acknowledged": self.acknowledged,
            "replayed": self.replayed,
            "first_failures": [dataclasses.asdict(one) for one in self.first_failures],
            "records": [
                [one.start, one.latency, one.kind, one.kept, one.status, one.reason]
                for one in self.records
            ],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "LoadResult":
        failures = [
            Failure(**{**one, "kind": Kind(one["kind"]), "reason": Reason(one["reason"])})
            for one in value["first_failures"]
        ]
        records = [
            Record(start, latency, Kind(kind), kept, status, Reason(reason) if reason else None)
            for start, latency, kind, kept, status, reason in value["records"]
        ]
        return cls(**{**value, "first_failures": failures, "records": records})


def merge_results(results: list[LoadResult]) -> LoadResult:
    """What ran side by side, as one."""
    versions: Counter[str] = Counter()
    for one in results:
        versions.update(one.versions)
    return LoadResult(
        begun=min(one.begun for one in results),
        ended=max(one.ended for one in results),
        ended_by=results[0].ended_by,
        closed_idle=sum(one.closed_idle for one in results),
        versions=dict(versions),
        acknowledged=[name for one in results for name in one.acknowledged],
        replayed=[name for one in results for name in one.replayed],
        first_failures=[failure for one in results for failure in one.first_failures],
        records=[record for one in results for record in one.records],
    )


def percentile(ordered: list[float], part: float) -> float:
    """The nearest rank: the smallest value that so much of all is not above."""
    return ordered[max(0, -int(-len(ordered) * part // 1) - 1)]


def summarize(records: list[Record]) -> Figures:
    latencies = sorted(1000 * one.latency for one in records if one.reason is None)
    failed = [one for one in records if one.reason is not None]
    return Figures(
        requests=len(records),
        failed=len(failed),
        failed_by=dict(Counter(str(one.reason) for one in failed).most_common()),
        failed_kinds=dict(Counter(str(one.kind) for one in failed).most_common()),
        requests_by=dict(Counter(str(one.kind) for one in records)),
        p50_ms=round(percentile(latencies, 0.5), 3) if latencies else None,
        p99_ms=round(percentile(latencies, 0.99), 3) if latencies else None,
        max_ms=round(latencies[-1], 3) if latencies else None,
    )
