"""The state of a stack on its host, read and written through the keeper's container.

All of it goes through the engine's API, so that a host behind ssh is no different. What is
written is checked against the lease on the host itself: dockerfiles/production/kiln-state.
"""

import io
import json
import secrets
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from docker.models.containers import Container
from pydantic import BaseModel, ConfigDict

from builder.deploy.engine import engine_errors, exec_in, explain_refusal, run_in
from builder.errors import EngineError, LockedError
from builder.process import Completed

STATE = "/state"
SECRETS = "/secrets"
_HELD, _LOST, _MISSING = 3, 4, 5
# Of the engine, where a program did not start (126, 127) or was ended by a signal (128 and more).
_NOT_RUN = 126
_STARTS = 3
_AGAIN_SECONDS = 0.5
_EMPTY_TAR = bytes(tarfile.RECORDSIZE)


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file to be written on the host."""

    content: bytes
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


class LeaseHolder(BaseModel):
    """Who changes a stack.

    Attributes:
        owner: user@host and process.
        command: e.g. `kiln deploy production`.
        since: ISO 8601.
        process: names that very process on its machine, for as long as this is up: builder/deploy/
            lease.py.
        token: of the lease.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str
    command: str
    since: str
    process: str
    token: int = 0


class Keeper(Protocol):
    """The state of one stack: files below /state and /secrets, and who may change them.

    Whatever is written is refused to a token that does not hold the lease any more.
    """

    @property
    def stack(self) -> str:
        """The stack's name."""

    def acquire(self, seconds: int, who: LeaseHolder) -> int:
        """Take the lease; its fencing token.

        Raises:
            LockedError: another has it; the message says who.
        """

    def renew(self, token: int, seconds: int) -> None:
        """Keep the lease for so many seconds from now.

        Raises:
            LockedError: it has run out, or was broken.
        """

    def release(self, token: int) -> None:
        """Give the lease back; no error if it is lost already."""

    def break_lease(self, token: int) -> None:
        """Take a lease away from who has it; what that one does next is refused."""

    def holder(self) -> LeaseHolder | None:
        """Who has the lease; None where nobody does."""

    def check(self, token: int) -> None:
        """See that the lease is still held.

        Raises:
            LockedError: it is not.
        """

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is none."""

    def read_below(self, path: str, names: str) -> dict[str, dict[str, bytes]]:
        """Files in the folders of a folder, by folder and name."""

    def list(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none where there is no folder."""

    def list_by_time(self, path: str) -> tuple[str, ...]:
        """The names in a folder, the newest first; none where there is no folder."""

    def install(
        self, token: int, target: str, files: Mapping[str, HostFile], folder: HostFile = ...
    ) -> None:
        """Put files into a folder, each whole or not at all."""

    def copy(self, token: int, source: str, target: str) -> bool:
        """Copy a file or folder; False where there is none to copy."""

    def append(self, token: int, path: str, line: str) -> None:
        """Add a line to a file."""

    def write(self, token: int, path: str, line: str) -> None:
        """Replace a file of one line."""

    def remove(self, token: int, *paths: str) -> None:
        """Remove files and folders."""


@dataclass(frozen=True, slots=True)
class HostKeeper:
    """The keeper's container of one stack.

    Attributes:
        stack: the stack's name.
        container: running.
    """

    stack: str
    container: Container

    def acquire(self, seconds: int, who: LeaseHolder) -> int:
        """Take the lease; its fencing token.

        Raises:
            LockedError: another has it; the message says who.
        """
        done = self._state("acquire", str(seconds), who.model_dump_json(exclude={"token"}))
        if done.returncode == _HELD:
            raise locked(self.stack, parse_lease(done.stdout))
        return int(done.stdout)

    def renew(self, token: int, seconds: int) -> None:
        """Keep the lease for so many seconds from now.

        Raises:
            LockedError: it has run out, or was broken.
        """
        self._state("renew", str(token), str(seconds))

    def release(self, token: int) -> None:
        """Give the lease back; no error if it is lost already."""
        run_in(self.container, "kiln-state", "release", str(token))

    def break_lease(self, token: int) -> None:
        """Take a lease away from who has it; what that one does next is refused.

        Args:
            token: of the lease that is meant: another that was taken meanwhile stays.
        """
        self._state("break", str(token))

    def holder(self) -> LeaseHolder | None:
        """Who has the lease; None where nobody does."""
        return parse_lease(self._state("holder").stdout)

    def check(self, token: int) -> None:
        """See that the lease is still held.

        Raises:
            LockedError: it is not.
        """
        self._state("check", str(token))

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is none.

        Raises:
            EngineError: it is there and cannot be read.
        """
        return self._ask('exec cat "$1"', path)

    def read_below(self, path: str, names: str) -> dict[str, dict[str, bytes]]:
        """Files in the folders of a folder, by folder and name, in one question.

        Args:
            path: the folder; none is an empty one.
            names: a pattern of the files' names.
        """
        archive = self._ask(
            'cd "$1"; find . -mindepth 2 -maxdepth 2 -name "$2" -print0 | tar -c --null -T -',
            path,
            names,
            # A file has grown meanwhile, tar(1).
            ended=(0, 1),
        )
        found: dict[str, dict[str, bytes]] = {}
        # A file that grows meanwhile has its first part, which is enough of a journal.
        try:
            with tarfile.open(fileobj=io.BytesIO(archive or _EMPTY_TAR)) as tar:
                for entry in tar:
                    _, folder, name = entry.name.split("/")
                    content = tar.extractfile(entry)
                    found.setdefault(folder, {})[name] = content.read() if content else b""
        except tarfile.TarError as error:
            raise EngineError(
                f"the state came in part only: {error}", where=self.stack, hint="run this again"
            ) from None
        return found

    def list(self, path: str) -> tuple[str, ...]:
        """The names in a folder, sorted; none where there is no folder."""
        names = self._ask('exec ls -1 "$1"', path) or b""
        return tuple(sorted(names.decode().split()))

    def list_by_time(self, path: str) -> tuple[str, ...]:
        """The names in a folder, the newest first; none where there is no folder."""
        return tuple((self._ask('exec ls -1t "$1"', path) or b"").decode().split())

    def install(
        self,
        token: int,
        target: str,
        files: Mapping[str, HostFile],
        folder: HostFile = HostFile(b"", 0o700),
    ) -> None:
        """Put files into a folder, each whole or not at all; the folder itself stays.

        Args:
            token: of the lease.
            target: below /state or /secrets.
            files: by name.
            folder: owner and mode of the folder, if it is made.

        Raises:
            LockedError: the lease is lost.
            DiskFullError: the host's disk is full.
        """
        root = SECRETS if target.startswith(f"{SECRETS}/") else STATE
        name = secrets.token_hex(8)
        archive = _archive(name, files, folder)
        with engine_errors(self.stack):
            sent = self.container.put_archive(f"{root}/incoming", archive)
        if not sent:
            raise EngineError("did not take files", where=self.stack, hint="run this again")
        self._state("install", str(token), f"{root}/incoming/{name}", target)

    def copy(self, token: int, source: str, target: str) -> bool:
        """Copy a file or folder with owners and modes; False where there is none to copy."""
        return self._state("copy", str(token), source, target).returncode != _MISSING

    def append(self, token: int, path: str, line: str) -> None:
        """Add a line to a file, and see it on the disk."""
        self._state("append", str(token), path, line)

    def write(self, token: int, path: str, line: str) -> None:
        """Replace a file of one line."""
        self._state("write", str(token), path, line)

    def remove(self, token: int, *paths: str) -> None:
        """Remove files and folders."""
        self._state("remove", str(token), *paths)

    def _ask(
        self, script: str, path: str, *arguments: str, ended: tuple[int, ...] = (0,)
    ) -> bytes | None:
        """What a script prints of a path; None where there is none.

        Raises:
            EngineError: it is there and cannot be read: taken for missing, a system that serves
                would be taken for an empty host.
        """
        whole = f'[ -e "$1" ] || exit {_MISSING}; {script}'
        code, printed, errors = self._run("sh", "-c", whole, "sh", path, *arguments)
        if code == _MISSING:
            return None
        if code not in ended:
            raise EngineError(
                f"the state cannot be read: {_last_words(code, printed, errors)}",
                where=f"{self.stack} {path}",
                hint="see that the keeper's container runs, then run this again",
            )
        return printed

    def _state(self, *arguments: str) -> Completed:
        code, printed, errors = self._run("kiln-state", *arguments)
        told = printed.decode("utf-8", "replace")
        if code == _LOST:
            raise lost(self.stack, parse_lease(told))
        if code not in (0, _HELD, _MISSING):
            raise explain_refusal(
                f"the state cannot be changed: {_last_words(code, printed, errors)}", self.stack
            )
        return Completed(code, told, errors.decode("utf-8", "replace"))

    def _run(self, *argv: str) -> tuple[int, bytes, bytes]:
        # A busy engine fails to start a program now and then. All that is done here may be done
        # twice: a step that is journalled twice has been done.
        ended = exec_in(self.container, argv, self.stack)
        for _ in range(_STARTS - 1):
            if ended[0] < _NOT_RUN:
                break
            time.sleep(_AGAIN_SECONDS)
            ended = exec_in(self.container, argv, self.stack)
        return ended


def _last_words(code: int, printed: bytes, errors: bytes) -> str:
    """Why a program failed; the runtime's own words come on standard output."""
    text = (errors or printed).decode("utf-8", "replace").strip()
    return text[-300:] or f"a program in the keeper's container ended with {code}"


def parse_lease(text: str) -> LeaseHolder | None:
    """Who, of a lease file's two lines; None where there is none."""
    lines = text.strip().splitlines()
    try:
        holder = LeaseHolder.model_validate_json(lines[1])
        return holder.model_copy(update={"token": int(lines[0].split()[0])})
    except (IndexError, ValueError):
        return None


def locked(stack: str, holder: LeaseHolder | None) -> LockedError:
    """Another has the lease."""
    return LockedError(
        f"{_describe(holder)} is changing this system",
        where=stack,
        hint="wait for it; `kiln unlock` takes the lock away if that process is gone for good",
    )


def lost(stack: str, holder: LeaseHolder | None) -> LockedError:
    """The lease is not this process's any more."""
    now = f"; now {_describe(holder)} has it" if holder else ""
    return LockedError(
        f"this process has lost its lock{now}",
        where=stack,
        hint="nothing more is done here; `kiln status` shows what serves, `kiln resume` goes on",
    )


def _describe(holder: LeaseHolder | None) -> str:
    if holder is None:
        return "another kiln"
    return f"{holder.owner} (`{holder.command}`, since {holder.since})"


def _archive(name: str, files: Mapping[str, HostFile], folder: HostFile) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(_entry(name, folder, directory=True))
        for file_name, file in files.items():
            tar.addfile(_entry(f"{name}/{file_name}", file), io.BytesIO(file.content))
    return buffer.getvalue()


def _entry(name: str, file: HostFile, *, directory: bool = False) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE if directory else tarfile.REGTYPE
    entry.size = 0 if directory else len(file.content)
    entry.mode, entry.uid, entry.gid = file.mode, file.uid, file.gid
    return entry


def read_json_lines(content: bytes | None) -> list[dict[str, object]]:
    """The objects of a file with one a line; a last line that was cut off is left out."""
    found = []
    for line in (content or b"").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
