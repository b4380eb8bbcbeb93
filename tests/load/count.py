"""What the sample shop's database says about a run: nothing lost, nothing done twice."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.containers import Container
from tests.load.plan import Kind, LoadPlan
from tests.load.result import LoadResult
from tests.load.run import run_load

# Runs a statement in the shop's database; rows by line, columns by tab.
Sql = Callable[[str], str]

TICK_JOB = "kiln_sample_tick"
# The column with what a write was sent with.
ADDITIONS = "SELECT request_id FROM quote_item"
SUBSCRIPTIONS = "SELECT subscriber_email FROM newsletter_subscriber"


@dataclass(frozen=True)
class Counted:
    """How often each of some things is in the database. All is well where both are empty."""

    asked: int
    lost: list[str]
    repeated: list[str]

    @property
    def is_exact(self) -> bool:
        return not self.lost and not self.repeated


def sql_in(container: Container, database: str = "shop") -> Sql:
    """Statements by the client in a database's container, as its root."""

    def run(statement: str) -> str:
        argv = ["mariadb", "--default-character-set=utf8mb4", database, "-NBe", statement]
        code, output = container.run(*argv)
        assert code == 0, output
        return output.removesuffix("\n")

    return run


def count_writes(sql: Sql, result: LoadResult, select: str = ADDITIONS) -> Counted:
    """Acknowledged writes that are not in the database, and those that were done twice.

    The key of the table lets no second row of a request in. That a request was sent on twice is
    told by the answer that the row was there already: the generator never sends one again.
    """
    counted = count_rows(sql, select, result.acknowledged)
    repeated = sorted({*counted.repeated, *result.replayed})
    return Counted(counted.asked, counted.lost, repeated)


def count_messages(sql: Sql, request_ids: Sequence[str]) -> Counted:
    """Messages that no consumer has handled, and those that were handled more than once."""
    return count_rows(sql, "SELECT request_id FROM kiln_sample_message", request_ids)


def count_ticks(sql: Sql, schedule_ids: Sequence[str]) -> Counted:
    """Rows of cron_schedule whose job has not run to its end, and those that began twice."""
    begun = count_rows(sql, "SELECT schedule_id FROM kiln_sample_tick", schedule_ids)
    finished = count_rows(
        sql,
        "SELECT schedule_id FROM kiln_sample_tick WHERE finished_at IS NOT NULL",
        schedule_ids,
    )
    return Counted(begun.asked, finished.lost, begun.repeated)


def count_rows(sql: Sql, select: str, wanted: Iterable[str]) -> Counted:
    """How often the one column of a SELECT has each of the wanted values."""
    found = Counter(sql(select).splitlines())
    asked = list(wanted)
    return Counted(
        asked=len(asked),
        lost=[one for one in asked if not found[one]],
        repeated=[one for one in asked if found[one] > 1],
    )


def wait_until_none_is_lost(count: Callable[[], Counted], seconds: float) -> Counted:
    """Count until nothing is missing or the time is over; the last count."""
    until = time.monotonic() + seconds
    while (counted := count()).lost and time.monotonic() < until:
        time.sleep(0.5)
    return counted


def enqueue_messages(host: str, port: int, number: int, host_header: str = "") -> list[str]:
    """Publish messages: each addition to a cart does so in its transaction. Their request_ids.

    Raises AssertionError where an addition fails.
    """
    plan = LoadPlan(
        host,
        port,
        requests=number,
        seconds=60 + number / 5,
        keepalive_clients=4,
        new_clients=0,
        mix=((Kind.ADD, 1),),
        host_header=host_header,
    )
    result = asyncio.run(run_load(plan))
    assert len(result.acknowledged) == number, result.summary()
    return result.acknowledged


def schedule_ticks(sql: Sql, number: int) -> list[str]:
    """Make so many runs of the sample's cron job due now; their rows of cron_schedule."""
    rows = ", ".join([f"('{TICK_JOB}', UTC_TIMESTAMP())"] * number)
    # Numbers of one INSERT follow each other (innodb_autoinc_lock_mode 1, MariaDB's default).
    told = sql(
        f"INSERT INTO cron_schedule (job_code, scheduled_at) VALUES {rows}; SELECT LAST_INSERT_ID()"
    )
    first = int(told)
    return [str(first + index) for index in range(number)]


def all_ticks(sql: Sql) -> list[str]:
    """Rows of the sample's cron job that are not only planned; with those that cron itself made."""
    return sql(
        f"SELECT schedule_id FROM cron_schedule WHERE job_code = '{TICK_JOB}' "
        "AND status <> 'pending' ORDER BY schedule_id"
    ).splitlines()
