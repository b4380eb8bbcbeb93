"""The state of a stack in a swarm: written by who holds the lease, and by nobody else."""

import secrets
import threading
from collections.abc import Callable, Iterator

import pytest

from builder.deploy.engine import Engine
from builder.deploy.keeper import HostFile, LeaseHolder
from builder.deploy.swarm.keeper import SwarmKeeper
from builder.deploy.swarm.managers import Managers
from builder.errors import LockedError
from builder.process import run
from builder.secrets.delivery import VersionedValue
from builder.secrets.value import SecretValue
from tests.e2e.swarms import Swarm, private_swarm


@pytest.fixture(scope="module")
def swarm() -> Iterator[Swarm]:
    with private_swarm(managers=1) as made:
        yield made


@pytest.fixture
def keeper(swarm: Swarm) -> SwarmKeeper:
    host = swarm.manager()
    engine = Engine(host.name, host.client(), {}, run)
    made = SwarmKeeper(f"kiln-test-{secrets.token_hex(4)}", Managers([engine]))
    assert not made.exists()
    made.create()
    return made


def someone(name: str) -> LeaseHolder:
    return LeaseHolder(owner=name, command="kiln deploy", since="now", process=name)


def names(keeper: SwarmKeeper, kind: str) -> set[str]:
    found = keeper.managers.get(kind, label=[f"io.kiln.stack={keeper.stack}"])
    return {one["Spec"]["Name"] for one in found}


def test_one_has_the_lease_and_what_the_other_writes_is_refused(keeper: SwarmKeeper) -> None:
    first = keeper.acquire(60, someone("mia"))
    with pytest.raises(LockedError, match=r"mia .* is changing"):
        keeper.acquire(60, someone("tom"))
    holder = keeper.holder()
    assert holder is not None
    assert (holder.owner, holder.token) == ("mia", first)
    keeper.write(first, "/state/current", "1")
    keeper.break_lease(first)
    second = keeper.acquire(60, someone("tom"))
    assert second > first
    attempts: list[Callable[[], None]] = [
        lambda: keeper.write(first, "/state/current", "2"),
        lambda: keeper.remove(first, "/state/current"),
        lambda: keeper.renew(first, 60),
        lambda: keeper.check(first),
    ]
    for late in attempts:
        with pytest.raises(LockedError):
            late()
    keeper.release(first)
    keeper.check(second)
    assert keeper.read("/state/current") == b"1\n"


def test_a_lease_that_is_not_renewed_runs_out(keeper: SwarmKeeper) -> None:
    token = keeper.acquire(0, someone("mia"))
    with pytest.raises(LockedError):
        keeper.check(token)
    assert keeper.holder() is None
    # Nobody has taken it meanwhile, e.g. while a manager was silent.
    keeper.renew(token, 0)
    keeper.acquire(60, someone("tom"))
    with pytest.raises(LockedError):
        keeper.renew(token, 60)


def test_files_are_read_as_they_were_written_and_leave_nothing_when_they_go(
    keeper: SwarmKeeper,
) -> None:
    token = keeper.acquire(60, someone("mia"))
    plan = {"plan.json": HostFile(b"{}"), "env.php": HostFile(b"<?php return [];")}
    keeper.install(token, "/state/releases/1", plan)
    for line in ("one", "two"):
        keeper.append(token, "/state/releases/1/journal.jsonl", line)
    assert keeper.read("/state/releases/1/journal.jsonl") == b"one\ntwo\n"
    assert keeper.read("/state/releases/2/plan.json") is None
    assert keeper.list("/state/releases") == ("1",)
    found = keeper.read_below("/state/releases", "*.json*")
    assert found == {"1": {"plan.json": b"{}", "journal.jsonl": b"one\ntwo\n"}}
    assert keeper.copy(token, "/state/releases/1", "/state/releases/2")
    assert not keeper.copy(token, "/state/releases/9", "/state/releases/3")
    keeper.remove(token, "/state/releases/1")
    assert keeper.read("/state/releases/2/env.php") == b"<?php return [];"
    keeper.remove(token, "/state/releases/2")
    assert names(keeper, "configs") == {f"{keeper.stack}-state"}


def test_a_version_of_a_secret_is_one_secret_of_the_swarm(keeper: SwarmKeeper) -> None:
    token = keeper.acquire(60, someone("mia"))
    old = VersionedValue("0123456789ab", SecretValue(b"old"))
    new = VersionedValue("ba9876543210", SecretValue(b"new"))
    for folder, value in (("1", old), ("2", old), ("2", new)):
        keeper.install_secrets(token, folder, {"db-password": value})
    assert keeper.secrets("1")["db-password"].name.endswith("-db-password-0123456789ab")
    assert keeper.secrets("2")["db-password"].name.endswith("-db-password-ba9876543210")
    assert len(names(keeper, "secrets")) == 2
    assert keeper.list("/secrets") == ("1", "2")
    keeper.remove(token, "/secrets/1")
    assert len(names(keeper, "secrets")) == 1


def test_what_a_killed_kiln_has_left_is_swept_away(keeper: SwarmKeeper) -> None:
    keeper.acquire(0, someone("mia"))
    # As if it had been killed between the file and the root.
    keeper.managers.create(
        "configs",
        {"Name": "left", "Labels": {"io.kiln.stack": keeper.stack}, "Data": "bGVmdA=="},
    )
    keeper.acquire(60, someone("tom"))
    assert names(keeper, "configs") == {f"{keeper.stack}-state"}


def test_writes_at_the_same_time_are_all_there(keeper: SwarmKeeper) -> None:
    token = keeper.acquire(60, someone("mia"))
    threads = [
        threading.Thread(target=keeper.write, args=(token, f"/state/file-{number}", "x"))
        for number in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(keeper.list("/state")) == 8
