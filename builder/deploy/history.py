"""What became of each release, and the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from builder.deploy.keeper import Keeper, read_json_lines
from builder.deploy.state import AUDIT, HostState, Outcome
from builder.plan.release import MigrationKind


@dataclass(frozen=True, slots=True)
class PastRelease:
    """A release as its journal tells it.

    Attributes:
        began: when it was planned.
        seconds: from its first step to its last; None while it has no end.
        failed: why it did not come to serve; empty where it did.
    """

    release: int
    image: str
    outcome: Outcome
    by: str
    began: datetime
    seconds: float | None
    migration: MigrationKind
    rolled_back_to: int | None
    failed: str


def list_releases(state: HostState) -> tuple[PastRelease, ...]:
    """All that is recorded, the newest first. Pure."""
    found = []
    for number, recorded in sorted(state.releases.items(), reverse=True):
        journal, release = recorded.journal, recorded.release
        found.append(
            PastRelease(
                release=number,
                image=release.image,
                outcome=state.outcome(number),
                by=release.by,
                began=release.created,
                seconds=(journal[-1].at - journal[0].at).total_seconds()
                if recorded.ended
                else None,
                migration=recorded.plan.migration,
                rolled_back_to=release.rolled_back_to,
                failed=recorded.failed,
            )
        )
    return tuple(found)


def read_audit(keeper: Keeper) -> Sequence[dict[str, object]]:
    """The audit trail, the newest first; each entry has at least `at`, `what` and `by`."""
    return read_json_lines(keeper.read(AUDIT))[::-1]
