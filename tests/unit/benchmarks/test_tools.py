"""What tools say of their builds, as a timeline."""

from benchmarks.build.measure import Span
from benchmarks.build.tools import read_said, read_trace
from builder.build.progress import Step, Trace


def test_kilns_lines_become_phases_and_steps() -> None:
    lines = [
        (1.0, "warning: app/etc/config.php: something\n"),
        (2.0, "    0.0 s  reading the tree's files\n"),
        (3.0, "    1.0 s  building\n"),
        (4.0, "    2.0 s  php: FROM localhost/base (cached)\n"),
        (9.0, "    7.0 s  compiled: RUN magento setup:di:compile (4.5 s)\n"),
        (12.0, "   10.0 s  pushing to localhost:1/kiln\n"),
    ]
    assert list(read_said(lines, 13.0)) == [
        Span("starting", 0.0, 2.0),
        Span("reading the tree's files", 2.0, 3.0),
        Span("building", 3.0, 12.0),
        Span("exporting", 9.0, 12.0),
        Span("pushing to localhost:1/kiln", 12.0, 13.0),
        Span("compiled", 4.5, 9.0),
    ]


def test_a_build_that_runs_nothing_has_its_phases() -> None:
    lines = [(2.0, "    0.0 s  pushing to localhost:1/kiln\n")]
    assert list(read_said(lines, 3.0)) == [
        Span("starting", 0.0, 2.0),
        Span("pushing to localhost:1/kiln", 2.0, 3.0),
    ]
    assert list(read_said([], 3.0)) == [Span("starting", 0.0, 3.0)]


def test_steps_that_ran_are_on_buildkits_timeline() -> None:
    steps = [
        Step("a", "build", "RUN x", started=101.0, completed=103.5),
        Step("b", "build", "RUN y", started=101.0, completed=101.0, cached=True),
        Step("c", "build", "RUN z"),
    ]
    trace = Trace({step.digest: step for step in steps})
    assert list(read_trace(trace, 100.0)) == [Span("RUN x", 1.0, 3.5)]
