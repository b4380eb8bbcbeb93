"""A secret of a system on a swarm is rotated while it is open, and shows nowhere."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.deploy.engine import exec_in
from tests.conftest import Kiln
from tests.e2e.swarms import SwarmSystem, private_swarm, run_swarm_system
from tests.e2e.systems import Images, assert_unharmed, under_load
from tests.integration.secret_stack import ProcessWatch

pytestmark = pytest.mark.long


@pytest.fixture
def system(kiln: Kiln, images: Images, tmp_path: Path) -> Iterator[SwarmSystem]:
    with private_swarm() as swarm, run_swarm_system(kiln, swarm, images, tmp_path) as made:
        yield made


def test_a_password_is_rotated_on_all_nodes_without_a_failed_request(
    system: SwarmSystem, images: Images
) -> None:
    values = [one.read_text() for one in system.source.iterdir()]
    rotated = secrets.token_hex(16)
    with ProcessWatch([*values, rotated]) as watch:
        system.done("deploy", system.name, images.first)
        ended, result = under_load(
            system,
            lambda: system(
                "secrets", "rotate", system.name, "db-password", "--from-stdin", stdin=rotated
            ),
        )
        watch.look()
    assert ended.code == 0, ended.err
    assert watch.leaks == {}
    assert_unharmed(system, result)
    for container in (*system.containers(role="web"), *system.containers(role="cron")):
        assert exec_in(container, ["cat", "/run/secrets/db-password"], "")[1].decode() == rotated
    engine = system.swarm.manager().client()
    shown = [one.attrs for one in engine.services.list()]
    shown += [one.attrs for one in engine.secrets.list()]
    shown += [one.attrs for one in engine.configs.list()]
    shown += [one.attrs for one in system.containers()]
    shown += engine.api.tasks()  # type: ignore[no-untyped-call]
    told = "".join(system.printed) + json.dumps(shown)
    for value in (*values, rotated):
        assert value not in told
    # A new database container, and a rollback, take the password of today.
    (database,) = system.containers(role="database")
    database.kill()
    system.done("deploy", system.name, images.second)
    system.done("rollback", system.name)
    assert system.get().status_code == 200
