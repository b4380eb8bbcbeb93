"""Development systems: two worktrees of a shop and a staging at once, all with real parts."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
import yaml

from tests.conftest import Ended, Kiln, copy_store
from tests.containers import Container, run_container

# The second worktree is that of a developer who is not root.
DEVELOPER = 4321
NAME_PATH = "general/store_information/name"


@dataclass(frozen=True)
class Worktree:
    """A worktree with its development system."""

    kiln: Kiln
    root: Path

    def __call__(self, *arguments: str) -> Ended:
        return self.kiln("dev", *arguments, cwd=self.root)

    def up(self, *options: str) -> dict[str, Any]:
        ended = self("up", *options, "--output", "json")
        assert ended.code == 0, ended.err
        facts: dict[str, Any] = ended.json()
        return facts

    def status(self) -> dict[str, Any]:
        facts: dict[str, Any] = self("status", "--output", "json").json()
        return facts

    def magento(self, *arguments: str) -> str:
        ended = self("magento", *arguments)
        assert ended.code == 0, ended.out + ended.err
        return ended.out

    def get(self, path: str = "") -> requests.Response:
        return requests.get(self.status()["urls"]["shop"] + path, timeout=60)

    def containers(self, engine: docker.DockerClient) -> dict[str, Any]:
        label = f"com.docker.compose.project={self.status()['name']}"
        found = engine.containers.list(all=True, filters={"label": label})
        return {one.labels["com.docker.compose.service"]: one for one in found}

    def in_web(self, engine: docker.DockerClient, *argv: str) -> str:
        code, output = Container(self.containers(engine)["web"], "").run(*argv)
        assert code == 0, output
        return output


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Mia", "-c", "user.email=mia@example.com")
    done = subprocess.run(
        ["git", "-C", str(root), *who, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def worktrees(kiln: Kiln, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Worktree]]:
    """Two worktrees of one repository, with their development systems up."""
    folder = tmp_path_factory.mktemp("worktrees")
    first = copy_store(folder / "der erste Laden", name=f"kiln-test-dev-{os.getpid()}")
    git(first, "init", "--quiet")
    git(first, "add", "--all")
    git(first, "commit", "--quiet", "--message", "The shop")
    git(first, "worktree", "add", "--quiet", "-b", "second", str(folder / "second"))
    both = [Worktree(kiln, first), Worktree(kiln, folder / "second")]
    for path in [both[1].root, *both[1].root.rglob("*")]:
        os.chown(path, DEVELOPER, DEVELOPER, follow_symlinks=False)
    try:
        for one in both:
            one.up()
        yield both
    finally:
        for one in both:
            one("down", "--volumes")


@pytest.fixture
def first(worktrees: list[Worktree]) -> Worktree:
    return worktrees[0]


@pytest.fixture
def second(worktrees: list[Worktree]) -> Worktree:
    return worktrees[1]


def test_each_worktree_has_a_shop_of_its_own(worktrees: list[Worktree]) -> None:
    facts = [one.status() for one in worktrees]
    assert all(one["running"] for one in facts)
    ports = [port for one in facts for port in one["ports"].values()]
    assert len(set(ports)) == len(ports)
    assert facts[0]["name"] != facts[1]["name"]
    for one, fact in zip(worktrees, facts, strict=True):
        answer = one.get()
        assert answer.status_code == 200
        assert f"localhost:{fact['ports']['web']}/" in one.magento(
            "config:show", "web/unsecure/base_url"
        )
        assert one.get("kiln/sample/whoami").json()["mode"] == "developer"


def test_what_is_put_into_one_shop_is_in_no_other(worktrees: list[Worktree]) -> None:
    rows = [one.magento("config:set", "kiln/sample/greeting", str(one.root)) for one in worktrees]
    assert all("saved" in row.lower() for row in rows), rows
    for one in worktrees:
        assert one.magento("config:show", "kiln/sample/greeting").strip() == str(one.root)


def test_a_change_of_a_file_counts_at_the_next_request(first: Worktree) -> None:
    page = first.root / "packages/magento/module-customer/view/frontend/templates/login.phtml"
    page = first.root / "vendor/magento" / page.relative_to(first.root / "packages/magento")
    before = page.read_text()
    assert "edited just now" not in first.get("customer/account/login").text
    page.write_text(before + "<p>edited just now</p>")
    assert "edited just now" in first.get("customer/account/login").text
    page.write_text(before)


def test_static_files_are_made_on_demand(first: Worktree) -> None:
    found = re.search(r'/(static/[^"]+\.css)', first.get().text)
    assert found
    answer = first.get(found[1])
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert first.get("static/frontend/Kiln/sample/en_US/css/nothing.css").status_code == 404


def test_files_that_the_shop_makes_are_the_developers(
    second: Worktree, engine: docker.DockerClient
) -> None:
    second.get()
    for name in ("vendor/autoload.php", "app/etc/env.php", "generated", "var"):
        status = (second.root / name).stat()
        assert (status.st_uid, status.st_gid) == (DEVELOPER, DEVELOPER), name
    assert second.in_web(engine, "id", "-u").strip() == str(DEVELOPER)
    users = second.in_web(engine, "ps", "-eo", "uid=").split()
    assert set(users) == {str(DEVELOPER)}


def test_a_second_up_changes_nothing(
    worktrees: list[Worktree], engine: docker.DockerClient
) -> None:
    for one in worktrees:
        before = {name: c.id for name, c in one.containers(engine).items()}
        assert one.up()["done"] == []
        assert {name: c.id for name, c in one.containers(engine).items()} == before


def test_exit_codes_and_options_of_magento_pass_through(first: Worktree) -> None:
    assert first("magento", "setup:db:status").code == 0
    wrong = first("magento", "no:such:command", "--with", "-x")
    assert wrong.code == 1
    assert "no:such" in wrong.out + wrong.err
    assert "Usage" in first.magento("config:set", "--help")


def test_passwords_are_in_files_alone(
    worktrees: list[Worktree], engine: docker.DockerClient
) -> None:
    for one in worktrees:
        folder = Path(one.status()["database"]["password_file"]).parent
        values = [
            path.read_text() for path in folder.iterdir() if path.name not in ("id", "queue_conf")
        ]
        assert len(values) == 4
        seen = [one.status(), (folder.parent / "compose.yaml").read_text()]
        for container in one.containers(engine).values():
            seen += [container.attrs, container.logs().decode("utf-8", "replace")]
            seen.append(container.exec_run(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).output)
            seen.append(container.exec_run(["sh", "-c", "cat /proc/[0-9]*/environ"]).output)
        text = "\n".join(map(str, seen))
        assert not any(value in text for value in values)
        assert (one.root / "app/etc/env.php").stat().st_mode & 0o777 == 0o600


def test_mail_is_caught(first: Worktree, engine: docker.DockerClient) -> None:
    first.in_web(engine, "php", "-r", "mail('mia@example.com', 'Bestellung', 'Danke');")
    mail = first.status()["urls"]["mail"]
    (caught,) = requests.get(f"{mail}messages", timeout=10).json()
    assert (caught["to"], caught["subject"]) == (["mia@example.com"], "Bestellung")
    assert "Danke" in requests.get(f"{mail}messages/{caught['number']}", timeout=10).text
    assert "Bestellung" in requests.get(mail, timeout=10).text


def test_the_queue_takes_the_stacks_password(first: Worktree) -> None:
    facts = first.status()
    folder = Path(facts["database"]["password_file"]).parent
    who = ("magento", (folder / "queue_password").read_text())
    answer = requests.get(f"{facts['urls']['queue']}api/whoami", auth=who, timeout=10)
    assert answer.json()["name"] == "magento"


def test_xdebug_is_there_when_it_is_asked_for(first: Worktree, engine: docker.DockerClient) -> None:
    assert "xdebug" not in first.in_web(engine, "php", "-m")
    first.up("--xdebug")
    assert "xdebug" in first.in_web(engine, "php", "-m")
    assert first.get().status_code == 200
    first.up()
    assert "xdebug" not in first.in_web(engine, "php", "-m")


def test_logs_are_those_of_the_service_that_is_asked_for(first: Worktree) -> None:
    ended = first("logs", "--tail", "5", "database")
    assert ended.code == 0
    assert "database" in ended.out
    wrong = first("logs", "databse")
    assert wrong.code == 2
    assert "database" in wrong.err


def test_a_database_that_is_behind_the_code_is_brought_up_to_date(first: Worktree) -> None:
    patch = first.root / "app/code/Kiln/Sample/Setup/Patch/Data/AddedByAColleague.php"
    example = next(path for path in patch.parent.glob("*.php"))
    patch.write_text(example.read_text().replace(f"class {example.stem}", f"class {patch.stem}"))
    assert first("magento", "setup:db:status").code == 2
    assert first.up()["done"] == ["upgrade"]
    assert first("magento", "setup:db:status").code == 0
    patch.unlink()


def test_only_one_up_of_a_tree_runs(first: Worktree) -> None:
    running = first.kiln.start("dev", "up", cwd=first.root)
    try:
        lock = Path(first.status()["database"]["password_file"]).parent.parent / "lock"
        until = time.monotonic() + 30
        while str(running.pid) not in lock.read_text():
            assert time.monotonic() < until
            time.sleep(0.01)
        refused = first("up")
        assert refused.code == 15
        assert str(running.pid) in refused.err
    finally:
        _, err = running.communicate(timeout=300)
    assert running.returncode == 0, err


def test_a_port_that_another_program_took_is_replaced(second: Worktree) -> None:
    port = second.status()["ports"]["web"]
    assert second("down").code == 0
    assert not second.status()["running"]
    assert second("magento", "list").code == 20
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        facts = second.up()
    assert facts["ports"]["web"] != port
    assert facts["done"] == []
    assert second.get().status_code == 200
    shown = second.magento("config:show", "web/unsecure/base_url")
    assert shown.strip() == facts["urls"]["shop"]


def test_a_cache_that_was_removed_costs_no_data(second: Worktree) -> None:
    second.magento("config:set", "kiln/sample/greeting", "kept")
    folder = Path(second.status()["database"]["password_file"]).parent
    shutil.rmtree(folder)
    assert second.up()["done"] == ["configure"]
    assert second.magento("config:show", "kiln/sample/greeting").strip() == "kept"
    assert second.get().status_code == 200


@pytest.mark.parametrize(
    "patience",
    [pytest.param(0.5, marks=pytest.mark.long), pytest.param(1.5, marks=pytest.mark.long), 2.5],
)
def test_an_up_that_was_killed_is_mended_by_the_next(second: Worktree, patience: float) -> None:
    assert second("down", "--volumes").code == 0
    (second.root / "app/etc/env.php").unlink()
    running = second.kiln.start("dev", "up", cwd=second.root)
    assert running.stderr is not None
    for line in running.stderr:
        if "setup:install" in line:
            break
    time.sleep(patience)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)
    facts = second.up()
    assert facts["running"]
    assert set(facts["done"]) <= {"install", "reinstall"}
    assert second.get().status_code == 200
    assert second("magento", "setup:db:status").code == 0


def test_an_interrupted_up_ends_with_130_and_goes_on_the_next_time(second: Worktree) -> None:
    assert second("down").code == 0
    running = second.kiln.start("dev", "up", cwd=second.root)
    assert running.stderr is not None
    for line in running.stderr:
        if "starting the services" in line:
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert second.up()["running"]


@contextlib.contextmanager
def staging(
    engine: docker.DockerClient, first: Worktree, image: str, folder: Path
) -> Iterator[Container]:
    """The built image as staging runs it: env.php from its environment, a database of its own."""
    secrets = {"db-password": "staging-only", "crypt-key": "0123456789abcdef0123456789abcdef"}
    (folder / "secrets").mkdir()
    for name, value in secrets.items():
        (folder / "secrets" / name).write_text(value)
    rendered = first.kiln("config", "render", "staging", cwd=first.root)
    assert rendered.code == 0, rendered.err
    (folder / "env.php").write_text(rendered.out)
    mounts = {
        str(folder / "env.php"): {"bind": "/app/app/etc/env.php", "mode": "ro"},
        str(folder / "secrets"): {"bind": "/run/secrets", "mode": "ro"},
    }
    network = engine.networks.create(f"kiln-test-staging-{os.getpid()}")
    database = engine.containers.run(
        first.containers(engine)["database"].attrs["Config"]["Image"],
        ["--explicit_defaults_for_timestamp=1"],
        detach=True,
        network=network.name,
        environment={
            "MARIADB_DATABASE": "shop",
            "MARIADB_USER": "shop",
            "MARIADB_PASSWORD_FILE": "/run/secrets/db-password",
        },
        volumes={str(folder / "secrets"): {"bind": "/run/secrets", "mode": "ro"}},
        tmpfs={"/var/lib/mysql": ""},
    )
    try:
        network.disconnect(database)
        network.connect(database, aliases=["staging-database"])
        until = time.monotonic() + 60
        ping = ["mariadb-admin", "--host=127.0.0.1", "--protocol=tcp", "ping"]
        while database.exec_run(ping).exit_code != 0:
            assert time.monotonic() < until, database.logs().decode()
            time.sleep(0.3)
        options: dict[str, Any] = {"network": network.name, "volumes": mounts}
        with run_container(engine, image, "install", **options) as migration:
            ended = migration.engine.wait(timeout=120)
            assert ended["StatusCode"] == 0, migration.engine.logs().decode()
        with run_container(engine, image, "web", port=8080, **options) as web:
            web.wait_healthy()
            yield web
    finally:
        database.remove(force=True, v=True)
        network.remove()


def test_a_setting_made_in_development_is_seen_in_staging(
    worktrees: list[Worktree], engine: docker.DockerClient, tmp_path: Path
) -> None:
    first, second = worktrees
    name = "Laden von Mia & Söhnen"
    (first.root / "environments").mkdir()
    (first.root / "environments/staging.yaml").write_text(
        yaml.safe_dump(
            {
                "secrets": {"directory": str(tmp_path / "secrets")},
                "crypt_key": {"secret": "crypt-key"},
                "services": {
                    "database": {
                        "host": "staging-database",
                        "name": "shop",
                        "user": "shop",
                        "password": {"secret": "db-password"},
                    }
                },
            }
        )
    )
    first.magento("config:set", "--lock-config", NAME_PATH, name)
    dumped = first.kiln("config", "dump", cwd=first.root)
    assert dumped.code == 0, dumped.err
    changed = git(first.root, "diff", "--stat")
    assert "app/etc/config.php" in changed
    git(first.root, "add", "--all")
    git(first.root, "commit", "--quiet", "--message", "Name the shop")
    assert "env.php" not in git(first.root, "ls-files")
    built = first.kiln("build", "--push", "--output", "json", cwd=first.root)
    assert built.code == 0, built.err
    record = built.json()
    assert record["git"] == {
        "commit": git(first.root, "rev-parse", "HEAD").strip(),
        "dirty": False,
    }
    with staging(engine, first, record["image"], tmp_path) as web:
        code, output = web.run("bin/magento", "config:show", NAME_PATH)
        assert (code, output.strip()) == (0, name)
        page = web.get("/")
        assert page.status_code == 200
        assert web.get("/kiln/sample/whoami").json()["mode"] == "production"
        # All three at once, and the other worktree knows nothing of the setting yet.
        assert first.get().status_code == 200
        assert second.get().status_code == 200
        assert name not in second.magento("config:show", NAME_PATH)


def test_a_colleague_gets_the_setting_with_the_next_pull(second: Worktree) -> None:
    assert second.up()["done"] == []
    owner = ("-c", f"safe.directory={second.root}")
    main = git(second.root, *owner, "branch", "--format=%(refname:short)").split()
    (other,) = [name for name in main if name not in ("*", "+", "second")]
    git(second.root, *owner, "merge", "--quiet", "--ff-only", other)
    assert "import" in second.up()["done"]
    assert "Söhnen" in second.magento("config:show", NAME_PATH)
    assert second.get().status_code == 200


def test_nothing_of_a_stack_is_left_after_down_with_volumes(
    worktrees: list[Worktree], engine: docker.DockerClient
) -> None:
    for one in worktrees:
        name = one.status()["name"]
        assert one("down", "--volumes").code == 0
        label: dict[str, Any] = {"label": f"com.docker.compose.project={name}"}
        assert not engine.containers.list(all=True, filters=label)
        assert not engine.volumes.list(filters=label)
        assert not engine.networks.list(filters=label)
        assert one("down").code == 0


def test_a_folder_that_is_no_shop_is_refused(kiln: Kiln, tmp_path: Path) -> None:
    assert kiln("dev", "up", cwd=tmp_path).code == 10
    (tmp_path / "kiln.yaml").write_text(
        "name: nothing\nstatic: {themes: {frontend/Magento/luma: [en_US]}}\n"
    )
    ended = kiln("dev", "up", cwd=tmp_path)
    assert ended.code == 11
    assert "composer" in ended.err


def test_an_engine_that_is_stopped_is_named(kiln: Kiln, tree: Path) -> None:
    for command in ("up", "status", "down"):
        ended = kiln("dev", command, cwd=tree, DOCKER_HOST="unix:///nowhere/docker.sock")
        assert ended.code == 12, ended.err
        assert "engine does not answer" in ended.err


def test_the_real_magento_comes_up(kiln: Kiln, tmp_path: Path) -> None:
    """On a copy of MAGENTO_SOURCE; without one, the sample shop stands for it, as everywhere."""
    source = os.environ.get("MAGENTO_SOURCE")
    if source is None:
        root = copy_store(tmp_path / "shop", name=f"kiln-test-real-{os.getpid()}")
    else:
        root = tmp_path / "shop"
        ignore = shutil.ignore_patterns(".git")
        shutil.copytree(source, root, symlinks=True, ignore=ignore)
    one = Worktree(kiln, root)
    before = (root / "app/etc/config.php").read_text()
    try:
        assert one.up()["done"][-1] == "install"
        assert one.get().status_code == 200
        assert one.get("customer/account/login/").status_code == 200
        after = (root / "app/etc/config.php").read_text()
        pattern = re.compile(r"'(\w+_\w+)' => ([01])\b")
        assert dict(pattern.findall(after)).items() >= dict(pattern.findall(before)).items()
    finally:
        one("down", "--volumes")
