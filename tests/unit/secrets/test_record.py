from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import SecretError
from builder.secrets.record import SecretRecord, load_record, save_record

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
NAMES = st.sampled_from(["db-password", "crypt-key", "ups"])
VERSIONS = st.text("0123456789abcdef", min_size=1, max_size=12)


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert load_record(tmp_path / "none.json") == SecretRecord()


@given(st.lists(st.tuples(NAMES, VERSIONS)))
def test_a_record_comes_back_as_it_was_written(events: list[tuple[str, str]]) -> None:
    record = SecretRecord().with_delivery(Path("/run/kiln/x"), 33, 33, NOW)
    for number, (name, version) in enumerate(events):
        record = record.with_version(name, version, NOW + timedelta(seconds=number), "rotate")
        record = record.with_hold(name, version)
    assert SecretRecord.model_validate_json(record.model_dump_json()) == record


def test_it_is_the_users_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secrets.json"
    record = SecretRecord().with_version("db", "abc", NOW, "deliver")
    save_record(path, record)
    save_record(path, record.with_version("db", "def", NOW, "rotate"))
    assert [one.version for one in load_record(path).versions["db"]] == ["abc", "def"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["secrets.json"]


def test_the_same_version_again_is_no_event_and_fifty_are_kept() -> None:
    record = SecretRecord()
    for number in range(60):
        for _ in range(2):
            record = record.with_version("db", str(number), NOW, "rotate")
    assert [one.version for one in record.versions["db"]] == [str(n) for n in range(10, 60)]


def test_a_folder_is_remembered_once_with_its_last_owner() -> None:
    record = SecretRecord().with_delivery(Path("/a"), 33, 33, NOW)
    record = record.with_delivery(Path("/a"), 1000, 1000, NOW)
    assert [(one.folder, one.uid) for one in record.deliveries] == [("/a", 1000)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 2}', '{"x": 1}'])
def test_a_broken_record_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(SecretError) as caught:
        load_record(path)
    assert caught.value.where == str(path)
