"""Where the secrets of a deployed system can be found: in files on tmpfs, and nowhere else."""

import json
import secrets
from pathlib import Path

import docker

from tests.conftest import Kiln
from tests.e2e.systems import Images, run_system
from tests.integration.secret_stack import ProcessWatch


def test_values_are_in_files_on_tmpfs_alone(
    kiln: Kiln, engine: docker.DockerClient, images: Images, tmp_path: Path
) -> None:
    with run_system(
        kiln, engine, images, tmp_path, services=("database", "cache", "queue")
    ) as system:
        values = [one.read_text() for one in system.source.iterdir()]
        rotated = secrets.token_hex(16)
        with ProcessWatch([*values, rotated]) as watch:
            system.done("deploy", system.name, images.first)
            system.done("deploy", system.name, images.second, "--output", "json")
            system.done(
                "secrets", "rotate", system.name, "db-password", "--from-stdin", stdin=rotated
            )
            assert system.deploy(images.failing).code == 21
            system.done("rollback", system.name)
            watch.look()
        assert watch.rounds > 100
        values.append(rotated)
        assert watch.leaks == {}
        told = "".join(system.printed)
        inspected = json.dumps([one.attrs for one in system.containers()])
        logged = "".join(one.logs().decode("utf-8", "replace") for one in system.containers())
        recorded = "".join(
            path.read_text(errors="replace")
            for path in (tmp_path / "state").rglob("*")
            if path.is_file()
        )
        for value in values:
            assert value not in told
            assert value not in inspected
            assert value not in logged
            assert value not in recorded
        # They are where they belong, for the containers' user alone.
        delivered = system.source.parent / system.stack / str(system.current)
        assert (delivered / "db-password").read_text() == rotated
        for file in delivered.iterdir():
            assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (33, 0o400)
