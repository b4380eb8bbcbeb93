"""The proxies of all nodes as one.

What they are to read is a label of their service, and is put there first: a task that begins has it
from there, by a template in its environment, wherever and whenever Swarm starts one. Those that run
are told by their own sockets. A label is no part of a task, so that none is replaced by that.
"""

import base64
import gzip
import io
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from builder.deploy.engine import Engine, run_in, stack_containers
from builder.deploy.proxy import Drained, Proxy, wait_drained
from builder.deploy.proxy_reader import ProxyState, SlotState, Traffic
from builder.deploy.swarm.fleet import Fleet
from builder.deploy.swarm.tasks import Tasks
from builder.errors import EngineError, ProxyError
from builder.plan.proxy import SLOTS, Mode, Slot
from builder.process import Completed
from builder.render.proxy import (
    LIVE,
    MODE,
    VERSIONS,
    live_entries,
    mode_entries,
    render_map,
    version_entries,
)
from builder.render.swarm import PROXY_LABEL, service_name

_Answer = TypeVar("_Answer")
_PAUSE = 0.25
# Aside, then renamed: a worker that starts never reads half of it.
_WRITE = 'printf %s "$2" | base64 -d > "/proxy/$1.next" && mv -f "/proxy/$1.next" "/proxy/$1"'
# Swarm starts a task that has ended within seconds.
_BACK_SECONDS = 20.0


@dataclass
class Proxies:
    """All proxies of a stack.

    Attributes:
        fleet: the nodes.
    """

    fleet: Fleet
    _counted: dict[tuple[str, Slot], Traffic] = field(default_factory=dict)
    _total: dict[Slot, Traffic] = field(default_factory=dict)

    # -- told -----------------------------------------------------------------------------------

    def set_live(self, slot: Slot | None) -> None:
        """As `Proxy` says."""
        self.keep({LIVE: render_map(live_entries(slot)).encode()})
        self.each(lambda proxy: proxy.set_live(slot), telling=True)

    def set_versions(self, versions: Mapping[str, str]) -> None:
        """As `Proxy` says."""
        self.keep({VERSIONS: render_map(version_entries(versions)).encode()})
        self.each(lambda proxy: proxy.set_versions(versions), telling=True)

    def set_mode(self, mode: Mode) -> None:
        """As `Proxy` says."""
        self.keep({MODE: render_map(mode_entries(mode)).encode()})
        self.each(lambda proxy: proxy.set_mode(mode), telling=True)

    def configure(self, files: Mapping[str, bytes]) -> None:
        """Run another configuration everywhere; one that HAProxy refuses is not kept.

        Raises:
            ProxyError: it is refused, or no new worker comes up.
        """
        self.each(lambda proxy: proxy.configure(files), telling=True)
        self.keep(files)

    def runs(self, config: str) -> bool:
        """Whether all of them run a configuration."""
        return all(self.each(lambda proxy: proxy.runs(config)).values())

    def keep(self, files: Mapping[str, bytes]) -> None:
        """Have tasks that begin from now on read files."""
        name = service_name(self.fleet.stack.name, "proxy")

        def put(spec: dict[str, Any]) -> bool:
            before = unpack_files(spec["Labels"][PROXY_LABEL])
            after = {**before, **files}
            spec["Labels"][PROXY_LABEL] = pack_files(after)
            return before != after

        self.fleet.managers.update("services", name, put)

    def kept(self) -> dict[str, bytes]:
        """What tasks that begin read."""
        name = service_name(self.fleet.stack.name, "proxy")
        spec = self.fleet.managers.get(f"services/{name}")["Spec"]
        return unpack_files(spec["Labels"][PROXY_LABEL])

    # -- waited for -----------------------------------------------------------------------------

    def wait_up(self, slot: Slot, count: int, seconds: float) -> None:
        """As `Proxy` says, in the eyes of each."""
        self.each(lambda proxy: proxy.wait_up(slot, count, seconds))

    def wait_assets_up(self, k: int, seconds: float) -> None:
        """As `Proxy` says, in the eyes of each."""
        self.each(lambda proxy: proxy.wait_assets_up(k, seconds))

    def drain(
        self, slot: Slot, seconds: float, on_progress: Callable[[int], None] = lambda _: None
    ) -> Drained:
        """As `Proxy` says, of all together."""

        def left() -> int:
            return sum(self.each(lambda proxy: proxy.connections(slot)).values())

        return wait_drained(left, seconds, on_progress)

    # -- asked ----------------------------------------------------------------------------------

    def live(self) -> Slot | None:
        """Where requests go; None where the proxies do not agree."""
        found = set(self.each(lambda proxy: proxy.live()).values())
        return found.pop() if len(found) == 1 else None

    def versions(self) -> dict[str, str]:
        """Which backend has which content version, of any proxy."""
        merged: dict[str, str] = {}
        for one in self.each(lambda proxy: proxy.versions()).values():
            merged |= one
        return merged

    def traffic(self, slot: Slot) -> Traffic:
        """What a slot was asked of all proxies since this process first looked.

        One that is started anew begins with 0, and what it had counted stays counted.
        """
        total = self._total.get(slot, _NO_TRAFFIC)
        current = 0
        for node, now in self.each(lambda proxy: proxy.traffic(slot)).items():
            before = self._counted.get((node, slot))
            total = _added(total, now.since(before)) if before else total
            self._counted[node, slot] = now
            current += now.current
        self._total[slot] = total
        return _added(total, _NO_TRAFFIC, current)

    def overview(self) -> ProxyState:
        """All at once."""
        states = list(self.each(lambda proxy: proxy.overview()).values())
        if not states:
            raise ProxyError("no proxy answers", hint="`docker service ps` says why")
        lives = {one.live for one in states}
        return ProxyState(
            live=lives.pop() if len(lives) == 1 else None,
            mode="maintenance" if any(one.mode == "maintenance" for one in states) else "open",
            slots={slot: _merged([one.slots[slot] for one in states]) for slot in SLOTS},
        )

    def each(self, ask: Callable[[Proxy], _Answer], *, telling: bool = False) -> dict[str, _Answer]:
        """Ask the proxy of every node that is up and has one; the answers by node.

        Args:
            ask: what.
            telling: as `Fleet.each` says.

        Raises:
            ProxyError: one refuses, or does not run.
            ReleaseError: a node is down, and the policy is to go back.
        """
        stack = self.fleet.stack.name

        def on(engine: Engine) -> _Answer:
            until = time.monotonic() + _BACK_SECONDS
            while True:
                try:
                    return ask(_proxy(engine, stack))
                except (ProxyError, EngineError):
                    # One that was just started, or that Swarm is just starting again.
                    if time.monotonic() > until or _runs(engine, stack):
                        raise
                    time.sleep(_PAUSE)

        name = service_name(stack, "proxy")
        among = Tasks(self.fleet).wanted(name)
        return self.fleet.each(on, among=among, telling=telling)


def _runs(engine: Engine, stack: str) -> bool:
    return any(one.status == "running" for one in stack_containers(engine, stack, role="proxy"))


def _proxy(engine: Engine, stack: str) -> Proxy:
    def execute(argv: Sequence[str]) -> Completed:
        found = [
            one for one in stack_containers(engine, stack, role="proxy") if one.status == "running"
        ]
        if not found:
            raise ProxyError(
                "no proxy runs on this node",
                where=engine.name,
                hint="`docker service ps` of the proxy says why, e.g. that its port is taken",
            )
        return run_in(found[0], *argv)

    def write_file(name: str, content: bytes) -> None:
        text = base64.b64encode(content).decode()
        done = execute(["sh", "-c", _WRITE, "sh", name, text])
        if done.returncode != 0:
            raise ProxyError(
                f"the proxy cannot write {name}: {done.stderr.strip()[-200:]}",
                where=engine.name,
                hint="see the log of its container",
            )

    return Proxy(execute, write_file)


_NO_TRAFFIC = Traffic(0, 0, 0, 0, 0, 0, 0, 0)


def _added(one: Traffic, other: Traffic, current: int = 0) -> Traffic:
    return Traffic(
        0,
        one.requests + other.requests,
        one.errors + other.errors,
        one.connection_errors + other.connection_errors,
        one.response_errors + other.response_errors,
        one.retries + other.retries,
        one.redispatches + other.redispatches,
        current,
    )


def _merged(states: Sequence[SlotState]) -> SlotState:
    traffic = _NO_TRAFFIC
    for one in states:
        traffic = _added(traffic, one.traffic, traffic.current + one.traffic.current)
    # All see the same containers; the one that sees the fewest up tells most.
    servers = min((one.servers for one in states), key=lambda found: sum(s.up for s in found))
    there = tuple(one for one in servers if not one.status.startswith("MAINT"))
    return SlotState(there, sum(one.left for one in states), traffic)


def pack_files(files: Mapping[str, bytes]) -> str:
    """Files as a label: tar, gzip, base64. The same for the same files. Pure."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(gzip.compress(buffer.getvalue(), mtime=0)).decode()


def unpack_files(label: str) -> dict[str, bytes]:
    """Read what `pack_files` gives. Pure."""
    found = {}
    content = gzip.decompress(base64.b64decode(label))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for entry in tar:
            file = tar.extractfile(entry)
            found[entry.name] = file.read() if file else b""
    return found
