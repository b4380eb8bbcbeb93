"""environments/development.yaml in a running development system."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from tests.conftest import Kiln, copy_store
from tests.containers import Container

GREETING = "kiln/sample/greeting"
TOKEN = "kiln/sample/api_token"
AWKWARD = 'it\'s $HOME \\ {{ 7*7 }} <?php ?> "ü"'
SHOW_TOKEN = """
echo '<?php echo $_ENV["CONFIG__DEFAULT__KILN__SAMPLE__API_TOKEN"];' > /tmp/show.php
php /tmp/show.php
"""
CANARY = "canary-of-development"


@pytest.fixture
def developed(kiln: Kiln, tmp_path: Path) -> Iterator[Path]:
    """A copy of the sample shop whose development system is removed in the end."""
    tree = copy_store(tmp_path / "shop", name=f"kiln-test-settings-{os.getpid()}")
    try:
        yield tree
    finally:
        kiln("dev", "down", "--volumes", cwd=tree)


def test_a_development_system_has_the_settings_of_its_file(
    kiln: Kiln, developed: Path, engine: docker.DockerClient, tmp_path: Path
) -> None:
    file, vault = developed / "environments/development.yaml", tmp_path / "vault"

    def write(default: dict[str, Any], token: str) -> None:
        file.parent.mkdir(exist_ok=True)
        stores = {"german": {GREETING: "Moin"}}
        content = {
            "secrets": {"directory": str(vault)},
            "settings": {"default": {**default, TOKEN: {"secret": "api-token"}}, "stores": stores},
        }
        file.write_text(yaml.safe_dump(content))
        vault.mkdir(mode=0o700, exist_ok=True)
        (vault / "api-token").write_text(f"{token}\n")
        (vault / "api-token").chmod(0o600)

    def up(*said: str) -> tuple[list[str], dict[str, Any]]:
        ended = kiln("dev", "up", "--output", "json", cwd=developed)
        assert ended.code == 0, ended.err
        assert CANARY not in ended.out + ended.err
        for text in said:
            assert text in ended.err
        facts: dict[str, Any] = ended.json()
        return facts["done"], facts

    def show(path: str, *options: str) -> str:
        ended = kiln("dev", "magento", "config:show", path, *options, cwd=developed)
        assert ended.code == 0, ended.err
        return ended.out.strip()

    def token(facts: dict[str, Any]) -> str:
        label = f"com.docker.compose.project={facts['name']}"
        (web,) = (
            one
            for one in engine.containers.list(filters={"label": label})
            if one.labels["com.docker.compose.service"] == "web"
        )
        # config:show masks it.
        code, output = Container(web, "").run("sh", "-c", SHOW_TOKEN)
        assert code == 0, output
        return output

    write({GREETING: AWKWARD, "kiln/sample/cronSleep": "1"}, f"{CANARY}-1")
    done, facts = up("kiln/sample/cronSleep (default) is left out")
    assert done[-1] == "settings"
    assert show(GREETING) == AWKWARD
    assert show(GREETING, "--scope=stores", "--scope-code=german") == "Moin"
    assert token(facts) == f"{CANARY}-1"
    assert up()[0] == []

    # Another value, by web as well, whose config cache has the one before.
    write({GREETING: "Hello"}, f"{CANARY}-2")
    done, facts = up()
    assert done == ["settings"]
    assert (show(GREETING), token(facts)) == ("Hello", f"{CANARY}-2")

    label = f"com.docker.compose.project={facts['name']}"
    for container in engine.containers.list(filters={"label": label}):
        environ = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
        told = Container(container, "").run("sh", "-c", environ)[1]
        assert CANARY not in json.dumps(container.attrs) + told
        assert CANARY not in container.logs().decode(errors="replace")

    # What is given at run time is not what is dumped.
    assert kiln("config", "dump", "--all-settings", cwd=developed).code == 0
    dumped = (developed / "app/etc/config.php").read_text()
    assert CANARY not in dumped
    assert "Hello" not in dumped

    ended = kiln("secrets", "list", "development", cwd=developed)
    assert ended.code == 10
    assert "`kiln dev up`" in ended.err

    file.unlink()
    assert up()[0] == ["settings"]
    assert show(GREETING) == "Welcome to our shop"
