"""`python -m benchmarks.swap`: swaps the sample shop with each tool, under load."""

import argparse
import dataclasses
import functools
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.swap.kiln import run_kiln
from benchmarks.swap.measure import Row, measure_swap
from benchmarks.swap.stack import make_stack, wait_served
from benchmarks.swap.tools import TOOLS, Tool
from tests.conftest import Kiln
from tests.e2e.systems import Images, build_images
from tests.load.plan import LONGEST_S, MOST_REQUESTS, Kind, LoadPlan

RESULTS = Path(__file__).parent.parent / "results" / "swap.json"

KILN = "kiln"
# A page brings static files with it, fewer here than with a browser that has none of them yet.
MIX = ((Kind.PAGE, 2), (Kind.STATIC, 6), (Kind.CART, 1), (Kind.ADD, 1))


def make_plan(rate: float) -> LoadPlan:
    """The load that every tool gets; each puts its own address in."""
    return LoadPlan(
        host="127.0.0.1",
        port=1,
        requests=MOST_REQUESTS,
        seconds=LONGEST_S,
        rate=rate,
        keepalive_clients=16,
        new_clients=16,
        timeout_s=30,
        mix=MIX,
    )


def run_tool(tool: Tool, images: Images, plan: LoadPlan, requests: int) -> Iterator[Row]:
    """Deploy the second image over the first, then bring the first back, each under its load."""
    with make_stack(
        f"kiln-bench-{tool.name.replace('+', '-')}-{os.getpid()}", images.first
    ) as stack:
        shop = tool.start(stack)
        plan = dataclasses.replace(plan, host=shop.host, port=shop.port)
        try:
            for scenario, image in (("deploy", images.second), ("rollback", images.first)):
                swap = functools.partial(tool.swap, stack.with_image(image))
                row, result = measure_swap(tool.name, scenario, plan, requests, swap, shop.sql)
                yield row
                for failure in result.first_failures:
                    print(f"{tool.name} {scenario}: {failure}", file=sys.stderr)
                wait_served(shop)
        finally:
            tool.stop(stack)


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
    names = [KILN, *(tool.name for tool in TOOLS)]
    parser.add_argument("--tool", action="append", choices=names, help="this one alone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    rows: list[Row] = []
    plan = make_plan(given.rate)
    given.out.parent.mkdir(exist_ok=True)

    def add(row: Row) -> None:
        rows.append(row)
        given.out.write_text(json.dumps([row.to_json() for row in rows], indent=2) + "\n")
        print_table(rows[-1:])

    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        kiln = Kiln(Path(folder) / "cache")
        images = build_images(kiln, Path(folder))
        for tool in TOOLS:
            if not given.tool or tool.name in given.tool:
                for row in run_tool(tool, images, plan, given.requests):
                    add(row)
        if not given.tool or KILN in given.tool:
            for row in run_kiln(kiln, images, plan, given.requests):
                add(row)
    print_table(rows)


if __name__ == "__main__":
    main()
