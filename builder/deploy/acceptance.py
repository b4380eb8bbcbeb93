"""Which images a system has accepted: a line in its state for each word on one."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from builder.deploy.keeper import Keeper, read_json_lines
from builder.deploy.state import ACCEPTED
from builder.errors import EngineError
from builder.plan.release import Release


class Acceptance(BaseModel):
    """Somebody's word on what a system served.

    Attributes:
        accepted: or taken back.
        release: of the system where it was looked at.
        config_hash: of that release.
        note: theirs; may be empty.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    at: datetime
    by: str
    accepted: bool
    release: int
    image: str
    digest: str
    config_hash: str
    note: str = ""


def find_acceptance(words: Iterable[Acceptance], digest: str) -> Acceptance | None:
    """The acceptance of an image that stands; None where there is none, or it was taken back."""
    last = None
    for word in words:
        if word.digest == digest:
            last = word
    return last if last is not None and last.accepted else None


def read_acceptances(keeper: Keeper) -> tuple[Acceptance, ...]:
    """All that were written down, the oldest first.

    Raises:
        EngineError: one cannot be understood.
    """
    try:
        return tuple(
            Acceptance.model_validate(line) for line in read_json_lines(keeper.read(ACCEPTED))
        )
    except ValidationError as error:
        raise EngineError(
            "an acceptance is recorded in a form that this version of Kiln cannot read: "
            f"{error.errors()[0]['msg']}",
            where=f"{keeper.stack}: {ACCEPTED}",
            hint="use the version that wrote it",
        ) from None


def write_acceptance(
    keeper: Keeper, token: int, release: Release, by: str, note: str, *, accepted: bool
) -> Acceptance:
    """Put down somebody's word on a release.

    Raises:
        LockedError: the lease is lost.
        DiskFullError: the host's disk is full.
    """
    word = Acceptance(
        at=datetime.now(UTC),
        by=by,
        accepted=accepted,
        release=release.number,
        image=release.image,
        digest=release.digest,
        config_hash=release.config_hash,
        note=note,
    )
    keeper.append(token, ACCEPTED, word.model_dump_json())
    return word
