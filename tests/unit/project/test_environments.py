from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import ProjectFileError
from builder.plan.development import service_options
from builder.project.environments import (
    environment_names,
    load_environment,
    merge_values,
    secret_folders,
)
from builder.project.secret_name import Secret

BASE: dict[str, Any] = {
    "abstract": True,
    "services": {
        "database": {"host": "db", "name": "shop", "user": "shop", "password": {"secret": "db"}},
        "session": {"host": "redis", "database": 2},
    },
    "crypt_key": {"secret": "crypt-key"},
    "settings": {"default": {"web/secure/use_in_frontend": 1}},
}


def write(root: Path, name: str, value: dict[str, Any]) -> None:
    (root / "environments").mkdir(exist_ok=True)
    (root / "environments" / f"{name}.yaml").write_text(yaml.safe_dump(value))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "base", BASE)
    write(
        tmp_path,
        "production",
        {
            "extends": "base",
            "secrets": {"directory": "/etc/kiln/secrets"},
            "services": {"database": {"host": "db.internal"}},
            "settings": {
                "default": {
                    "web/secure/base_url": "https://shop.example/",
                    "carriers/ups/password": {"secret": "ups-password"},
                }
            },
        },
    )
    return tmp_path


def problem(root: Path, name: str) -> str:
    with pytest.raises(ProjectFileError) as caught:
        load_environment(root, name)
    error = caught.value
    return "\n".join([f"{error.where}: {error.message}", error.hint, *error.details])


def test_an_environment_has_what_it_extends_and_its_own(root: Path) -> None:
    environment = load_environment(root, "production")
    database = environment.file.services.database
    assert (database.host, database.name) == ("db.internal", "shop")
    assert environment.file.settings.default["web/secure/use_in_frontend"] == 1
    assert environment.file.settings.default["carriers/ups/password"] == Secret(
        secret="ups-password"
    )
    assert not environment.file.abstract


def test_each_value_is_marked_with_the_file_and_line_that_gives_it(root: Path) -> None:
    environment = load_environment(root, "production")
    own = environment.where("settings", "default", "web/secure/base_url")
    assert own.startswith("environments/production.yaml:")
    inherited = environment.where("services", "database", "name")
    assert inherited.startswith("environments/base.yaml:")


def test_the_environments_of_a_shop_are_listed(root: Path) -> None:
    assert environment_names(root) == ("base", "production")


def test_an_environment_that_extends_itself_is_refused(root: Path) -> None:
    write(root, "a", {"extends": "b"})
    write(root, "b", {"extends": "a"})
    assert "extends itself: a -> b -> a" in problem(root, "a")


@pytest.mark.parametrize("name", ["../production", "/etc/passwd", "a/b", ""])
def test_a_name_that_leaves_the_folder_is_refused(root: Path, name: str) -> None:
    assert "is not a name of an environment" in problem(root, name)
    write(root, "child", {"extends": name})
    assert "is not a name of an environment" in problem(root, "child")


def test_an_environment_that_is_not_there_names_those_that_are(root: Path) -> None:
    assert "base, production" in problem(root, "staging")


def test_a_sensitive_value_can_only_be_named(root: Path) -> None:
    write(root, "bad", {**BASE, "crypt_key": "0123456789abcdef", "secrets": {"directory": "x"}})
    text = problem(root, "bad")
    assert "crypt_key" in text
    assert "0123456789abcdef" not in text


def test_a_wrong_path_an_unknown_key_and_a_missing_source_are_named(root: Path) -> None:
    write(root, "bad", {**BASE, "abstract": False, "servces": {}})
    assert "did you mean services?" in problem(root, "bad")
    write(root, "bad", {**BASE, "settings": {"default": {"web/base_url": "x"}}})
    assert "section/group/field" in problem(root, "bad")
    write(root, "bad", {**BASE, "abstract": False})
    assert "where secrets come from" in problem(root, "bad")


def test_the_folders_of_secrets_are_found_in_whatever_state_the_files_are(root: Path) -> None:
    (root / "real").mkdir()
    (root / "vault").symlink_to("real")
    write(root, "staging", {"secrets": {"directory": "./vault/"}, "unknown": 1})
    write(root, "testing", {"secrets": {"env_prefix": "X_"}})
    assert secret_folders(root) == (Path("/etc/kiln/secrets"), root / "real", root / "vault")


@pytest.mark.parametrize("directory", [".", "", "environments/.."])
def test_secrets_in_the_shops_root_are_refused(root: Path, directory: str) -> None:
    write(root, "bad", {"secrets": {"directory": directory}})
    with pytest.raises(ProjectFileError, match="must not lie in the shop's root") as caught:
        secret_folders(root)
    assert caught.value.where.startswith("environments/bad.yaml:")


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=10,
)
TREES = st.dictionaries(st.text("abc", max_size=2), VALUES, max_size=4)


@given(TREES, TREES)
def test_a_child_wins_and_nothing_of_it_is_lost(
    parent: dict[str, Any], child: dict[str, Any]
) -> None:
    merged = merge_values(parent, child)
    assert set(merged) == set(parent) | set(child)
    for key, value in child.items():
        if not isinstance(value, dict):
            assert merged[key] == value
    assert merge_values(parent, {}) == parent
    assert merge_values({}, child) == child
    assert merge_values(merged, child) == merged


def test_development_needs_settings_alone(root: Path) -> None:
    write(root, "development", {"settings": {"default": {"dev/debug/template_hints": 1}}})
    file = load_environment(root, "development").file
    assert file.settings.default == {"dev/debug/template_hints": 1}
    assert file.mode == "developer"


def test_what_development_brings_along_is_what_kiln_dev_up_installs(root: Path) -> None:
    write(root, "development", {})
    services = load_environment(root, "development").file.services
    database, queue = services.database, services.queue
    assert queue is not None
    options = set(service_options())
    assert {
        f"--db-host={database.host}",
        f"--db-name={database.name}",
        f"--db-user={database.user}",
        f"--db-password=@{database.password.secret}",
        f"--amqp-host={queue.host}",
        f"--amqp-user={queue.user}",
        f"--amqp-password=@{queue.password.secret}",
    } <= options
    for prefix, redis in (
        ("cache-backend-redis-server={}", services.cache),
        ("page-cache-redis-server={}", services.page_cache),
        ("session-save-redis-host={}", services.session),
    ):
        assert redis is not None
        assert f"--{prefix.format(redis.host)}" in options
        assert any(one.endswith(f"-redis-db={redis.database}") for one in options)


def test_development_takes_no_services_from_what_it_extends(root: Path) -> None:
    write(root, "development", {"extends": "production"})
    environment = load_environment(root, "development")
    assert environment.file.services.database.host == "database"
    assert environment.file.mode == "developer"
    assert environment.file.settings.default["web/secure/base_url"] == "https://shop.example/"
    # The line of another file would name a value that does not count.
    assert environment.where("services", "database", "host") == "environments/development.yaml:1"


@pytest.mark.parametrize("key", ["services", "crypt_key", "mode", "admin_path"])
def test_what_counts_for_nothing_in_development_is_refused_there(root: Path, key: str) -> None:
    write(root, "development", {"extends": "production", key: BASE.get(key, "developer")})
    assert f"{key}: counts for nothing here" in problem(root, "development")


def test_secrets_of_development_need_a_source(root: Path) -> None:
    settings = {"default": {"carriers/ups/password": {"secret": "ups-password"}}}
    write(root, "development", {"settings": settings})
    assert "must say where ups-password comes from" in problem(root, "development")
    write(root, "development", {"settings": settings, "secrets": {"directory": "../vault"}})
    load_environment(root, "development")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("NO", "YAML reads NO as false"),
        ("01234", "YAML reads 01234 as 668"),
        ("12:30", "YAML reads 12:30 as 750"),
        ("2026-13-45", "write it in quotes"),
        ("!!python/object:os.system x", "write it in quotes"),
        ("!!int x", "write it in quotes"),
        ("!!bool x", "write it in quotes"),
    ],
)
def test_what_yaml_would_read_otherwise_is_refused_with_its_line(
    root: Path, written: str, said: str
) -> None:
    text = f"extends: production\nsettings:\n  default:\n    general/country/default: {written}\n"
    (root / "environments/staging.yaml").write_text(text)
    found = problem(root, "staging")
    assert found.startswith("environments/staging.yaml:4: ")
    assert said in found


@pytest.mark.parametrize("written", ["'NO'", '"01234"', "true", "False", "-12", "NOx", "1.5.0"])
def test_what_yaml_reads_as_it_stands_is_taken(root: Path, written: str) -> None:
    text = f"extends: production\nsettings:\n  default:\n    general/country/default: {written}\n"
    (root / "environments/staging.yaml").write_text(text)
    load_environment(root, "staging")


def test_an_environment_that_cannot_be_read_is_named_before_a_build(root: Path) -> None:
    (root / "environments/gone.yaml").symlink_to("/nowhere/gone.yaml")
    with pytest.raises(ProjectFileError) as caught:
        secret_folders(root)
    assert caught.value.where == "environments/gone.yaml"
