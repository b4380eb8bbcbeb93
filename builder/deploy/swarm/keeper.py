"""The state of a stack in its swarm: no host is needed for it that could be down.

One config, the root, has the lease and says which config or secret has each file. It is changed by
compare and swap: Swarm refuses an update that was made from another version than the last. So a
write and the look at the lease are one, and what a killed kiln has left half-way is not referred
to. Files are configs named by their content; values of secrets are Swarm's secrets, which nobody
can read back.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any

from builder.deploy.keeper import HostFile, LeaseHolder, locked, lost
from builder.deploy.swarm.managers import Managers, SwarmRefusedError
from builder.errors import EngineError, LockedError
from builder.render.swarm import STACK_LABEL, Stored
from builder.secrets.delivery import VersionedValue

_ROOT_LABEL = "io.kiln.root"
_PATH_LABEL = "io.kiln.path"
_LONGEST_NAME = 64
_EMPTY = b"\n"
# Bytes of a config, a little less than Swarm takes (swarmkit, manager/controlapi/config.go).
_LARGEST = 950_000
# Files here have no owners and modes: configs are given theirs by the service that reads them.
_FOLDER = HostFile(b"", 0o700)


@dataclass
class Root:
    """What the root says.

    Attributes:
        files: names of configs by path.
        secrets: likewise secrets of Swarm, as name and ID.
        token: of the last lease.
        expires: when that runs out, by the swarm's clock, in seconds; 0 where it was given back.
        who: has it.
    """

    files: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    token: int = 0
    expires: float = 0
    who: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwarmKeeper:
    """The state of one stack.

    Attributes:
        stack: its name.
        managers: of the swarm.
    """

    stack: str
    managers: Managers

    # -- the lease ------------------------------------------------------------------------------

    def acquire(self, seconds: int, who: LeaseHolder) -> int:
        """As `Keeper` says."""
        wanted = who.model_dump(mode="json", exclude={"token"})

        def take(root: Root, now: float) -> None:
            # A manager may have ended after it had written and before it said so.
            if root.expires > now and root.who != wanted:
                raise locked(self.stack, _holder(root))
            root.token, root.expires, root.who = root.token + 1, now + seconds, wanted

        root = self._change(None, take)
        self._sweep(root)
        return root.token

    def renew(self, token: int, seconds: int) -> None:
        """As `Keeper` says."""

        def extend(root: Root, now: float) -> None:
            # Also one that has run out, as long as nobody else has taken it: tokens only grow.
            if root.token != token:
                raise lost(self.stack, _holder(root) if root.expires > now else None)
            root.expires = now + seconds

        self._change(None, extend)

    def release(self, token: int) -> None:
        """As `Keeper` says."""

        def give_back(root: Root, now: float) -> None:
            root.expires, root.who = 0, {}

        try:
            self._change(token, give_back)
        except LockedError:
            return

    def break_lease(self, token: int) -> None:
        """As `Keeper` says."""

        def take_away(root: Root, now: float) -> None:
            if root.token == token:
                root.token, root.expires, root.who = root.token + 1, 0, {}

        self._change(None, take_away)

    def holder(self) -> LeaseHolder | None:
        """As `Keeper` says."""
        root, now = self._read_root()
        return _holder(root) if root.expires > now else None

    def check(self, token: int) -> None:
        """As `Keeper` says."""
        self._require(token, *self._read_root())

    # -- reading --------------------------------------------------------------------------------

    def read(self, path: str) -> bytes | None:
        """As `Keeper` says; the value of a secret is none that could be read."""
        name = self._read_root()[0].files.get(path)
        return None if name is None else self._content(name)

    def read_below(self, path: str, names: str) -> dict[str, dict[str, bytes]]:
        """As `Keeper` says."""
        found: dict[str, dict[str, bytes]] = {}
        contents = self._contents()
        for file, name in self._read_root()[0].files.items():
            folder, _, base = file.removeprefix(f"{path}/").partition("/")
            if file.startswith(f"{path}/") and base and fnmatchcase(base, names):
                content = contents.get(name)
                found.setdefault(folder, {})[base] = (
                    self._content(name) if content is None else content
                )
        return found

    def list(self, path: str) -> tuple[str, ...]:
        """As `Keeper` says."""
        return tuple(sorted(self.list_by_time(path)))

    def list_by_time(self, path: str) -> tuple[str, ...]:
        """As `Keeper` says."""
        root, _ = self._read_root()
        below = [
            one.removeprefix(f"{path}/").partition("/")[0]
            for one in (*root.files, *root.secrets)
            if one.startswith(f"{path}/")
        ]
        return tuple(dict.fromkeys(reversed(below)))

    def config(self, path: str) -> Stored:
        """The config that has a file.

        Raises:
            EngineError: there is no such file.
        """
        name = self._read_root()[0].files.get(path)
        if name is None:
            raise EngineError(f"{path} is not there", where=self.stack, hint="`kiln status`")
        return Stored(name, str(self.managers.get(f"configs/{name}")["ID"]))

    def secrets(self, folder: str) -> dict[str, Stored]:
        """The secrets of a folder below /secrets, by file name."""
        prefix = f"/secrets/{folder}/"
        return {
            path.removeprefix(prefix): Stored(name, identity)
            for path, (name, identity) in self._read_root()[0].secrets.items()
            if path.startswith(prefix)
        }

    # -- writing --------------------------------------------------------------------------------

    def install(
        self,
        token: int,
        target: str,
        files: Mapping[str, HostFile],
        folder: HostFile = _FOLDER,
    ) -> None:
        """As `Keeper` says."""
        self.check(token)
        made = {
            f"{target}/{name}": self._store(f"{target}/{name}", one.content)
            for name, one in files.items()
        }

        def put(root: Root, now: float) -> None:
            root.files |= made

        self._change(token, put)

    def install_secrets(
        self, token: int, folder: str, values: Mapping[str, VersionedValue]
    ) -> None:
        """Have values as secrets of Swarm, under names with their versions, in a folder."""
        self.check(token)
        made = {
            f"/secrets/{folder}/{name}": self._store_secret(name, one)
            for name, one in values.items()
        }

        def put(root: Root, now: float) -> None:
            for path, stored in made.items():
                root.secrets.pop(path, None)
                root.secrets[path] = (stored.name, stored.id)

        self._change(token, put)

    def copy(self, token: int, source: str, target: str) -> bool:
        """As `Keeper` says."""
        found = False

        def copy(root: Root, now: float) -> None:
            nonlocal found
            for entries in (root.files, root.secrets):
                copied = {
                    target + path.removeprefix(source): value
                    for path, value in entries.items()
                    if _is_in(path, source)
                }
                found = found or bool(copied)
                for path in [one for one in entries if copied and _is_in(one, target)]:
                    del entries[path]
                entries.update(copied)  # type: ignore[arg-type]

        self._change(token, copy)
        return found

    def append(self, token: int, path: str, line: str) -> None:
        """As `Keeper` says."""
        content = (self.read(path) or b"") + line.encode() + b"\n"
        while len(content) > _LARGEST:
            content = content.partition(b"\n")[2]
        self._write(token, path, content)

    def write(self, token: int, path: str, line: str) -> None:
        """As `Keeper` says."""
        self._write(token, path, line.encode() + b"\n")

    def remove(self, token: int, *paths: str) -> None:
        """As `Keeper` says."""
        gone: list[tuple[str, str]] = []

        def take_out(root: Root, now: float) -> None:
            gone.clear()
            for path in [one for one in root.files if _is_any(one, paths)]:
                gone.append(("configs", root.files.pop(path)))
            for path in [one for one in root.secrets if _is_any(one, paths)]:
                gone.append(("secrets", root.secrets.pop(path)[0]))

        root = self._change(token, take_out)
        kept = {*root.files.values(), *(name for name, _ in root.secrets.values())}
        for kind, name in gone:
            if name not in kept:
                # In use by a task that is just ending: the next lease begins with sweeping.
                self.managers.remove(kind, name)

    def _write(self, token: int, path: str, content: bytes) -> None:
        self.check(token)
        made = self._store(path, content)
        before = ""

        def put(root: Root, now: float) -> None:
            nonlocal before
            before = root.files.get(path, "")
            root.files[path] = made

        root = self._change(token, put)
        if before and before not in root.files.values():
            self.managers.remove("configs", before)

    # -- objects of the swarm ---------------------------------------------------------------------

    def create(self) -> None:
        """Make the root, if there is none."""
        spec = {**self._encode(Root()), "Name": root_name(self.stack)}
        self.managers.create("configs", spec)

    def exists(self) -> bool:
        """Whether there is a root."""
        try:
            self.managers.get(f"configs/{root_name(self.stack)}")
        except SwarmRefusedError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _store(self, path: str, content: bytes) -> str:
        content = content or _EMPTY
        digest = hashlib.sha256(f"{self.stack}\0{path}\0".encode() + content).hexdigest()
        spec = {
            "Name": f"kiln-{digest[:40]}",
            "Labels": {STACK_LABEL: self.stack, _PATH_LABEL: path},
            "Data": base64.b64encode(content).decode(),
        }
        self.managers.create("configs", spec)
        return str(spec["Name"])

    def _store_secret(self, name: str, value: VersionedValue) -> Stored:
        stored = secret_name(self.stack, name, value.version)
        spec = {
            "Name": stored,
            "Labels": {STACK_LABEL: self.stack},
            "Data": base64.b64encode(value.value.reveal()).decode(),
        }
        return Stored(stored, self.managers.create("secrets", spec))

    def _content(self, name: str) -> bytes:
        return _decode(self.managers.get(f"configs/{name}"))

    def _contents(self) -> dict[str, bytes]:
        """All files in one question, by the name of their config."""
        found = self.managers.get("configs", label=[f"{STACK_LABEL}={self.stack}"])
        return {one["Spec"]["Name"]: _decode(one) for one in found}

    def _sweep(self, root: Root) -> None:
        """Remove what a killed kiln has left."""
        kept = self._refers(root)
        for kind in ("configs", "secrets"):
            for one in self.managers.get(kind, label=[f"{STACK_LABEL}={self.stack}"]):
                if one["Spec"]["Name"] not in kept:
                    # The next holder may have begun to refer to others.
                    self.check(root.token)
                    self.managers.remove(kind, one["Spec"]["Name"])

    @property
    def referred(self) -> set[str]:
        """The configs and secrets that the state consists of."""
        return self._refers(self._read_root()[0])

    def _refers(self, root: Root) -> set[str]:
        secrets = {name for name, _ in root.secrets.values()}
        return {root_name(self.stack), *root.files.values(), *secrets}

    def _encode(self, root: Root) -> dict[str, Any]:
        state = {
            "files": root.files,
            "secrets": root.secrets,
            "lease": {"token": root.token, "expires": root.expires, "who": root.who},
        }
        return {
            "Labels": {STACK_LABEL: self.stack, _ROOT_LABEL: json.dumps(state)},
            # Swarm takes no empty one.
            "Data": base64.b64encode(b"the state of a stack of kiln's").decode(),
        }

    def _read_root(self) -> tuple[Root, float]:
        answer = self.managers.ask("GET", f"configs/{root_name(self.stack)}")
        return _parse_root(answer.json()["Spec"]), _clock(answer.headers.get("Date"))

    def _require(self, token: int, root: Root, now: float) -> None:
        if root.token != token or root.expires <= now:
            raise lost(self.stack, _holder(root) if root.expires > now else None)

    def _change(self, token: int | None, change: Callable[[Root, float], None]) -> Root:
        """Change the root, unless the lease of the token is lost."""
        now = self._read_root()[1]
        made = Root()

        def apply(spec: dict[str, Any]) -> bool:
            nonlocal made
            made = _parse_root(spec)
            if token is not None:
                self._require(token, made, now)
            change(made, now)
            labels = self._encode(made)["Labels"]
            changed = bool(labels != spec["Labels"])
            spec["Labels"] = labels
            return changed

        self.managers.update("configs", root_name(self.stack), apply)
        return made


def root_name(stack: str) -> str:
    """The name of a stack's root."""
    name = f"{stack}-state"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{stack[:40]}-{hashlib.sha256(stack.encode()).hexdigest()[:8]}-state"


def secret_name(stack: str, name: str, version: str) -> str:
    """The name of a version of a secret in the swarm."""
    whole = f"{stack}-{name}-{version}"
    if len(whole) <= _LONGEST_NAME:
        return whole
    digest = hashlib.sha256(f"{stack}\0{name}".encode()).hexdigest()[:16]
    return f"{stack[:30]}-{digest}-{version}"


def _parse_root(spec: Mapping[str, Any]) -> Root:
    state = json.loads(spec["Labels"][_ROOT_LABEL])
    lease = state["lease"]
    secrets = {path: (name, identity) for path, (name, identity) in state["secrets"].items()}
    return Root(state["files"], secrets, lease["token"], lease["expires"], lease["who"])


def _holder(root: Root) -> LeaseHolder | None:
    return LeaseHolder.model_validate({**root.who, "token": root.token}) if root.who else None


def _clock(date: str | None) -> float:
    """The time of the manager that answered, so that machines of users may differ."""
    return parsedate_to_datetime(date).timestamp() if date else time.time()


def _decode(config: Mapping[str, Any]) -> bytes:
    return base64.b64decode(config["Spec"].get("Data") or "")


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _is_any(path: str, folders: tuple[str, ...]) -> bool:
    return any(_is_in(path, one) for one in folders)
