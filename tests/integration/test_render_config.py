"""`kiln config render`: what it prints, and that it needs no secret and shows none."""

from pathlib import Path

import pytest
import yaml

from tests.conftest import Kiln
from tests.unit.environments import FULL, MINIMAL

CANARY = "kanarie-71c0"


@pytest.fixture
def shop(tree: Path) -> Path:
    secrets = tree.parent / "secrets"
    secrets.mkdir()
    for name in ("crypt-key", "db-password", "ups-password"):
        (secrets / name).write_text(CANARY)
    write(tree, {**FULL, "secrets": {"directory": str(secrets)}})
    # The miniature shop has no such store view.
    file = yaml.safe_load((tree / "environments/production.yaml").read_text())
    del file["settings"]["stores"]["DE"]
    write(tree, file)
    return tree


def write(tree: Path, value: object) -> None:
    (tree / "environments").mkdir(exist_ok=True)
    (tree / "environments/production.yaml").write_text(yaml.safe_dump(value))


def test_env_php_is_printed_alone_and_is_php(kiln: Kiln, shop: Path) -> None:
    ended = kiln("config", "render", "production", "--release", "r1", cwd=shop)
    assert ended.code == 0, ended.err
    assert "with the variable MAGE_MODE=production" in ended.err
    assert "with the secrets crypt-key, db-password" in ended.err
    # tests/integration/test_env_php.py has PHP read it.
    assert ended.out.startswith("<?php\n")
    assert ended.out.endswith("})();\n")
    assert ended.out == kiln("config", "render", "production", "--release", "r1", cwd=shop).out
    assert CANARY not in ended.out + ended.err


def test_the_ways_are_told_with_their_reasons(kiln: Kiln, shop: Path) -> None:
    ended = kiln("config", "render", "production", "--output", "json", cwd=shop)
    assert ended.code == 0, ended.err
    told = ended.json()
    assert told["variables"] == {"MAGE_MODE": "production"}
    assert "db-password" in told["secrets"]
    assert all(way["reason"] for way in told["ways"])
    (password,) = (way for way in told["ways"] if way["path"] == "db/connection/default/password")
    assert password["value"] == {"secret": "db-password"}
    assert password["where"].startswith("environments/production.yaml:")
    assert CANARY not in ended.out + ended.err


def test_a_store_view_that_config_php_lacks_is_refused_with_its_line(
    kiln: Kiln, tree: Path
) -> None:
    write(tree, {**MINIMAL, "settings": {"stores": {"germna": {"web/secure/base_url": "x"}}}})
    ended = kiln("config", "render", "production", cwd=tree)
    assert ended.code == 10
    assert "environments/production.yaml:" in ended.err
    assert "did you mean german?" in ended.err


def test_an_environment_that_is_not_there_is_named(kiln: Kiln, shop: Path) -> None:
    ended = kiln("config", "render", "nowhere", cwd=shop)
    assert ended.code == 10
    assert "production" in ended.err
