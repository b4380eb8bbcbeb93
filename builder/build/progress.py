"""BuildKit's progress stream (`--progress=rawjson`) -> what each step did. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_STEP = re.compile(r"\[(?P<stage>[^\]\s]+)(?: +(?P<at>\d+)/(?P<of>\d+))?\] (?P<what>.*)", re.DOTALL)
_KEPT_LINES = 400


@dataclass
class Step:
    """One vertex of the build graph.

    Attributes:
        digest: BuildKit's id of it.
        stage: the Dockerfile stage, or `internal`, `context`, `export`.
        name: what it does, as BuildKit words it.
        number, total: which of the stage's steps it is; 0 where BuildKit does not say.
        started, completed: Unix time in seconds; None while it has not.
        cached: its result came from the cache.
        error: why it failed; empty if it has not.
        lines: the last lines that it printed.
    """

    digest: str
    stage: str
    name: str
    number: int = 0
    total: int = 0
    started: float | None = None
    completed: float | None = None
    cached: bool = False
    error: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long it ran; 0 if cached or not yet ended."""
        if self.started is None or self.completed is None:
            return 0.0
        return self.completed - self.started

    @property
    def ran_nothing(self) -> bool:
        """It came from the cache, or only looked its base image up."""
        return self.cached or self.seconds == 0 or self.name.startswith("FROM ")


@dataclass
class Trace:
    """All that a build has said so far, step by step in the order of appearance."""

    steps: dict[str, Step] = field(default_factory=dict)
    plain: list[str] = field(default_factory=list)

    def failed(self) -> Step | None:
        """The step that failed; those that were cancelled for it do not count.

        Nor does a shared cache that is not there: BuildKit builds without it.
        """
        failed = [
            step
            for step in self.steps.values()
            if step.error and not step.name.startswith("importing cache manifest")
        ]
        real = [step for step in failed if "context canceled" not in step.error]
        return next(iter(real or failed), None)

    def finished(self) -> set[str]:
        """The stages all of whose steps are done."""
        steps: dict[str, list[Step]] = {}
        for step in self.steps.values():
            steps.setdefault(step.stage, []).append(step)
        # A stage's later steps are not heard of before they begin.
        return {
            name
            for name, of in steps.items()
            if all(step.completed is not None and not step.error for step in of)
            and max(step.number for step in of) == max(step.total for step in of) > 0
        }

    def stages(self) -> dict[str, "StageTime"]:
        """What each stage took, in the order of appearance; BuildKit's own steps left out."""
        stages: dict[str, list[Step]] = {}
        for step in self.steps.values():
            if step.stage not in ("internal", "context", "export"):
                stages.setdefault(step.stage, []).append(step)
        first = min((step.started for step in self.steps.values() if step.started), default=0.0)
        times = {}
        for name, steps in stages.items():
            ran = [step for step in steps if not step.ran_nothing]
            times[name] = StageTime(
                seconds=round(sum(step.seconds for step in steps), 2),
                cached=not ran,
                steps=len(steps),
                began=round(min(step.started or first for step in ran) - first, 2) if ran else None,
                ended=round(max(step.completed or first for step in ran) - first, 2)
                if ran
                else None,
            )
        return times


@dataclass(frozen=True, slots=True)
class StageTime:
    """What one stage took.

    Attributes:
        seconds: run time of its steps, added up.
        cached: nothing of it ran.
        steps: how many it has.
        began, ended: seconds since BuildKit's first step; None where nothing of it ran.
    """

    seconds: float
    cached: bool
    steps: int
    began: float | None = None
    ended: float | None = None


class ProgressReader:
    """Takes the stream line by line and keeps a `Trace` up to date.

    buildx 0.13 spreads an event over many lines, later ones write one a line; between them come
    plain lines, such as the `ERROR:` that ends a failed build.
    """

    def __init__(self) -> None:
        self.trace = Trace()
        self._event: list[str] = []

    def feed(self, line: str) -> Iterator[Step]:
        """Take a line; yields the steps that it says something new about."""
        line = line.rstrip("\n")
        if self._event or line == "{":
            self._event.append(line)
            if line != "}":
                return
            line = "\n".join(self._event)
            self._event = []
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            yield from self._take(event)
        elif line.strip():
            self.trace.plain.append(line)

    def _take(self, event: dict[str, Any]) -> Iterator[Step]:
        for vertex in event.get("vertexes") or []:
            step = self._step(str(vertex.get("digest")), str(vertex.get("name", "")))
            step.started = _seconds(vertex.get("started")) or step.started
            step.completed = _seconds(vertex.get("completed")) or step.completed
            step.cached = bool(vertex.get("cached")) or step.cached
            step.error = str(vertex.get("error") or "") or step.error
            yield step
        for log in event.get("logs") or []:
            step = self._step(str(log.get("vertex")), "")
            step.lines.extend(_text(log.get("data")).splitlines())
            del step.lines[:-_KEPT_LINES]
            yield step

    def _step(self, digest: str, name: str) -> Step:
        step = self.trace.steps.get(digest)
        if step is None:
            step = self.trace.steps[digest] = Step(digest, "", "")
        if name:
            _name_step(step, name)
        return step


def _name_step(step: Step, name: str) -> None:
    match = _STEP.fullmatch(name)
    if name.startswith("exporting"):
        step.stage, step.name = "export", name
    elif match is None:
        step.stage, step.name = "internal", name
    else:
        step.stage, step.name = match["stage"], " ".join(match["what"].split())
        step.number, step.total = int(match["at"] or 0), int(match["of"] or 0)


def _seconds(moment: object) -> float | None:
    if not isinstance(moment, str):
        return None
    # Go prints nanoseconds and drops trailing zeros; Python 3.11 takes any number of digits.
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None


def _text(data: object) -> str:
    try:
        return base64.b64decode(str(data), validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return str(data)
