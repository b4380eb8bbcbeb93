"""Three pictures of the rows: what was done when, which layers there are, what was shipped."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.build.rows import TOOLS, Row, find_row
from benchmarks.build.scenarios import COLD, SCENARIOS

_MB = 1_000_000
_TIMELINES = (COLD, "less", "php-constructor")
# Of the whole: what is shorter or smaller has no name in a picture.
_SHOWN = 0.01


def draw_plots(rows: Sequence[Row], source: str, out: Path) -> list[Path]:
    """Draw the rows of one source.

    Returns:
        SVG files beside `out`, named after it.
    """
    own = [row for row in rows if row["source"] == source]
    figures = {
        "timeline": draw_timelines(own, source),
        "layers": draw_layers(own, source),
        "bytes": draw_bytes(own, source),
    }
    paths = []
    for name, figure in figures.items():
        path = out.with_name(f"{out.stem}-{source}-{name}.svg")
        figure.savefig(path)
        paths.append(path)
    return paths


def draw_timelines(rows: Sequence[Row], source: str) -> Figure:
    """Steps and phases of the builds, a row a tool, a column a scenario."""
    figure = Figure(figsize=(21, 15), layout="constrained")
    figure.suptitle(f"{source}: what a build does when, in seconds")
    panels = figure.subplots(len(TOOLS), len(_TIMELINES), sharex="col", squeeze=False)
    for at, tool in enumerate(TOOLS):
        for below, scenario in enumerate(_TIMELINES):
            axes = panels[at][below]
            axes.set_title(f"{tool}, {scenario}")
            if row := find_row(rows, source, tool, scenario):
                _draw_spans(axes, row)
    return figure


def _draw_spans(axes: Axes, row: Row) -> None:
    spans: dict[str, list[tuple[float, float]]] = {}
    for name, begun, ended in row["timeline"]:
        spans.setdefault(name, []).append((begun, ended - begun))
    least = _SHOWN * row["wall_s_median"]
    lanes = {name: all_ for name, all_ in spans.items() if sum(took for _, took in all_) >= least}
    ordered = sorted(lanes, key=lambda name: lanes[name][0][0])
    for lane, name in enumerate(ordered):
        axes.broken_barh(lanes[name], (lane - 0.4, 0.8))
    axes.set_yticks(range(len(ordered)), [_shortened(name) for name in ordered], fontsize=8)
    axes.invert_yaxis()


def draw_layers(rows: Sequence[Row], source: str) -> Figure:
    """The layers of each tool's image, from the bottom up."""
    figure = Figure(figsize=(14, 9), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{source}: layers of the image, compressed, in MB")
    for at, tool in enumerate(TOOLS):
        row = next((row for row in rows if row["tool"] == tool), None)
        bottom = 0.0
        for step, size in row["layer_bytes"] if row else ():
            bar = axes.bar(at, size / _MB, bottom=bottom, width=0.9, edgecolor="white")
            if row and size > 2 * _SHOWN * row["image_bytes"]:
                label = f"{_shortened(step)} {size / _MB:.0f}"
                axes.bar_label(bar, [label], label_type="center", fontsize=7)
            bottom += size / _MB
    axes.set_xticks(range(len(TOOLS)), TOOLS)
    return figure


def draw_bytes(rows: Sequence[Row], source: str) -> Figure:
    """What each scenario has each tool push."""
    figure = Figure(figsize=(14, 7), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{source}: bytes pushed, in MB")
    for at, tool in enumerate(TOOLS):
        found = [find_row(rows, source, tool, scenario) for scenario in SCENARIOS]
        places = [place + (at - 1) * 0.27 for place in range(len(SCENARIOS))]
        axes.bar(
            places, [row["bytes_pushed"] / _MB if row else 0 for row in found], 0.25, label=tool
        )
    # From bytes to hundreds of megabytes.
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_xticks(range(len(SCENARIOS)), list(SCENARIOS))
    axes.legend()
    return figure


def _shortened(text: str) -> str:
    # matplotlib takes text between two $ for a formula.
    plain = " ".join(text.split()).replace("$", r"\$")
    return plain if len(plain) <= 46 else f"{plain[:45]}…"
