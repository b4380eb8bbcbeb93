import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.dev.memory import choose_ports, open_to_images, provide_secrets, read_ports
from builder.plan.development import SECRETS
from tests.unit.plans import make_development_plan

ME = (os.getuid(), os.getgid())


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[int]:
    """The first port that a stack would take, held by somebody else."""
    ports, _ = choose_ports("a-stack", tmp_path / "probe", ())
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", ports.database))
        holder.listen()
        yield ports.database


def test_ports_are_remembered(tmp_path: Path) -> None:
    ports, moved = choose_ports("a-stack", tmp_path, ())
    assert not moved
    assert choose_ports("a-stack", tmp_path, ()) == (ports, False)
    assert read_ports(tmp_path) == ports


def test_a_taken_port_moves_the_whole_block(tmp_path: Path, taken: int) -> None:
    ports, moved = choose_ports("a-stack", tmp_path / "probe", ())
    assert moved
    assert taken not in ports.all()


def test_ports_that_the_stack_itself_holds_are_its_own(tmp_path: Path, taken: int) -> None:
    ports, moved = choose_ports("a-stack", tmp_path / "probe", {taken})
    assert not moved
    assert ports.database == taken


def test_a_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"web": ')
    assert read_ports(tmp_path) is None
    assert choose_ports("a-stack", tmp_path, ())[0] == read_ports(tmp_path)


def test_secrets_are_made_once_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    identity = provide_secrets(tmp_path, ME)
    kept = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert provide_secrets(tmp_path, ME) == identity
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == kept
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert len({kept[name] for name in SECRETS}) == len(SECRETS)
    for name in SECRETS:
        assert kept[name].isalnum()
        assert len(kept[name]) == 32
        assert kept[name] not in identity


def test_secrets_that_are_lost_in_part_are_made_anew_with_another_id(tmp_path: Path) -> None:
    identity = provide_secrets(tmp_path, ME)
    (tmp_path / "secrets/queue_password").unlink()
    assert provide_secrets(tmp_path, ME) != identity


def test_only_named_images_get_files_that_every_user_can_read(tmp_path: Path) -> None:
    provide_secrets(tmp_path, ME)
    open_to_images(make_development_plan(state=tmp_path, images={"database": "mariadb:10.6"}))
    modes = {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "secrets").iterdir()}
    assert modes["database_password"] == 0o644
    assert {mode for name, mode in modes.items() if name != "database_password"} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
