"""A real MariaDB for tests, and the env.php of a shop that uses it."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import docker

from tests.containers import Container

_START = """
install -d -o mysql /run/mysqld
mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db > /dev/null
cat > /tmp/init.sql <<'END'
CREATE DATABASE shop;
CREATE USER shop@'%' IDENTIFIED BY 'geheim';
GRANT ALL ON shop.* TO shop@'%';
END
exec mariadbd --user=mysql --bind-address=0.0.0.0 --explicit_defaults_for_timestamp=1 \
    --log-bin-trust-function-creators=1 --version=10.6.18-MariaDB --init-file=/tmp/init.sql
"""


@dataclass(frozen=True)
class Database:
    """A running database server, on a network of its own."""

    network: str
    container: Container

    @property
    def host(self) -> str:
        return str(self.container.engine.name)

    def sql(self, statement: str) -> str:
        argv = ["mariadb", "--default-character-set=utf8mb4", "shop", "-NBre", statement]
        code, output = self.container.run(*argv)
        assert code == 0, output
        return output.removesuffix("\n")

    def env_php(self) -> str:
        """The env.php of an installed shop."""
        return f"""<?php
return [
    'install' => ['date' => 'Mon, 02 Nov 2026 00:00:00 +0000'],
    'backend' => ['frontName' => 'admin_test'],
    'crypt' => ['key' => 'base64dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtdGU='],
    'db' => ['table_prefix' => '', 'connection' => ['default' => [
        'host' => '{self.host}', 'dbname' => 'shop', 'username' => 'shop', 'password' => 'geheim',
        'model' => 'mysql4', 'engine' => 'innodb', 'initStatements' => 'SET NAMES utf8;',
        'active' => '1',
    ]]],
    'resource' => ['default_setup' => ['connection' => 'default']],
    'cache_types' => ['compiled_config' => 1],
];
"""


@contextlib.contextmanager
def run_database(engine: docker.DockerClient, image: str, network_name: str) -> Iterator[Database]:
    """Run MariaDB; `image` is that of the fixture `services`."""
    network = engine.networks.create(network_name)
    container = engine.containers.run(
        image,
        ["bash", "-c", _START],
        detach=True,
        network=network_name,
        tmpfs={"/var/lib/mysql": "mode=1777"},
    )
    try:
        found = Database(network_name, Container(container, ""))
        until = time.monotonic() + 90
        while found.container.run("mariadb", "shop", "-e", "SELECT 1")[0] != 0:
            container.reload()
            running = container.status == "running" and time.monotonic() < until
            assert running, container.logs().decode()
            time.sleep(0.3)
        yield found
    finally:
        container.remove(force=True, v=True)
        network.remove()
