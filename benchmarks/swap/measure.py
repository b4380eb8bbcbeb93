"""Load around a swap, and the row that comes of it."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests.load.count import Sql, count_writes
from tests.load.plan import Kind, LoadPlan
from tests.load.process import start_load
from tests.load.result import LoadResult

# Of the least number of requests: those before the swap, the steady state it is compared with.
STEADY = 0.25
# The time after a tool has said that it is done that still counts as the swap's: containers may
# not be ready by then, and the proxy may not have seen them.
SETTLE_S = 5.0
AFTER_S = 5.0


@dataclass(frozen=True)
class Row:
    """One scenario of one tool. Counts are of all requests of the run."""

    tool: str
    scenario: str
    requests: int
    failed: int
    lost_writes: int
    duplicated: int
    # Until the tool says that it is done.
    swap_s: float
    # Of right answers: during the swap by before it. None where one of them has no answer.
    p99_ratio: float | None
    failed_by: dict[str, int]
    # Of those that failed: static content, mostly asked for by pages of the other release.
    failed_static: int
    p99_before_ms: float | None
    p99_during_ms: float | None
    rate: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_swap(
    tool: str, scenario: str, plan: LoadPlan, least: int, swap: Callable[[], None], sql: Sql
) -> tuple[Row, LoadResult]:
    """Swap under a plan's load, which ends when at least `least` requests are done and the swap is
    over; the plan's own limits are far away."""
    with start_load(plan) as load:
        load.wait_done(round(STEADY * least))
        begun = time.monotonic()
        swap()
        done = time.monotonic()
        time.sleep(SETTLE_S + AFTER_S)
        load.wait_done(least)
        result = load.stop()
    parts = result.around(begun, done + SETTLE_S)
    before, during = parts["before"].p99_ms, parts["during"].p99_ms
    writes = count_writes(sql, result)
    whole = result.figures()
    row = Row(
        tool=tool,
        scenario=scenario,
        requests=whole.requests,
        failed=whole.failed,
        lost_writes=len(writes.lost),
        duplicated=len(writes.repeated),
        swap_s=round(done - begun, 2),
        p99_ratio=round(during / before, 2) if before and during else None,
        failed_by=whole.failed_by,
        failed_static=whole.failed_kinds.get(Kind.STATIC, 0),
        p99_before_ms=before,
        p99_during_ms=during,
        rate=plan.rate,
    )
    return row, result
