"""The running proxy: told at run time where requests go, and asked what goes on.

What is to stay is written to a file first and told to the workers then, so that a restart or a
reload reads the same. All of it may be done again: a kiln that is killed half-way loses nothing.

It is spoken to through the master's socket, which leads to every worker: after a reload the old
one finishes what it serves, and requests that come in on its connections go by its own maps.
"""

import csv
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from builder.errors import ProxyError
from builder.plan.proxy import SLOTS, Mode, Slot, assets_backend, slot_backend
from builder.process import Completed
from builder.render.proxy import (
    CONFIG,
    LIVE,
    MODE,
    VERSIONS,
    config_digest,
    live_entries,
    mode_entries,
    render_map,
    version_entries,
)

_FOLDER = "/proxy"
_CANDIDATE = f"{CONFIG}.next"
# The command is an argument and not part of the script, and needs no standard input.
_ASK = 'printf "%s\\n" "$1" | socat -t 30 - UNIX-CONNECT:/run/haproxy/master.sock'
_RELOAD_SECONDS = 60.0
_PAUSE = 0.25
_GONE = "Can't find the target PID"
_PASSED = ("L4OK", "L6OK", "L7OK")


class Exec(Protocol):
    """Runs one program in the proxy's container, as the container's user, to its end."""

    def __call__(self, argv: Sequence[str]) -> Completed: ...


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes behind a proxy's master.

    Attributes:
        current: accepts connections; None while it is being started.
        old: finish what they serve, since a reload.
        failed: reloads since the last one that worked.
    """

    current: int | None
    old: tuple[int, ...]
    failed: int


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server of a slot, as the proxy sees it.

    Attributes:
        name: web1, web2 ...
        address: with port.
        up: it gets requests, and its last check has passed. HAProxy itself calls a server up from
            the start, until a check fails.
        status: HAProxy's own word, e.g. `UP 1/3`, `DOWN`.
        check: what the last check came to, e.g. L7OK, L4CON.
        current: requests that it works on.
    """

    name: str
    address: str
    up: bool
    status: str
    check: str
    current: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a slot was asked since its worker started.

    Attributes:
        worker: whose counters these are; a reload or restart begins with 0.
        requests: answered or not.
        errors: answers 5xx, the proxy's own among them.
        connection_errors: no connection to a container, each attempt counted.
        response_errors: no answer, or one that is none.
        retries: connections tried again with the same container.
        redispatches: requests that went to another container.
        current: being worked on, those of old workers not counted.
    """

    worker: int
    requests: int
    errors: int
    connection_errors: int
    response_errors: int
    retries: int
    redispatches: int
    current: int

    def since(self, earlier: "Traffic") -> "Traffic":
        """The difference; all of it, where another worker has counted earlier."""
        if earlier.worker != self.worker:
            return self
        return Traffic(
            self.worker,
            self.requests - earlier.requests,
            self.errors - earlier.errors,
            self.connection_errors - earlier.connection_errors,
            self.response_errors - earlier.response_errors,
            self.retries - earlier.retries,
            self.redispatches - earlier.redispatches,
            self.current,
        )


@dataclass(frozen=True, slots=True)
class Drained:
    """How a drain ended.

    Attributes:
        seconds: that it took.
        left: requests that were still running then; 0 is a full drain.
    """

    seconds: float
    left: int


@dataclass(frozen=True)
class Proxy:
    """The proxy of one stack.

    Attributes:
        run: runs a program in its container.
        write_file: writes a file of the folder that it sees at /proxy, by name, as a whole:
            aside, then renamed. Readable for PROXY_UID.
        clock: in seconds.
        sleep: likewise.
    """

    run: Exec
    write_file: Callable[[str, bytes], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    # -- configuration ----------------------------------------------------------------------

    def configure(self, files: Mapping[str, bytes]) -> bool:
        """Run another configuration, without losing a request.

        A configuration that HAProxy refuses is not put in place, so that the proxy could still be
        started again.

        Args:
            files: as `render_proxy_files` gives them.

        Returns:
            Whether anything changed.

        Raises:
            ProxyError: it is refused, or no new worker comes up.
        """
        config = files[CONFIG]
        for name, content in files.items():
            if name != CONFIG:
                self.write_file(name, content)
        self.write_file(_CANDIDATE, config)
        self.check_config(_CANDIDATE)
        self.write_file(CONFIG, config)
        if self._digest(self._current()) == config_digest(config.decode()):
            return False
        self.reload()
        return True

    def check_config(self, name: str = CONFIG) -> None:
        """Have HAProxy read a configuration.

        Raises:
            ProxyError: it refuses it; `where` is the line.
        """
        done = self.run(["haproxy", "-c", "-f", f"{_FOLDER}/{name}"])
        if done.returncode != 0:
            raise explain_config(done)

    def reload(self) -> None:
        """Start a worker with what the files say now; the old one finishes what it serves.

        Raises:
            ProxyError: the new one does not come up; the old one serves on.
        """
        before = self.workers()
        self._ask("reload")
        until = self.clock() + _RELOAD_SECONDS
        while self.clock() < until:
            try:
                now = self.workers()
                if now.current == before.current and now.failed > before.failed:
                    raise _reload_failed("HAProxy refuses to start with it")
                if now.current not in (None, before.current) and self._digest(now.current):
                    return
            except _NoAnswerError:
                # The master starts itself anew.
                pass
            self.sleep(_PAUSE)
        raise _reload_failed(f"no new worker within {_RELOAD_SECONDS:.0f} s")

    def workers(self) -> Workers:
        """The proxy's processes.

        Raises:
            ProxyError: it does not answer.
        """
        return parse_workers(self._ask("show proc"))

    # -- where requests go ------------------------------------------------------------------

    def set_live(self, slot: Slot | None) -> None:
        """Send requests to a slot from now on; None answers 503. Running requests stay.

        Nothing is changed at the servers of the other slot. State `drain` would add nothing, since
        no rule leads there any more, and take away a great deal: it would refuse static content
        of its version, and would be forgotten by a reload.

        Raises:
            ProxyError: the file may say so already, but a worker does not.
        """
        self._set_map(LIVE, live_entries(slot))

    def live(self) -> Slot | None:
        """The slot that requests go to, or None.

        Raises:
            ProxyError: the proxy does not answer.
        """
        backend = self._map(LIVE).get("live")
        return next((slot for slot in SLOTS if slot_backend(slot) == backend), None)

    def set_versions(self, versions: Mapping[str, str]) -> None:
        """Say which backend has which content version; any other goes to the live slot.

        Args:
            versions: by the version's digits a backend, as `slot_backend` and `assets_backend`
                name them.

        Raises:
            ProxyError: as with `set_live`.
        """
        self._set_map(VERSIONS, version_entries(versions))

    def versions(self) -> dict[str, str]:
        """Which backend has which content version.

        Raises:
            ProxyError: the proxy does not answer.
        """
        entries = self._map(VERSIONS)
        return {key.removeprefix("version"): backend for key, backend in entries.items()}

    def set_mode(self, mode: Mode) -> None:
        """Open the shop, or answer 503 to all but allowed addresses.

        Raises:
            ProxyError: as with `set_live`.
        """
        self._set_map(MODE, mode_entries(mode))

    def mode(self) -> Mode:
        """Whether the shop is open.

        Raises:
            ProxyError: the proxy does not answer.
        """
        return "maintenance" if self._map(MODE).get("mode") == "maintenance" else "open"

    # -- what goes on -----------------------------------------------------------------------

    def servers(self, slot: Slot) -> tuple[ServerState, ...]:
        """The servers of a slot as the current worker sees them.

        Raises:
            ProxyError: the proxy does not answer.
        """
        return parse_servers(self._stat(self._current()), slot_backend(slot))

    def wait_up(self, slot: Slot, count: int, seconds: float) -> tuple[ServerState, ...]:
        """Wait until the proxy would send requests to so many servers of a slot.

        Raises:
            ProxyError: it does not in that time.
        """
        return self._wait_up(slot_backend(slot), count, seconds)

    def wait_assets_up(self, k: int, seconds: float) -> None:
        """Wait until the proxy would send requests to the k-th older release's static content.

        Raises:
            ProxyError: it does not in that time.
        """
        self._wait_up(assets_backend(k), 1, seconds)

    def connections(self, slot: Slot) -> int:
        """Requests that a slot works on or that wait for it, those of old workers too.

        Raises:
            ProxyError: the proxy does not answer.
        """
        workers = self.workers()
        current = [] if workers.current is None else [workers.current]
        counted = 0
        for worker in (*current, *workers.old):
            try:
                row = parse_stat(self._stat(worker)).get((slot_backend(slot), "BACKEND"))
            except _WorkerGoneError:
                continue
            if row is not None:
                counted += number(row, "scur") + number(row, "qcur")
        return counted

    def drain(
        self, slot: Slot, seconds: float, on_progress: Callable[[int], None] = lambda _: None
    ) -> Drained:
        """Wait until a slot has no request any more; nothing is cut off.

        While versions.map leads to the slot, requests for static content keep coming: have another
        backend serve them first.

        Args:
            slot: not the live one.
            seconds: how long at most.
            on_progress: told of each count.

        Raises:
            ProxyError: the proxy does not answer.
        """
        began = self.clock()
        zeros = 0
        while True:
            left = self.connections(slot)
            on_progress(left)
            # Twice: a request may have been led there and not been counted yet.
            zeros = zeros + 1 if left == 0 else 0
            spent = self.clock() - began
            if zeros == 2 or spent >= seconds:
                return Drained(spent, left)
            self.sleep(_PAUSE)

    def traffic(self, slot: Slot) -> Traffic:
        """What a slot was asked so far; compare two with `Traffic.since`.

        Raises:
            ProxyError: the proxy does not answer.
        """
        worker = self._current()
        return parse_traffic(self._stat(worker), slot_backend(slot), worker)

    def _wait_up(self, backend: str, count: int, seconds: float) -> tuple[ServerState, ...]:
        until = self.clock() + seconds
        while True:
            servers = parse_servers(self._stat(self._current()), backend)
            if sum(one.up for one in servers) >= count:
                return servers
            if self.clock() >= until:
                raise ProxyError(
                    f"{sum(one.up for one in servers)} of {count} containers pass the proxy's "
                    f"check after {seconds:.0f} s",
                    where=f"backend {backend}",
                    hint="see the containers' logs",
                    details=tuple(
                        f"{one.name} {one.address}: {one.status}, {one.check}" for one in servers
                    ),
                )
            self.sleep(_PAUSE)

    # -- the sockets ------------------------------------------------------------------------

    def _ask(self, command: str) -> str:
        done = self.run(["sh", "-c", _ASK, "sh", command])
        if done.returncode != 0:
            raise _NoAnswerError(
                "the proxy does not answer",
                where=command,
                hint="see the log of its container",
                details=tuple(done.stderr.splitlines()[-5:]),
            )
        return done.stdout

    def _tell(self, worker: int, commands: Iterable[str]) -> str:
        answer = self._ask(";".join(f"@!{worker} {command}" for command in commands))
        if _GONE in answer:
            raise _WorkerGoneError(answer.strip(), where=f"worker {worker}")
        return answer

    def _current(self) -> int:
        current = self.workers().current
        if current is None:
            raise _NoAnswerError("the proxy has no worker", hint="see the log of its container")
        return current

    def _stat(self, worker: int) -> str:
        return self._tell(worker, ["show stat"])

    def _digest(self, worker: int | None) -> str:
        if worker is None:
            return ""
        return parse_info(self._tell(worker, ["show info"])).get("description", "")

    def _map(self, name: str) -> dict[str, str]:
        return parse_map(self._tell(self._current(), [f"show map {_FOLDER}/{name}"]))

    def _set_map(self, name: str, entries: Mapping[str, str]) -> None:
        self.write_file(name, render_map(entries).encode())
        workers = self.workers()
        for worker in (*workers.old, workers.current):
            if worker is None:
                continue
            try:
                self._replace(worker, f"{_FOLDER}/{name}", entries)
            except _WorkerGoneError:
                if worker == workers.current:
                    raise

    def _replace(self, worker: int, path: str, entries: Mapping[str, str]) -> None:
        """All entries at once: requests see the old ones or the new ones."""
        prepared = self._tell(worker, [f"prepare map {path}"])
        found = re.search(r"version created: (\d+)", prepared)
        if found is None:
            raise ProxyError(f"refuses to change a map: {prepared.strip()}", where=path)
        version = f"@{found[1]} {path}"
        added = [f"add map {version} {key} {value}" for key, value in entries.items()]
        answer = self._tell(worker, [*added, f"commit map {version}"])
        if answer.strip():
            raise ProxyError(f"refuses to change a map: {answer.strip()}", where=path)


class _NoAnswerError(ProxyError):
    """Nobody is at the master's socket."""


class _WorkerGoneError(ProxyError):
    """A worker has ended."""


# -- what HAProxy says. Pure. ---------------------------------------------------------------------


def parse_workers(text: str) -> Workers:
    """Read `show proc` of the master's socket, of HAProxy 2.6 to 3.0."""
    current, old, failed, section = None, [], 0, ""
    for line in text.splitlines():
        if line.startswith("#"):
            section = line
            continue
        fields = line.split()
        if not fields:
            continue
        if fields[1] == "master":
            failures = re.search(r"\[failed: (\d+)\]", line)
            failed = int(failures[1]) if failures else 0
        elif section.startswith("# old"):
            old.append(int(fields[0]))
        elif section.startswith("# workers"):
            current = int(fields[0])
    return Workers(current, tuple(old), failed)


def parse_info(text: str) -> dict[str, str]:
    """Read `show info`."""
    pairs = (line.partition(": ") for line in text.splitlines() if ": " in line)
    return {key: value for key, _, value in pairs}


def parse_map(text: str) -> dict[str, str]:
    """Read `show map`: an address in memory, a key, a value on each line."""
    fields = (line.split(maxsplit=2) for line in text.splitlines())
    return {found[1]: found[2] for found in fields if len(found) == 3}


def parse_stat(text: str) -> dict[tuple[str, str], dict[str, str]]:
    """Read `show stat`: rows by proxy and server, in order; columns differ between versions."""
    rows = csv.DictReader(text.removeprefix("# ").strip().splitlines())
    return {(row["pxname"], row["svname"]): row for row in rows}


def parse_servers(text: str, backend: str) -> tuple[ServerState, ...]:
    """A backend's servers from `show stat`."""
    found = []
    for (proxy, server), row in parse_stat(text).items():
        if proxy == backend and server != "BACKEND":
            # A check that is running is marked with a star, beside the result of the one before.
            check = row["check_status"].removeprefix("*").strip()
            up = row["status"].startswith("UP") and check in _PASSED
            current = number(row, "scur")
            found.append(ServerState(server, row["addr"], up, row["status"], check, current))
    return tuple(found)


def parse_traffic(text: str, backend: str, worker: int) -> Traffic:
    """A backend's counters from `show stat`.

    Raises:
        ProxyError: there is no such backend.
    """
    row = parse_stat(text).get((backend, "BACKEND"))
    if row is None:
        raise ProxyError(f"the proxy has no backend {backend}", hint="see its haproxy.cfg")
    return Traffic(
        worker=worker,
        requests=number(row, "req_tot"),
        errors=number(row, "hrsp_5xx"),
        connection_errors=number(row, "econ"),
        response_errors=number(row, "eresp"),
        retries=number(row, "wretr"),
        redispatches=number(row, "wredis"),
        current=number(row, "scur"),
    )


def number(row: Mapping[str, str], column: str) -> int:
    """A counter of `show stat`, which is empty where it does not apply."""
    return int(row.get(column) or 0)


def explain_config(done: Completed) -> ProxyError:
    """What `haproxy -c` complains about; the first complaint, with its line, is the message."""
    lines = [
        re.sub(r"^\[(ALERT|WARNING)\]\s*(\(\d+\)\s*)?:?\s*(config\s*:\s*)?", "", line)
        for line in (done.stderr + done.stdout).splitlines()
        if "[ALERT]" in line
    ]
    first = lines[0] if lines else f"haproxy -c ended with {done.returncode}"
    found = re.match(rf"parsing \[{_FOLDER}/([^\]]*?)(?:\.next)?:(\d+)\]\s*:\s*(.*)", first)
    if found is None:
        return ProxyError(f"HAProxy refuses its configuration: {first}", details=tuple(lines[1:6]))
    return ProxyError(
        f"HAProxy refuses its configuration: {found[3]}",
        where=f"{found[1]}:{found[2]}",
        details=tuple(lines[1:6]),
    )


def _reload_failed(reason: str) -> ProxyError:
    return ProxyError(
        f"the proxy runs on with its old configuration: {reason}",
        hint="see the log of the proxy's container",
    )
