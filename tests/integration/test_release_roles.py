"""The image's roles for a release's throwaway container: status, install, migrate, import."""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import docker
import pytest
import requests
import yaml

from tests.conftest import Kiln, copy_store
from tests.containers import Container
from tests.integration.databases import Database, run_database
from tests.integration.secret_stack import (
    ProcessWatch,
    memory_folder,
    random_key,
    run_with_secrets,
)
from tests.integration.shop_modules import add_module

# Exit codes of dockerfiles/runtime/kiln-release.
USAGE, UNFIT, UNREACHABLE, BUSY = 64, 65, 69, 75
GATE = "kiln-test-gate"
# A column, and a data patch that waits until it is let through.
NEXT_RELEASE = {
    "etc/db_schema.xml": '<?xml version="1.0"?>\n<schema>'
    '<table name="acme_next" resource="default" engine="innodb" comment="Next">'
    '<column xsi:type="int" name="id" unsigned="true" nullable="false" identity="true" '
    'comment="ID" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    '<constraint xsi:type="primary" referenceId="PRIMARY" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><column name="id"/></constraint>'
    "</table></schema>\n",
    "Setup/Patch/Data/AddRow.php": "<?php\nnamespace Acme\\Next\\Setup\\Patch\\Data;\n\n"
    "class AddRow implements \\Magento\\Framework\\Setup\\Patch\\PatchInterface\n{\n"
    "    public function __construct(private \\Magento\\Framework\\DB\\Connection $connection)\n"
    "    {\n    }\n\n"
    "    public static function getDependencies(): array\n    {\n        return [];\n    }\n\n"
    "    public function apply(): void\n    {\n"
    "        $this->connection->insert('acme_next', []);\n"
    f"        $this->connection->fetchOne(\"SELECT GET_LOCK('{GATE}', 600)\");\n"
    "    }\n}\n",
}


@dataclass(frozen=True)
class Ended:
    """A role that has ended."""

    code: int
    out: str
    err: str

    def status(self) -> Any:
        assert self.code == 0, self.err
        (line,) = self.out.splitlines()
        return json.loads(line)


@dataclass(frozen=True)
class Stack:
    """A database and a Redis, and the secrets and env.php of an environment that uses them."""

    engine: docker.DockerClient
    kiln: Kiln
    tree: Path
    database: Database
    redis: Container
    secrets: Path
    canaries: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def env_php(self, release: str, **settings: Any) -> Path:
        """The env.php of a release, as Kiln makes it."""
        redis = {"host": str(self.redis.engine.name), "database": 0}
        environment = {
            "secrets": {"directory": "/does/not/matter"},
            "crypt_key": {"secret": "crypt-key"},
            "settings": {"default": settings},
            "services": {
                "database": {
                    "host": self.database.host,
                    "name": "shop",
                    "user": "shop",
                    "password": {"secret": "db-password"},
                },
                # One database for both: the worst case, in which a flush takes the sessions along.
                "cache": redis,
                "session": redis,
            },
        }
        (self.tree / "environments").mkdir(exist_ok=True)
        (self.tree / "environments/production.yaml").write_text(yaml.safe_dump(environment))
        rendered = self.kiln("config", "render", "production", "--release", release, cwd=self.tree)
        assert rendered.code == 0, rendered.err
        path = self.tree.parent / f"env-{release}.php"
        path.write_text(rendered.out)
        path.chmod(0o644)
        return path

    @contextlib.contextmanager
    def start(
        self, image: str, env_php: Path, *command: str, **options: Any
    ) -> Iterator[Container]:
        """A container as production runs it: read-only, no capabilities, www-data."""
        volumes = {str(env_php): {"bind": "/app/app/etc/env.php", "mode": "ro"}}
        with run_with_secrets(
            self.engine,
            image,
            self.secrets,
            *command,
            network=self.database.network,
            volumes=volumes,
            **options,
        ) as container:
            yield container

    def run(self, image: str, env_php: Path, *command: str) -> Ended:
        with self.start(image, env_php, *command) as container:
            code = int(container.engine.wait(timeout=120)["StatusCode"])
            out = container.engine.logs(stdout=True, stderr=False).decode()
            err = container.engine.logs(stdout=False, stderr=True).decode()
        assert not [canary for canary in self.canaries if canary in out + err]
        return Ended(code, out, err)

    def empty(self) -> None:
        self.database.sql("DROP DATABASE shop; CREATE DATABASE shop")
        self.redis.run("redis-cli", "FLUSHALL")

    def tables(self) -> set[str]:
        return set(self.database.sql("SHOW TABLES").splitlines())

    def dump(self) -> str:
        """All tables and rows, without what differs from one run to the next."""
        argv = ["mariadb-dump", "--skip-comments", "--order-by-primary", "--skip-extended-insert"]
        code, text = self.database.container.run(*argv, "shop")
        assert code == 0, text
        numbered = re.compile(r" AUTO_INCREMENT=\d+|^INSERT INTO `(flag|acme_next)`.*\n", re.M)
        return numbered.sub("", text)

    @contextlib.contextmanager
    def closed_gate(self) -> Iterator[Callable[[], None]]:
        """The next release's data patch waits; what the block is given waits until it does."""
        hold = f"SELECT GET_LOCK('{GATE}', 0); SELECT SLEEP(600)"
        self.database.container.engine.exec_run(["mariadb", "shop", "-e", hold], detach=True)
        asleep = self._thread("SELECT SLEEP(600)")

        def reached() -> None:
            self._thread("SELECT GET_LOCK")

        try:
            yield reached
        finally:
            self.database.sql(f"KILL {asleep}")

    def _thread(self, statement: str) -> str:
        find = f"SELECT id FROM information_schema.processlist WHERE info LIKE '{statement}%'"
        until = time.monotonic() + 90
        while not (found := self.database.sql(find)):
            assert time.monotonic() < until, statement
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def stack(
    engine: docker.DockerClient, services: str, kiln: Kiln, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    tree = copy_store(tmp_path_factory.mktemp("release") / "shop", name="kiln-test-sample")
    password, key = f"canary-{random_key()}", f"c{random_key()[1:]}"
    name = f"kiln-test-release-roles-{os.getpid()}"
    with memory_folder() as folder, run_database(engine, services, name) as database:
        folder.chmod(0o755)
        for secret, value in {"db-password": password, "crypt-key": key}.items():
            path = folder / secret
            path.write_text(value)
            os.chown(path, 33, 33)
            path.chmod(0o400)
        database.sql(f"ALTER USER shop@'%' IDENTIFIED BY '{password}'")
        redis = engine.containers.run(
            services,
            ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""],
            detach=True,
            network=name,
            tmpfs={"/tmp": "mode=1777"},
        )
        try:
            connected = Container(redis, "")
            yield Stack(engine, kiln, tree, database, connected, folder, (password, key))
        finally:
            redis.remove(force=True, v=True)


def build(kiln: Kiln, tree: Path) -> str:
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return str(ended.json()["image"])


@pytest.fixture(scope="module")
def image(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The first release."""
    tree = copy_store(
        tmp_path_factory.mktemp("first") / "shop",
        name=f"kiln-test-release-roles-{os.getpid()}",
        php={"extensions": ["redis"]},
    )
    return build(kiln, tree)


@pytest.fixture(scope="module")
def next_image(kiln: Kiln, image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The second one, which has a further table and a data patch."""
    tree = copy_store(
        tmp_path_factory.mktemp("next") / "shop",
        name=f"kiln-test-release-roles-{os.getpid()}",
        php={"extensions": ["redis"]},
    )
    add_module(tree, "Acme_Next", NEXT_RELEASE)
    return build(kiln, tree)


@pytest.fixture
def env(stack: Stack) -> Path:
    return stack.env_php("1")


@pytest.fixture
def empty(stack: Stack) -> Stack:
    stack.empty()
    return stack


@pytest.fixture
def installed(empty: Stack, image: str, env: Path) -> Stack:
    """The first release's shop."""
    done = empty.run(image, env, "install")
    assert done.code == 0, done.out + done.err
    return empty


UP_TO_DATE = {
    "database": {"exit": 0, "said": "All modules are up to date."},
    "configuration": {"exit": 0, "said": "Config files are up to date."},
}


def test_an_empty_database_is_installed_from_env_php_alone(
    empty: Stack, image: str, env: Path
) -> None:
    assert empty.run(image, env, "status").status() == {
        "tables": 0,
        "installing": False,
        "database": None,
        "configuration": None,
    }
    assert empty.run(image, env, "install").code == 0
    status = empty.run(image, env, "status").status()
    assert status == {"tables": len(empty.tables()), "installing": False, **UP_TO_DATE}
    assert empty.database.sql("SELECT COUNT(*) FROM kiln_sample_note") == "1"
    with empty.start(image, env, "web", port=8080) as web:
        web.wait_healthy()
        assert web.get("/").status_code == 200
        assert web.get("/health_check.php").status_code == 200


def test_install_leaves_a_shop_alone(installed: Stack, image: str, env: Path) -> None:
    before = installed.dump()
    refused = installed.run(image, env, "install")
    assert refused.code == UNFIT
    assert "the database is not empty" in refused.err
    assert installed.dump() == before


@pytest.mark.parametrize("role", ["migrate", "import"])
def test_an_empty_database_is_no_shop_to_bring_up_to_date(
    empty: Stack, image: str, env: Path, role: str
) -> None:
    """It may be the wrong one, or a volume that was lost."""
    refused = empty.run(image, env, role)
    assert refused.code == UNFIT
    assert "the database is empty" in refused.err
    assert empty.tables() == set()


def test_a_release_with_another_schema_says_so_until_it_has_migrated(
    installed: Stack, next_image: str, env: Path
) -> None:
    before = installed.run(next_image, env, "status").status()
    assert before["database"]["exit"] == 2
    assert "Declarative Schema is not up to date" in before["database"]["said"]
    done = installed.run(next_image, env, "migrate")
    assert done.code == 0, done.out + done.err
    after = installed.run(next_image, env, "status").status()
    assert {name: after[name] for name in UP_TO_DATE} == UP_TO_DATE
    assert installed.database.sql("SELECT COUNT(*) FROM acme_next") == "1"


def test_changed_configuration_is_imported_without_a_migration(
    installed: Stack, image: str
) -> None:
    # A name in capitals goes by `system`, which is part of the configuration's hash.
    changed = installed.env_php("2", **{"acme/someFeature/isOn": 1})
    before = installed.run(image, changed, "status").status()
    assert (before["database"]["exit"], before["configuration"]["exit"]) == (0, 2)
    assert "Config files have changed" in before["configuration"]["said"]
    assert installed.run(image, changed, "import").code == 0
    after = installed.run(image, changed, "status").status()
    assert {name: after[name] for name in UP_TO_DATE} == UP_TO_DATE


def test_options_and_exit_code_are_magentos(installed: Stack, image: str, env: Path) -> None:
    refused = installed.run(image, env, "migrate", "--no-such-option")
    assert refused.code == 1
    assert "no-such-option" in refused.out + refused.err
    assert "bin/magento setup:upgrade ended with exit status 1" in refused.err


class Visitor:
    """Asks for a cart with an item in it, over and over."""

    def __init__(self, web: Container) -> None:
        self.session = requests.Session()
        self.address = web.address
        self.seen: list[tuple[int, bool]] = []
        self._stop = Event()
        self._thread = Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Visitor":
        answer = self.session.post(
            f"http://{self.address}/checkout/cart/add",
            data={"sku": "24-MB01", "qty": "2", "request_id": "visitor-1"},
            timeout=30,
        )
        assert answer.status_code == 200
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            cart = self.session.get(f"http://{self.address}/checkout/cart", timeout=30)
            self.seen.append((cart.status_code, "24-MB01" in cart.text))

    def wait_for_more(self) -> None:
        wanted = len(self.seen) + 5
        until = time.monotonic() + 60
        while len(self.seen) < wanted:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_the_running_release_keeps_its_cache_its_sessions_and_its_answers(
    installed: Stack, image: str, next_image: str, env: Path
) -> None:
    following = installed.env_php("2", **{"acme/someFeature/isOn": 1})

    def keys() -> set[str]:
        return set(installed.redis.run("redis-cli", "KEYS", "*")[1].split())

    with installed.start(image, env, "web", port=8080) as web:
        web.wait_healthy()
        with Visitor(web) as visitor:
            visitor.wait_for_more()
            kept = {key for key in keys() if "_LOCK" not in key}
            assert any(key.startswith("sess_") for key in kept)
            assert any(key.startswith("zc:k:") for key in kept)
            installed.redis.run("redis-cli", "CONFIG", "RESETSTAT")
            for role in ("status", "migrate", "status", "import"):
                assert installed.run(next_image, following, role).code == 0
                visitor.wait_for_more()
    assert set(visitor.seen) == {(200, True)}
    assert kept <= keys()
    # What the next release cached of the old database would be found by its web containers.
    assert {key for key in keys() if key.startswith("zc:")} == {
        key for key in kept if key.startswith("zc:")
    }
    assert "flush" not in installed.redis.run("redis-cli", "INFO", "commandstats")[1]


def test_passwords_are_in_no_command_line_environment_or_log(
    empty: Stack, image: str, next_image: str, env: Path
) -> None:
    """`Stack.run` looks into what each role prints."""
    with ProcessWatch(list(empty.canaries)) as watch:
        for release, role in (
            (image, "install"),
            (next_image, "status"),
            (next_image, "migrate"),
            (next_image, "import"),
        ):
            with empty.start(release, env, role) as container:
                assert container.engine.wait(timeout=120)["StatusCode"] == 0
                container.engine.reload()
                shown = json.dumps(container.engine.attrs) + container.engine.logs().decode()
                assert not [canary for canary in empty.canaries if canary in shown]
    assert watch.leaks == {}
    assert any("setup:upgrade" in command for command in watch.commands)


def test_an_installation_that_was_killed_is_continued(
    empty: Stack, next_image: str, env: Path
) -> None:
    assert empty.run(next_image, env, "install").code == 0
    whole = empty.dump()
    empty.empty()
    with empty.closed_gate() as reached:
        with empty.start(next_image, env, "install") as install:
            reached()
            install.engine.kill("SIGKILL")
            install.engine.wait(timeout=30)
        status = empty.run(next_image, env, "status").status()
        assert status["installing"] is True
        assert status["tables"] > 0
        for role in ("migrate", "import"):
            refused = empty.run(next_image, env, role)
            assert refused.code == UNFIT
            assert "not set up to the end" in refused.err
    again = empty.run(next_image, env, "install")
    assert again.code == 0, again.out + again.err
    assert empty.run(next_image, env, "status").status()["installing"] is False
    assert empty.dump() == whole
    assert empty.database.sql("SELECT COUNT(*) FROM acme_next") == "1"


def test_two_do_not_work_on_a_database_at_once(
    installed: Stack, next_image: str, env: Path
) -> None:
    with (
        installed.closed_gate() as reached,
        installed.start(next_image, env, "migrate") as migration,
    ):
        reached()
        for role in ("migrate", "import", "install"):
            refused = installed.run(next_image, env, role)
            assert refused.code == BUSY
            assert "another container works on this database" in refused.err
        assert installed.run(next_image, env, "status").code == 0
        migration.engine.reload()
        assert migration.engine.status == "running"
        migration.engine.kill("SIGKILL")
        migration.engine.wait(timeout=30)
    # The lock has gone with the container.
    assert installed.run(next_image, env, "migrate").code == 0
    assert installed.database.sql("SELECT COUNT(*) FROM acme_next") == "1"


def test_a_database_that_cannot_be_reached_is_told_without_the_password(
    stack: Stack, image: str, env: Path
) -> None:
    stack.database.sql("ALTER USER shop@'%' ACCOUNT LOCK")
    try:
        refused = stack.run(image, env, "status")
    finally:
        stack.database.sql("ALTER USER shop@'%' ACCOUNT UNLOCK")
    assert refused.code == UNREACHABLE
    assert refused.err.startswith("the database cannot be reached: SQLSTATE")


@pytest.mark.parametrize("command", [("status", "now"), ("import", "--force")])
def test_a_role_takes_no_more_than_it_knows(
    stack: Stack, image: str, env: Path, command: tuple[str, ...]
) -> None:
    refused = stack.run(image, env, *command)
    assert refused.code == USAGE
    assert "usage:" in refused.err


def test_without_env_php_there_is_nothing_to_do(
    engine: docker.DockerClient, image: str, stack: Stack
) -> None:
    with run_with_secrets(engine, image, stack.secrets, "migrate") as container:
        assert container.engine.wait(timeout=60)["StatusCode"] == USAGE
        assert b"mount the env.php" in container.engine.logs()
