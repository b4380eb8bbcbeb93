"""What the generated env.php says, read back through the classes that use it, in the container.

For each line of Magento, as Kiln renders it for that one. On the sample image, whose framework
imitates DeploymentConfig and the configuration; on Magento's own classes where MAGENTO_SOURCE names
a real tree. Where MAGENTO_LINES besides names a folder with trees of further lines (`2.4.4`, ...),
each is asked in its own classes: a tree is mounted in the place of the image's, and needs a vendor/
with an autoloader, an app/etc/config.php with `modules`, and a generated/ that www-data may write.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from builder.magento.delivery import Delivery, plan_delivery
from builder.magento.readers import WayKind, judge_ways
from builder.magento.services import cache_prefix
from builder.render.env_php import render_env_php
from tests.containers import Container, run_container
from tests.unit.environments import make_environment

IS_MAGENTO = "MAGENTO_SOURCE" in os.environ
PROBE = Path(__file__).parent / "probes" / "readers.php"
ENV_PHP = "/app/app/etc/env.php"
AWKWARD = 'it\'s $HOME \\ {{ 7*7 }} <?php ?> "ü"'
PASSWORD = "kanarie'\\$HOME\"ü-3f9a"
LINES = ("2.4.4", "2.4.5", "2.4.6", "2.4.7", "2.4.8")
# Lines before 2.4.7 know no keys in base64.
CRYPT_KEYS = {
    **dict.fromkeys(LINES[:3], "kanarie-kanarie-kanarie-12345678"),
    **dict.fromkeys(LINES[3:], "base64a2FuYXJpZS1rYW5hcmllLWthbmFyaWUtMTIzNDU2Nzg="),
}
SECRETS = {
    "db-password": PASSWORD,
    "redis-password": "kanarie-redis-$x",
    "mq-password": "kanarie-mq",
    "api-key": "kanarie-api-'key'",
}
# (path, scope, code) -> value; the German store view, the website and all else.
BASE_URL = "web/secure/base_url"
NAME = "general/store_information/name"
# Magento has it encrypted in the database, by the model that config.xml names.
ENCRYPTED = "adobe_ims/integration/private_key"
ENVIRONMENT: dict[str, Any] = {
    "secrets": {"directory": "/nowhere"},
    "crypt_key": {"secret": "crypt-key"},
    "admin_path": "shopkeeper",
    "settings": {
        "default": {
            BASE_URL: "https://default.example/",
            NAME: AWKWARD,
            "acme/line/breaks": "one\ntwo\r\n",
            "acme/switch/on": True,
            "acme/switch/off": False,
            "acme/camelCase/path": "reached",
            ENCRYPTED: {"secret": "api-key"},
        },
        "websites": {"base": {BASE_URL: "https://website.example/"}},
        "stores": {
            "german": {BASE_URL: "https://store.example/"},
            "DE": {"general/store_information/phone": "030"},
        },
    },
    "services": {
        "database": {
            "host": "database",
            "name": "shop",
            "user": "probe",
            "password": {"secret": "db-password"},
        },
        "session": {"host": "redis", "database": 2, "password": {"secret": "redis-password"}},
        "queue": {"host": "mq", "user": "shop", "password": {"secret": "mq-password"}},
        "search": {"host": "search"},
    },
}
if IS_MAGENTO:
    # The sample image has no extension for it.
    ENVIRONMENT["services"]["cache"] = {"host": "redis", "password": {"secret": "redis-password"}}
    ENVIRONMENT["services"]["page_cache"] = {
        "host": "redis",
        "database": 1,
        "password": {"secret": "redis-password"},
    }
START_DATABASE = """
install -d -o mysql /run/mysqld
mariadb-install-db --user=mysql --datadir=/var/lib/mysql > /dev/null
exec mariadbd --user=mysql --bind-address=0.0.0.0
"""
# The tables that Magento reads scopes and values from, as its db_schema.xml has them.
TABLES = r"""
CREATE DATABASE shop;
CREATE USER probe@'%' IDENTIFIED BY 'kanarie\'\\$HOME"ü-3f9a';
GRANT ALL ON shop.* TO probe@'%';
USE shop;
CREATE TABLE store_website (website_id SMALLINT UNSIGNED PRIMARY KEY, code VARCHAR(32),
    name VARCHAR(64), sort_order SMALLINT, default_group_id SMALLINT, is_default SMALLINT);
CREATE TABLE store_group (group_id SMALLINT UNSIGNED PRIMARY KEY, website_id SMALLINT,
    name VARCHAR(255), root_category_id INT, default_store_id SMALLINT, code VARCHAR(32));
CREATE TABLE store (store_id SMALLINT UNSIGNED PRIMARY KEY, code VARCHAR(32), website_id SMALLINT,
    group_id SMALLINT, name VARCHAR(255), sort_order SMALLINT, is_active SMALLINT);
CREATE TABLE core_config_data (config_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    scope VARCHAR(8), scope_id INT, path VARCHAR(255), value TEXT, updated_at TIMESTAMP);
INSERT INTO store_website VALUES (0, 'admin', 'Admin', 0, 0, 0), (1, 'base', 'Main', 0, 1, 1);
INSERT INTO store_group VALUES (0, 0, 'Default', 0, 0, 'default'), (1, 1, 'Main', 2, 1, 'main');
INSERT INTO store VALUES (0, 'admin', 0, 0, 'Admin', 0, 1),
    (1, 'default', 1, 1, 'Default', 0, 1), (2, 'german', 1, 1, 'Deutsch', 10, 1),
    (3, 'DE', 1, 1, 'Deutschland', 20, 1);
INSERT INTO core_config_data (scope, scope_id, path, value) VALUES
    ('default', 0, 'web/secure/base_url', 'https://database.example/'),
    ('stores', 2, 'web/secure/base_url', 'https://database.example/'),
    ('default', 0, 'acme/only/database', 'from the database');
"""


@dataclass(frozen=True)
class Shop:
    """A container as production has it: env.php and secrets mounted, all else read-only."""

    container: Container
    delivery: Delivery
    line: str

    def ask(self, *settings: tuple[str, str, str | None], **variables: str) -> dict[str, Any]:
        """What Magento's classes have, in a new PHP process with further variables."""
        done: Any = self.container.engine.exec_run(
            ["php", "-d", "display_errors=stderr", "/probe.php"],
            environment={"KILN_PROBE_SETTINGS": json.dumps(settings), **variables},
            demux=True,
        )
        out, err = (part or b"" for part in done.output)
        assert done.exit_code == 0, (out, err)
        answer: dict[str, Any] = json.loads(out)
        assert "error" not in answer, answer["error"]
        assert answer["magento"] is IS_MAGENTO
        return answer


@pytest.fixture(scope="module")
def network(engine: docker.DockerClient, services: str) -> Iterator[str]:
    """A network with a database and a Redis."""
    created = engine.networks.create(f"kiln-test-config-{os.getpid()}")
    name = str(created.name)
    redis = ["redis-server", "--bind", "0.0.0.0", "--requirepass", SECRETS["redis-password"]]
    parts: list[tuple[str, list[str], str]] = [
        ("database", ["bash", "-c", START_DATABASE], "/var/lib/mysql"),
        ("redis", [*redis, "--save", ""], "/tmp"),
    ]
    started: list[Any] = []
    try:
        for alias, command, folder in parts:
            container = engine.containers.create(
                services, command, network=name, tmpfs={folder: "mode=1777"}
            )
            started.append(container)
            created.disconnect(container)
            created.connect(container, aliases=[alias])
            container.start()
        until = time.monotonic() + 60
        while started[0].exec_run(["mariadb", "-e", "SELECT 1"]).exit_code != 0:
            assert time.monotonic() < until, started[0].logs().decode()
            time.sleep(0.3)
        filled = started[0].exec_run(["mariadb", "--default-character-set=utf8mb4", "-e", TABLES])
        assert filled.exit_code == 0, filled.output
        yield name
    finally:
        for container in started:
            container.remove(force=True, v=True)
        created.remove()


def release_of(line: str) -> str:
    """One release a line: with one prefix, all would have the first one's cached settings."""
    return f"{line}-2026-11-02.1"


@pytest.fixture(scope="module", params=LINES)
def line(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def delivery(line: str) -> Delivery:
    environment = make_environment(ENVIRONMENT)
    return plan_delivery(environment, line, release=release_of(line))


@pytest.fixture(scope="module")
def running(
    engine: docker.DockerClient,
    record: dict[str, Any],
    network: str,
    line: str,
    delivery: Delivery,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("runtime-config")
    env_php, secrets = folder / "env.php", folder / "secrets"
    env_php.write_text(render_env_php(delivery))
    secrets.mkdir(mode=0o755)
    for name, value in {**SECRETS, "crypt-key": CRYPT_KEYS[line]}.items():
        (secrets / name).write_text(value + "\n")
    mounts = {
        env_php: ENV_PHP,
        secrets: "/run/secrets",
        PROBE: "/probe.php",
        # The image's own script for this address is not asked here.
        PROBE.parent / "web.php": "/app/pub/health_check.php",
    }
    tree = Path(os.environ.get("MAGENTO_LINES", "/nowhere")) / line
    volumes = {str(host): {"bind": bind, "mode": "ro"} for host, bind in mounts.items()}
    if tree.is_dir():
        # Not compiled, it makes its classes as they are asked for.
        volumes[str(tree)] = {"bind": "/app", "mode": "rw"}
    with run_container(
        engine,
        record["image"],
        "web",
        port=8080,
        network=network,
        volumes=volumes,
        environment=dict(delivery.variables),
    ) as container:
        yield Shop(container, delivery, line)


@pytest.fixture(scope="module")
def answer(running: Shop) -> dict[str, Any]:
    return running.ask()


def test_the_database_lets_the_shop_in_with_the_password_of_the_secret(
    answer: dict[str, Any],
) -> None:
    assert answer["db/connection/default/host"] == "database"
    assert answer["db/connection/default/password"] == PASSWORD
    assert answer["database user"] == "probe@%"


def test_the_crypt_key_is_the_secrets(line: str, answer: dict[str, Any]) -> None:
    assert answer["crypt/key"] == CRYPT_KEYS[line]
    assert answer["encrypts"] == "text"


def test_caches_have_the_releases_prefix(line: str, answer: dict[str, Any]) -> None:
    prefix = cache_prefix("production", release_of(line))
    assert answer["cache/frontend/default/id_prefix"] == prefix
    assert answer["cache/frontend/page_cache/id_prefix"] == prefix
    if IS_MAGENTO:
        assert "Redis" in answer["cache backend"]


def test_sessions_are_in_redis(answer: dict[str, Any]) -> None:
    assert answer["session/save"] == "redis"
    assert answer["session/redis/host"] == "redis"
    assert answer["session/redis/password"] == SECRETS["redis-password"]


def test_the_queue_is_the_environments(answer: dict[str, Any]) -> None:
    assert answer["queue/amqp/host"] == "mq"
    assert answer["queue/amqp/password"] == SECRETS["mq-password"]


def test_what_is_neither_service_nor_setting_is_there(answer: dict[str, Any]) -> None:
    assert answer["deployment/blue_green/enabled"] == 1
    assert answer["backend/frontName"] == "shopkeeper"
    assert answer["compiled_config"] is True
    assert answer["install/date"]


def test_search_goes_by_the_adapter_that_the_line_has(running: Shop, line: str) -> None:
    adapter = "elasticsearch7" if line in ("2.4.4", "2.4.5") else "opensearch"
    paths = ("catalog/search/engine", f"catalog/search/{adapter}_server_hostname")
    told = running.ask(*((path, "default", None) for path in paths))
    assert told["settings"] == [adapter, "search"]


SETTINGS: dict[tuple[str, str, str | None], str] = {
    (BASE_URL, "default", None): "https://default.example/",
    (BASE_URL, "website", "base"): "https://website.example/",
    (BASE_URL, "store", "german"): "https://store.example/",
    # From the website, which the database does not overrule.
    (BASE_URL, "store", "default"): "https://website.example/",
    (NAME, "default", None): AWKWARD,
    (NAME, "store", "german"): AWKWARD,
    ("acme/line/breaks", "default", None): "one\ntwo\r\n",
    ("acme/switch/on", "default", None): "1",
    ("acme/switch/off", "store", "german"): "0",
    # By `system`, as no CONFIG__ name stands for it.
    ("acme/camelCase/path", "default", None): "reached",
    ("acme/camelCase/path", "store", "german"): "reached",
    ("general/store_information/phone", "store", "DE"): "030",
    # Not decrypted, unlike the database's.
    (ENCRYPTED, "default", None): SECRETS["api-key"],
    ("acme/only/database", "default", None): "from the database",
}


@pytest.fixture(scope="module")
def settings(running: Shop) -> dict[tuple[str, str, str | None], str]:
    return dict(zip(SETTINGS, running.ask(*SETTINGS)["settings"], strict=True))


@pytest.mark.parametrize("asked", SETTINGS, ids=lambda asked: "-".join(map(str, asked)))
def test_a_setting_is_read_at_its_scope(
    settings: dict[tuple[str, str, str | None], str], asked: tuple[str, str, str | None]
) -> None:
    assert settings[asked] == SETTINGS[asked]


def test_php_fpm_has_the_settings_with_and_without_opcache_warm(running: Shop) -> None:
    running.container.wait_healthy()
    for _ in range(3):
        found = running.container.get("/health_check.php")
        assert found.status_code == 200, found.text
        told = found.json()
        assert told["settings"] == ["https://store.example/", SECRETS["api-key"]]
        assert told["db/connection/default/password"] == PASSWORD


def test_only_what_is_in_system_is_part_of_the_configurations_hash(answer: dict[str, Any]) -> None:
    hashed = json.dumps(answer["hashed"])
    assert "camelCase" in hashed
    assert "store.example" not in hashed
    assert "kanarie" not in hashed


# Values that say whether a MAGENTO_DC_ variable came through.
DC_PATHS = {
    "db/connection/default/host": "elsewhere",
    "crypt/key": "elsewhere",
    "cache/frontend/default/id_prefix": "elsewhere_",
    "session/redis/host": "elsewhere",
    "queue/amqp/host": "elsewhere",
    "deployment/blue_green/enabled": "elsewhere",
    "install/date": "elsewhere",
    "backend/frontName": "elsewhere",
}


@pytest.fixture(scope="module")
def answer_with_variables(running: Shop) -> dict[str, Any]:
    """What the classes have with a MAGENTO_DC_ variable for each path."""
    names = {path: "MAGENTO_DC_" + path.replace("/", "__").upper() for path in DC_PATHS}
    # Added to the key so far: with another one alone, the cached configuration could not be read.
    keys = {"crypt/key": f"{CRYPT_KEYS[running.line]}\nelsewhere-elsewhere-elsewhere-32"}
    told = running.ask(**{names[path]: value for path, value in {**DC_PATHS, **keys}.items()})
    return {**told, "crypt/key": "elsewhere" if told["crypt/key"] == keys["crypt/key"] else ""}


@pytest.mark.parametrize("path", DC_PATHS)
def test_magento_dc_reaches_what_kiln_says_it_does(
    line: str, answer_with_variables: dict[str, Any], path: str
) -> None:
    (judged,) = (one for one in judge_ways(path, line) if one.way is WayKind.MAGENTO_DC)
    assert (answer_with_variables[path] == DC_PATHS[path]) is judged.works, judged.reason


def test_magento_dc_does_not_reach_the_system_configuration(running: Shop) -> None:
    name = "MAGENTO_DC_SYSTEM__DEFAULT__ACME__ONLY__DATABASE"
    told = running.ask(("acme/only/database", "default", None), **{name: "elsewhere"})
    assert told["settings"] == ["from the database"]


def test_a_camel_case_config_name_reaches_nothing(running: Shop) -> None:
    (judged,) = (
        one for one in judge_ways("acme/camelCase/path", running.line) if one.way is WayKind.CONFIG
    )
    name = "CONFIG__DEFAULT__ACME__CAMELCASE__PATH"
    told = running.ask(("acme/camelCase/path", "default", None), **{name: "elsewhere"})
    assert (told["settings"], judged.works) == (["reached"], False)


def test_nothing_of_a_secret_is_in_what_kiln_delivers_or_the_engine_shows(
    engine: docker.DockerClient, running: Shop
) -> None:
    rendered = render_env_php(running.delivery)
    running.container.engine.reload()
    shown = json.dumps(running.container.engine.attrs)
    environ = running.container.run("sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")[1]
    logs = running.container.engine.logs().decode()
    for told in (rendered, repr(running.delivery), shown, environ, logs):
        for value in (*SECRETS.values(), CRYPT_KEYS[running.line]):
            assert value not in told
        assert "kanarie" not in told


def test_nothing_writes_into_env_php(running: Shop) -> None:
    """A compiled shop writes `cache_types` where they are missing; here it could not."""
    before = hashlib.sha256(render_env_php(running.delivery).encode()).hexdigest()
    running.ask((BASE_URL, "default", None))
    code, told = running.container.run("sha256sum", ENV_PHP)
    assert (code, told.split()[0]) == (0, before)


def test_a_rotated_secret_is_read_by_the_next_process(running: Shop) -> None:
    """Replaced by rename, as Kiln delivers it; PHP's opcache holds env.php, but no value of it."""
    (folder,) = (
        Path(mount["Source"])
        for mount in running.container.engine.attrs["Mounts"]
        if mount["Destination"] == "/run/secrets"
    )
    assert running.ask()["queue/amqp/password"] == SECRETS["mq-password"]
    for value in ("kanarie-rotated", SECRETS["mq-password"]):
        (folder / ".new").write_text(value + "\n")
        (folder / ".new").replace(folder / "mq-password")
        assert running.ask()["queue/amqp/password"] == value
        assert running.container.get("/health_check.php").json()["queue/amqp/password"] == value


def test_a_rotated_secret_of_a_setting_needs_the_configuration_cache_cleaned(
    running: Shop,
) -> None:
    """What `kiln secrets rotate` says: Magento keeps the value there (magento2#35045)."""
    asked = (ENCRYPTED, "default", None)
    (folder,) = (
        Path(mount["Source"])
        for mount in running.container.engine.attrs["Mounts"]
        if mount["Destination"] == "/run/secrets"
    )
    before = SECRETS["api-key"]
    assert running.ask(asked)["settings"] == [before]
    for value, kept in (("kanarie-rotated-api", before), (before, "kanarie-rotated-api")):
        (folder / ".new").write_text(value + "\n")
        (folder / ".new").replace(folder / "api-key")
        assert running.ask(asked)["settings"] == [kept]
        code, said = running.container.run("bin/magento", "cache:clean", "config")
        assert code == 0, said
        assert running.ask(asked)["settings"] == [value]
