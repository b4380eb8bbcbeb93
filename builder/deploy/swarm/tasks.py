"""Tasks of a swarm's services: waited for, judged, stopped."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.deploy.engine import engine_errors, last_lines
from builder.deploy.site import Site
from builder.deploy.swarm.fleet import Fleet
from builder.deploy.swarm.managers import SwarmRefusedError
from builder.errors import EngineError, ReleaseError
from builder.render.swarm import RELEASE_LABEL, ROLE_LABEL, STACK_LABEL, Spec

Task = dict[str, Any]
_FAILED = ("failed", "rejected")
_ENDED = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")
# Swarm tries again by itself what a node refuses, e.g. while its network is just being made.
_REFUSALS = 5
_PAUSE = 0.3
# Swarm says that it updates a service a moment after it was told to.
_BEGIN_SECONDS = 5.0
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Tasks:
    """The tasks of a stack.

    Attributes:
        fleet: the nodes.
    """

    fleet: Fleet

    def services(self, **labels: str) -> list[dict[str, Any]]:
        """The services of the stack, by `release` and `role`, sorted by name."""
        names = {"release": RELEASE_LABEL, "role": ROLE_LABEL}
        wanted = [f"{STACK_LABEL}={self.fleet.stack.name}"]
        wanted += [f"{names[key]}={value}" for key, value in labels.items()]
        found: list[dict[str, Any]] = self.fleet.managers.get("services", label=wanted)
        return sorted(found, key=lambda one: str(one["Spec"]["Name"]))

    def of(self, name: str) -> list[Task]:
        """The tasks of a service; none where there is no such service."""
        try:
            return self.fleet.managers.tasks(service=[name])
        except SwarmRefusedError as error:
            if error.status != 404:
                raise
            return []

    def running(self, name: str) -> list[Task]:
        """Those that serve, on nodes that are up; a task with a health check is healthy then."""
        return [
            one
            for one in self.of(name)
            if one["Status"]["State"] == "running"
            and one["DesiredState"] == "running"
            and self.fleet.is_up(one)
        ]

    def wanted(self, name: str) -> set[str]:
        """The nodes that are up where tasks of a service are to run.

        One that waits for the task before it to end is there already, with what it was given then.
        """
        return {
            one["NodeID"]
            for one in self.of(name)
            if one.get("NodeID")
            and one["DesiredState"] in ("ready", "running")
            and self.fleet.is_up(one)
        }

    def wait_updated(self, name: str, seconds: float) -> None:
        """Wait until Swarm has replaced the tasks of a service whose spec was changed.

        Raises:
            ReleaseError: it has put the service back, since new tasks were no good.
            EngineError: it has not done so in that time.
        """
        begun = time.monotonic()
        until = begun + seconds
        while True:
            status = self.fleet.managers.get(f"services/{name}").get("UpdateStatus") or {}
            state = status.get("State")
            if state == "completed":
                return
            if state is None and time.monotonic() - begun > _BEGIN_SECONDS:
                # No task of it was to be another.
                return
            if state in ("rollback_completed", "rollback_paused", "paused"):
                raise ReleaseError(
                    f"containers as they shall be do not come up: {status.get('Message', '')}",
                    where=name,
                    hint="what was before is in use still; see `docker service ps`",
                )
            if time.monotonic() > until:
                raise EngineError("is not updated in time", where=name, hint="`docker service ps`")
            time.sleep(_PAUSE)

    def failed(self, name: str) -> set[str]:
        """Those that have failed."""
        return {one["ID"] for one in self.of(name) if one["Status"]["State"] in _ENDED}

    def wait_running(
        self, name: str, count: int, seconds: float, *, stable: float, known: Collection[str] = ()
    ) -> None:
        """Wait until so many tasks of a service run, and go on to.

        Args:
            name: of the service.
            count: how many.
            seconds: how long at most.
            stable: for so many seconds they must have.
            known: tasks that have failed before.

        Raises:
            ReleaseError: one ends, or they do not come up.
        """
        until = time.monotonic() + seconds
        steady: frozenset[str] = frozenset()
        since, looked = 0.0, time.monotonic()
        while True:
            if time.monotonic() - looked > _LOOK_SECONDS:
                self.fleet.check()
                looked = time.monotonic()
            self.refuse_failed(name, known)
            running = frozenset(one["ID"] for one in self.running(name))
            if len(running) < count or running != steady:
                steady, since = running, time.monotonic()
            elif time.monotonic() - since >= stable:
                return
            if time.monotonic() > until:
                raise self._late(name, count, len(running), seconds)
            time.sleep(_PAUSE)

    def refuse_failed(self, name: str, known: Collection[str] = ()) -> None:
        """See that no task of a service has failed but for known ones.

        Raises:
            ReleaseError: one has.
        """
        there = [one for one in self.of(name) if self.fleet.is_up(one)]
        failure = find_failure(there, known)
        if failure is not None:
            raise self._failure(name, failure)

    def _failure(self, name: str, task: Task) -> ReleaseError:
        container = self.fleet.container(task)
        lines = last_lines(container) if container else ()
        code = 0 if task["Status"]["State"] == "complete" else _exit_code(task)
        if "unhealthy" in _why(task):
            said = "is unhealthy"
        elif code is not None:
            said = f"ended with {code} instead of serving"
        else:
            said = f"does not start: {_why(task)}"
        return ReleaseError(
            said,
            where=f"{name} on {self._node(task)}",
            details=lines,
            hint="its last lines say why",
        )

    def _late(self, name: str, count: int, running: int, seconds: float) -> ReleaseError:
        late = [
            one
            for one in self.of(name)
            if one["DesiredState"] in ("running", "ready") and one["Status"]["State"] != "running"
        ]
        container = self.fleet.container(late[0]) if late else None
        why = _why(late[0]) if late else ""
        return ReleaseError(
            f"{running} of {count} containers are healthy after {seconds:.0f} s"
            + (f": {why}" if why else ""),
            where=f"{name} on {self._node(late[0])}" if late else name,
            details=last_lines(container) if container else (),
            hint="see what it says; deploy.timeouts.boot is how long is waited",
        )

    def _node(self, task: Mapping[str, Any]) -> str:
        node = self.fleet.nodes.get(task.get("NodeID", ""))
        return node.name if node else "no node"

    def run_job(self, site: Site, spec: Spec, seconds: float) -> str:
        """Run a job to its end, or wait for one that a killed kiln began; what it printed.

        Raises:
            ReleaseError: it ended with an error, or not in time.
        """
        name, role = spec["Name"], spec["TaskTemplate"]["ContainerSpec"]["Args"][0]
        if not self.of(name):
            site.lease.check()
            self.fleet.managers.create("services", spec, self.auth(spec))
        task = self._wait_ended(site, name, seconds)
        container = self.fleet.container(task) if task else None
        printed = ""
        lines: tuple[str, ...] = ()
        if container is not None:
            with engine_errors(name):
                printed = container.logs(stderr=False).decode("utf-8", "replace")
            lines = last_lines(container, 30)
        self.fleet.managers.remove("services", name)
        if task is None:
            raise ReleaseError(
                f"{role} took over {seconds:.0f} s",
                where=name,
                details=lines,
                hint="deploy.timeouts.migrate is how long is waited",
            )
        if task["Status"]["State"] != "complete":
            code = _exit_code(task)
            raise ReleaseError(
                f"{role} ended with {code}" if code is not None else f"{role}: {_why(task)}",
                where=f"{name} on {self._node(task)}",
                details=lines,
                hint="its last lines say why",
            )
        if container is None:
            raise EngineError(
                f"what {role} has printed is not there any more", where=name, hint="run this again"
            )
        return printed

    def _wait_ended(self, site: Site, name: str, seconds: float) -> Task | None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for task in self.of(name):
                if task["Status"]["State"] in _ENDED:
                    return task
                if not self.fleet.is_up(task):
                    raise ReleaseError(
                        f"the host {self._node(task)} went down while it ran there",
                        where=name,
                        hint="see that it has ended there before you go on",
                    )
            self.fleet.check()
            time.sleep(_PAUSE)
        return None

    def stop(self, names: Sequence[str], seconds: float) -> list[str]:
        """Stop services as their containers wish to be stopped, all at once, and remove them.

        Returns:
            Those of which a task had not ended in that time, and was killed.
        """

        def none(spec: Spec) -> bool:
            replicated = spec["Mode"].get("Replicated")
            if replicated is None or not replicated["Replicas"]:
                return False
            replicated["Replicas"] = 0
            return True

        left = list(names)
        for name in left:
            self.fleet.managers.update("services", name, none)
        until = time.monotonic() + seconds
        while left and time.monotonic() < until:
            left = [one for one in left if self._work(one)]
            if left:
                time.sleep(_PAUSE)
        for name in names:
            self.fleet.managers.remove("services", name)
        return left

    def _work(self, name: str) -> bool:
        return any(
            one["Status"]["State"] not in _ENDED and self.fleet.is_up(one) for one in self.of(name)
        )

    def auth(self, spec: Spec) -> str:
        """What lets nodes pull the image of a service."""
        image = str(spec["TaskTemplate"]["ContainerSpec"]["Image"])
        return self.fleet.registry_auth(image)


def find_failure(tasks: Sequence[Task], known: Collection[str] = ()) -> Task | None:
    """The task of a service that says that its containers are no good; None where none does. Pure.

    What a node has refused, Swarm tries again, and so often it may.

    Args:
        tasks: of the service, as the API has them.
        known: IDs of tasks that have failed before.
    """
    refused = 0
    for one in tasks:
        state = one["Status"]["State"]
        if state not in (*_FAILED, "complete") or one["ID"] in known:
            continue
        refused += 1
        # What ends well has ended, and was to serve.
        if (
            state == "complete"
            or _exit_code(one) is not None
            or "unhealthy" in _why(one)
            or refused > _REFUSALS
        ):
            return one
    return None


def _exit_code(task: Task) -> int | None:
    status = task["Status"].get("ContainerStatus") or {}
    code = status.get("ExitCode")
    return int(code) if code else None


def _why(task: Task) -> str:
    status = task["Status"]
    return str(status.get("Err") or status.get("Message") or status["State"])
