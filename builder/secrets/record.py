"""What is remembered of an environment's secrets on this machine: names, versions, times.

No value is in it, and a version's name says nothing without the crypt key. It lies in the
user's state folder, not next to environments/: a rotation is an event on a host, not a change
of the shop, and must not leave the work tree dirty or conflict between hosts.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from builder.errors import SecretError
from builder.project.frozen import FrozenModel
from builder.secrets.files import refused, write_file
from builder.secrets.value import SecretValue

_KEPT_EVENTS = 50

Cause = Literal["deliver", "rotate", "rollback"]


class VersionEvent(FrozenModel):
    """A version came to be the wanted one."""

    version: str
    at: datetime
    by: Cause


class DeliveryEvent(FrozenModel):
    """A folder that secrets are delivered to; changes go there too."""

    folder: str
    uid: int
    gid: int
    at: datetime


class SecretRecord(FrozenModel):
    """One environment's.

    Attributes:
        versions: by the secret's name, the oldest first.
        deliveries: the folders, each once.
        held: by the secret's name, the version that was rolled back though the source, which
            Kiln cannot write, still has it. It is not delivered again.
    """

    schema_version: Literal[1] = 1
    versions: Mapping[str, tuple[VersionEvent, ...]] = {}
    deliveries: tuple[DeliveryEvent, ...] = ()
    held: Mapping[str, str] = {}

    def last(self, name: str) -> VersionEvent | None:
        """The last event of a secret."""
        return self.versions[name][-1] if self.versions.get(name) else None

    def with_version(self, name: str, version: str, at: datetime, by: Cause) -> "SecretRecord":
        """With an event more, unless the version is the last one already; 50 are kept."""
        last = self.last(name)
        if last is not None and last.version == version:
            return self
        event = VersionEvent(version=version, at=at, by=by)
        events = (*self.versions.get(name, ()), event)[-_KEPT_EVENTS:]
        return self.model_copy(update={"versions": {**self.versions, name: events}})

    def with_delivery(self, folder: Path, uid: int, gid: int, at: datetime) -> "SecretRecord":
        """With a delivery folder."""
        event = DeliveryEvent(folder=str(folder), uid=uid, gid=gid, at=at)
        others = tuple(one for one in self.deliveries if one.folder != event.folder)
        return self.model_copy(update={"deliveries": (*others, event)})

    def with_hold(self, name: str, version: str | None) -> "SecretRecord":
        """With a version not to deliver again; None ends the hold."""
        held = {key: value for key, value in self.held.items() if key != name}
        if version is not None:
            held[name] = version
        return self.model_copy(update={"held": held})


def load_record(path: Path) -> SecretRecord:
    """Read a record; an empty one where there is none yet.

    Raises:
        SecretError: the file cannot be read, or is no record.
    """
    try:
        return SecretRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return SecretRecord()
    except (OSError, ValidationError):
        raise SecretError(
            "the record of secret versions cannot be read",
            where=str(path),
            hint="move it away: deliveries go on, only their history is lost",
        ) from None


def save_record(path: Path, record: SecretRecord) -> None:
    """Write a record whole or not at all, for this user alone.

    Raises:
        SecretError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise refused(error, path) from None
    text = record.model_dump_json(indent=2) + "\n"
    write_file(path, SecretValue(text.encode()), mode=0o600, work=path.parent)
