"""Rows of benchmarks/results/build.json: made of runs, merged, compared. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.build.measure import Run
from benchmarks.build.scenarios import SCENARIOS

Row = dict[str, Any]

KILN, LINEAR, NAIVE = "kiln", "linear", "naive"
TOOLS = (KILN, LINEAR, NAIVE)
SAMPLE = "sample"


def make_row(source: str, tool: str, scenario: str, cores: int, runs: Sequence[Run]) -> Row:
    """One row for some runs of one scenario; what is no median is of the run that is in the middle.

    Args:
        source: `sample`, or the tree's Magento version.
        tool: kiln, linear or naive.
        scenario: one of SCENARIOS.
        cores: of the machine.
        runs: at least one.
    """
    ordered = sorted(runs, key=lambda run: run.cost.wall_s)
    middle = ordered[(len(ordered) - 1) // 2]
    return {
        "source": source,
        "tool": tool,
        "scenario": scenario,
        "wall_s_median": _median(run.cost.wall_s for run in runs),
        "cpu_s_median": _median(run.cost.cpu_s for run in runs),
        "bytes_pushed": middle.shipped.pushed,
        "bytes_pulled": middle.shipped.pulled,
        "image_bytes": middle.shipped.image,
        "runs": len(runs),
        "layers": middle.shipped.layers,
        "layers_reused": middle.shipped.layers_reused,
        "memory_bytes_max": max(run.cost.memory_bytes for run in runs),
        "cores": cores,
        "wall_s": [round(run.cost.wall_s, 2) for run in runs],
        "cpu_s": [round(run.cost.cpu_s, 2) for run in runs],
        "stages": dict(middle.stages),
        "timeline": [
            [span.name, round(span.begun, 2), round(span.ended, 2)] for span in middle.timeline
        ],
        "layer_bytes": [[step, size] for step, _, size in middle.image.layers],
    }


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 2)


def merge_rows(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """All rows, a new one in the place of an old one of the same source, tool and scenario."""
    rows = {_key(row): row for row in (*old, *new)}
    return [rows[key] for key in sorted(rows)]


def _key(row: Row) -> tuple[bool, str, int, int]:
    scenario, tool = list(SCENARIOS).index(row["scenario"]), TOOLS.index(row["tool"])
    # The real Magento first.
    return row["source"] == SAMPLE, row["source"], scenario, tool


def find_row(rows: Iterable[Row], source: str, tool: str, scenario: str) -> Row | None:
    """The row, or None where there is none yet."""
    wanted = (source, tool, scenario)
    return next((r for r in rows if (r["source"], r["tool"], r["scenario"]) == wanted), None)


def ratio(row: Row | None, other: Row | None, figure: str = "wall_s_median") -> float | None:
    """How one row's figure compares with another's; None where one of them is not there."""
    if row is None or other is None or not other[figure]:
        return None
    return round(float(row[figure] / other[figure]), 3)
