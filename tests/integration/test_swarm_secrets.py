"""Docker Swarm as the source of secrets, on an engine of the test's own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import Ended, Kiln
from tests.hosts import Host, private_engine
from tests.unit.environments import MINIMAL

CANARY = "canary-of-the-swarm"
IMAGE = "localhost:5000/kiln/base:bookworm"


@pytest.fixture(scope="module")
def swarm() -> Iterator[Host]:
    """A manager that holds an old and a new password, and no crypt key."""
    with private_engine("swarm") as host:
        host.docker("swarm", "init", "--advertise-addr", host.address)
        for version in ("9", "10"):
            value = f"{CANARY}-{version}"
            host.docker("secret", "create", f"shop-db-password-{version}", "-", stdin=value)
        yield host


@pytest.fixture
def shop(tree: Path) -> Path:
    (tree / "environments").mkdir()
    content = {**MINIMAL, "secrets": {"swarm_prefix": "shop-"}}
    (tree / "environments/production.yaml").write_text(yaml.safe_dump(content))
    return tree


@pytest.fixture
def secrets(own: Kiln, shop: Path, swarm: Host, tmp_path: Path) -> "Secrets":
    return Secrets(own, shop, swarm, tmp_path / "state")


class Secrets:
    """`kiln secrets` on a manager of the swarm."""

    def __init__(self, kiln: Kiln, shop: Path, swarm: Host, state: Path) -> None:
        self._kiln, self._shop = kiln, shop
        self._env = {"DOCKER_HOST": swarm.docker_host, "KILN_STATE": str(state)}

    def __call__(self, command: str, *arguments: str) -> Ended:
        ended = self._kiln(
            "secrets", command, "production", *arguments, cwd=self._shop, **self._env
        )
        assert CANARY not in ended.out + ended.err
        return ended


def test_the_swarms_secrets_are_listed_with_the_newest_version(secrets: Secrets) -> None:
    ended = secrets("list", "--output", "json")
    assert ended.code == 0, ended.err
    found = {one["name"]: one for one in ended.json()["secrets"]}
    assert found["db-password"]["version"] == "10"
    assert found["crypt-key"]["problem"] == "is missing"


def test_a_secret_that_the_swarm_lacks_is_found_before_a_release(
    secrets: Secrets, swarm: Host
) -> None:
    assert secrets("check").code == 19
    swarm.docker("secret", "create", "shop-crypt-key-1", "-", stdin=f"{CANARY}-key")
    assert secrets("check").code == 0
    swarm.docker("secret", "rm", "shop-crypt-key-1")


def test_what_only_the_swarm_can_do_is_left_to_it(secrets: Secrets, tmp_path: Path) -> None:
    rotated = secrets("rotate", "db-password", "--generate")
    assert rotated.code == 19
    assert "docker secret create shop-db-password-VERSION -" in rotated.err
    delivered = secrets("deliver", "--to", str(tmp_path / "to"))
    assert delivered.code == 19
    assert "Swarm delivers its secrets itself" in delivered.err


def test_an_engine_without_a_swarm_is_named(own: Kiln, shop: Path, tmp_path: Path) -> None:
    with private_engine("bare") as host:
        ended = Secrets(own, shop, host, tmp_path / "state")("list")
    assert ended.code == 19
    assert "run kiln on a manager of the swarm" in ended.err


def test_a_service_has_the_value_in_its_file_alone(swarm: Host) -> None:
    swarm.load(IMAGE)
    secret = "source=shop-db-password-10,target=db-password,uid=33,gid=33,mode=0400"
    report = "stat -c '%u %g %a' /run/secrets/db-password; md5sum < /run/secrets/db-password; env"
    swarm.docker(
        *("service", "create", "--detach", "--name", "shop", "--no-resolve-image"),
        *("--secret", secret, IMAGE, "sh", "-c", f"{report}; exec sleep 600"),
    )
    until = time.monotonic() + 60
    while not (task := swarm.docker("ps", "--quiet", "--filter", "name=shop").strip()):
        assert time.monotonic() < until, swarm.docker("service", "ps", "shop", "--no-trunc")
        time.sleep(0.2)
    while "PATH=" not in (said := swarm.docker("logs", task)):
        assert time.monotonic() < until, said
        time.sleep(0.2)
    assert said.startswith("33 33 400\n")
    seen = said + swarm.docker("inspect", task) + swarm.docker("service", "inspect", "shop")
    assert CANARY not in seen
    assert swarm.docker("exec", task, "cat", "/run/secrets/db-password") == f"{CANARY}-10"
