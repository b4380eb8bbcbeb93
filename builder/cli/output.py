"""What the user sees: errors, tables, JSON, and a live view of a build."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from builder.build.progress import Step
from builder.errors import KilnError
from builder.magento.shop import Report
from builder.render.units import human_bytes

output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What to print on standard output.",
)


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_error(error: KilnError) -> None:
    """An error on standard error: where, what, the details, what to do."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    place = Text(f"{error.where}: " if error.where else "", style="bold")
    console.print(Text("error: ", style="bold red") + place + Text(error.message))
    for line in error.details:
        console.print(Text(f"  {line}", style="dim"))
    if error.hint:
        console.print(Text("  do: ", style="bold green") + Text(error.hint))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table on standard output."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Not a terminal: no width to fit into, so nothing is cut.
    width = None if sys.stdout.isatty() else 240
    Console(highlight=False, width=width, soft_wrap=False).print(table)


def print_report(report: Report) -> None:
    """Problems, then warnings, each with what to do, on standard output."""
    for kind, findings in (("error", report.problems), ("warning", report.warnings)):
        for one in findings:
            click.echo(f"{kind}: {one.where}: {one.message}")
            if one.hint:
                click.echo(f"  do: {one.hint}")


def report_as_json(report: Report) -> dict[str, list[dict[str, str]]]:
    """Problems and warnings, for `print_json`."""
    return {
        "problems": [asdict(one) for one in report.problems],
        "warnings": [asdict(one) for one in report.warnings],
    }


class BuildView:
    """Shows a build as it goes: live where there is a terminal, plain lines where not.

    All of it goes to standard error, so that standard output holds the result alone.

    Args:
        stages: the stages in the Dockerfile's order; others are BuildKit's own business.
    """

    def __init__(self, stages: Sequence[str]) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._order = list(stages)
        self._steps: dict[str, dict[str, Step]] = {}
        self._told: set[str] = set()
        self._phase = ""
        self._blobs: dict[str, tuple[int, int]] = {}
        self._started = time.monotonic()
        self._live = (
            Live(self, console=self._console, refresh_per_second=8, transient=True)
            if self._console.is_terminal
            else None
        )

    def __enter__(self) -> "BuildView":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def phase(self, text: str) -> None:
        """Something that is not a step of BuildKit has begun."""
        self._phase = text
        self._blobs = {}
        self._say(text)

    def step(self, step: Step) -> None:
        """A step of BuildKit has changed."""
        if step.stage == "export":
            self._phase = step.name
        if step.stage not in self._order:
            return
        self._steps.setdefault(step.stage, {})[step.digest] = step
        ended = step.error or (step.completed is not None and (step.cached or step.started))
        if ended and step.digest not in self._told:
            self._told.add(step.digest)
            took = "failed" if step.error else "cached" if step.cached else f"{step.seconds:.1f} s"
            self._say(f"{step.stage}: {_shortened(step.name)} ({took})")

    def sent(self, digest: str, done: int, total: int) -> None:
        """So many bytes of a blob are in the registry."""
        self._blobs[digest] = (done, total)

    def _say(self, line: str) -> None:
        if not self._live:
            seconds = time.monotonic() - self._started
            self._console.print(Text(f"{seconds:7.1f} s  {line}"), soft_wrap=True)

    def __rich__(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        for name in self._order:
            steps = list(self._steps.get(name, {}).values())
            if not steps:
                continue
            running = [s for s in steps if s.started and s.completed is None]
            seconds = sum(s.seconds for s in steps) + sum(
                max(0.0, time.time() - (s.started or 0)) for s in running
            )
            ended = {s.number for s in steps if s.completed is not None}
            # A stage's later steps are not heard of before they begin.
            done = not running and len(ended) >= max(s.total for s in steps)
            cached = done and all(s.cached for s in steps)
            if any(s.error for s in steps):
                mark, style = "✗", "red"
            elif done:
                mark, style = "✓", "green"
            else:
                mark, style = "•", "yellow"
            doing = _shortened(running[-1].name) if running else ""
            if running and running[-1].lines:
                doing = running[-1].lines[-1].strip()[:80]
            took = "cached" if cached else f"{seconds:.1f} s"
            table.add_row(Text(f"{mark} {name}", style=style), Text(took), Text(doing, style="dim"))
        sent, total = (sum(pair[at] for pair in self._blobs.values()) for at in (0, 1))
        amount = f" {human_bytes(sent)} of {human_bytes(total)}" if total else ""
        elapsed = f"{time.monotonic() - self._started:.0f} s"
        table.add_row(Text(self._phase + amount, style="bold"), Text(elapsed), Text(""))
        return table


class ReleaseView:
    """Shows a release as it goes, on standard error: a line a step, and what there is to say."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._started = time.monotonic()
        self._said = ""

    def __enter__(self) -> "ReleaseView":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def step(self, text: str) -> None:
        """A step has begun."""
        self._console.print(Text(f"{time.monotonic() - self._started:7.1f} s  {text}"))

    def detail(self, text: str) -> None:
        """Something is to be said about the step that is under way; not twice."""
        if text != self._said:
            self._said = text
            self._console.print(Text(f"           {text}", style="dim"))


def _shortened(name: str) -> str:
    return name if len(name) <= 100 else f"{name[:97]}..."


def as_rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Key and value as text, for a table."""
    return [(key, str(value)) for key, value in values.items()]
