"""What the running proxy says of itself: read only, so that whoever asks needs no lock.

It is spoken to through the master's socket, which leads to every worker: after a reload the old
one finishes what it serves, and what it still has counts as well.
"""

import contextlib
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from builder.errors import ProxyError
from builder.plan.proxy import SLOTS, Mode, Slot, slot_backend
from builder.process import Completed
from builder.render.proxy import LIVE, MODE, VERSIONS

FOLDER = "/proxy"
# The command is an argument and not part of the script, and needs no standard input.
_ASK = 'printf "%s\\n" "$1" | socat -t 30 - UNIX-CONNECT:/run/haproxy/master.sock'
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
class SlotState:
    """What a slot does.

    Attributes:
        servers: as the current worker sees them.
        left: requests that it works on or that wait for it, those of old workers too.
        traffic: since the current worker started.
    """

    servers: tuple[ServerState, ...]
    left: int
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class ProxyState:
    """What the proxy does.

    Attributes:
        live: the slot that requests go to; None where visitors get 503.
        mode: whether the shop is open.
        slots: both of them.
    """

    live: Slot | None
    mode: Mode
    slots: Mapping[Slot, SlotState]


@dataclass(frozen=True)
class ProxyReader:
    """The proxy of one stack, to be asked.

    Attributes:
        run: runs a program in its container.
    """

    run: Exec

    def workers(self) -> Workers:
        """The proxy's processes.

        Raises:
            ProxyError: it does not answer.
        """
        return parse_workers(self._ask("show proc"))

    def live(self) -> Slot | None:
        """The slot that requests go to, or None.

        Raises:
            ProxyError: the proxy does not answer.
        """
        backend = self._map(LIVE).get("live")
        return next((slot for slot in SLOTS if slot_backend(slot) == backend), None)

    def versions(self) -> dict[str, str]:
        """Which backend has which content version.

        Raises:
            ProxyError: the proxy does not answer.
        """
        entries = self._map(VERSIONS)
        return {key.removeprefix("version"): backend for key, backend in entries.items()}

    def mode(self) -> Mode:
        """Whether the shop is open.

        Raises:
            ProxyError: the proxy does not answer.
        """
        return "maintenance" if self._map(MODE).get("mode") == "maintenance" else "open"

    def servers(self, slot: Slot) -> tuple[ServerState, ...]:
        """The servers of a slot as the current worker sees them.

        Raises:
            ProxyError: the proxy does not answer.
        """
        return parse_servers(self._stat(self._current()), slot_backend(slot))

    def connections(self, slot: Slot) -> int:
        """Requests that a slot works on or that wait for it, those of old workers too.

        Raises:
            ProxyError: the proxy does not answer.
        """
        return sum(count_requests(text, slot_backend(slot)) for text in self._stats().values())

    def traffic(self, slot: Slot) -> Traffic:
        """What a slot was asked so far; compare two with `Traffic.since`.

        Raises:
            ProxyError: the proxy does not answer.
        """
        worker = self._current()
        return parse_traffic(self._stat(worker), slot_backend(slot), worker)

    def overview(self) -> ProxyState:
        """All at once, in as few questions as it takes.

        Raises:
            ProxyError: the proxy does not answer.
        """
        current, stats = self._current(), self._stats()
        seen = stats.get(current) or self._stat(current)
        return ProxyState(
            live=self.live(),
            mode=self.mode(),
            slots={
                slot: SlotState(
                    servers=parse_servers(seen, slot_backend(slot)),
                    left=sum(count_requests(one, slot_backend(slot)) for one in stats.values()),
                    traffic=parse_traffic(seen, slot_backend(slot), current),
                )
                for slot in SLOTS
            },
        )

    # -- the sockets ------------------------------------------------------------------------

    def _ask(self, command: str) -> str:
        done = self.run(["sh", "-c", _ASK, "sh", command])
        if done.returncode != 0:
            raise NoAnswerError(
                "the proxy does not answer",
                where=command,
                hint="see the log of its container",
                details=tuple(done.stderr.splitlines()[-5:]),
            )
        return done.stdout

    def _tell(self, worker: int, commands: Iterable[str]) -> str:
        answer = self._ask(";".join(f"@!{worker} {command}" for command in commands))
        if _GONE in answer:
            raise WorkerGoneError(answer.strip(), where=f"worker {worker}")
        if not answer:
            # Every command is answered, with an empty line at the least.
            raise WorkerGoneError("ended while it was asked", where=f"worker {worker}")
        return answer

    def _current(self) -> int:
        current = self.workers().current
        if current is None:
            raise NoAnswerError("the proxy has no worker", hint="see the log of its container")
        return current

    def _stat(self, worker: int) -> str:
        return self._tell(worker, ["show stat"])

    def _stats(self) -> dict[int, str]:
        workers = self.workers()
        found = {}
        for worker in (workers.current, *workers.old):
            if worker is not None:
                with contextlib.suppress(WorkerGoneError):
                    found[worker] = self._stat(worker)
        return found

    def _digest(self, worker: int | None) -> str:
        if worker is None:
            return ""
        return parse_info(self._tell(worker, ["show info"])).get("description", "")

    def _map(self, name: str) -> dict[str, str]:
        return parse_map(self._tell(self._current(), [f"show map {FOLDER}/{name}"]))


class NoAnswerError(ProxyError):
    """Nobody is at the master's socket."""


class WorkerGoneError(ProxyError):
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
            current = _number(row, "scur")
            found.append(ServerState(server, row["addr"], up, row["status"], check, current))
    return tuple(found)


def count_requests(text: str, backend: str) -> int:
    """Requests that a backend works on or that wait for it, from `show stat`."""
    row = parse_stat(text).get((backend, "BACKEND"), {})
    return _number(row, "scur") + _number(row, "qcur")


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
        requests=_number(row, "req_tot"),
        errors=_number(row, "hrsp_5xx"),
        connection_errors=_number(row, "econ"),
        response_errors=_number(row, "eresp"),
        retries=_number(row, "wretr"),
        redispatches=_number(row, "wredis"),
        current=_number(row, "scur"),
    )


def _number(row: Mapping[str, str], column: str) -> int:
    """A counter of `show stat`, which is empty where it does not apply."""
    return int(row.get(column) or 0)
