"""A host that fails: its engine, its power, its disk. Afterwards one release serves, on its own or
after `kiln resume`, and nothing is left of what was under way."""

from collections.abc import Iterator

import pytest
import requests

from tests.conftest import Kiln
from tests.e2e.systems import (
    Images,
    System,
    assert_settled,
    other_image,
    run_system,
    wait_for_step,
)
from tests.hosts import Host, private_engine, wait_until

# So much is enough for the state of some releases.
STATE_SIZE = "4m"


@pytest.fixture(scope="module")
def system(
    kiln: Kiln, host: Host, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A production on a host of its own, which serves the first image."""
    folder = tmp_path_factory.mktemp("failing")
    with run_system(kiln, host.client(), images, folder, on=host) as made:
        made.done("deploy", made.name, images.first)
        yield made


def serves(system: System) -> bool:
    try:
        return system.get().status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.parametrize("step", [pytest.param("boot", marks=pytest.mark.long), "watch"])
def test_an_engine_killed_in_the_middle_of_a_release_can_be_gone_on_with(
    system: System, host: Host, images: Images, step: str
) -> None:
    image = other_image(system, images)
    process = system.start("deploy", system.name, image)
    wait_for_step(system, step, process)
    host.kill_engine()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 24, err
    assert "does not answer" in err
    assert "kiln resume" in err
    assert "Traceback" not in err
    host.start_engine()
    ended = system("resume", system.name)
    assert ended.code == 0, ended.err
    assert_settled(system, image)


def test_a_system_comes_back_by_itself_when_its_engine_is_started_anew(
    system: System, host: Host, images: Images
) -> None:
    page, before = system.get().text, addresses(system)
    host.stop_engine()
    assert not serves(system)
    host.start_engine()
    wait_until(lambda: serves(system), "the shop serves")
    wait_until(lambda: addresses(system) == before, "all containers are at their addresses")
    # The proxy takes servers for up until its first checks of them.
    wait_until(lambda: system.get().text == page, "the shop serves its page")


def addresses(system: System) -> dict[str, str]:
    """The fixed addresses, by container: of the proxy, web and assets."""
    return {
        str(one.name): one.attrs["NetworkSettings"]["Networks"][system.stack]["IPAddress"]
        for role in ("proxy", "web", "assets")
        for one in system.containers(role=role)
    }


def test_a_host_that_lost_its_power_serves_again_after_resume(
    system: System, host: Host, images: Images
) -> None:
    page, current = system.get().text, system.current
    host.reboot()
    # Secrets were in memory: without them nothing starts.
    assert not list((host.root / "run").glob("kiln/*/secrets/*"))
    ended = system("resume", system.name)
    assert ended.code == 0, ended.err
    assert system.get().text == page
    assert system.current == current
    shown = system("status", system.name, "--check")
    assert shown.code == 0, shown.out + shown.err
    image = other_image(system, images)
    system.done("deploy", system.name, image)
    assert_settled(system, image)


def test_power_lost_in_the_middle_of_a_release_is_gone_on_with(
    system: System, host: Host, images: Images
) -> None:
    image = other_image(system, images)
    process = system.start("deploy", system.name, image)
    wait_for_step(system, "boot", process)
    host.reboot()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 24, err
    ended = system("resume", system.name)
    assert ended.code == 0, ended.err
    assert_settled(system, image)


@pytest.fixture
def small_state(system: System, host: Host) -> Iterator[str]:
    """The state on a file system of its own; a file that fills it when written to."""
    folder = system.folder / "state"
    host.run("cp", "-a", str(folder), "/run/kept")
    # Mounted again in the keeper, which is started anew.
    host.run("mount", "-t", "tmpfs", "-o", f"size={STATE_SIZE}", "tmpfs", str(folder))
    host.run("cp", "-a", "/run/kept/.", str(folder))
    restart(system)
    yield f"{folder}/filler"
    host.run("cp", "-a", f"{folder}/.", "/run/kept")
    host.run("umount", "--lazy", str(folder))
    host.run("cp", "-a", "/run/kept/.", str(folder))
    host.run("rm", "-rf", "/run/kept")
    restart(system)


def restart(system: System) -> None:
    """Let all containers see what is mounted now."""
    for one in system.containers():
        one.restart(timeout=1)
    wait_until(lambda: serves(system), "the shop serves")


FILL = "dd if=/dev/zero of={file} bs=4k 2> /dev/null || true"


@pytest.mark.long
def test_a_disk_that_is_full_before_a_release_stops_it(
    system: System, host: Host, images: Images, small_state: str
) -> None:
    image, current = other_image(system, images), system.current
    host.run("sh", "-c", FILL.format(file=small_state))
    ended = system.deploy(image)
    assert ended.code == 17, ended.err
    assert "disk is full" in ended.err
    assert system.current == current
    assert serves(system)
    assert system.names(release=str(current + 1)) == []
    host.run("rm", small_state)
    system.done("deploy", system.name, image)
    assert_settled(system, image)


def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_release(
    system: System, host: Host, images: Images, small_state: str
) -> None:
    image, current = other_image(system, images), system.current
    hook = system.tree / "hooks" / "before-warm"
    hook.parent.mkdir(exist_ok=True)
    command = FILL.format(file=small_state)
    hook.write_text(f"#!/bin/sh\nnsenter --target {host.first.pid} --all sh -c '{command}'\n")
    hook.chmod(0o755)
    page = system.get().text
    ended = system.deploy(image)
    hook.unlink()
    assert ended.code == 17, ended.err
    assert "disk is full" in ended.err
    assert system.current == current
    assert system.get().text == page
    assert system.names(release=str(current + 1), role="web") == []
    host.run("rm", small_state)
    ended = system("resume", system.name)
    assert ended.code == 0, ended.err
    system.done("deploy", system.name, image)
    assert_settled(system, image)


def test_an_image_that_has_no_room_on_the_host_is_an_error_that_says_so(
    kiln: Kiln, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with private_engine("small") as small:
        small.stop_engine()
        small.run("mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", f"{small.folder}/data")
        small.start_engine()
        folder = tmp_path_factory.mktemp("small")
        with run_system(kiln, small.client(), images, folder, on=small) as system:
            ended = system.deploy(images.first)
            assert ended.code == 17, ended.err
            assert "disk is full" in ended.err
            assert "Traceback" not in ended.err
