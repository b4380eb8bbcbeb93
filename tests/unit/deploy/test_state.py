import pytest

from builder.deploy.state import Event, parse_release, parse_state
from builder.errors import EngineError
from builder.plan.release import BootWeb, Migrate, Step
from tests.unit.records import make_release, record

MIGRATE = Migrate(release=2, role="migrate")
BOOT = BootWeb(release=2, slot="green")
RELEASE = make_release(2)


def test_what_has_failed_goes_back() -> None:
    failed = record(RELEASE, ("begin", BOOT, ""), ("fail", None, "unhealthy"))
    assert failed.way_back
    assert not failed.stuck


def test_what_is_stuck_goes_forward_again_and_remembers_all_that_was_begun() -> None:
    stuck: tuple[tuple[Event, Step | None, str], ...] = (
        ("begin", MIGRATE, ""),
        ("fail", None, "why"),
        ("stuck", None, ""),
    )
    assert record(RELEASE, *stuck).stuck
    assert not record(RELEASE, *stuck).way_back
    again = record(
        RELEASE,
        *stuck,
        ("begin", MIGRATE, ""),
        ("end", MIGRATE, ""),
        ("begin", BOOT, ""),
    )
    assert not again.way_back
    assert again.finished_steps == (MIGRATE,)
    assert again.begun[-1] == BOOT
    assert record(RELEASE, *stuck, ("begin", MIGRATE, ""), ("fail", None, "")).way_back


def test_a_database_that_was_restored_leads_back_also_after_another_kill() -> None:
    restored = record(
        RELEASE,
        ("begin", MIGRATE, ""),
        ("fail", None, "why"),
        ("stuck", None, ""),
        ("restored", None, ""),
        ("undo", BOOT, ""),
    )
    assert restored.way_back
    assert restored.restored


def test_a_current_release_without_a_record_is_no_empty_host() -> None:
    known = {2: record(RELEASE, ("done", None, ""))}
    assert parse_state("sample-production", b"2\n", known, None).current == RELEASE
    assert parse_state("sample-production", None, {}, None).current is None
    for content in (b"3\n", b"two"):
        with pytest.raises(EngineError, match="current in the state folder is damaged"):
            parse_state("sample-production", content, known, None)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"proxy": 1}'])
def test_damaged_files_are_named(content: bytes) -> None:
    with pytest.raises(EngineError, match=r"services\.json in the state folder is damaged"):
        parse_state("sample-production", None, {}, content)
    with pytest.raises(EngineError, match="release 2 is recorded in a form"):
        parse_release("sample-production", 2, content)
