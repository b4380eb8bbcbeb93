"""Rows side by side, as a table on a terminal. Pure."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.build.rows import KILN, LINEAR, NAIVE, TOOLS, Row, find_row, ratio
from benchmarks.build.scenarios import SCENARIOS

_MB = 1_000_000


def make_table(rows: Sequence[Row], source: str) -> Table:
    """A line a scenario, of the rows of one source."""
    table = Table(title=f"{source}: seconds, megabytes; ratios of wall time")
    table.add_column("scenario")
    titles = [*TOOLS, f"/{LINEAR}", f"/{NAIVE}", "CPU s", "GiB", "layers"]
    titles += [f"{tool} MB" for tool in TOOLS]
    for title in [*titles, "of image"]:
        table.add_column(title, justify="right")
    for scenario in SCENARIOS:
        found = {tool: find_row(rows, source, tool, scenario) for tool in TOOLS}
        if not any(found.values()):
            continue
        kiln = found[KILN]
        shipped = kiln["bytes_pushed"] / kiln["image_bytes"] if kiln else None
        table.add_row(
            scenario,
            *(f"{row['wall_s_median']:.1f}" if row else "-" for row in found.values()),
            *(_plain(ratio(kiln, found[tool])) for tool in (LINEAR, NAIVE)),
            f"{kiln['cpu_s_median']:.1f}" if kiln else "-",
            f"{kiln['memory_bytes_max'] / 2**30:.1f}" if kiln else "-",
            f"{kiln['layers_reused']}/{kiln['layers']}" if kiln else "-",
            *(f"{row['bytes_pushed'] / _MB:.1f}" if row else "-" for row in found.values()),
            "-" if shipped is None else f"{shipped:.1%}",
        )
    return table


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
