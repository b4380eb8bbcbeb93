import base64
import json
from typing import Any

import pytest

from builder.build.progress import ProgressReader, Step


def vertex(digest: str, name: str, **more: Any) -> dict[str, Any]:
    return {"vertexes": [{"digest": digest, "name": name, **more}]}


def log(digest: str, text: str) -> dict[str, Any]:
    return {"logs": [{"vertex": digest, "data": base64.b64encode(text.encode()).decode()}]}


def read(*events: dict[str, Any] | str, indent: int | None = None) -> ProgressReader:
    reader = ProgressReader()
    for event in events:
        text = event if isinstance(event, str) else json.dumps(event, indent=indent)
        for line in text.splitlines():
            list(reader.feed(line + "\n"))
    return reader


STARTED = "2026-11-24T07:57:24.1Z"
COMPLETED = "2026-11-24T07:57:26.100000001Z"


@pytest.mark.parametrize("indent", [None, 2])
def test_events_on_one_line_and_on_many_are_read_alike(indent: int | None) -> None:
    name = "[compiled 2/3] RUN  --network=none  true"
    reader = read(
        vertex("a", name, started=STARTED),
        log("a", "one\ntwo\n"),
        vertex("a", name, started=STARTED, completed=COMPLETED),
        indent=indent,
    )
    step = reader.trace.steps["a"]
    assert (step.stage, step.name) == ("compiled", "RUN --network=none true")
    assert step.lines == ["one", "two"]
    assert step.seconds == pytest.approx(2.0)
    assert reader.trace.stages()["compiled"].seconds == pytest.approx(2.0)


def test_a_shared_cache_that_is_not_there_is_no_failure() -> None:
    name = "importing cache manifest from registry.example/cache"
    reader = read(
        vertex("a", name, error="not found"),
        vertex("b", "[compiled 1/1] RUN y", error="exit code: 3"),
    )
    failed = reader.trace.failed()
    assert failed is not None
    assert failed.stage == "compiled"


def test_plain_lines_between_events_are_kept() -> None:
    reader = read(vertex("a", "[php 1/1] RUN x"), "ERROR: failed to solve: x", "{broken")
    assert reader.trace.plain == ["ERROR: failed to solve: x", "{broken"]


def test_the_failed_step_is_the_one_that_was_not_cancelled() -> None:
    reader = read(
        vertex("a", "[static-a 1/1] RUN x", error="context canceled: context canceled"),
        vertex("b", "[static-b 1/1] RUN y", error="exit code: 3"),
    )
    failed = reader.trace.failed()
    assert failed is not None
    assert failed.stage == "static-b"


def test_a_stage_is_cached_if_all_its_steps_are() -> None:
    reader = read(
        vertex("a", "[php 1/2] RUN x", started=STARTED, completed=STARTED, cached=True),
        vertex("b", "[code 1/1] COPY", started=STARTED, completed=STARTED, cached=True),
        vertex("c", "[php 2/2] RUN y", started=STARTED, completed=COMPLETED),
    )
    stages = reader.trace.stages()
    assert not stages["php"].cached
    assert stages["code"].cached


def test_a_stage_begins_and_ends_with_its_steps_that_ran() -> None:
    reader = read(
        vertex("a", "[php 1/2] RUN x", started=STARTED, completed=STARTED, cached=True),
        vertex("b", "[code 1/1] RUN y", started=STARTED, completed=COMPLETED),
    )
    stages = reader.trace.stages()
    assert (stages["php"].began, stages["php"].ended) == (None, None)
    assert stages["code"].began == 0.0
    assert stages["code"].ended == stages["code"].seconds > 0


def test_a_stage_is_finished_when_its_last_step_is_done() -> None:
    reader = read(
        vertex("a", "[php 1/1] RUN x", started=STARTED, completed=COMPLETED),
        vertex("b", "[code 1/2] RUN y", started=STARTED, completed=COMPLETED),
        vertex("c", "[view 1/1] RUN y", started=STARTED, completed=COMPLETED, error="exit code: 3"),
        vertex("d", "[vendor 1/1] RUN y", started=STARTED),
    )
    assert reader.trace.finished() == {"php"}


def test_what_a_step_prints_is_bounded() -> None:
    reader = read(vertex("a", "[php 1/1] RUN x"), *[log("a", f"{n}\n") for n in range(1000)])
    assert reader.trace.steps["a"].lines[-1] == "999"
    assert len(reader.trace.steps["a"].lines) < 1000


def test_a_change_is_told_once_it_is_read() -> None:
    reader = ProgressReader()
    told: list[Step] = list(reader.feed(json.dumps(vertex("a", "[php 1/1] RUN x"))))
    assert [step.stage for step in told] == ["php"]
