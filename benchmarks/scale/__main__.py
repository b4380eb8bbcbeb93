"""`python -m benchmarks.scale`: a swarm of three engines on this machine, from 1 to 8 web replicas.

One run: throughput and the time of a release at each number, and both as ratios to the first. All
nodes, the database and the visitors share this machine's cores, which bound the throughput: the
ratios say what Kiln and the proxies cost, not what as many hosts would bring.
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.conftest import Kiln
from tests.e2e.swarms import SwarmSystem, private_swarm, run_swarm_system
from tests.e2e.systems import build_images
from tests.load.plan import LoadPlan
from tests.load.process import start_load
from tests.load.result import LoadResult, merge_results

RESULTS = Path(__file__).parent.parent / "results" / "scale.json"
REPLICAS = (1, 2, 4, 8)
# php-fpm's processes in each container: so few that one container does not take all cores.
MAX_CHILDREN = 2


@dataclass(frozen=True)
class Row:
    """One number of web containers.

    Attributes:
        rate: requests a second that were answered rightly, closed loop.
        release_s: of a whole `kiln deploy` under that load.
        swap_s: of it, from the first proxy that is told to the last.
    """

    replicas: int
    requests: int
    failed: int
    rate: float
    p99_ms: float | None
    release_s: float
    swap_s: float


def measure(system: SwarmSystem, images: tuple[str, str], seconds: float) -> Iterator[Row]:
    """Bring a system to each number of replicas; then load it, and release to it under load."""
    for index, replicas in enumerate(REPLICAS):
        system.change(web={"replicas": replicas, "max_children": MAX_CHILDREN})
        system.done("deploy", system.name, images[index % 2], "--force")
        steady = run_load(system.loads(seconds=seconds, keepalive_clients=8, new_clients=0))
        with contextlib.ExitStack() as stack:
            loads = [stack.enter_context(start_load(one)) for one in system.loads()]
            begun = time.monotonic()
            system.done("deploy", system.name, images[(index + 1) % 2])
            took = time.monotonic() - begun
            during = merge_results([one.stop() for one in loads])
        figures = steady.figures()
        yield Row(
            replicas=replicas,
            requests=figures.requests + during.figures().requests,
            failed=figures.failed + during.figures().failed,
            rate=round((figures.requests - figures.failed) / (steady.ended - steady.begun), 1),
            p99_ms=figures.p99_ms,
            release_s=round(took, 1),
            swap_s=round(step_seconds(system, "swap"), 2),
        )


def run_load(plans: list[LoadPlan]) -> LoadResult:
    with contextlib.ExitStack() as stack:
        loads = [stack.enter_context(start_load(one)) for one in plans]
        return merge_results([one.wait() for one in loads])


def step_seconds(system: SwarmSystem, step: str) -> float:
    """How long a step of the last release took, by its journal."""
    journal = system.recorded.releases[system.current].journal
    at = {one.event: one.at for one in journal if one.step is not None and one.step.do == step}
    return (at["end"] - at["begin"]).total_seconds()


def to_json(rows: list[Row]) -> dict[str, Any]:
    first = rows[0]
    ratios = [
        {
            "replicas": one.replicas,
            "rate": round(one.rate / first.rate, 2),
            "release": round(one.release_s / first.release_s, 2),
            "swap": round(one.swap_s / first.swap_s, 2),
        }
        for one in rows
    ]
    limit = f"all nodes, the database and the load share {os.cpu_count()} cores"
    return {"limit": limit, "rows": [asdict(one) for one in rows], "ratios": ratios}


def print_table(result: dict[str, Any]) -> None:
    table = Table(title=result["limit"])
    titles = ("replicas", "requests", "failed", "req/s", "ratio", "p99 ms", "release s", "ratio")
    for title in (*titles, "swap s", "ratio"):
        table.add_column(title, justify="right")
    for row, ratio in zip(result["rows"], result["ratios"], strict=True):
        told = [row["replicas"], row["requests"], row["failed"], row["rate"], ratio["rate"]]
        told += [row["p99_ms"], row["release_s"], ratio["release"], row["swap_s"], ratio["swap"]]
        table.add_row(*map(str, told))
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of load at each number")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    given.out.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as name:
        folder = Path(name)
        kiln = Kiln(folder / "cache")
        images = build_images(kiln, folder)
        work = folder / "system"
        work.mkdir()
        with private_swarm() as swarm, run_swarm_system(kiln, swarm, images, work) as made:
            rows: list[Row] = []
            for row in measure(made, (images.first, images.second), given.seconds):
                rows.append(row)
                result = to_json(rows)
                given.out.write_text(json.dumps(result, indent=2) + "\n")
                print_table(result)


if __name__ == "__main__":
    main()
