"""The nodes of a swarm: each one's own engine, asked side by side; who is down, and what then."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import docker.auth
from docker.models.containers import Container

from builder.deploy.engine import Engine, connect, engine_errors, is_no_answer, stack_containers
from builder.deploy.swarm.managers import Managers
from builder.errors import EngineError, HostError, KilnError, RefusedError, ReleaseError
from builder.plan.stack import Stack
from builder.process import Runner
from builder.project.deployment import Swarm
from builder.render.swarm import stale_label

_Answer = TypeVar("_Answer")
_SIDE_BY_SIDE = 16
# With a new connection each.
_ATTEMPTS = 3
# Containers of tasks that were replaced stay for a while.
_THERE = ("created", "running", "paused", "restarting")


@dataclass
class Node:
    """A node that runs tasks.

    Attributes:
        id: of Swarm.
        name: its host's.
        engine: None where it cannot be reached.
        ready: as Swarm saw it at first.
        problem: why nothing is asked of it; empty where it is up.
    """

    id: str
    name: str
    engine: Engine | None
    ready: bool
    problem: str = ""

    @property
    def up(self) -> Engine | None:
        """Its engine, if it is up."""
        return None if self.problem else self.engine


@dataclass
class Fleet:
    """All nodes of a swarm that run tasks.

    Attributes:
        stack: which is run.
        swarm: its settings.
        managers: the swarm's.
        nodes: by ID.
        held: this process holds the lease: what it learns of hosts has consequences.
    """

    stack: Stack
    swarm: Swarm
    managers: Managers
    nodes: dict[str, Node]
    held: bool = False

    @property
    def up(self) -> list[Node]:
        """The nodes that are up."""
        return [one for one in self.nodes.values() if one.up]

    @property
    def down(self) -> list[Node]:
        """The nodes that are down."""
        return [one for one in self.nodes.values() if not one.up]

    def each(
        self,
        ask: Callable[[Engine], _Answer],
        *,
        bound: int = _SIDE_BY_SIDE,
        among: Collection[str] | None = None,
        telling: bool = False,
    ) -> dict[str, _Answer]:
        """Ask the engine of every node that is up, side by side; the answers by node.

        One that does not answer any more is down from now on.

        Args:
            ask: what.
            bound: so many at once.
            among: of these nodes; None for all.
            telling: what each must have heard; the proxy of one that has not is kept away.

        Raises:
            ReleaseError: a node is down, and the policy is to go back.
        """
        if telling:
            for node in self.down:
                self.mark_stale(node)
        nodes = [one for one in self.up if among is None or one.id in among]
        found: dict[str, _Answer] = {}
        with ThreadPoolExecutor(min(bound, max(1, len(nodes)))) as pool:
            asked = {one.id: pool.submit(self._ask, ask, one) for one in nodes}
        lost: list[tuple[Node, str]] = []
        for node in nodes:
            answer = asked[node.id].result()
            if isinstance(answer, _Gone):
                lost.append((node, answer.why))
            else:
                found[node.id] = answer
        self._lose(lost, telling)
        return found

    def _ask(self, ask: Callable[[Engine], _Answer], node: Node) -> "_Answer | _Gone":
        engine = node.engine
        assert engine is not None
        said = ""
        for _ in range(_ATTEMPTS):
            logins = engine.logins
            try:
                return ask(engine)
            except KilnError as error:
                # A refusal is one, unless the connection is another by now; silence may be a host
                # that has gone.
                if _answers(engine):
                    if engine.logins == logins:
                        raise
                elif not engine.log_in_again(logins):
                    return _Gone(error.message)
                said = error.message
        return _Gone(said)

    def check(self) -> None:
        """See what Swarm says of the nodes.

        Raises:
            ReleaseError: one is down, and the policy is to go back.
        """
        states = {one["ID"]: one["Status"]["State"] for one in self.managers.get("nodes")}
        self._lose(
            [(one, "Swarm calls it down") for one in self.up if states.get(one.id) == "down"],
            missed=False,
        )

    def _lose(self, lost: Iterable[tuple[Node, str]], missed: bool) -> None:
        gone = list(lost)
        for node, why in gone:
            node.problem = why
            if missed:
                self.mark_stale(node)
        if gone and self.held and self.swarm.down == "go_back":
            node, why = gone[0]
            raise ReleaseError(
                f"the host {node.name} is down: {why}",
                where=self.stack.name,
                hint="deploy.swarm.down: go_on lets a release go on without it",
            )

    def mark_stale(self, node: Node) -> None:
        """Keep the proxy of a node away until it is told which release serves."""
        label = stale_label(self.stack.name)

        def mark(spec: dict[str, Any]) -> bool:
            labels: dict[str, str] = spec.setdefault("Labels", {})
            changed = labels.get(label) != "yes"
            labels[label] = "yes"
            return changed

        self.managers.update("nodes", node.id, mark)

    def take_back(self, tell: Callable[[str], None]) -> None:
        """Let proxies run again on nodes that are up again; keep them off those that are down.

        Raises:
            RefusedError: a node serves, as Swarm says, and cannot be told what.
        """
        self.held = True
        for node in self.down:
            if node.ready:
                raise RefusedError(
                    f"the engine of {node.name} is not reached, and Swarm calls that host ready",
                    where="deploy.swarm.nodes",
                    hint="list its address, or see that it can be reached; a host that has just "
                    "gone down is noticed within a minute; `docker node update --availability "
                    "drain` leaves one out",
                )
        label = stale_label(self.stack.name)

        def unmark(spec: dict[str, Any]) -> bool:
            labels: dict[str, str] = spec.get("Labels") or {}
            return labels.pop(label, None) is not None

        for node in self.nodes.values():
            if not node.up:
                tell(f"the host {node.name} is down: {node.problem}")
                self.mark_stale(node)
            elif self.managers.update("nodes", node.id, unmark):
                tell(f"the host {node.name} is up again")

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the hosts, one sentence each."""
        label = stale_label(self.stack.name)
        labelled = {
            one["ID"]
            for one in self.managers.get("nodes")
            if (one["Spec"].get("Labels") or {}).get(label) == "yes"
        }
        found = [f"the host {one.name} is down: {one.problem}" for one in self.down]
        found += [
            f"the host {one.name} is up again, and serves nothing until `kiln resume`"
            for one in self.up
            if one.id in labelled
        ]
        return tuple(found)

    def containers(self, **labels: str) -> list[Container]:
        """The containers of the stack's tasks, on all nodes that are up."""
        found = self.each(lambda engine: stack_containers(engine, self.stack.name, **labels))
        there = [one for each in found.values() for one in each if one.status in _THERE]
        return sorted(there, key=lambda one: str(one.name))

    def container(self, task: Mapping[str, Any]) -> Container | None:
        """The container of a task, running or not; None where it is not there to be asked."""
        node = self.nodes.get(task.get("NodeID", ""))
        identity = task["Status"].get("ContainerStatus", {}).get("ContainerID")
        if node is None or node.up is None or not identity:
            return None
        try:
            with engine_errors(node.name):
                return node.up.client.containers.get(identity)
        except EngineError:
            return None

    def registry_auth(self, image: str) -> str:
        """The X-Registry-Auth header for an image, as the user's docker client is logged in."""
        api = self.managers.engine.client.api
        registry, _ = docker.auth.resolve_repository_name(image.partition("@")[0])
        found = docker.auth.get_config_header(api, registry)
        return found.decode() if isinstance(found, bytes) else found or ""

    def is_up(self, task: Mapping[str, Any]) -> bool:
        """Whether a task is on a node that is up, or on none yet."""
        identity = task.get("NodeID")
        return not identity or (identity in self.nodes and self.nodes[identity].up is not None)


@dataclass(frozen=True, slots=True)
class _Gone:
    why: str


def _answers(engine: Engine) -> bool:
    for _ in range(3):
        try:
            engine.client.ping()
        except Exception as error:
            if not is_no_answer(error):
                raise
            time.sleep(0.5)
        else:
            return True
    return False


def open_fleet(stack: Stack, swarm: Swarm, env: Mapping[str, str], run: Runner) -> Fleet:
    """Reach the nodes of a swarm.

    Raises:
        HostError: no manager answers.
        RefusedError: a node cannot be reached for want of an address.
    """
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        reached = list(pool.map(lambda one: _connect(one, env, run), swarm.nodes))
        engines: dict[str, Engine] = {}
        managing = []
        for address, engine in zip(swarm.nodes, reached, strict=True):
            if isinstance(engine, KilnError):
                continue
            with engine_errors(address):
                info = engine.client.info()["Swarm"]
            if not info.get("NodeID"):
                raise RefusedError(
                    "is no node of a swarm",
                    where=address,
                    hint="`docker swarm init` or `docker swarm join` there; Kiln makes no swarm",
                )
            engines[info["NodeID"]] = engine
            if info.get("ControlAvailable"):
                managing.append(engine)
        if not managing:
            said = [one.message for one in reached if isinstance(one, KilnError)]
            raise HostError(
                "no manager of the swarm answers",
                where="deploy.swarm.nodes",
                details=tuple(said),
                hint="name at the least one that runs; `docker node ls` shows managers",
            )
        managers = Managers(managing)
        listed = [
            one for one in managers.get("nodes") if one["Spec"].get("Availability") != "drain"
        ]
        missing = [one for one in listed if one["ID"] not in engines]
        if swarm.discover:
            addresses = [
                swarm.discover.replace("{address}", one["Status"]["Addr"]) for one in missing
            ]
            found = pool.map(lambda one: _connect(one, env, run), addresses)
            for node, answer in zip(missing, found, strict=True):
                if isinstance(answer, KilnError):
                    continue
                engines[node["ID"]] = answer
                if node.get("ManagerStatus"):
                    managers.engines.append(answer)
    # In the order of the file.
    order = [*engines, *(one["ID"] for one in listed)]
    listed.sort(key=lambda one: order.index(one["ID"]))
    nodes = {one["ID"]: _node(one, engines.get(one["ID"])) for one in listed}
    return Fleet(stack, swarm, managers, nodes)


def _node(found: Mapping[str, Any], engine: Engine | None) -> Node:
    state = found["Status"]["State"]
    problem = ""
    if state == "down":
        problem = "Swarm calls it down"
    elif engine is None:
        problem = "its engine is not reached"
    return Node(found["ID"], found["Description"]["Hostname"], engine, state == "ready", problem)


def _connect(address: str, env: Mapping[str, str], run: Runner) -> Engine | KilnError:
    try:
        return connect(address, env, run)
    except KilnError as error:
        return error
