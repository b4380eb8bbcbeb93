"""`python -m benchmarks.swap`: swaps the sample shop with each tool, under load."""

import argparse
import functools
import json
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.swap.measure import Row, measure_swap
from benchmarks.swap.stack import Images, build_images, make_stack, wait_served
from benchmarks.swap.tools import TOOLS, Tool
from tests.load.plan import LONGEST_S, MOST_REQUESTS, LoadPlan

RESULTS = Path(__file__).parent.parent / "results" / "swap.json"


def run_tool(tool: Tool, images: Images, requests: int, rate: float) -> list[Row]:
    """Deploy the second image over the first, then bring the first back, each under its load."""
    rows = []
    with make_stack(
        f"kiln-bench-{tool.name.replace('+', '-')}-{os.getpid()}", images.first
    ) as stack:
        shop = tool.start(stack)
        plan = LoadPlan(
            host=shop.host,
            port=shop.port,
            requests=MOST_REQUESTS,
            seconds=LONGEST_S,
            rate=rate,
            keepalive_clients=16,
            new_clients=16,
        )
        try:
            for scenario, image in (("deploy", images.second), ("rollback", images.first)):
                swap = functools.partial(tool.swap, stack.with_image(image))
                row, result = measure_swap(tool.name, scenario, plan, requests, swap, shop.sql)
                rows.append(row)
                for failure in result.first_failures:
                    print(f"{tool.name} {scenario}: {failure}", file=sys.stderr)
                wait_served(shop)
        finally:
            tool.stop(stack)
    return rows


def print_table(rows: list[Row]) -> None:
    table = Table()
    for title in ("tool", "scenario"):
        table.add_column(title)
    for title in ("requests", "failed", "static", "lost", "twice", "swap s", "p99 ratio"):
        table.add_column(title, justify="right")
    table.add_column("failed by")
    for row in rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in row.failed_by.items())
        figures = [row.requests, row.failed, row.failed_static, row.lost_writes, row.duplicated]
        told = [*figures, row.swap_s, row.p99_ratio or "-", reasons]
        table.add_row(row.tool, row.scenario, *map(str, told))
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.swap", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="of each scenario at least")
    parser.add_argument("--rate", type=float, default=200, help="requests per second")
    names = [tool.name for tool in TOOLS]
    parser.add_argument("--tool", action="append", choices=names, help="this one alone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows: list[Row] = []
    given.out.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        images = build_images(Path(folder))
        for tool in TOOLS:
            if not given.tool or tool.name in given.tool:
                rows += run_tool(tool, images, given.requests, given.rate)
                given.out.write_text(json.dumps([row.to_json() for row in rows], indent=2) + "\n")
    print_table(rows)


if __name__ == "__main__":
    main()
