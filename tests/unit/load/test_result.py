import json

import pytest

from tests.load.connection import Reason
from tests.load.plan import Kind
from tests.load.result import Failure, LoadResult, Record, percentile, summarize


@pytest.mark.parametrize(
    ("count", "part", "expected"),
    [(1, 0.5, 1), (2, 0.5, 1), (4, 0.5, 2), (100, 0.99, 99), (101, 0.99, 100), (1000, 0.99, 990)],
)
def test_a_percentile_is_of_the_nearest_rank(count: int, part: float, expected: float) -> None:
    assert percentile([float(n) for n in range(1, count + 1)], part) == expected


def record(start: float, latency: float = 0.001, reason: Reason | None = None) -> Record:
    return Record(start, latency, Kind.PAGE, True, 0 if reason else 200, reason)


def test_latencies_are_of_right_answers_alone() -> None:
    found = summarize([record(1, 0.002), record(2, 9.0, Reason.TIMEOUT), record(3, 0.004)])
    assert (found.requests, found.failed, found.failed_by) == (3, 1, {"timeout": 1})
    assert (found.p50_ms, found.p99_ms, found.max_ms) == (2.0, 4.0, 4.0)


def test_nothing_answered_has_no_latency() -> None:
    assert summarize([record(1, reason=Reason.REFUSED)]).p99_ms is None


@pytest.fixture
def result() -> LoadResult:
    failure = Failure(2.0, Kind.ADD, "/checkout/cart/add", True, 7, Reason.RESET, "by the peer")
    records = [record(1), record(2, 1.0, Reason.RESET), record(2.5, 0.5), record(3)]
    return LoadResult(1.0, 4.0, "requests", 2, {"11": 3}, ["a", "b"], ["b"], [failure], records)


def test_a_request_belongs_to_the_time_of_its_beginning(result: LoadResult) -> None:
    parts = result.around(2, 3)
    assert {name: (part.requests, part.failed) for name, part in parts.items()} == {
        "before": (1, 0),
        "during": (2, 1),
        "after": (1, 0),
    }


def test_a_result_is_the_same_after_json(result: LoadResult) -> None:
    assert LoadResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_the_summary_says_what_failed(result: LoadResult) -> None:
    told = json.loads(json.dumps(result.summary()))
    assert (told["requests"], told["failed"], told["replayed"]) == (4, 1, 1)
    assert told["first_failures"][0]["detail"] == "by the peer"
