import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.errors import BusyError, SecretError
from builder.project.environment import EnvironmentFile
from builder.project.environments import Environment
from builder.secrets import files
from builder.secrets.changes import (
    EnvironmentSecrets,
    check_secrets,
    deliver_secrets,
    list_secrets,
    rollback_secret,
    rotate_secret,
)
from builder.secrets.delivery import DeliveryFolder
from builder.secrets.files import Owner, hold_lock
from builder.secrets.record import load_record
from builder.secrets.sources import AnySource, DirectorySecrets, VariableSecrets
from builder.secrets.value import SecretValue

NOW = datetime(2026, 11, 2, tzinfo=UTC)
KEY = "0123456789abcdef0123456789abcdef"
FILE = EnvironmentFile.model_validate(
    {
        "services": {
            "database": {"host": "db", "name": "s", "user": "s", "password": {"secret": "db"}}
        },
        "crypt_key": {"secret": "crypt-key"},
        "secrets": {"directory": "x"},
    }
)


@pytest.fixture
def folder() -> Iterator[DeliveryFolder]:
    made = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield DeliveryFolder(made / "secrets", Owner(os.geteuid(), os.getegid()))
    shutil.rmtree(made)


def secrets_of(source: AnySource, tmp_path: Path) -> EnvironmentSecrets:
    environment = Environment("production", FILE, {})
    return EnvironmentSecrets(environment, source, tmp_path / "state" / "secrets.json")


@pytest.fixture
def written(tmp_path: Path) -> EnvironmentSecrets:
    """Of a source that Kiln writes."""
    source = DirectorySecrets(tmp_path / "source")
    source.write("crypt-key", SecretValue(KEY.encode()))
    source.write("db", SecretValue(b"first-password"))
    return secrets_of(source, tmp_path)


@pytest.fixture
def variables() -> dict[str, str]:
    return {"X_CRYPT_KEY": KEY, "X_DB": "first-password"}


@pytest.fixture
def foreign(tmp_path: Path, variables: dict[str, str]) -> EnvironmentSecrets:
    """Of a source that Kiln only reads."""
    return secrets_of(VariableSecrets("X_", variables), tmp_path)


def mounted(folder: DeliveryFolder, name: str = "db") -> str:
    return (folder.mounted / name).read_text()


def test_a_rotation_writes_the_source_and_every_delivered_folder(
    written: EnvironmentSecrets, folder: DeliveryFolder
) -> None:
    versions, delivered = deliver_secrets(written, folder, NOW)
    assert delivered.changed == ("crypt-key", "db")
    change = rotate_secret(written, "db", NOW, new=SecretValue(b"second-password"))
    assert mounted(folder) == "second-password"
    assert written.source.read("db").reveal() == b"second-password"
    assert (change.before, change.written, change.folders) == (versions["db"], True, (folder.path,))
    assert deliver_secrets(written, folder, NOW)[1].changed == ()


def test_a_rollback_restores_source_and_folder_and_a_delivery_keeps_it(
    written: EnvironmentSecrets, folder: DeliveryFolder
) -> None:
    first = deliver_secrets(written, folder, NOW)[0]["db"]
    second = rotate_secret(written, "db", NOW, new=SecretValue(b"second-password")).version
    change = rollback_secret(written, "db", NOW)
    assert (change.before, change.version) == (second, first)
    assert written.source.read("db").reveal() == b"first-password"
    assert deliver_secrets(written, folder, NOW)[1].changed == ()
    assert mounted(folder) == "first-password"
    assert rollback_secret(written, "db", NOW, version=second).version == second
    events = load_record(written.record).versions["db"]
    assert [(one.version, one.by) for one in events] == [
        (first, "deliver"),
        (second, "rotate"),
        (first, "rollback"),
        (second, "rollback"),
    ]


def test_a_source_that_is_not_kilns_is_rotated_where_it_is_first(
    foreign: EnvironmentSecrets, folder: DeliveryFolder, variables: dict[str, str]
) -> None:
    deliver_secrets(foreign, folder, NOW)
    with pytest.raises(SecretError, match="cannot write this source") as caught:
        rotate_secret(foreign, "db", NOW, generate=True)
    assert caught.value.where == "X_DB"
    with pytest.raises(SecretError, match="still has the version"):
        rotate_secret(foreign, "db", NOW)
    variables["X_DB"] = "second-password"
    change = rotate_secret(foreign, "db", NOW)
    assert not change.written
    assert mounted(folder) == "second-password"


def test_what_was_rolled_back_stays_so_until_the_source_has_another_value(
    foreign: EnvironmentSecrets, folder: DeliveryFolder, variables: dict[str, str]
) -> None:
    deliver_secrets(foreign, folder, NOW)
    variables["X_DB"] = "second-password"
    rotate_secret(foreign, "db", NOW)
    rollback_secret(foreign, "db", NOW)
    assert mounted(folder) == "first-password"
    deliver_secrets(foreign, folder, NOW)
    assert mounted(folder) == "first-password"
    variables["X_DB"] = "third-password"
    deliver_secrets(foreign, folder, NOW)
    assert mounted(folder) == "third-password"
    assert load_record(foreign.record).held == {}


def test_after_a_reboot_what_was_rolled_back_is_not_delivered_in_silence(
    foreign: EnvironmentSecrets, folder: DeliveryFolder, variables: dict[str, str]
) -> None:
    deliver_secrets(foreign, folder, NOW)
    variables["X_DB"] = "second-password"
    rotate_secret(foreign, "db", NOW)
    rollback_secret(foreign, "db", NOW)
    shutil.rmtree(folder.path)
    with pytest.raises(SecretError, match="the old value is not on this host any more"):
        deliver_secrets(foreign, folder, NOW)
    rotate_secret(foreign, "db", NOW)
    deliver_secrets(foreign, folder, NOW)
    assert mounted(folder) == "second-password"


def test_after_a_reboot_a_delivery_brings_all_back(
    written: EnvironmentSecrets, folder: DeliveryFolder
) -> None:
    versions, _ = deliver_secrets(written, folder, NOW)
    shutil.rmtree(folder.path)
    assert rotate_secret(written, "db", NOW, generate=True).folders == ()
    with pytest.raises(SecretError, match="no secrets are delivered"):
        rollback_secret(written, "db", NOW)
    after, delivered = deliver_secrets(written, folder, NOW)
    assert delivered.changed == ("crypt-key", "db")
    assert after["db"] != versions["db"]
    assert after["crypt-key"] == versions["crypt-key"]


def test_a_crypt_key_is_added_to_and_never_lost(
    written: EnvironmentSecrets, folder: DeliveryFolder
) -> None:
    versions, _ = deliver_secrets(written, folder, NOW)
    with pytest.raises(SecretError, match="leaves out keys"):
        rotate_secret(written, "crypt-key", NOW, new=SecretValue(b"f" * 32))
    with pytest.raises(SecretError, match="not of Magento's form"):
        rotate_secret(written, "crypt-key", NOW, new=SecretValue(b"short"))
    rotate_secret(written, "crypt-key", NOW, generate=True)
    assert mounted(folder, "crypt-key").startswith(f"{KEY}\n")
    assert deliver_secrets(written, folder, NOW)[0]["db"] == versions["db"]
    with pytest.raises(SecretError, match="could not be read any more"):
        rollback_secret(written, "crypt-key", NOW)
    rollback_secret(written, "crypt-key", NOW, force=True)
    assert mounted(folder, "crypt-key") == KEY


def test_a_value_that_is_none_changes_nothing(
    written: EnvironmentSecrets, folder: DeliveryFolder
) -> None:
    deliver_secrets(written, folder, NOW)
    for new in (b"", b"a\0b", b"\xff"):
        with pytest.raises(SecretError):
            rotate_secret(written, "db", NOW, new=SecretValue(new))
    with pytest.raises(SecretError, match="no new value"):
        rotate_secret(written, "db", NOW)
    with pytest.raises(SecretError, match="names no secret other"):
        rotate_secret(written, "other", NOW, generate=True)
    assert mounted(folder) == "first-password"


def test_a_list_shows_versions_and_what_is_missing(
    written: EnvironmentSecrets, folder: DeliveryFolder, tmp_path: Path
) -> None:
    deliver_secrets(written, folder, NOW)
    first = list_secrets(written)[1].version
    rotate_secret(written, "db", NOW, generate=True)
    (tmp_path / "source" / "crypt-key").unlink()
    crypt_key, db = list_secrets(written)
    assert (crypt_key.name, crypt_key.version) == ("crypt-key", None)
    assert "missing" in crypt_key.problem
    assert db.keys == (("services", "database", "password"),)
    assert (db.since, db.kept) == (NOW, (first,))
    assert list(db.delivered) == [str(folder.path)]


def test_a_check_finds_the_missing_and_the_implausible(
    written: EnvironmentSecrets, tmp_path: Path
) -> None:
    assert [one.verdict.problems for one in check_secrets(written)] == [(), ()]
    (tmp_path / "source" / "db").unlink()
    written.source.read("crypt-key")
    (tmp_path / "source" / "crypt-key").write_text("too-short")
    crypt_key, db = check_secrets(written)
    assert "not of Magento's form" in crypt_key.verdict.problems[0]
    assert "missing" in db.verdict.problems[0]


def test_one_change_at_a_time(
    written: EnvironmentSecrets, folder: DeliveryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCK_SECONDS", 0.2)
    with hold_lock(written.record.with_suffix(".lock")), pytest.raises(BusyError):
        deliver_secrets(written, folder, NOW)
    deliver_secrets(written, folder, NOW)


def test_a_secret_of_the_configuration_is_said_to_be_cached(written: EnvironmentSecrets) -> None:
    search = {"host": "s", "user": "shop", "password": {"secret": "api"}}
    file = EnvironmentFile.model_validate(
        {
            **FILE.model_dump(),
            "services": {**FILE.services.model_dump(), "search": search},
            "settings": {"default": {"acme/api/key": {"secret": "api"}}},
        }
    )
    secrets = EnvironmentSecrets(
        Environment("production", file, {}), written.source, written.record
    )
    change = rotate_secret(secrets, "api", NOW, generate=True)
    assert set(change.cached) == {
        ("settings", "default", "acme/api/key"),
        ("services", "search", "password"),
    }
    # env.php is read anew in each request.
    assert rotate_secret(secrets, "db", NOW, generate=True).cached == ()
