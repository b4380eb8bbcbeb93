"""Settings on their way: data patches into the database, and from a system back into config.php."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from tests.conftest import Kiln, copy_store
from tests.containers import Container
from tests.integration.databases import Database, run_database

MODULE = "--module=Kiln_Sample"
NASTY = "it's $a \\ \"b\" \\' ?> <?php echo 1; /* */ {{ 7*7 }}\n#{} Größe 😀"
GREETING = "kiln/sample/greeting"
SYSTEM = ("default", "websites/base", "stores/german")


@dataclass(frozen=True)
class Shop:
    """The sample shop's tree with patches, its image running with a database, and `kiln`."""

    tree: Path
    patches: tuple[str, ...]
    container: Container
    database: Database
    kiln: Kiln

    def magento(self, *arguments: str) -> str:
        code, output = self.container.run("bin/magento", *arguments)
        assert code == 0, output
        return output

    def read(self, name: str) -> str:
        code, output = self.container.run("cat", f"/app/{name}")
        assert code == 0, output
        return output

    def write(self, name: str, text: str) -> None:
        container = str(self.container.engine.id)
        argv = ["docker", "exec", "--interactive", container, "tee", f"/app/{name}"]
        subprocess.run(argv, input=text.encode(), capture_output=True, check=True, timeout=60)


def value_of(database: Database, path: str, scope: str = "default") -> str:
    kind, _, code = scope.partition("/")
    number = {
        "default": "0",
        "websites": f"(SELECT website_id FROM store_website WHERE code = '{code}')",
        "stores": f"(SELECT store_id FROM store WHERE code = '{code}')",
    }[kind]
    where = f"path = '{path}' AND scope = '{kind}' AND scope_id = {number}"
    return database.sql(f"SELECT value FROM core_config_data WHERE {where}")


def write_patches(kiln: Kiln, tree: Path) -> Iterator[str]:
    for scope in SYSTEM:
        kind, _, code = scope.partition("/")
        options = [f"--scope={kind}", f"--scope-code={code}"] if code else []
        value = f"{scope}: {NASTY}"
        ended = kiln("config", "patch", f"{GREETING}={value}", MODULE, *options, cwd=tree)
        assert ended.code == 0, ended.err
        yield ended.out.split(" is written")[0]


@pytest.fixture(scope="module")
def running(
    engine: docker.DockerClient,
    services: str,
    kiln: Kiln,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    name = f"kiln-test-settings-{os.getpid()}"
    tree = copy_store(tmp_path_factory.mktemp("settings") / "shop", name=name)
    patches = tuple(write_patches(kiln, tree))
    built = kiln("build", "--push", "--output", "json", cwd=tree)
    assert built.code == 0, built.err
    with run_database(engine, services, name) as database:
        env_php = tree / "app/etc/env.php"
        env_php.write_text(database.env_php())
        container = engine.containers.run(
            str(engine.images.pull(built.json()["image"]).id),
            ["infinity"],
            entrypoint="sleep",
            detach=True,
            user="root",
            network=name,
            working_dir="/app",
        )
        try:
            shop = Shop(tree, patches, Container(container, ""), database, kiln)
            shop.write("app/etc/env.php", database.env_php())
            # The first one brings websites and store views into the database.
            shop.magento("setup:upgrade", "--keep-generated")
            yield shop
        finally:
            container.remove(force=True, v=True)


def test_php_finds_no_fault_with_a_patch(running: Shop) -> None:
    assert len(running.patches) == 3
    for patch in running.patches:
        code, output = running.container.run("php", "-l", f"/app/{patch}")
        assert code == 0, output


@pytest.mark.parametrize("scope", SYSTEM)
def test_setup_upgrade_sets_the_value_of_a_patch(running: Shop, scope: str) -> None:
    assert value_of(running.database, GREETING, scope) == f"{scope}: {NASTY}"


def test_a_patch_is_applied_once_so_that_the_admin_can_change_the_value(running: Shop) -> None:
    running.magento("config:set", GREETING, "changed in the Admin")
    running.magento("setup:upgrade", "--keep-generated")
    assert value_of(running.database, GREETING) == "changed in the Admin"


def test_a_setting_made_in_one_system_reaches_another_by_config_php(running: Shop) -> None:
    before, env_php = running.read("app/etc/config.php"), running.read("app/etc/env.php")
    running.magento("config:set", GREETING, "Grüß 'Gott'")
    running.magento("config:set", "kiln/sample/cron_sleep_ms", "5")
    running.magento("config:set", "kiln/sample/api_token", "canary-of-the-dump")
    running.magento("config:set", "kiln/sample/endpoint", "http://dev.test/")
    running.magento("app:config:dump", "scopes", "themes", "system")
    dumped = running.tree / "dumped.php"
    dumped.write_text(running.read("app/etc/config.php"))

    arguments = ("config", "dump", "--from", str(dumped), "--setting", GREETING)
    ended = running.kiln(*arguments, cwd=running.tree)
    assert ended.code == 0, ended.err
    assert f"locked: {GREETING} (default)" in ended.err
    assert f"locked: {GREETING} (stores/german)" in ended.err
    assert "not locked: kiln/sample/cron_sleep_ms (default)" in ended.err
    written = (running.tree / "app/etc/config.php").read_text()
    for secret in ("canary-of-the-dump", "dev.test"):
        assert secret not in written + ended.err

    # A system that has never heard of it: config.php, and no row in the database.
    running.database.sql(f"DELETE FROM core_config_data WHERE path = '{GREETING}'")
    running.write("app/etc/env.php", env_php)
    running.write("app/etc/config.php", written)
    running.magento("app:config:import", "--no-interaction")
    running.magento("app:config:status")
    assert "Grüß 'Gott'" in running.magento("config:show", GREETING)

    again = running.kiln("config", "dump", "--from", "app/etc/config.php", cwd=running.tree)
    assert again.code == 0, again.err
    assert (running.tree / "app/etc/config.php").read_text() == written
    assert "as it was" in again.err
    running.write("app/etc/config.php", before)
