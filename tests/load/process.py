"""Load in a process of its own, so that what is measured does not share its clock and its turn."""

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.load.plan import LoadPlan
from tests.load.result import LoadResult
from tests.load.run import Progress

ROOT = Path(__file__).parent.parent.parent


class LoadProcess:
    """Load that runs. `time.monotonic()` of this process marks moments of its records."""

    def __init__(self, plan: LoadPlan, folder: Path) -> None:
        self._plan = plan
        self._out = folder / "result.json"
        self._errors = folder / "errors"
        (folder / "plan.json").write_text(json.dumps(plan.to_json()))
        argv = [sys.executable, "-m", "tests.load", str(folder / "plan.json"), str(self._out)]
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.progress = Progress()
        self._begun = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # Before that a stop would find no handler.
        self._begun.wait(timeout=60)
        assert self.runs, self._errors.read_text()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "sent" in told:
                self.progress = Progress(**told)
            self._begun.set()
        self._begun.set()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait_done(self, requests: int) -> None:
        """Wait until so many requests are done. Raises AssertionError where the run ends before."""
        until = time.monotonic() + self._plan.seconds + 2 * self._plan.timeout_s
        while self.progress.done < requests:
            assert self.runs, f"ended after {self.progress}: {self._errors.read_text()}"
            assert time.monotonic() < until, self.progress
            time.sleep(0.1)

    def wait(self) -> LoadResult:
        """Wait until the plan's requests or seconds are done."""
        limit = self._plan.seconds + 3 * self._plan.timeout_s + 60
        code = self._process.wait(timeout=limit)
        self._reader.join()
        assert code == 0, self._errors.read_text()
        return LoadResult.from_json(json.loads(self._out.read_text()))

    def stop(self) -> LoadResult:
        """End it now; requests under way are finished."""
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        if self.runs:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def start_load(plan: LoadPlan) -> Iterator[LoadProcess]:
    """Load while the block runs; one that `wait` or `stop` did not end is killed."""
    with tempfile.TemporaryDirectory(prefix="kiln-test-load-") as folder:
        process = LoadProcess(plan, Path(folder))
        try:
            yield process
        finally:
            process.kill()
