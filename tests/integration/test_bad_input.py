"""Bad input: a clear error before anything long runs, and nothing left behind."""

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Ended, Kiln, change_project
from tests.integration.registry_server import HTPASSWD, docker_registry
from tests.integration.traces import (
    DockerSpy,
    cache_files,
    clients_of,
    make_docker_spy,
    registry_tags,
    snapshot,
)

Refuse = Callable[..., Ended]
DUMP = "app:config:dump scopes themes"


@pytest.fixture
def spy(tmp_path: Path) -> DockerSpy:
    return make_docker_spy(tmp_path / "spy")


@pytest.fixture
def refuse(tmp_path: Path, tree: Path, spy: DockerSpy) -> Refuse:
    """Runs `kiln build --push`, which must refuse the tree and leave no trace of it."""

    def run(code: int, *says: str, **env: str) -> Ended:
        cache = Path(env.pop("KILN_CACHE", str(tmp_path / "cache")))
        before, tags = snapshot(tree), registry_tags(tree)
        ended = Kiln(cache)("build", "--push", cwd=tree, PATH=spy.path, **env)
        assert ended.code == code, ended.err
        assert "Traceback" not in ended.err
        assert ended.err.startswith("error: ")
        assert "\n  do: " in ended.err
        for said in says:
            assert said in ended.err
        assert ended.out == ""
        assert spy.builds() == []
        assert clients_of(cache) == []
        assert cache_files(cache) <= {"lock", "hashes.json"}
        assert (snapshot(tree), registry_tags(tree)) == (before, tags)
        return ended

    return run


def edit(path: Path, pattern: str, replacement: str = "") -> None:
    """Replace what a pattern finds exactly once in a file."""
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert count == 1, f"{pattern} is {count} times in {path}"
    path.write_text(text)


def line_of(path: Path, text: str) -> int:
    lines = path.read_text().splitlines()
    return 1 + next(at for at, line in enumerate(lines) if text in line)


def set_system_value(tree: Path, path: str, value: str) -> int:
    """Write a value into config.php as `config:set --lock-config` does; returns its line."""
    section, group, field = path.split("/")
    edit(
        tree / "app/etc/config.php",
        r"('system' => \[\n\s+'default' => \[\n)",
        rf"\1'{section}' => ['{group}' => [\n'{field}' => '{value}']],\n",
    )
    return line_of(tree / "app/etc/config.php", value)


# -- config.php -------------------------------------------------------------------------------


def test_a_tree_without_config_php(tree: Path, refuse: Refuse) -> None:
    (tree / "app/etc/config.php").unlink()
    refuse(11, f"{tree}: there is no app/etc/config.php", DUMP)


def test_a_module_that_config_php_does_not_list(tree: Path, refuse: Refuse) -> None:
    config = tree / "app/etc/config.php"
    edit(config, r"^\s+'Kiln_Sample' => 1,\n")
    where = f"app/etc/config.php:{line_of(config, 'modules')}"
    refuse(11, f"{where}: ", "does not list Kiln_Sample", "bin/magento module:enable")


def test_scopes_missing_from_config_php(tree: Path, refuse: Refuse) -> None:
    edit(tree / "app/etc/config.php", r"^    'scopes' => \[.*?^    \],\n")
    refuse(11, "app/etc/config.php: ", "has no scopes: websites, groups, stores", DUMP)


def test_themes_missing_from_config_php(tree: Path, refuse: Refuse) -> None:
    edit(tree / "app/etc/config.php", r"^    'themes' => \[.*?^    \],\n")
    refuse(11, "app/etc/config.php: ", "has no themes", DUMP)


def test_a_theme_that_config_php_does_not_list(tree: Path, refuse: Refuse) -> None:
    config = tree / "app/etc/config.php"
    edit(config, r",\n        'frontend/Kiln/sample' => \[.*?^        \]")
    where = f"app/etc/config.php:{line_of(config, 'themes')}"
    refuse(11, f"{where}: ", "does not list the theme frontend/Kiln/sample", DUMP)


def test_all_that_is_wrong_is_said_at_once(tree: Path, refuse: Refuse) -> None:
    config = tree / "app/etc/config.php"
    edit(config, r"^\s+'Kiln_Sample' => 1,\n")
    edit(config, r"^    'scopes' => \[.*?^    \],\n")
    edit(config, r"^    'themes' => \[.*?^    \],\n")
    change_project(tree, static={"themes": {"frontend/Kiln/sampel": ["en_USA"]}})
    ended = refuse(11, "the tree has 5 problems", "Kiln_Sample", "has no scopes", "has no themes")
    assert "there is no theme frontend/Kiln/sampel" in ended.err
    assert "en_USA is not a locale" in ended.err


@pytest.mark.parametrize(
    "path",
    [
        "kiln/sample/api_token",
        "analytics/general/token",
        "kiln/sample/endpoint",
        "system/smtp/password",
    ],
)
def test_a_sensitive_value_in_config_php_is_named_and_not_printed(
    tree: Path, refuse: Refuse, path: str
) -> None:
    """Two are in TypePool, two are encrypted; of each one in a module that is still to come."""
    edit(
        tree / "app/etc/config.php",
        "'Kiln_Sample' => 1",
        "'Kiln_Sample' => 1, 'Magento_Analytics' => 1, 'Magento_Backend' => 1",
    )
    edit(
        tree / "app/code/Kiln/Sample/etc/adminhtml/system.xml",
        "<label>Endpoint</label>",
        r"<backend_model>Magento\\Config\\Model\\Config\\Backend\\Encrypted</backend_model>",
    )
    line = set_system_value(tree, path, "canary-of-config")
    ended = refuse(11, f"app/etc/config.php:{line}: ", f"holds the sensitive value {path} ")
    assert f"`{path}: {{secret: a-name}}`" in ended.err
    assert "canary-of-config" not in ended.err


# -- kiln.yaml --------------------------------------------------------------------------------


def test_a_theme_that_the_tree_does_not_have(tree: Path, refuse: Refuse) -> None:
    change_project(tree, static={"themes": {"frontend/Kiln/sampel": ["en_US"]}})
    line = line_of(tree / "kiln.yaml", "frontend/Kiln/sampel")
    refuse(
        11,
        f"kiln.yaml:{line}: there is no theme frontend/Kiln/sampel in the tree",
        "do: write frontend/Kiln/sample",
    )


def test_a_locale_that_magento_does_not_know(tree: Path, refuse: Refuse) -> None:
    change_project(tree, static={"themes": {"frontend/Kiln/sample": ["en_US", "de_GE"]}})
    line = line_of(tree / "kiln.yaml", "frontend/Kiln/sample")
    refuse(11, f"kiln.yaml:{line}: de_GE is not a locale", "do: write de_DE")


def test_a_php_version_that_magento_does_not_run_on(tree: Path, refuse: Refuse) -> None:
    change_project(tree, php={"version": "8.1"})
    line = line_of(tree / "kiln.yaml", "version: '8.1'")
    refuse(
        11,
        f"kiln.yaml:{line}: Magento 2.4.7-p3 does not run on PHP 8.1",
        "do: use one of 8.2, 8.3",
    )


def test_settings_that_do_not_exist_are_named_with_their_lines(tree: Path, refuse: Refuse) -> None:
    change_project(tree, registri="localhost:5000", php={"version": 8.2})
    names = ["registri", "version"]
    lines = [line_of(tree / "kiln.yaml", f"{name}:") for name in names]
    refuse(
        10,
        "kiln.yaml: 2 settings are not right",
        f"kiln.yaml:{lines[0]} registri: is not a setting; did you mean registry?",
        f"kiln.yaml:{lines[1]} php.version: must be text: write it in quotes",
    )


def test_a_base_image_that_is_not_there(tree: Path, refuse: Refuse) -> None:
    change_project(tree, base={"image": "localhost:5000/kiln/base:nothing"})
    refuse(12, "localhost:5000/kiln/base:nothing: the base image cannot be found")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"env": "NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
        ({"file": "no/such.json"}, "no/such.json"),
    ],
)
def test_a_secret_that_is_not_there(
    tree: Path, refuse: Refuse, source: dict[str, str], says: str
) -> None:
    change_project(tree, build={"secrets": {"composer_auth": source}})
    line = line_of(tree / "kiln.yaml", "composer_auth")
    refuse(10, f"kiln.yaml:{line}: the secret composer_auth is not there", says)


# -- Composer ---------------------------------------------------------------------------------


def test_a_lock_out_of_step_with_composer_json(tree: Path, refuse: Refuse) -> None:
    path = tree / "composer.json"
    root = json.loads(path.read_text())
    root["require"]["acme/new"] = "^1.0"
    path.write_text(json.dumps(root, indent=4))
    hash_line = line_of(tree / "composer.lock", "content-hash")
    refuse(
        11,
        f"composer.lock:{hash_line}: the lock file is not up to date",
        f'composer.json:{line_of(path, "acme/new")}: required package "acme/new" is not present',
        "composer update",
    )


def test_a_lock_that_is_no_json(tree: Path, refuse: Refuse) -> None:
    edit(tree / "composer.lock", r'"content-hash"', "<<<<<<< HEAD")
    line = line_of(tree / "composer.lock", "<<<<<<< HEAD")
    refuse(11, f"composer.lock:{line}")


# -- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["../../../outside", "/etc/passwd", "../../.."])
def test_a_link_that_leaves_the_tree(tree: Path, refuse: Refuse, target: str) -> None:
    (tree / "app/code/aussen liegend").symlink_to(target)
    refuse(11, f"app/code/aussen liegend: the link to {target} leaves the tree")


def test_a_name_that_is_not_utf_8(tree: Path, refuse: Refuse) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/app/gr\xf6sse.txt")).touch()
    refuse(11, r"app/gr\xf6sse.txt: is not UTF-8")


def test_a_named_pipe(tree: Path, refuse: Refuse) -> None:
    os.mkfifo(tree / "app/pipe")
    refuse(11, "app/pipe: is a socket, pipe or device")


# -- the host ---------------------------------------------------------------------------------


def test_an_engine_that_has_stopped(tmp_path: Path, refuse: Refuse) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "docker.sock"))
    refuse(
        12,
        "the container engine does not answer",
        "systemctl start docker",
        DOCKER_HOST=f"unix://{tmp_path}/docker.sock",
    )


def test_a_cache_that_cannot_be_written(tmp_path: Path, refuse: Refuse) -> None:
    (tmp_path / "file").write_text("")
    refuse(12, f"{tmp_path}/file", "set KILN_CACHE", KILN_CACHE=str(tmp_path / "file"))
    refuse(12, "/proc/kiln", "set KILN_CACHE", KILN_CACHE="/proc/kiln")


def test_a_builder_that_does_not_exist(tree: Path, refuse: Refuse) -> None:
    change_project(tree, build={"builder": "no-such-builder"})
    refuse(12, "no builder", "docker buildx ls")


# -- the registry -----------------------------------------------------------------------------


def use_registry(tree: Path, address: str) -> None:
    change_project(tree, registry=address)


def test_a_registry_that_does_not_answer(tree: Path, refuse: Refuse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    use_registry(tree, address)
    refuse(13, f"nothing answers at {address}: connection refused", "start the registry")


def test_a_registry_whose_name_cannot_be_resolved(tree: Path, refuse: Refuse) -> None:
    use_registry(tree, "registry.invalid")
    refuse(13, "the name registry.invalid cannot be resolved", "DNS")


def test_a_registry_that_wants_another_login(tree: Path, tmp_path: Path, refuse: Refuse) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "shop", "path": str(tmp_path / "htpasswd")}}
    with docker_registry(tmp_path / "guarded", auth=auth) as guarded:
        use_registry(tree, guarded.address)
        refuse(13, "wants a login", f"docker login {guarded.address}", DOCKER_CONFIG=str(tmp_path))
        login = {"auths": {guarded.address: {"auth": "c2hvcDpjYW5hcnk="}}}  # shop:canary
        (tmp_path / "config.json").write_text(json.dumps(login))
        ended = refuse(13, "does not accept the login", DOCKER_CONFIG=str(tmp_path))
        assert "canary" not in ended.err
        assert guarded.storage_files("repositories/*") == []


def test_a_registry_without_any_room(tree: Path, tmp_path: Path, refuse: Refuse) -> None:
    with docker_registry(tmp_path / "full", tmpfs="4k,nr_inodes=4") as full:
        use_registry(tree, full.address)
        refuse(13, "the registry is full", "garbage collection")


def tags_at(address: str, name: str) -> Any:
    import requests

    return requests.get(f"http://{address}/v2/{name}/tags/list", timeout=10).json().get("tags")


def test_a_registry_that_fills_up_gets_no_tag_and_the_push_can_go_on_elsewhere(
    tree: Path, tmp_path: Path, kiln: Kiln
) -> None:
    """Nobody can know beforehand: it is found after the build, whose image stays in the cache."""
    name = yaml.safe_load((tree / "kiln.yaml").read_text())["name"]
    with docker_registry(tmp_path / "small", tmpfs="1m") as small:
        use_registry(tree, small.address)
        ended = kiln("build", "--push", cwd=tree)
        assert ended.code == 13, ended.err
        assert "error: registry" in ended.err
        assert "the registry is full" in ended.err
        assert "Traceback" not in ended.err
        assert not tags_at(small.address, name)
    with docker_registry(tmp_path / "large") as large:
        use_registry(tree, large.address)
        ended = kiln("build", "--push", "--output", "json", cwd=tree)
        assert ended.code == 0, ended.err
        assert ended.json()["content_version"] in tags_at(large.address, name)
