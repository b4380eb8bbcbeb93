"""A service that ends by itself while it comes up is started again, and not for ever."""

import subprocess
from pathlib import Path

from builder.host.setup import restarting


def test_a_service_that_ended_is_started_again(tmp_path: Path) -> None:
    up = tmp_path / "up"
    script = f"test -e {tmp_path}/tried && exec touch {up}; touch {tmp_path}/tried"
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sh", "-c", script]))
        return started[-1]

    ready = restarting(start, up.exists, attempts=3)
    started[0].wait()
    ready()
    started[-1].wait()

    assert len(started) == 2
    assert ready()


def test_a_service_that_never_comes_up_is_started_a_bounded_number_of_times(
    tmp_path: Path,
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["false"]))
        return started[-1]

    ready = restarting(start, (tmp_path / "up").exists, attempts=3)
    for _ in range(10):
        started[-1].wait()
        assert not ready()

    assert len(started) == 3
