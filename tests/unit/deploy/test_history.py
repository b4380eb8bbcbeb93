"""What became of releases, from their journals."""

from builder.deploy.history import list_releases
from builder.plan.release import BootWeb, Record
from tests.unit.records import make_release, make_state, record

FIRST, SECOND, THIRD, FOURTH = map(make_release, (1, 2, 3, 4))
BOOT = BootWeb(release=3, slot="blue")


def test_releases_are_listed_with_what_became_of_them() -> None:
    state = make_state(
        SECOND,
        record(FIRST, ("begin", BOOT, ""), ("end", BOOT, ""), ("done", None, "")),
        record(SECOND, ("begin", Record(release=2), ""), ("done", None, "")),
        record(THIRD, ("begin", BOOT, ""), ("fail", None, "is unhealthy"), ("undone", None, "")),
        record(FOURTH, ("begin", BOOT, "")),
    )
    found = list_releases(state)
    assert [(one.release, one.outcome) for one in found] == [
        (4, "unfinished"),
        (3, "put back"),
        (2, "live"),
        (1, "replaced"),
    ]
    assert [one.seconds for one in found] == [None, 120, 60, 120]
    assert [one.failed for one in found] == ["", "is unhealthy", "", ""]


def test_a_release_that_nothing_was_done_for_yet_is_listed() -> None:
    (found,) = list_releases(make_state(None, record(FIRST)))
    assert (found.outcome, found.seconds) == ("unfinished", None)
