"""Run-time secrets, from their sources to files in real containers, and changed while they run."""

import io
import os
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
import requests

from tests.conftest import ROOT, Kiln, copy_store
from tests.containers import Container, run_container
from tests.integration.secret_stack import (
    MOUNT_POINT,
    ProcessWatch,
    SecretKiln,
    memory_folder,
    mount,
    random_key,
    run_with_secrets,
    write_environment,
)

ODD_VALUES = {
    "quotes": "a'b\"c\\d`e",
    "dollars": "$HOME ${x} $(id) `id` {{x}} %s",
    "lines": "one\ntwo\r\nthree",
    "spaces": "  both ends \t",
    "php": "'; phpinfo(); //<?php ?>",
    "unicode": "größe 日本 🔑 \u202e",
    "yaml": "!!python/object/apply:os.system [id]",
    "long": "x" * 100_000,
    "one": "0",
}


@pytest.fixture
def memory() -> Iterator[Path]:
    with memory_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def image(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample shop's image; the session's own where that is the sample shop."""
    tree = copy_store(tmp_path_factory.mktemp("secrets") / "shop", name="kiln-test-sample")
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    return str(ended.json()["image"])


@pytest.fixture
def shop(kiln: Kiln, tree: Path, tmp_path: Path) -> SecretKiln:
    """The sample shop with an environment whose secrets are files outside of the tree."""
    source = tmp_path / "source"
    source.mkdir(mode=0o700)
    for name, value in {
        "db-password": "first-password-of-the-test",
        "crypt-key": random_key(),
        "ups-password": "ups-password-of-the-test",
    }.items():
        (source / name).write_text(value)
        (source / name).chmod(0o600)
    write_environment(tree, "production", {"directory": str(source)})
    return SecretKiln(kiln, tree, tmp_path / "state")


def deliver(shop: SecretKiln, folder: Path, environment: str = "production", **env: str) -> Path:
    """Deliver to a folder; the folder to mount."""
    target = str(folder / "secrets")
    return Path(shop.done("secrets", "deliver", environment, "--to", target, **env)["mount"])


def render_env_php(shop: SecretKiln, environment: str, folder: Path) -> Path:
    """The env.php that Kiln makes for an environment."""
    rendered = shop("config", "render", environment)
    assert rendered.code == 0, rendered.err
    path = folder / f"{environment}.env.php"
    path.write_text(rendered.out)
    path.chmod(0o644)
    return path


# -- files in containers ----------------------------------------------------------------------


def test_www_data_alone_reads_the_files_and_nobody_writes_them(
    engine: docker.DockerClient, image: str, shop: SecretKiln, memory: Path
) -> None:
    folder = deliver(shop, memory)
    with run_with_secrets(engine, image, folder, "sleep", "600") as container:
        code, listed = container.run(
            "stat", "-c", "%n %U:%G %a %F", MOUNT_POINT, f"{MOUNT_POINT}/db-password"
        )
        assert code == 0, listed
        assert listed.splitlines() == [
            f"{MOUNT_POINT} www-data:www-data 500 directory",
            f"{MOUNT_POINT}/db-password www-data:www-data 400 regular file",
        ]
        read = "echo file_get_contents('/run/secrets/db-password');"
        assert container.run("php", "-r", read) == (0, "first-password-of-the-test")
        code, said = container.run("sh", "-c", f"echo x > {MOUNT_POINT}/db-password")
        assert code != 0
        assert "first-password" not in said
        assert container.run("touch", f"{MOUNT_POINT}/x")[0] != 0
        assert container.run("ls", "-A", MOUNT_POINT)[1].split() == [
            "crypt-key",
            "db-password",
            "ups-password",
        ]
        other: Any = container.engine.exec_run(["cat", f"{MOUNT_POINT}/db-password"], user="nobody")
        assert other.exit_code != 0
    assert oct(folder.parent.stat().st_mode & 0o777) == "0o700"


def test_php_reads_every_value_as_it_is_in_the_source(
    engine: docker.DockerClient, image: str, shop: SecretKiln, memory: Path, tmp_path: Path
) -> None:
    write_environment(
        shop.tree,
        "production",
        {"directory": str(tmp_path / "source")},
        settings={f"odd/values/{name}": {"secret": f"odd-{name}"} for name in ODD_VALUES},
    )
    for name, value in ODD_VALUES.items():
        (tmp_path / "source" / f"odd-{name}").write_bytes(value.encode() + b"\n")
    folder = deliver(shop, memory)
    with run_with_secrets(engine, image, folder, "sleep", "600") as container:
        for name, value in ODD_VALUES.items():
            read = f"echo bin2hex(file_get_contents('{MOUNT_POINT}/odd-{name}'));"
            assert container.run("php", "-r", read) == (0, value.encode().hex()), name


def test_a_running_container_sees_a_change_through_the_folder_alone(
    engine: docker.DockerClient, image: str, memory: Path
) -> None:
    """Why the folder itself is mounted: links and single files are followed at the start, once."""
    for version in ("old", "new"):
        (memory / version).mkdir()
        (memory / version / "name").write_text(version)
    (memory / "current").symlink_to("old")
    folder = memory / "folder"
    folder.mkdir()
    (folder / "name").write_text("old")
    kinds = {"folder": folder, "link": memory / "current", "file": folder / "name"}
    mounts = [
        docker.types.Mount(f"/{kind}", str(path), type="bind", read_only=True)
        for kind, path in kinds.items()
    ]

    def seen(container: Container) -> list[str]:
        paths = ("/folder/name", "/link/name", "/file")
        return [container.run("cat", path)[1] for path in paths]

    with run_container(engine, image, "sleep", "600", mounts=mounts) as container:
        assert seen(container) == ["old", "old", "old"]
        (memory / "next").symlink_to("new")
        (memory / "next").rename(memory / "current")
        (memory / "work").write_text("new")
        (memory / "work").rename(folder / "name")
        assert seen(container) == ["new", "old", "old"]


def test_after_a_reboot_no_container_starts_without_its_secrets(
    engine: docker.DockerClient, image: str, shop: SecretKiln, memory: Path
) -> None:
    folder = deliver(shop, memory)
    subprocess.run(["rm", "-r", str(folder.parent)], check=True)  # what a reboot does to a tmpfs
    with (
        pytest.raises(docker.errors.APIError, match="bind source path does not exist"),
        run_with_secrets(engine, image, folder, "sleep", "600"),
    ):
        pass
    assert deliver(shop, memory) == folder
    with run_with_secrets(engine, image, folder, "sleep", "600") as container:
        assert container.run("cat", f"{MOUNT_POINT}/db-password")[0] == 0


def test_a_folder_of_secrets_in_the_tree_does_not_go_into_the_image(
    engine: docker.DockerClient, kiln: Kiln, tree: Path
) -> None:
    write_environment(tree, "production", {"directory": "vault"})
    (tree / "vault").mkdir()
    (tree / "vault" / "db-password").write_text("canary-in-the-tree")
    ended = kiln("build", "--push", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    with run_container(engine, ended.json()["image"], "sleep", "600") as container:
        assert container.run("ls", "/app/vault")[0] != 0
        assert container.run("ls", "/app/environments")[0] != 0
        assert container.run("grep", "-rlF", "canary-in-the-tree", "/app") == (1, "")


# -- the commands -----------------------------------------------------------------------------


def test_what_is_missing_or_implausible_ends_a_check_with_19(
    shop: SecretKiln, tmp_path: Path, memory: Path
) -> None:
    ended = shop("secrets", "check", "production", "--output", "json")
    assert (ended.code, ended.json()["ok"]) == (0, True), ended.err
    (tmp_path / "source" / "crypt-key").write_text("not-a-key")
    (tmp_path / "source" / "ups-password").unlink()
    (tmp_path / "source").chmod(0o755)
    ended = shop("secrets", "check", "production", "--output", "json")
    assert ended.code == 19
    told = {one["name"]: one["problems"] for one in ended.json()["secrets"]}
    assert told["db-password"] == []
    assert "Magento's form" in told["crypt-key"][0]
    assert "missing" in told["ups-password"][0]
    assert "chmod 700" in ended.json()["warnings"][0]
    text = shop("secrets", "check", "production")
    assert (text.code, text.out.count("WRONG")) == (19, 2)
    refused = shop("secrets", "deliver", "production", "--to", str(memory / "secrets"))
    assert refused.code == 19
    assert "ups-password" in refused.err
    assert not (memory / "secrets").exists()


def test_a_folder_on_a_disk_is_refused_by_name(shop: SecretKiln, tmp_path: Path) -> None:
    refused = shop("secrets", "deliver", "production", "--to", str(tmp_path / "here"))
    assert refused.code == 19
    assert "not on tmpfs" in refused.err
    assert "--allow-disk" in refused.err


def test_wrong_usage_and_an_unknown_environment_or_secret_are_named(shop: SecretKiln) -> None:
    assert shop("secrets", "list", "nowhere").code == 10
    assert shop("secrets", "list", "../production").code == 10
    assert shop("secrets", "rotate", "production", "db-password").code == 19
    unknown = shop("secrets", "rotate", "production", "../x", "--generate")
    assert unknown.code == 19
    assert "names no secret" in unknown.err
    both = ("secrets", "rotate", "production", "db-password", "--generate", "--from-stdin")
    assert shop(*both).code == 2


# -- rotation on a running stack --------------------------------------------------------------

START_DATABASE = """
install -d -o mysql /run/mysqld
mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db > /dev/null
exec mariadbd --user=mysql --bind-address=0.0.0.0 --explicit_defaults_for_timestamp=1
"""


@dataclass
class Traffic:
    """Asks pages that need the database, without pause."""

    address: str
    answered: int = 0
    written: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def _ask(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            request = f"{threading.get_ident()}-{number}"
            try:
                page = requests.get(f"http://{self.address}/kiln/sample/whoami", timeout=10)
                cart = requests.post(
                    f"http://{self.address}/checkout/cart/add",
                    data={"sku": "24-MB01", "qty": "1", "request_id": request},
                    timeout=10,
                )
            except requests.RequestException as error:
                self.failed.append(str(error))
                continue
            if page.status_code != 200 or page.json()["db"] is not True:
                self.failed.append(page.text)
            if cart.status_code == 200:
                self.written.append(request)
            else:
                self.failed.append(cart.text)
            self.answered += 2

    def __enter__(self) -> "Traffic":
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int = 40) -> None:
        """Until so many requests more have been answered."""
        wanted = self.answered + count
        until = time.monotonic() + 60
        while self.answered < wanted:
            assert time.monotonic() < until, self.failed[:3]
            time.sleep(0.05)


@dataclass
class Stack:
    """A web container and its database."""

    web: Container
    database: Container

    def sql(self, statement: str) -> str:
        code, output = self.database.run("mariadb", "-NBe", statement)
        assert code == 0, output
        return output.strip()

    def accept(self, *passwords: str) -> None:
        """Let the shop's user in with each of the passwords, and with no other."""
        ways = " OR ".join(f"mysql_native_password USING PASSWORD('{one}')" for one in passwords)
        self.sql(f"ALTER USER shop@'%' IDENTIFIED VIA {ways}")

    def lets_in(self, password: str) -> bool:
        argv = [
            "mariadb",
            "-h",
            str(self.database.engine.name),
            "-u",
            "shop",
            f"-p{password}",
            "shop",
        ]
        return self.database.run(*argv, "-e", "SELECT 1")[0] == 0

    def restarts(self) -> tuple[str, str]:
        self.web.engine.reload()
        state = self.web.engine.attrs["State"]
        return self.web.engine.id or "", state["StartedAt"]


@pytest.fixture
def stack(
    engine: docker.DockerClient,
    services: str,
    image: str,
    shop: SecretKiln,
    memory: Path,
    tmp_path: Path,
) -> Iterator[Stack]:
    """The shop on MariaDB, with the delivered password."""
    host = f"kiln-test-secrets-{os.getpid()}"
    write_environment(shop.tree, "production", {"directory": str(tmp_path / "source")}, host)
    folder = deliver(shop, memory)
    env_php = render_env_php(shop, "production", tmp_path)
    network = engine.networks.create(host)
    database = None
    try:
        database = engine.containers.run(
            services,
            ["bash", "-c", START_DATABASE],
            detach=True,
            name=host,
            network=host,
            tmpfs={"/var/lib/mysql": "mode=1777"},
        )
        until = time.monotonic() + 60
        while database.exec_run(["mariadb", "-e", "SELECT 1"]).exit_code != 0:
            assert time.monotonic() < until, database.logs().decode()
            time.sleep(0.3)
        started = Stack(Container(database, ""), Container(database, ""))
        started.sql(
            "CREATE DATABASE shop; CREATE USER shop@'%' IDENTIFIED BY 'first-password-of-the-test';"
            "GRANT ALL ON shop.* TO shop@'%'; DELETE FROM mysql.global_priv WHERE User = '';"
            "FLUSH PRIVILEGES"
        )
        common: dict[str, Any] = {
            "network": host,
            "volumes": {str(env_php): {"bind": "/app/app/etc/env.php", "mode": "ro"}},
        }
        with run_with_secrets(engine, image, folder, "install", **common) as migration:
            ended = migration.engine.wait(timeout=120)["StatusCode"]
            assert ended == 0, migration.engine.logs().decode()
        with run_with_secrets(engine, image, folder, "web", port=8080, **common) as web:
            web.wait_healthy()
            yield Stack(web, Container(database, ""))
    finally:
        if database is not None:
            database.remove(force=True, v=True)
        network.remove()


def test_the_database_password_is_rotated_on_a_running_stack_and_rolled_back(
    stack: Stack, shop: SecretKiln
) -> None:
    """No rebuild, no restart, no failed request: MariaDB takes both passwords meanwhile."""
    first, second = "first-password-of-the-test", "second-$password 'of the test"
    quoted = second.replace("'", "''")
    before = stack.restarts()
    with Traffic(stack.web.address) as traffic:
        traffic.wait_for_more()
        stack.accept(first, quoted)
        change = shop.done(
            "secrets", "rotate", "production", "db-password", "--from-stdin", stdin=second
        )
        stack.accept(quoted)
        traffic.wait_for_more()
        assert not stack.lets_in(first)
        assert stack.lets_in(second)

        stack.accept(first, quoted)
        back = shop.done("secrets", "rollback", "production", "db-password")
        stack.accept(first)
        traffic.wait_for_more()
        assert not stack.lets_in(second)
    assert traffic.failed == []
    assert stack.restarts() == before
    assert (back["before"], back["version"]) == (change["version"], change["before"])
    found = set(stack.sql("SELECT request_id FROM shop.quote_item").splitlines())
    assert set(traffic.written) <= found
    assert len(traffic.written) == len(set(traffic.written))


def test_a_rotation_that_the_database_does_not_know_fails_and_a_rollback_mends_it(
    stack: Stack, shop: SecretKiln
) -> None:
    """The other way round: the pages' answers say that the file is read at run time."""
    health = "/health_check.php"
    assert stack.web.get(health).status_code == 200
    shop.done("secrets", "rotate", "production", "db-password", "--generate")
    assert stack.web.get(health).status_code == 500
    shop.done("secrets", "rollback", "production", "db-password")
    assert stack.web.get(health).status_code == 200


# -- canaries ---------------------------------------------------------------------------------


@dataclass
class Canaries:
    """Values that must be seen in /run/secrets alone."""

    values: list[str] = field(default_factory=list)

    def new(self) -> str:
        self.values.append(f"canary-{random_key()[:20]}")
        return self.values[-1]

    def new_key(self) -> str:
        self.values.append(f"c{random_key()[1:]}")
        return self.values[-1]

    def in_text(self, text: str | bytes) -> list[str]:
        data = text.encode() if isinstance(text, str) else text
        return [value for value in self.values if value.encode() in data]

    def in_archive(self, container: Container, *folders: str) -> set[str]:
        """The files of a running container that hold one, as www-data reads them."""
        done: Any = container.engine.exec_run(["tar", "-c", *folders], demux=True)
        with tarfile.open(fileobj=io.BytesIO(done.output[0])) as archive:
            members = archive.getmembers()
            assert any(member.isfile() for member in members), folders
            return {
                f"/{member.name}"
                for member in members
                if member.isfile()
                and (file := archive.extractfile(member))
                and self.in_text(file.read())
            }

    def in_root(self, container: Container) -> bool:
        """Whether one is in a container's root file system, mounts left out."""
        tail = b""
        block: Any
        for block in container.engine.export(1 << 22):
            if self.in_text(tail + block):
                return True
            tail = block[-64:]
        return False

    def files_below(self, folder: Path) -> set[Path]:
        return {
            path
            for path in folder.rglob("*")
            if path.is_file() and not path.is_symlink() and self.in_text(path.read_bytes())
        }


CRASH = textwrap.dedent(
    """
    import os, sys, traceback
    def fail(*_):
        raise RuntimeError("a defect")
    def show(kind, error, trace):
        told = traceback.TracebackException(kind, error, trace, capture_locals=True)
        sys.stderr.write("".join(told.format()))
    sys.excepthook = show
    os.fsync = fail
    from builder.cli.main import main
    sys.argv = ["kiln", *sys.argv[1:]]
    main()
    """
)


def test_canaries_in_every_source_are_found_in_run_secrets_alone(
    engine: docker.DockerClient, kiln: Kiln, tree: Path, tmp_path: Path, memory: Path
) -> None:
    canaries = Canaries()
    shop = SecretKiln(kiln, tree, tmp_path / "state")

    # Three environments, one a source; the folder of one lies in the tree that is built.
    folder, printed_by_command = tree / "vault", memory / "printed"
    for place in (folder, printed_by_command):
        place.mkdir(mode=0o700)
        for name in ("db-password", "ups-password"):
            (place / name).write_text(canaries.new())
        (place / "crypt-key").write_text(canaries.new_key())
    variables = {
        "SHOP_DB_PASSWORD": canaries.new(),
        "SHOP_UPS_PASSWORD": canaries.new(),
        "SHOP_CRYPT_KEY": canaries.new_key(),
    }
    write_environment(tree, "production", {"directory": "vault"})
    write_environment(tree, "staging", {"env_prefix": "SHOP_"})
    # Slow enough for its process to be seen.
    command = ["sh", "-c", f"sleep 0.1; exec cat {printed_by_command}/{{name}}"]
    write_environment(tree, "testing", {"command": command})
    sources: dict[str, dict[str, str]] = {"production": {}, "staging": variables, "testing": {}}

    with ProcessWatch(canaries.values) as watch:
        built = shop.done("build", "--push", **variables)
        shop("build", "--dry-run", "--output", "json", **variables)
        shop("render", **variables)
        shop("lint", "--output", "json", **variables)
        for name, env in sources.items():
            target = str(memory / name / "secrets")
            deliver(shop, memory / name, name, **env)
            for output in ("text", "json"):
                for argv in (["list", name], ["check", name], ["deliver", name, "--to", target]):
                    ended = shop("secrets", *argv, "--output", output, **env)
                    assert ended.code == 0, ended.err

        # Rotated and rolled back, each source in its way.
        second = canaries.new()
        watch.needles.append(second.encode())
        shop.done("secrets", "rotate", "production", "db-password", "--from-stdin", stdin=second)
        changed = {**variables, "SHOP_DB_PASSWORD": canaries.new()}
        watch.needles.append(changed["SHOP_DB_PASSWORD"].encode())
        shop.done("secrets", "rotate", "staging", "db-password", **changed)
        (printed_by_command / "db-password").write_text(canaries.new())
        watch.needles.append(canaries.values[-1].encode())
        shop.done("secrets", "rotate", "testing", "db-password")
        for name, env in sources.items():
            assert shop("secrets", "rollback", name, "db-password", **env).code == 0

        # Failures: a command that says the value itself, an invalid key, a defect in Kiln.
        shouting = (
            f"cat {printed_by_command}/{{name}}; cat {printed_by_command}/{{name}} >&2; false"
        )
        write_environment(tree, "shouting", {"command": ["sh", "-c", shouting]})
        ended = shop("secrets", "check", "shouting")
        assert (ended.code, "***" in ended.out) == (19, True), ended
        for name, env in sources.items():
            crashed = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    CRASH,
                    "secrets",
                    "deliver",
                    name,
                    "--to",
                    str(memory / "x"),
                ],
                cwd=tree,
                env=kiln.environment(PYTHONPATH=str(ROOT), KILN_STATE=str(shop.state), **env),
                capture_output=True,
                text=True,
                check=False,
            )
            assert "SecretValue(***)" in crashed.stderr, crashed.stderr
            assert "RuntimeError: a defect" in crashed.stderr
            shop.printed.append(crashed.stderr + crashed.stdout)

        # The shop runs with each of them, and fails at a database that is not there.
        used = engine.images.pull(built["image"])
        for name in sources:
            mounted = memory / name / "secrets" / "mounted"
            env_php = render_env_php(shop, name, tmp_path)
            volumes = {str(env_php): {"bind": "/app/app/etc/env.php", "mode": "ro"}}
            with run_container(
                engine, built["image"], "web", port=8080, mounts=[mount(mounted)], volumes=volumes
            ) as web:
                web.wait_healthy()
                assert web.get("/health_check.php").status_code == 500
                shown = [web.get(path).text for path in ("/", "/kiln/sample/whoami")]
                assert web.run("php", "bin/magento", "setup:db:status")[0] != 0
                rounds = watch.rounds
                while watch.rounds < rounds + 2:
                    time.sleep(0.01)

                # It is there, and nowhere else in the container: neither in what can be written
                # nor, below, in the read-only rest.
                assert canaries.in_archive(web, *used.labels["io.kiln.writable"].split()) == set()
                assert canaries.in_archive(web, "/run", "/dev/shm") == {
                    f"{MOUNT_POINT}/{one.name}" for one in mounted.iterdir()
                }
                # The root is the same read-only one for all three.
                assert name != "production" or not canaries.in_root(web)
                web.engine.reload()
                for text in (
                    str(web.engine.attrs),
                    str(used.attrs),
                    str(used.history()),
                    str(web.engine.top()),
                    web.engine.logs().decode(),
                    web.run("env")[1],
                    *shown,
                ):
                    assert canaries.in_text(text) == []
    # Each command that was started has been seen, so that its absence says something.
    assert watch.rounds > 50
    assert any(f"{printed_by_command}/db-password" in command for command in watch.commands)
    # A source of variables shows in kiln itself, which was given them, and in nothing it started.
    leaks = [
        leak
        for leak in watch.leaks.values()
        if not (leak.where == "environ" and " secrets " in leak.command)
    ]
    # `kiln build` and friends were given the variables as well, and pass their environment on.
    leaks = [leak for leak in leaks if not _is_of_a_build(leak.command)]
    assert leaks == []

    assert canaries.in_text("".join(shop.printed)) == []
    assert canaries.files_below(tmp_path / "state") == set()
    assert canaries.files_below(kiln.cache) == set()
    # On the host: in the sources and in the delivered folders.
    assert {path.parent for path in canaries.files_below(tree)} == {folder}
    for name in sources:
        delivered = memory / name / "secrets"
        assert {
            path.relative_to(delivered).parts[0] for path in canaries.files_below(delivered)
        } == {"mounted", "kept"}


def _is_of_a_build(command: str) -> bool:
    return any(f" builder {name}" in command for name in ("build", "render", "lint")) or (
        command.startswith(("docker", "/usr/libexec/docker", "git"))
    )
