"""The running proxy: told at run time where requests go, and asked what goes on.

What is to stay is written to a file first and told to the workers then, so that a restart or a
reload reads the same. All of it may be done again: a kiln that is killed half-way loses nothing.

All workers are told: after a reload the old one finishes what it serves, and requests that come in
on its connections go by its own maps.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from builder.deploy.proxy_reader import (
    FOLDER,
    NoAnswerError,
    ProxyReader,
    ServerState,
    WorkerGoneError,
    parse_servers,
)
from builder.errors import ProxyError
from builder.plan.proxy import Mode, Slot, assets_backend, slot_backend
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

_CANDIDATE = f"{CONFIG}.next"
_RELOAD_SECONDS = 60.0
_ATTEMPTS = 3
_PAUSE = 0.25


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
class Proxy(ProxyReader):
    """The proxy of one stack, to be told as well.

    Attributes:
        write_file: writes a file of the folder that it sees at /proxy, by name, as a whole:
            aside, then renamed. Readable for PROXY_UID.
        clock: in seconds.
        sleep: likewise.
    """

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

    def runs(self, config: str) -> bool:
        """Whether the worker that accepts connections has a configuration; False if none does."""
        try:
            return self._digest(self._current()) == config_digest(config)
        except ProxyError:
            return False

    def check_config(self, name: str = CONFIG) -> None:
        """Have HAProxy read a configuration.

        Raises:
            ProxyError: it refuses it; `where` is the line.
        """
        done = self.run(["haproxy", "-c", "-f", f"{FOLDER}/{name}"])
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
            except NoAnswerError:
                # The master starts itself anew.
                pass
            self.sleep(_PAUSE)
        raise _reload_failed(f"no new worker within {_RELOAD_SECONDS:.0f} s")

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

    def set_versions(self, versions: Mapping[str, str]) -> None:
        """Say which backend has which content version; any other goes to the live slot.

        Args:
            versions: by the version's digits a backend, as `slot_backend` and `assets_backend`
                name them.

        Raises:
            ProxyError: as with `set_live`.
        """
        self._set_map(VERSIONS, version_entries(versions))

    def set_mode(self, mode: Mode) -> None:
        """Open the shop, or answer 503 to all but allowed addresses.

        Raises:
            ProxyError: as with `set_live`.
        """
        self._set_map(MODE, mode_entries(mode))

    # -- waiting for it ---------------------------------------------------------------------

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
        return wait_drained(
            lambda: self.connections(slot), seconds, on_progress, self.clock, self.sleep
        )

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

    # -- its maps ---------------------------------------------------------------------------

    def _set_map(self, name: str, entries: Mapping[str, str]) -> None:
        self.write_file(name, render_map(entries).encode())
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._replace_in_all(f"{FOLDER}/{name}", entries)
                break
            except WorkerGoneError:
                # Another one has its place, or will have it in a moment.
                if not left:
                    raise
                self.sleep(_PAUSE)

    def _replace_in_all(self, path: str, entries: Mapping[str, str]) -> None:
        """Tell the current worker, and those that still finish what they began.

        Raises:
            WorkerGoneError: the current one has ended.
        """
        workers = self.workers()
        for worker in (*workers.old, workers.current):
            if worker is None:
                continue
            try:
                self._replace(worker, path, entries)
            except WorkerGoneError:
                if worker == workers.current:
                    raise

    def _replace(self, worker: int, path: str, entries: Mapping[str, str]) -> None:
        """All entries at once: requests see the old ones or the new ones."""
        prepared = self._tell(worker, [f"prepare map {path}"])
        if not prepared.strip():
            raise WorkerGoneError("ended while it was asked", where=f"worker {worker}")
        found = re.search(r"version created: (\d+)", prepared)
        if found is None:
            raise ProxyError(f"refuses to change a map: {prepared.strip()}", where=path)
        version = f"@{found[1]} {path}"
        added = [f"add map {version} {key} {value}" for key, value in entries.items()]
        answer = self._tell(worker, [*added, f"commit map {version}"])
        if answer.strip():
            raise ProxyError(f"refuses to change a map: {answer.strip()}", where=path)


def wait_drained(
    count: Callable[[], int],
    seconds: float,
    on_progress: Callable[[int], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Drained:
    """Wait until no request is left.

    Args:
        count: how many are left.
        seconds: how long at most.
        on_progress: told of each count.
        clock, sleep: the time.
    """
    began = clock()
    zeros = 0
    while True:
        left = count()
        on_progress(left)
        # Twice: a request may have been led there and not been counted yet.
        zeros = zeros + 1 if left == 0 else 0
        spent = clock() - began
        if zeros == 2 or spent >= seconds:
            return Drained(spent, left)
        sleep(_PAUSE)


def explain_config(done: Completed) -> ProxyError:
    """What `haproxy -c` complains about; the first complaint, with its line, is the message."""
    lines = [
        re.sub(r"^\[(ALERT|WARNING)\]\s*(\(\d+\)\s*)?:?\s*(config\s*:\s*)?", "", line)
        for line in (done.stderr + done.stdout).splitlines()
        if "[ALERT]" in line
    ]
    first = lines[0] if lines else f"haproxy -c ended with {done.returncode}"
    found = re.match(rf"parsing \[{FOLDER}/([^\]]*?)(?:\.next)?:(\d+)\]\s*:\s*(.*)", first)
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
