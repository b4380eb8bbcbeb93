"""`kiln config` as a user runs it, on the sample shop with two environments."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Kiln

CANARY = "canary-5f1d0c"
BASE: dict[str, Any] = {
    "abstract": True,
    "services": {
        "database": {"host": "db", "name": "s", "user": "s", "password": {"secret": "db-password"}}
    },
    "crypt_key": {"secret": "crypt-key"},
    "settings": {"default": {"kiln/sample/api_token": {"secret": "api-token"}}},
}
STAGING: dict[str, Any] = {
    "extends": "base",
    "secrets": {"directory": "../secrets/staging"},
    "settings": {"default": {"kiln/sample/endpoint": "https://api.staging.example/"}},
}
PRODUCTION: dict[str, Any] = {
    "extends": "base",
    "secrets": {"directory": "../secrets/production"},
    "services": {"database": {"host": "db.internal"}},
    "settings": {"default": {"kiln/sample/endpoint": "https://api.example/"}},
}


def write(tree: Path, **environments: dict[str, Any]) -> None:
    folder = tree / "environments"
    folder.mkdir(exist_ok=True)
    for name, value in {"base": BASE, **environments}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value, sort_keys=False))


@pytest.fixture
def systems(tree: Path) -> Path:
    """The sample shop with staging and production and their secrets; all is right."""
    write(tree, staging=STAGING, production=PRODUCTION)
    for name in ("staging", "production"):
        folder = tree.parent / "secrets" / name
        folder.mkdir(parents=True)
        folder.chmod(0o700)
        for secret in ("db-password", "crypt-key", "api-token"):
            own = name if secret == "db-password" else "both"
            (folder / secret).write_text(f"{CANARY}-{secret}-{own}\n")
    return tree


def git(tree: Path, *arguments: str) -> None:
    argv = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)


def test_a_shop_whose_settings_are_right_has_no_errors(kiln: Kiln, systems: Path) -> None:
    ended = kiln("config", "lint", cwd=systems)
    assert (ended.code, ended.out) == (0, "0 errors, 0 warnings\n"), ended.err


def test_lint_names_all_that_is_wrong_with_its_place(kiln: Kiln, systems: Path) -> None:
    config = systems / "app/etc/config.php"
    text = config.read_text()
    config.write_text(
        text.replace(
            "'general' => [",
            f"'kiln' => ['sample' => ['api_token' => '{CANARY}']],\n'general' => [",
            1,
        )
    )
    write(
        systems,
        staging={
            **STAGING,
            "settings": {
                "default": {
                    "kiln/sample/api_token": f"{CANARY}-plain",
                    "general/store_information/name": "Another name",
                },
                "stores": {"germn": {"kiln/sample/greeting": "Moin"}},
            },
        },
    )
    credentials = {"http-basic": {"repo": {"password": CANARY}}}
    (systems / "auth.json").write_text(json.dumps(credentials))
    (systems / "backup.sql.gz").write_text("")
    git(systems, "init")
    git(systems, "add", "--force", "auth.json", "backup.sql.gz", "environments")
    ended = kiln("config", "lint", "--output", "json", cwd=systems)
    assert ended.code == 11, ended.err
    assert CANARY not in ended.out + ended.err
    found = {one["where"]: one["message"] for one in ended.json()["problems"]}
    line = text[: text.index("'general' => [")].count("\n") + 1
    assert "sensitive value kiln/sample/api_token" in found[f"app/etc/config.php:{line}"]
    places = {
        "environments/staging.yaml:6": "given in plain text",
        "environments/staging.yaml:9": "did you mean german?",
        "auth.json": "credentials",
        "backup.sql.gz": "database dump",
    }
    for where, message in places.items():
        assert message in found[where], found
    fights = [one for one in found.values() if "config.php locks general/store" in one]
    assert len(fights) == 1
    missing = [one for one in found.values() if "staging has no kiln/sample/endpoint" in one]
    assert len(missing) == 1
    assert all(one["hint"] for one in ended.json()["problems"])


def test_an_environment_that_cannot_be_read_does_not_hide_the_others(
    kiln: Kiln, systems: Path
) -> None:
    write(systems, broken={"extends": "base", "mode": "debug", "servces": {}})
    ended = kiln("config", "lint", cwd=systems)
    assert ended.code == 11
    assert "environments/broken.yaml:2: mode: must be one of" in ended.out
    assert "environments/broken.yaml:3: servces: is not a setting" in ended.out


def test_explain_says_kind_declaration_value_place_and_way(kiln: Kiln, systems: Path) -> None:
    ended = kiln("config", "explain", "kiln/sample/endpoint", cwd=systems)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "kiln/sample/endpoint: system-specific"
    assert "  declared in app/code/Kiln/Sample/etc/di.xml:27" in lines
    assert "  default 'http://localhost/api' app/code/Kiln/Sample/etc/config.xml:7" in lines
    assert "  default: https://api.staging.example/ (environments/staging.yaml:6)" in lines
    assert "  default: https://api.example/ (environments/production.yaml:9)" in lines
    assert "CONFIG__DEFAULT__KILN__SAMPLE__ENDPOINT" in ended.out
    only = kiln("config", "explain", "kiln/sample/endpoint", "-e", "staging", cwd=systems)
    assert "production" not in only.out


def test_explain_shows_no_secret(kiln: Kiln, systems: Path) -> None:
    for path in ("kiln/sample/api_token", "db/connection/default/password", "crypt/key"):
        ended = kiln("config", "explain", path, "--output", "json", cwd=systems)
        assert ended.code == 0, ended.err
        assert ended.json()["kind"] == "sensitive"
        assert CANARY not in ended.out
        assert "secret " in ended.json()["environments"]["staging"][0]["value"]


def test_explain_suggests_the_nearest_setting(kiln: Kiln, systems: Path) -> None:
    ended = kiln("config", "explain", "kiln/sample/endpont", cwd=systems)
    assert ended.code == 2
    assert "did you mean kiln/sample/endpoint?" in ended.err


def test_diff_shows_what_differs_and_compares_secrets_unseen(kiln: Kiln, systems: Path) -> None:
    ended = kiln("config", "diff", "staging", "production", "--output", "json", cwd=systems)
    assert ended.code == 0, ended.err
    assert CANARY not in ended.out + ended.err
    found = {one["key"]: one for one in ended.json()["differences"]}
    assert set(found) == {
        "services.database.host",
        "services.database.password",
        "kiln/sample/endpoint (default)",
        "secrets.directory",
    }
    assert found["services.database.password"]["secrets"] == "different"
    assert found["services.database.host"]["first"] == {
        "value": "db",
        "where": "environments/base.yaml:4",
    }
    assert found["services.database.host"]["second"]["where"] == "environments/production.yaml:6"
    text = kiln("config", "diff", "staging", "production", cwd=systems)
    assert "services.database.password [different]" in text.out


def test_diff_says_where_secrets_cannot_be_compared(kiln: Kiln, systems: Path) -> None:
    (systems.parent / "secrets/production/crypt-key").unlink()
    ended = kiln("config", "diff", "staging", "production", "--output", "json", cwd=systems)
    found = {one["key"]: one["secrets"] for one in ended.json()["differences"]}
    assert found["crypt_key"] == "unknown"
    assert "kiln/sample/api_token (default)" not in found


def test_patch_refuses_what_it_must_not_write(kiln: Kiln, systems: Path) -> None:
    def refused(assignment: str, *options: str) -> str:
        ended = kiln("config", "patch", assignment, "--module=Kiln_Sample", *options, cwd=systems)
        assert ended.code != 0
        assert CANARY not in ended.out + ended.err
        return ended.err

    assert "{secret: a-name}" in refused(f"kiln/sample/api_token={CANARY}")
    assert "environments/<name>.yaml" in refused("kiln/sample/endpoint=x")
    assert "config.php locks" in refused("general/store_information/name=x")
    assert "PATH=VALUE" in refused("kiln/sample/greeting")
    assert "Kiln_Sample" in refused("kiln/sample/greeting=x", "--module=Kiln_None")
    assert not list(systems.glob("app/code/Kiln/Sample/Setup/Patch/Data/Set*"))


def test_a_patch_is_not_written_twice(kiln: Kiln, systems: Path) -> None:
    arguments = ("config", "patch", "kiln/sample/greeting=x=y", "--module=Kiln_Sample")
    shown = kiln(*arguments, "--dry-run", cwd=systems)
    first = kiln(*arguments, cwd=systems)
    assert first.code == 0, first.err
    (file,) = systems.glob("app/code/Kiln/Sample/Setup/Patch/Data/Set*.php")
    assert file.read_text() == shown.out
    assert "'x=y'" in shown.out
    again = kiln(*arguments, cwd=systems)
    assert again.code == 11
    assert "--name" in again.err
    named = kiln(*arguments, "--name=SetAnother", cwd=systems)
    assert named.code == 0, named.err


def test_a_patch_that_an_environment_overrides_is_warned_of(kiln: Kiln, systems: Path) -> None:
    write(systems, staging={**STAGING, "settings": {"default": {"kiln/sample/greeting": "Hi"}}})
    arguments = ("config", "patch", "kiln/sample/greeting=x", "--module=Kiln_Sample", "--dry-run")
    ended = kiln(*arguments, cwd=systems)
    assert "environments/staging.yaml:6: staging gives it too" in ended.err


def test_dump_needs_a_development_system_or_a_file(kiln: Kiln, systems: Path) -> None:
    before = (systems / "app/etc/config.php").read_bytes()
    ended = kiln("config", "dump", cwd=systems)
    assert ended.code != 0
    assert "kiln dev up" in ended.err
    assert (systems / "app/etc/config.php").read_bytes() == before


def test_list_takes_one_kind(kiln: Kiln, systems: Path) -> None:
    ended = kiln("config", "list", "--kind", "sensitive", cwd=systems)
    assert ended.code == 0, ended.err
    paths = [line.split()[0] for line in ended.out.splitlines()[1:]]
    assert paths == [
        "kiln/sample/api_token",
        "trans_email/ident_general/email",
        "trans_email/ident_general/name",
    ]
