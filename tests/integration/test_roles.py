"""The image's lasting roles against a real MariaDB and a real Redis: web, cron, consumer."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
import requests

from tests.conftest import Kiln, copy_store
from tests.containers import Container, run_container
from tests.integration.databases import run_database
from tests.integration.shop_modules import add_module

CONSUMER = "kiln.sample.cart"
# A job that leaves a process behind, as groups with use_separate_process do.
BACKGROUND_MODULE = {
    "registration.php": "<?php\nuse Magento\\Framework\\Component\\ComponentRegistrar;\n"
    "ComponentRegistrar::register(ComponentRegistrar::MODULE, 'Acme_Background', __DIR__);\n",
    "etc/module.xml": '<?xml version="1.0"?>\n<config><module name="Acme_Background"/></config>\n',
    "etc/crontab.xml": '<?xml version="1.0"?>\n<config><group id="default">'
    '<job name="acme_background" instance="Acme\\Background\\Cron\\Launch" method="execute">'
    "<schedule>0 0 31 2 *</schedule></job></group></config>\n",
    "Cron/Launch.php": "<?php\nnamespace Acme\\Background\\Cron;\n\n"
    "class Launch implements \\Magento\\Cron\\Model\\JobInterface\n{\n"
    "    public function execute(int $scheduleId): void\n    {\n"
    "        $script = 'echo background-began > /proc/1/fd/1; sleep 5; '\n"
    "            . 'echo background-ended > /proc/1/fd/1';\n"
    "        exec('sh -c ' . escapeshellarg($script) . ' sh cron:run > /dev/null 2>&1 &');\n"
    "    }\n}\n",
}


@dataclass(frozen=True)
class Backend:
    """A database and a Redis on a network of their own."""

    network: str
    database: Container
    redis: Container

    def sql(self, statement: str) -> str:
        code, output = self.database.run("mariadb", "shop", "-NBe", statement)
        assert code == 0, output
        return output.strip()

    def wait_for(self, statement: str) -> None:
        """Wait until a statement gives something that is neither nothing nor 0."""
        until = time.monotonic() + 60
        while self.sql(statement) in ("", "0"):
            assert time.monotonic() < until, statement
            time.sleep(0.2)

    @contextlib.contextmanager
    def locked(self, table: str) -> Iterator[Callable[[], None]]:
        """Whoever writes to the table waits until the block ends, or what it is given is called."""
        hold = f"LOCK TABLES {table} WRITE; SELECT SLEEP(600)"
        self.database.engine.exec_run(["mariadb", "shop", "-e", hold], detach=True)
        sleeping = (
            "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(600)%'"
        )
        self.wait_for(sleeping)

        def release() -> None:
            if holder := self.sql(sleeping):
                self.sql(f"KILL {holder}")

        try:
            yield release
        finally:
            release()


def env_php(database: str, redis: str) -> str:
    return f"""<?php
return [
    'install' => ['date' => 'Mon, 02 Nov 2026 00:00:00 +0000'],
    'backend' => ['frontName' => 'admin_test'],
    'crypt' => ['key' => 'base64dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU='],
    'db' => ['table_prefix' => '', 'connection' => ['default' => [
        'host' => '{database}', 'dbname' => 'shop', 'username' => 'shop', 'password' => 'geheim',
        'model' => 'mysql4', 'engine' => 'innodb', 'initStatements' => 'SET NAMES utf8;',
        'active' => '1',
    ]]],
    'resource' => ['default_setup' => ['connection' => 'default']],
    'session' => ['save' => 'redis', 'redis' => [
        'host' => '{redis}', 'port' => '6379', 'database' => '1',
    ]],
    'cache' => ['frontend' => ['default' => [
        'id_prefix' => 'test_', 'backend' => 'Magento\\\\Framework\\\\Cache\\\\Backend\\\\Redis',
        'backend_options' => ['server' => '{redis}', 'port' => '6379', 'database' => '0'],
    ]]],
    // Without it every process of a compiled Magento writes env.php to turn it on.
    'cache_types' => ['compiled_config' => 1],
    'cron_consumers_runner' => ['cron_run' => false],
];
"""


@pytest.fixture(scope="module")
def backend(engine: docker.DockerClient, services: str) -> Iterator[Backend]:
    with run_database(engine, services, f"kiln-test-roles-{os.getpid()}") as database:
        redis = engine.containers.run(
            services,
            ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""],
            detach=True,
            network=database.network,
            tmpfs={"/tmp": "mode=1777"},
        )
        try:
            yield Backend(database.network, database.container, Container(redis, ""))
        finally:
            redis.remove(force=True, v=True)


@pytest.fixture(scope="module")
def image(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample shop with PHP's Redis extension and a module with a background job."""
    tree = copy_store(
        tmp_path_factory.mktemp("roles") / "shop",
        name=f"kiln-test-roles-{os.getpid()}",
        php={"extensions": ["redis"]},
    )
    add_module(tree, "Acme_Background", BACKGROUND_MODULE)
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return str(ended.json()["image"])


Run = Callable[..., contextlib.AbstractContextManager[Container]]


@pytest.fixture(scope="module")
def start(
    engine: docker.DockerClient,
    backend: Backend,
    image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """Runs a role with the backend's env.php."""
    file = tmp_path_factory.mktemp("env") / "env.php"
    file.write_text(env_php(str(backend.database.engine.name), str(backend.redis.engine.name)))
    file.chmod(0o644)

    def run(*command: str, **options: Any) -> contextlib.AbstractContextManager[Container]:
        return run_container(
            engine,
            image,
            *command,
            network=backend.network,
            volumes={str(file): {"bind": "/app/app/etc/env.php", "mode": "ro"}},
            **options,
        )

    return run


def ended_with(container: Container) -> int:
    """Wait for a container to end by itself; returns its exit code."""
    return int(container.engine.wait(timeout=90)["StatusCode"])


def wait_for_log(container: Container, line: bytes) -> None:
    until = time.monotonic() + 60
    while line not in container.engine.logs():
        assert time.monotonic() < until, container.engine.logs().decode()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def installed(start: Run, backend: Backend) -> Backend:
    """The backend with the shop set up in it."""
    with start("install") as installation:
        assert ended_with(installation) == 0, installation.engine.logs().decode()
    return backend


@pytest.fixture(scope="module")
def shop_web(start: Run, installed: Backend) -> Iterator[Container]:
    with start("web", port=8080) as container:
        container.wait_healthy()
        yield container


def test_pages_are_answered_with_a_database(shop_web: Container) -> None:
    assert shop_web.get("/").status_code == 200
    assert shop_web.get("/health_check.php").status_code == 200
    assert shop_web.get("/kiln/sample/whoami").json()["db"] is True


def add_to_cart(web: Container, request: str, session: requests.Session | None = None) -> None:
    answer = (session or requests).post(
        f"http://{web.address}/checkout/cart/add",
        data={"sku": "24-MB01", "qty": "2", "request_id": request},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text


def test_a_cart_lives_in_the_database_and_its_session_in_redis(
    shop_web: Container, installed: Backend
) -> None:
    session = requests.Session()
    add_to_cart(shop_web, "cart-1", session)
    cart = session.get(f"http://{shop_web.address}/checkout/cart", timeout=30)
    assert "24-MB01" in cart.text
    assert installed.sql("SELECT qty FROM quote_item WHERE request_id = 'cart-1'") in (
        "2",
        "2.0000",
    )
    keys = installed.redis.run("redis-cli", "-n", "1", "KEYS", "sess_*")[1]
    assert session.cookies["PHPSESSID"] in keys


# -- cron -------------------------------------------------------------------------------------


def schedule(backend: Backend, job: str) -> str:
    """Make a job due now; returns its row's number."""
    return backend.sql(
        f"INSERT INTO cron_schedule (job_code, scheduled_at) VALUES ('{job}', UTC_TIMESTAMP()); "
        "SELECT LAST_INSERT_ID()"
    )


def test_cron_runs_a_job(start: Run, installed: Backend) -> None:
    row = schedule(installed, "kiln_sample_tick")
    with start("cron") as cron:
        installed.wait_for(
            f"SELECT COUNT(*) FROM kiln_sample_tick WHERE schedule_id = {row} "
            "AND finished_at IS NOT NULL"
        )
        assert cron.run("kiln-health")[0] == 0
        cron.engine.stop(timeout=60)


@pytest.mark.parametrize("number", ["SIGTERM", "SIGQUIT"])
def test_a_stop_lets_a_cron_job_finish(start: Run, installed: Backend, number: str) -> None:
    schedule(installed, "kiln_sample_tick")
    of_job = "FROM cron_schedule WHERE job_code = 'kiln_sample_tick' AND status"
    with installed.locked("kiln_sample_tick") as release, start("cron") as cron:
        installed.wait_for(f"SELECT COUNT(*) {of_job} = 'running'")
        running = installed.sql(f"SELECT schedule_id {of_job} = 'running'")
        cron.engine.kill(number)
        cron.engine.reload()
        assert cron.engine.status == "running"
        release()
        assert ended_with(cron) == 0
    assert running in installed.sql(f"SELECT schedule_id {of_job} = 'success'").splitlines()
    assert installed.sql(f"SELECT COUNT(*) {of_job} NOT IN ('success', 'pending')") == "0"


def test_a_stop_lets_cron_groups_with_a_process_of_their_own_finish(
    start: Run, installed: Backend
) -> None:
    row = schedule(installed, "acme_background")
    with start("cron") as cron:
        installed.wait_for(
            f"SELECT COUNT(*) FROM cron_schedule WHERE schedule_id = {row} AND status = 'success'"
        )
        cron.engine.stop(timeout=60)
        assert ended_with(cron) == 0
        assert b"background-ended" in cron.engine.logs()


def test_cron_once_ends_when_what_was_due_has_ended(start: Run, installed: Backend) -> None:
    row = schedule(installed, "acme_background")
    with start("cron", "once") as cron:
        assert ended_with(cron) == 0
        assert b"background-ended" in cron.engine.logs()
    assert installed.sql(f"SELECT status FROM cron_schedule WHERE schedule_id = {row}") == "success"


def test_warming_up_fails_where_a_page_does(shop_web: Container) -> None:
    assert shop_web.run("kiln-warm", "http://shop.example/", "60", "/", "/health_check.php")[0] == 0
    code, output = shop_web.run("kiln-warm", "", "60", "/", "/static/version1/nothing.css")
    assert code == 1
    assert "/static/version1/nothing.css: HTTP/1.1 404" in output


def test_a_stop_while_cron_waits_ends_it_at_once(start: Run, installed: Backend) -> None:
    """Killed after ten seconds, it would not end with 0."""
    with start("cron") as cron:
        wait_for_log(cron, b"Ran jobs by schedule.")
        cron.engine.stop(timeout=10)
        assert ended_with(cron) == 0


# -- consumers --------------------------------------------------------------------------------


def handled(request: str) -> str:
    return f"SELECT COUNT(*) FROM kiln_sample_message WHERE request_id = '{request}'"


def test_a_consumer_handles_messages_that_come_before_and_after_its_start(
    start: Run, shop_web: Container, installed: Backend
) -> None:
    add_to_cart(shop_web, "before")
    with start("consumer", CONSUMER, environment={"KILN_CONSUMER_PAUSE": "1"}) as consumer:
        installed.wait_for(handled("before"))
        add_to_cart(shop_web, "after")
        installed.wait_for(handled("after"))
        assert consumer.run("kiln-health")[0] == 0


@pytest.mark.parametrize("number", ["SIGTERM", "SIGQUIT"])
def test_a_stop_lets_a_consumer_finish_its_message(
    start: Run, shop_web: Container, installed: Backend, number: str
) -> None:
    request = f"stopped-{number}"
    in_progress = "SELECT COUNT(*) FROM queue_message_status WHERE status = 3"
    add_to_cart(shop_web, request)
    with (
        installed.locked("kiln_sample_message") as release,
        start("consumer", CONSUMER) as consumer,
    ):
        installed.wait_for(in_progress)
        consumer.engine.kill(number)
        consumer.engine.reload()
        assert consumer.engine.status == "running"
        release()
        assert ended_with(consumer) == 0
        assert installed.sql(in_progress) == "0"
    assert installed.sql(handled(request)) == "1"


def test_a_stop_of_a_consumer_without_messages_ends_it_at_once(
    start: Run, installed: Backend
) -> None:
    """It would wait for messages without end, and be killed."""
    with start("consumer", CONSUMER, environment={"KILN_CONSUMER_PAUSE": "1"}) as consumer:
        until = time.monotonic() + 60
        while consumer.run("test", "-e", "/tmp/kiln-alive")[0] != 0:
            assert time.monotonic() < until
        consumer.engine.stop(timeout=10)
        assert ended_with(consumer) == 0


def test_a_consumer_must_be_named(engine: docker.DockerClient, image: str) -> None:
    with run_container(engine, image, "consumer") as consumer:
        assert ended_with(consumer) == 64
        assert b"name the consumer" in consumer.engine.logs()
