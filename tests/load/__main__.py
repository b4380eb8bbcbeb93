"""`python -m tests.load PLAN OUT`: runs the plan in the file PLAN, writes the result to OUT.

Each second a line of JSON says how far it is; the last line is the summary. SIGTERM and SIGINT end
it early, with a result.
"""

import asyncio
import contextlib
import dataclasses
import gc
import json
import signal
import sys
from pathlib import Path

from tests.load.plan import LoadPlan, RefusedError
from tests.load.run import Progress, run_load


async def _main(plan: LoadPlan, out: Path) -> None:
    progress, stop = Progress(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    reporter = asyncio.create_task(_report(progress))
    # Records are kept by the hundred thousand; looking through them is a pause for each request.
    gc.freeze()
    gc.disable()
    result = await run_load(plan, progress, stop)
    reporter.cancel()
    out.write_text(json.dumps(result.to_json()))
    _tell(result.summary())


async def _report(progress: Progress) -> None:
    while True:
        _tell(dataclasses.asdict(progress))
        await asyncio.sleep(1)


def _tell(value: dict[str, object]) -> None:
    # Whoever started this may be gone.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(value), flush=True)


if __name__ == "__main__":
    try:
        given = LoadPlan.from_json(json.loads(Path(sys.argv[1]).read_text()))
    except RefusedError as error:
        sys.exit(f"error: {error}")
    asyncio.run(_main(given, Path(sys.argv[2])))
