"""What a stack's folder on its host says: releases, their plans and journals, the current one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from builder.deploy.keeper import STATE, HostFile, Keeper, read_json_lines
from builder.errors import EngineError
from builder.plan.release import DeployPlan, Release, Step

RELEASES = f"{STATE}/releases"
CURRENT = f"{STATE}/current"
AUDIT = f"{STATE}/audit.jsonl"
ACCEPTED = f"{STATE}/accepted.jsonl"
SERVICES = f"{STATE}/services.json"
# What a release's containers are made from.
MANIFEST = "compose.yaml"
# Stands for the release that is to be, while a plan is made: its files are removed again.
PROBE = "probe"
# Enough for the journal and the proxy's files of a way back.
_ROOM_BYTES = 128 * 1024

_SERVICES: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])

Event = Literal["begin", "end", "fail", "undo", "done", "undone", "stuck", "restored"]
Outcome = Literal["live", "replaced", "put back", "unfinished", "stuck"]


class JournalEntry(BaseModel):
    """One line of a release's journal.

    Attributes:
        event: `begin` and `end` of a step; `fail` of the release, `undo` once the way leads back;
            `done`, `undone` or `stuck` at the end. What is stuck goes forward again, or back once
            somebody has `restored` the database.
        step: the step.
        detail: why it failed.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    at: datetime
    event: Event
    step: Step | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A release as its folder has it."""

    release: Release
    plan: DeployPlan
    journal: tuple[JournalEntry, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more has to be done for it."""
        return bool(self.journal) and self.journal[-1].event in ("done", "undone")

    @property
    def way_back(self) -> bool:
        """Whether it has failed, so that what is left to do is to put the old one back."""
        found = False
        for one in self.journal:
            found = one.event != "stuck" and (found or one.event in ("fail", "undo", "restored"))
        return found

    @property
    def stuck(self) -> bool:
        """Whether the old release cannot serve, so that somebody has to decide."""
        return bool(self.journal) and self.journal[-1].event == "stuck"

    @property
    def restored(self) -> bool:
        """Whether the database is what it was before the release, as somebody has said."""
        return any(one.event == "restored" for one in self.journal)

    @property
    def failed(self) -> str:
        """Why it did not come to serve; empty where it did not fail."""
        return next((one.detail for one in self.journal if one.event == "fail"), "")

    @property
    def begun(self) -> tuple[Step, ...]:
        """The steps that were begun on the way forward, in order."""
        return tuple(one.step for one in self.journal if one.event == "begin" and one.step)

    @property
    def finished_steps(self) -> tuple[Step, ...]:
        """The steps that came to their end on the way forward, in the plan's order."""
        return tuple(one.step for one in self.journal if one.event == "end" and one.step)


@dataclass(frozen=True, slots=True)
class HostState:
    """What is recorded on a host.

    Attributes:
        current: the release that serves; None before the first.
        releases: by number.
        services: images of the proxy and the services, as they were last started.
    """

    current: Release | None
    releases: Mapping[int, Recorded]
    services: Mapping[str, str]

    @property
    def unfinished(self) -> Recorded | None:
        """The release that was left half-way."""
        newest = self.releases.get(max(self.releases, default=0))
        return newest if newest is not None and not newest.ended else None

    @property
    def next_number(self) -> int:
        """The number of the next release."""
        return max(self.releases, default=0) + 1

    @property
    def rollback_targets(self) -> tuple[Release, ...]:
        """Releases that served before the current one, the newest first."""
        return tuple(
            one.release
            for number, one in sorted(self.releases.items(), reverse=True)
            if self.current is not None
            and number < self.current.number
            and one.journal
            and one.journal[-1].event == "done"
        )

    def outcome(self, number: int) -> Outcome:
        """What became of a release."""
        recorded = self.releases[number]
        if self.current is not None and number == self.current.number:
            return "live"
        if not recorded.ended:
            return "stuck" if recorded.stuck else "unfinished"
        return "replaced" if recorded.journal[-1].event == "done" else "put back"


NOTHING = HostState(None, {}, {})


def read_state(keeper: Keeper) -> HostState:
    """Read all that is recorded.

    Raises:
        EngineError: a file of it cannot be understood.
    """
    releases: dict[int, Recorded] = {}
    for name, files in keeper.read_below(RELEASES, "*.json*").items():
        if name.isdigit() and {"plan.json", "release.json"} <= files.keys():
            releases[int(name)] = _parse_release(keeper.stack, int(name), files)
    return parse_state(keeper.stack, keeper.read(CURRENT), releases, keeper.read(SERVICES))


def parse_state(
    stack: str,
    current: bytes | None,
    releases: Mapping[int, Recorded],
    services: bytes | None,
) -> HostState:
    """Put together what the files say. Pure.

    Raises:
        EngineError: a file is damaged. Taken for an empty host, a system that serves would be
            set up over.
    """
    number = (current or b"").strip()
    if number and not (number.isdigit() and int(number) in releases):
        raise _damaged(stack, CURRENT, f"names release {number.decode(errors='replace')}")
    images = parse_services(stack, services)
    return HostState(releases[int(number)].release if number else None, releases, images)


def parse_services(stack: str, content: bytes | None) -> dict[str, str]:
    """Images of the proxy and the services as they were last started. Pure.

    Raises:
        EngineError: the file is damaged.
    """
    try:
        return _SERVICES.validate_json(content or b"{}")
    except ValidationError as error:
        raise _damaged(stack, SERVICES, error.errors()[0]["msg"]) from None


def _damaged(stack: str, path: str, why: str) -> EngineError:
    return EngineError(
        f"{path.removeprefix(f'{STATE}/')} in the state folder is damaged: {why}",
        where=stack,
        hint="bring the folder back from a backup of the host",
    )


def parse_release(stack: str, number: int, content: bytes) -> Release:
    """Read a release.json. Pure.

    Raises:
        EngineError: it cannot be understood.
    """
    try:
        return Release.model_validate_json(content)
    except ValidationError as error:
        raise _unreadable(stack, number, error) from None


def release_folder(number: int) -> str:
    """Where a release's files are."""
    return f"{RELEASES}/{number}"


def save_plan(keeper: Keeper, token: int, plan: DeployPlan, env_php: str) -> None:
    """Write a release's folder, before anything else is done."""
    files = {
        "release.json": HostFile(plan.release.model_dump_json(indent=2).encode()),
        # Read by the containers' user.
        "env.php": HostFile(env_php.encode(), 0o644),
        # Last: a folder without it is no release.
        "plan.json": HostFile(plan.model_dump_json(indent=2).encode()),
    }
    keeper.install(token, STATE, {"room": HostFile(bytes(_ROOM_BYTES))})
    folder = release_folder(plan.release.number)
    # A release that a full disk kept from being recorded may have left a journal.
    keeper.remove(token, folder)
    keeper.install(token, folder, files, HostFile(b"", 0o755))


def make_room(keeper: Keeper, token: int) -> None:
    """Give what was kept free to the way back of a release that has filled the disk."""
    keeper.remove(token, f"{STATE}/room")


def save_release(keeper: Keeper, token: int, release: Release) -> None:
    """Write what has become known of a release."""
    file = HostFile(release.model_dump_json(indent=2).encode())
    keeper.install(token, release_folder(release.number), {"release.json": file})


def note(
    keeper: Keeper, token: int, number: int, event: Event, step: Step | None, detail: str = ""
) -> None:
    """Add a line to a release's journal."""
    entry = JournalEntry(at=datetime.now(UTC), event=event, step=step, detail=detail)
    keeper.append(token, f"{release_folder(number)}/journal.jsonl", entry.model_dump_json())


def audit(keeper: Keeper, token: int, **facts: object) -> None:
    """Add a line to the audit trail."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
    keeper.append(token, AUDIT, json.dumps(line, ensure_ascii=False))


def _parse_release(stack: str, number: int, files: Mapping[str, bytes]) -> Recorded:
    try:
        return Recorded(
            Release.model_validate_json(files["release.json"]),
            DeployPlan.model_validate_json(files["plan.json"]),
            tuple(
                JournalEntry.model_validate(line)
                for line in read_json_lines(files.get("journal.jsonl"))
            ),
        )
    except ValidationError as error:
        raise _unreadable(stack, number, error) from None


def _unreadable(stack: str, number: int, error: ValidationError) -> EngineError:
    return EngineError(
        f"release {number} is recorded in a form that this version of Kiln cannot read: "
        f"{error.errors()[0]['msg']}",
        where=stack,
        hint="use the version that wrote it, or move its folder below the state folder away",
    )
