"""Whatever dies in the middle of a release: afterwards one release serves, and nothing is left."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Ended
from tests.e2e.systems import (
    Images,
    System,
    assert_settled,
    other_image,
    wait_for_step,
)
from tests.load.count import count_writes
from tests.load.process import start_load

# Kills the kiln that runs it: once at each moment that the file does not name yet.
KILL = """#!/bin/sh
moment=$(basename "$0") number=$(sed 's/"step".*//; s/.*"release": *\\([0-9]*\\).*/\\1/')
grep -qx "$moment $number" {seen} 2> /dev/null && exit 0
echo "$moment $number" >> {seen}
kill -9 $PPID
"""
# All that a plan can hold on the way forward, with an old release.
STEPS = (
    *("pull", "deliver", "boot", "warm", "swap", "watch", "keep-assets", "drain"),
    *("stop-workers", "start-workers", "stop-web", "record", "prune"),
)


@pytest.fixture
def killer(system: System, tmp_path: Path) -> Iterator[Path]:
    """Hooks that kill kiln before and after each step; the file with the moments so far."""
    seen, folder = tmp_path / "seen", system.tree / "hooks"
    folder.mkdir(exist_ok=True)
    for step in (*STEPS, "remove"):
        for moment in ("before", "after"):
            hook = folder / f"{moment}-{step}"
            hook.write_text(KILL.format(seen=seen))
            hook.chmod(0o755)
    yield seen
    for hook in folder.iterdir():
        hook.unlink()


def resume_to_the_end(system: System, first: Ended) -> list[Ended]:
    """Run `kiln resume` until it is not killed any more."""
    ended = [first]
    while ended[-1].code == -signal.SIGKILL:
        assert len(ended) < 80, ended
        ended.append(system("resume", system.name))
    return ended


@pytest.mark.long
def test_a_kiln_killed_before_and_after_every_step_loses_no_request(
    system: System, images: Images, killer: Path
) -> None:
    # What serves already would be no release.
    image = other_image(system, images)
    number = system.releases[-1] + 1
    with start_load(system.load(rate=30)) as load:
        load.wait_done(50)
        ended = resume_to_the_end(system, system.deploy(image))
        load.wait_done(load.progress.done + 50)
        result = load.stop()
    assert ended[-1].code == 0, ended[-1].err
    moments = killer.read_text().split("\n")
    assert {f"{moment}-{step} {number}" for step in STEPS for moment in ("before", "after")} <= set(
        moments
    )
    assert_settled(system, image)
    assert result.figures().failed == 0, result.summary()
    assert count_writes(system.sql, result).is_exact


@pytest.mark.long
def test_a_kiln_killed_on_the_way_back_loses_no_request(
    system: System, images: Images, killer: Path
) -> None:
    before, image = system.current, system.live_image
    with start_load(system.load(rate=30)) as load:
        load.wait_done(50)
        ended = resume_to_the_end(system, system.deploy(images.failing))
        load.wait_done(load.progress.done + 50)
        result = load.stop()
    assert ended[-1].code in (0, 21), ended[-1].err
    assert system.current == before
    assert_settled(system, image)
    assert result.figures().failed == 0, result.summary()


@pytest.mark.parametrize(
    "seconds",
    [4.0, pytest.param(1.0, marks=pytest.mark.long), pytest.param(9.0, marks=pytest.mark.long)],
)
def test_a_kiln_killed_at_any_time_can_be_gone_on_with(
    system: System, images: Images, seconds: float
) -> None:
    process = system.start("deploy", system.name, images.first)
    time.sleep(seconds)
    process.kill()
    process.wait()
    ended = system.deploy(images.second)
    assert ended.code == 0, ended.err
    assert_settled(system, images.second)


def test_a_job_that_is_cancelled_before_the_swap_leaves_the_old_release(
    system: System, images: Images
) -> None:
    before = system.current
    other = other_image(system, images)
    process = system.start("deploy", system.name, other)
    number = wait_for_step(system, "boot", process)
    # As Ctrl-C, which a test that runs in the background could not send.
    process.terminate()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert system.journal(number)[-1]["event"] == "undone"
    assert system.current == before
    assert system.names(release=str(number)) == []


def test_a_new_container_that_is_killed_ends_the_release(system: System, images: Images) -> None:
    before = system.current
    process = system.start("deploy", system.name, images.second, "--force")
    number = wait_for_step(system, "boot", process)
    until = time.monotonic() + 60
    while not (
        webs := [
            one
            for one in system.containers(release=str(number), role="web")
            if one.status == "running"
        ]
    ):
        assert time.monotonic() < until
        time.sleep(0.1)
    webs[0].kill()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 21, err
    assert system.current == before
    assert system.get().status_code == 200


def test_an_old_container_that_is_killed_does_not_hold_a_release_up(
    system: System, images: Images
) -> None:
    before = system.current
    process = system.start("deploy", system.name, images.second, "--force")
    wait_for_step(system, "boot", process)
    system.containers(release=str(before), role="web")[0].kill()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert_settled(system, images.second)


def test_a_proxy_that_is_killed_comes_back_to_the_live_release(
    system: System, images: Images
) -> None:
    page = system.get().text
    (proxy,) = system.containers(role="proxy")
    proxy.kill()
    ended = system("resume", system.name)
    assert ended.code == 0, ended.err
    assert system.get().text == page
    ended = system.deploy(images.first)
    assert ended.code == 0, ended.err
    assert_settled(system, images.first)
