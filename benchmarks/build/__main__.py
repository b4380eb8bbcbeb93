"""`python -m benchmarks.build`: builds a shop with each tool, change by change."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from benchmarks.build.disk import bound_build_cache, drop_blobs
from benchmarks.build.measure import Image, Run, count_shipped, idle_share, measured
from benchmarks.build.plots import draw_plots
from benchmarks.build.rows import KILN, SAMPLE, TOOLS, Row, make_row, merge_rows
from benchmarks.build.scenarios import COLD, NONE, SCENARIOS
from benchmarks.build.table import make_table
from benchmarks.build.tools import (
    Bench,
    Built,
    ToolError,
    build_with,
    fetch_image,
    forget_images,
    provide_base,
)
from benchmarks.build.working_copy import make_copy, salt_tree
from builder.registry.client import Registry
from tests.conftest import STORE
from tests.integration.registry_server import DockerRegistry, docker_registry

RESULTS = Path(__file__).parent.parent / "results" / "build.json"


@dataclass
class Session:
    """One run of the benchmark.

    Attributes:
        bench: where everything lies.
        registry: the benchmark's own.
        base: the blobs of the images that all tools begin with.
        last: the image that each tool built last, and which state of the tree it is of.
        state: counts the changes of the tree.
        number: of the first run, another one in each session: what a scenario writes is new to
            every cache on this machine.
    """

    bench: Bench
    registry: DockerRegistry
    base: Mapping[str, int]
    number: int
    client: Registry = field(default_factory=Registry)
    last: dict[str, tuple[int, Image]] = field(default_factory=dict)
    state: int = 0

    def change(self, scenario: str, run: int) -> None:
        """Change the tree for a run, from 1, of a scenario."""
        self.state += scenario != NONE
        number = str(self.number + run)
        SCENARIOS[scenario](self.bench.tree, number)
        if scenario == COLD:
            shutil.rmtree(self.bench.kiln_cache, ignore_errors=True)

    def prime(self, tool: str, scenario: str) -> None:
        """Build, unmeasured, what a scenario is a change of, where the tool has not done so."""
        if tool in self.last:
            needed = scenario == NONE and self.last[tool][0] != self.state
        else:
            # Kiln's first image has layers with PHP, which the others find in the registry.
            needed = scenario != COLD or tool == KILN
        if needed:
            print(f"{tool}: building what `{scenario}` changes", file=sys.stderr)
            self._take(tool, self._build(tool))

    def measure(self, tool: str, scenario: str) -> Run:
        """Build and push.

        Raises:
            ToolError: the build made no new image where something changed.
        """
        with measured() as cost:
            built = self._build(tool)
        _, before = self.last.get(tool, (0, None))
        image = self._take(tool, built)
        known = {**self.base, **(before.blobs if before else {})}
        shipped = count_shipped(image, known, None if scenario == COLD else before)
        same = before is not None and image.digest == before.digest
        if same != (scenario == NONE) and (tool == KILN or same):
            raise ToolError(f"{tool}, {scenario}: {image.digest} after {before and before.digest}")
        said = built.record.get("pushed", {}).get("bytes_pushed", shipped.pushed)
        if said != shipped.pushed:
            print(f"kiln says {said} bytes pushed, not {shipped.pushed}", file=sys.stderr)
        return Run(cost, shipped, image, built.timeline, built.stages)

    def _build(self, tool: str) -> Built:
        return build_with(tool, self.bench, str(self.number + self.state))

    def _take(self, tool: str, built: Built) -> Image:
        image = fetch_image(self.client, built.reference)
        self.last[tool] = (self.state, image)
        kept = {*self.base, *(blob for _, one in self.last.values() for blob in one.blobs)}
        drop_blobs(self.registry, kept)
        bound_build_cache(self.bench.work)
        return image


def run_scenario(
    session: Session, scenario: str, runs: Mapping[str, int], take: Callable[[str, list[Run]], None]
) -> None:
    """All runs of a scenario, the tools by turns, so that what the machine does meanwhile hits all.

    Args:
        session: this one.
        scenario: one of SCENARIOS.
        runs: of each tool.
        take: gets the runs of a tool that has done all.
    """
    for tool in runs:
        session.prime(tool, scenario)
    done: dict[str, list[Run]] = {tool: [] for tool in runs}
    for run in range(1, max(runs.values()) + 1):
        session.change(scenario, run)
        for tool, count in runs.items():
            if run <= count:
                done[tool].append(session.measure(tool, scenario))
                took = done[tool][-1].cost.wall_s
                print(f"{scenario} {run}/{count} {tool}: {took:.1f} s", file=sys.stderr)
            if run == count:
                take(tool, done[tool])


def read_rows(path: Path) -> list[Row]:
    """The rows of a result; none where there is no file."""
    rows: list[Row] = json.loads(path.read_text()) if path.is_file() else []
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.build", description=__doc__)
    source = Path(os.environ.get("MAGENTO_SOURCE") or STORE)
    parser.add_argument("--source", type=Path, default=source, help="the tree that is built")
    parser.add_argument("--runs", type=int, default=5, help="of each scenario")
    parser.add_argument("--baseline-runs", type=int, help="of the tools other than kiln")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS), help="this alone")
    parser.add_argument("--tool", action="append", choices=TOOLS, help="this one alone")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    baseline = given.baseline_runs or given.runs
    runs = {
        tool: given.runs if tool == KILN else baseline
        for tool in TOOLS
        if not given.tool or tool in given.tool
    }
    scenarios = [name for name in SCENARIOS if not given.scenario or name in given.scenario]
    given.out.parent.mkdir(exist_ok=True)
    if (idle := idle_share()) < 0.9:
        print(f"this machine is busy ({1 - idle:.0%}): no figure will hold", file=sys.stderr)
    # What is stopped removes its folders as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    number = int(time.time())
    with (
        tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder,
        docker_registry(Path(folder) / "registry") as registry,
        contextlib.ExitStack() as ending,
    ):
        work = Path(folder)
        address = registry.address.replace("127.0.0.1", "localhost")
        bench = Bench(work / "shop", work, address, work / "kiln-cache", dict(os.environ))
        make_copy(given.source, bench.tree, address)
        salt_tree(bench.tree, f"{number}")
        version = provide_base(bench)
        name = SAMPLE if given.source.resolve() == STORE else version
        client = Registry()
        base = {**fetch_image(client, bench.php).blobs, **fetch_image(client, bench.tools).blobs}
        session = Session(bench, registry, base, number, client)
        ending.callback(forget_images, bench)
        for scenario in scenarios:
            rows: list[Row] = []

            def take(tool: str, done: list[Run], scenario: str = scenario) -> None:
                row = make_row(name, tool, scenario, os.cpu_count() or 1, done)
                rows.append(row)  # noqa: B023
                merged = merge_rows(read_rows(given.out), [row])
                given.out.write_text(json.dumps(merged, indent=1) + "\n")

            run_scenario(session, scenario, runs, take)
            Console(width=140).print(make_table(rows, name))
    rows = read_rows(given.out)
    Console(width=140).print(make_table(rows, name))
    for path in draw_plots(rows, name, given.out):
        print(path)


if __name__ == "__main__":
    main()
