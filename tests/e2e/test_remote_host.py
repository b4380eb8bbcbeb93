"""A system on another host, reached by ssh alone: as near as a local one, and as closed."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Kiln
from tests.e2e.ssh_users import User, end_connections
from tests.e2e.systems import (
    Images,
    System,
    assert_settled,
    assert_unharmed,
    run_system,
    under_load,
    wait_for_step,
)
from tests.hosts import Host, run_program, wait_until
from tests.integration.secret_stack import ProcessWatch


@pytest.fixture(scope="module")
def user(host: Host, tmp_path_factory: pytest.TempPathFactory) -> User:
    folder = tmp_path_factory.mktemp("user") / "home"
    return User.make(folder, [host.key], host.known_hosts())


@pytest.fixture(scope="module")
def system(
    kiln: Kiln,
    host: Host,
    user: User,
    images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    """A production on the host, which serves the first image."""
    client = Kiln(kiln.cache, user.env)
    folder = tmp_path_factory.mktemp("remote")
    with run_system(client, host.client(), images, folder, on=host, host=host.ssh) as made:
        with ProcessWatch(secret_values(made)) as watch:
            made.done("deploy", made.name, images.first)
            watch.look()
        assert watch.leaks == {}
        # It has seen both sides: kiln's ssh and the engine's processes there.
        assert any("-L " in command for command in watch.commands)
        assert any("php-fpm" in command for command in watch.commands)
        yield made


def secret_values(system: System) -> list[str]:
    values = [path.read_text() for path in system.source.iterdir()]
    assert len(values) == 2
    return values


def test_a_release_logs_in_twice_and_serves_there(system: System, user: User) -> None:
    assert user.logins == 2
    assert system.get().status_code == 200
    assert system.url.startswith(f"http://{system.address}")


def test_secrets_are_in_files_in_memory_and_nowhere_else(system: System, host: Host) -> None:
    values = secret_values(system)
    for container in system.containers():
        shown = json.dumps(container.attrs) + container.logs().decode("utf-8", "replace")
        assert not any(value in shown for value in values), container.name
    assert not any(value in text for value in values for text in system.printed)
    places = f"/run {system.folder}/state {host.folder}/data/containers {host.folder}/data/volumes"
    for value in values:
        # It ends with an error where a file went away meanwhile.
        found = host.run("sh", "-c", f"grep -rlFs '{value}' {places} || true").split()
        assert found
        assert all(name.startswith("/run/kiln/") for name in found), found


def test_visitors_go_over_without_a_failed_request_and_back(system: System, images: Images) -> None:
    ended, result = under_load(system, lambda: system.deploy(images.second))
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert "second release" in system.get().text
    shown = system.done("status", system.name, "--output", "json")
    assert system.stack in shown.out
    assert images.second in shown.out
    system.done("rollback", system.name)
    assert "second release" not in system.get().text
    assert_settled(system, images.first)


def test_another_machine_sees_who_changes_the_system(
    system: System, host: Host, images: Images, tmp_path: Path
) -> None:
    other = User.make(tmp_path / "other", [host.key], host.known_hosts())
    first = system.start("deploy", system.name, images.first, "--force")
    wait_until((system.state_folder / "lease").exists, "the lease is taken")
    second = subprocess.run(
        system.kiln.argv("deploy", system.name, images.first),
        cwd=system.tree,
        env={**system.environment(), **other.env, "KILN_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    _, err = first.communicate(timeout=600)
    assert first.returncode == 0, err
    assert second.returncode == 22, second.stderr
    assert f"process {first.pid} " in second.stderr
    assert "kiln deploy production" in second.stderr


def test_a_docker_context_leads_there_as_well(
    system: System, host: Host, user: User, images: Images
) -> None:
    run_program(
        *("env", f"DOCKER_CONFIG={user.folder}"),
        *("docker", "context", "create", "shop-host", "--docker", f"host={host.ssh}"),
    )
    system.change(host="shop-host")
    system.done("deploy", system.name, images.second)
    system.change(host=host.ssh)
    assert "second release" in system.get().text


def test_a_connection_that_breaks_leaves_a_release_to_be_gone_on_with(
    system: System, host: Host, images: Images
) -> None:
    process = system.start("deploy", system.name, images.first)
    wait_for_step(system, "boot", process)
    end_connections(host)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 24, err
    assert "left half-way" in err
    assert "does not answer" in err
    assert system.get().status_code == 200
    ended = system("resume", system.name)
    assert ended.code == 0, ended.err
    assert_settled(system, images.first)


@pytest.mark.long
def test_a_killed_kiln_leaves_no_connection(system: System, images: Images) -> None:
    process = system.start("deploy", system.name, images.second)
    wait_for_step(system, "boot", process)
    process.kill()
    process.wait()
    wait_until(lambda: not connections(system), "ssh ends")
    system.done("deploy", system.name, images.second)
    assert_settled(system, images.second)
    assert connections(system) == []


def connections(system: System) -> list[str]:
    """Command lines of the ssh that run to the host."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "ssh" in line.split(" ")[0] and system.address in line:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no host", "ssh does not get in"),
        ("no name", "ssh does not get in"),
        ("refused", "Permission denied"),
        ("unknown host key", "Host key verification failed"),
        ("no such context", "there is no docker context"),
        ("no engine", "does not answer"),
        ("no address", "is no address of a host"),
    ],
)
def test_who_does_not_get_in_is_told_so_in_one_error(
    system: System, host: Host, tmp_path: Path, case: str, said: str
) -> None:
    run_program("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger"))
    key = tmp_path / "stranger" if case == "refused" else host.key
    known = "" if case == "unknown host key" else host.known_hosts()
    user = User.make(tmp_path / "home", [key], known)
    where = {
        "no host": "ssh://root@127.0.0.1:9",
        "no name": "ssh://root@host.invalid",
        "no such context": "nowhere",
        "no engine": f"{host.ssh}/run/nothing.sock",
        "no address": "ssh://:22",
    }
    system.change(host=where.get(case, host.ssh))
    ended = subprocess.run(
        system.kiln.argv("status", system.name),
        cwd=system.tree,
        env={**system.environment(), **user.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    system.change(host=host.ssh)
    assert ended.returncode == 12, ended.stderr
    assert said in ended.stderr
    assert ended.stderr.count("error:") == 1
    assert "\n  do: " in ended.stderr
    assert "Traceback" not in ended.stderr
