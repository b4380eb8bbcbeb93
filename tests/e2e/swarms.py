"""A swarm of real engines on this machine, each in namespaces of its own, and systems on it."""

import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from docker.models.containers import Container as EngineContainer

from builder.deploy.engine import Engine
from builder.deploy.state import CURRENT, HostState, read_state
from builder.deploy.swarm.keeper import SwarmKeeper
from builder.deploy.swarm.managers import Managers
from builder.process import run
from tests.conftest import Kiln
from tests.e2e.systems import Images, System, run_environment
from tests.hosts import Host, private_host, private_network, wait_until
from tests.load.plan import LoadPlan

_TASK = re.compile(r"^(?P<service>.*)\.(?P<slot>[0-9]+|[a-z0-9]{25})\.[a-z0-9]{25}$")
_THERE = ("created", "running", "paused", "restarting")
PORT = 8480


@dataclass
class Swarm:
    """Hosts that are nodes of one swarm.

    Attributes:
        hosts: the managers first.
        managers: how many.
    """

    hosts: list[Host]
    managers: int

    @property
    def up(self) -> list[Host]:
        return [one for one in self.hosts if one.processes]

    @property
    def addresses(self) -> list[str]:
        """Of the engines, as `deploy.swarm.nodes` has them."""
        return [one.docker_host for one in self.hosts]

    def manager(self) -> Host:
        """A manager that is up."""
        return next(one for one in self.hosts[: self.managers] if one.processes)

    def leader(self) -> Host:
        lines = self.manager().docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}")
        (name,) = [one.split()[0] for one in lines.splitlines() if one.endswith("Leader")]
        return next(one for one in self.hosts if one.name == name)

    def state(self, host: Host) -> str:
        lines = self.manager().docker("node", "ls", "--format", "{{.Hostname}} {{.Status}}")
        return dict(line.split() for line in lines.splitlines())[host.name]


@contextlib.contextmanager
def private_swarm(managers: int = 3, workers: int = 0) -> Iterator[Swarm]:
    """A swarm; all of it is removed in the end."""
    with private_network() as network, contextlib.ExitStack() as stack:
        hosts = [
            stack.enter_context(private_host(network, f"kiln-test-n{number}"))
            for number in range(managers + workers)
        ]
        first = hosts[0]
        first.docker("swarm", "init", "--advertise-addr", first.address)
        for index, host in enumerate(hosts[1:], 1):
            kind = "manager" if index < managers else "worker"
            token = first.docker("swarm", "join-token", "--quiet", kind).strip()
            host.docker(
                *("swarm", "join", "--token", token, "--advertise-addr", host.address),
                f"{first.address}:2377",
            )
        swarm = Swarm(hosts, managers)
        for host in hosts:
            wait_until(lambda host=host: swarm.state(host) == "Ready", host.name)  # type: ignore[misc]
        yield swarm


@dataclass
class SwarmSystem(System):
    """A system on a swarm."""

    swarm: Swarm = field(default_factory=lambda: Swarm([], 0))

    @property
    def address(self) -> str:
        return self.swarm.hosts[0].address if self.swarm.hosts else "127.0.0.1"

    def loads(self, **changes: Any) -> list[LoadPlan]:
        shared = {"keepalive_clients": 2, "new_clients": 1, **changes}
        return [
            LoadPlan(
                host.address,
                self.port,
                host_header=f"{self.address}:{self.port}",
                **{"requests": 100_000, "seconds": 600, "timeout_s": 30, **shared},
            )
            for host in self.swarm.up
        ]

    def containers(self, **labels: str) -> list[EngineContainer]:
        wanted = [f"io.kiln.stack={self.stack}"]
        wanted += [f"io.kiln.{key}={value}" for key, value in labels.items()]

        def listed() -> list[EngineContainer]:
            return [
                one
                for host in self.swarm.up
                for one in host.client().containers.list(
                    all=True, ignore_removed=True, filters={"label": wanted}
                )
                if one.status in _THERE
            ]

        # Swarm starts what it has made, or removes it a moment after its service has gone.
        wait_until(
            lambda: all(one.status != "created" for one in listed()), "what is made is started"
        )
        return sorted(listed(), key=lambda one: str(one.name))

    def names(self, **labels: str) -> list[str]:
        """As one host would have them: tasks are numbered where a release has several."""
        found = set()
        for name in super().names(**labels):
            task = _TASK.match(name)
            assert task, name
            numbered = task["service"].endswith("-web")
            found.add(f"{task['service']}-{task['slot']}" if numbered else task["service"])
        return sorted(found)

    @property
    def keeper(self) -> SwarmKeeper:
        engines = [
            Engine(one.name, one.client(), {}, run)
            for one in self.swarm.hosts[: self.swarm.managers]
            if one.processes
        ]
        return SwarmKeeper(self.stack, Managers(engines))

    @property
    def recorded(self) -> HostState:
        return read_state(self.keeper)

    @property
    def current(self) -> int:
        return int(self.keeper.read(CURRENT) or b"0")

    @property
    def locked(self) -> bool:
        keeper = self.keeper
        return keeper.exists() and keeper.holder() is not None

    @property
    def live_image(self) -> str:
        current = self.recorded.current
        assert current is not None
        return current.image

    @property
    def leftovers(self) -> list[str]:
        """Configs that the root does not lead to."""
        keeper = self.keeper
        there = keeper.managers.get("configs", label=[f"io.kiln.stack={self.stack}"])
        return sorted({one["Spec"]["Name"] for one in there} - keeper.referred)

    @property
    def releases(self) -> list[int]:
        return sorted(self.recorded.releases)

    def remove(self) -> None:
        """Remove its services; the rest goes with the swarm."""
        engine = self.swarm.manager().client()
        for one in engine.services.list(filters={"label": f"io.kiln.stack={self.stack}"}):
            one.remove()  # type: ignore[no-untyped-call]

    def journal(self, number: int) -> list[dict[str, Any]]:
        return [one.model_dump(mode="json") for one in self.recorded.releases[number].journal]


@contextlib.contextmanager
def run_swarm_system(
    kiln: Kiln,
    on: Swarm,
    images: Images,
    folder: Path,
    services: Sequence[str] = ("database", "cache"),
    settings: Mapping[str, Any] = {},
    **deploy: Any,
) -> Iterator[SwarmSystem]:
    """A system on a swarm that is not deployed yet, as `run_system` makes one on a host."""
    tree = folder / "shop"
    shutil.copytree(images.tree, tree, symlinks=True)
    project = yaml.safe_load((tree / "kiln.yaml").read_text())
    shop = f"kiln-test-{secrets.token_hex(4)}"
    (tree / "kiln.yaml").write_text(yaml.safe_dump({**project, "name": shop}))
    # A folder that all hosts have, as with NFS.
    media = folder / "media"
    media.mkdir()
    media.chmod(0o777)
    shared = {"type": "none", "o": "bind", "device": str(media)}
    deploy = {
        "driver": "swarm",
        "listen": str(PORT),
        "media": {"volume": {"driver": "local", "options": shared}},
        **deploy,
        "swarm": {"nodes": on.addresses, **deploy.get("swarm", {})},
    }

    def make(*values: Any) -> SwarmSystem:
        made = SwarmSystem(*values)
        made.swarm = on
        return made

    engine = on.hosts[0].client()
    with run_environment(
        kiln, engine, tree, "production", services, settings, make=make, port=PORT, **deploy
    ) as system:
        assert isinstance(system, SwarmSystem)
        yield system
