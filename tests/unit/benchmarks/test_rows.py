"""Rows of the build benchmark's result: from runs, merged, compared, shown."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.build.measure import Cost, Image, Run, Shipped, Span
from benchmarks.build.plots import draw_plots
from benchmarks.build.rows import Row, find_row, make_row, merge_rows, ratio
from benchmarks.build.table import make_table

IMAGE = Image("d", ("c", 1), (("RUN $a ${b}", "l", 99),))


def run(wall: float, pushed: int = 0, memory: int = 0) -> Run:
    cost = Cost(wall_s=wall, cpu_s=2 * wall, memory_bytes=memory)
    spans = (Span("first", 0.0, wall / 2), Span("first", wall / 2, wall))
    return Run(cost, Shipped(pushed, pushed, 100, 1, 0), IMAGE, spans, {"first": wall})


def row(source: str, tool: str, scenario: str, wall: float = 1.0) -> Row:
    return make_row(source, tool, scenario, 2, [run(wall)])


def test_a_row_has_medians_and_the_bytes_and_stages_of_the_run_in_the_middle() -> None:
    made = make_row("sample", "kiln", "cold", 2, [run(9, 90, 1), run(1, 10, 7), run(4, 40, 3)])
    assert (made["wall_s_median"], made["cpu_s_median"]) == (4, 8)
    assert (made["bytes_pushed"], made["bytes_pulled"], made["image_bytes"]) == (40, 40, 100)
    assert made["stages"] == {"first": 4}
    assert made["memory_bytes_max"] == 7
    assert made["runs"] == 3
    assert made["wall_s"] == [9, 1, 4]


def test_new_rows_take_the_place_of_their_own_kind_alone() -> None:
    old = [
        row("sample", "kiln", "cold"),
        row("2.4.7", "kiln", "cold"),
        row("2.4.7", "naive", "cold"),
    ]
    merged = merge_rows(
        old, [row("sample", "kiln", "cold", 5.0), row("2.4.7", "kiln", "none", 6.0)]
    )
    assert [(r["source"], r["scenario"], r["tool"], r["wall_s_median"]) for r in merged] == [
        ("2.4.7", "cold", "kiln", 1.0),
        ("2.4.7", "cold", "naive", 1.0),
        ("2.4.7", "none", "kiln", 6.0),
        ("sample", "cold", "kiln", 5.0),
    ]


def test_ratios_are_of_rows_that_are_there() -> None:
    rows = [row("sample", "kiln", "cold", 3.0), row("sample", "linear", "cold", 4.0)]
    kiln, linear = (find_row(rows, "sample", tool, "cold") for tool in ("kiln", "linear"))
    assert ratio(kiln, linear) == pytest.approx(0.75)
    assert ratio(kiln, linear, "cpu_s_median") == pytest.approx(0.75)
    assert ratio(kiln, find_row(rows, "sample", "naive", "cold")) is None
    assert ratio(kiln, {**row("sample", "naive", "cold"), "wall_s_median": 0.0}) is None


def test_the_table_has_a_line_for_each_scenario_that_was_measured() -> None:
    rows = [row("sample", "kiln", "cold", 3.0), row("sample", "linear", "cold", 4.0)]
    shown = io.StringIO()
    Console(width=160, file=shown).print(
        make_table([*rows, row("2.4.7", "kiln", "less")], "sample")
    )
    text = shown.getvalue()
    assert "0.75" in text
    assert "less" not in text


def test_plots_are_drawn_of_whatever_rows_there_are(tmp_path: Path) -> None:
    rows = [row("sample", "kiln", "cold"), row("sample", "naive", "phtml")]
    paths = draw_plots(rows, "sample", tmp_path / "build.json")
    assert {path.name for path in paths} == {
        f"build-sample-{name}.svg" for name in ("timeline", "layers", "bytes")
    }
    assert all(path.read_text().rstrip().endswith("</svg>") for path in paths)
