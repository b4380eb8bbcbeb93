"""Drives docker compose for one stack."""

import json
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import DiskFullError, HostError, KilnError, StackError
from builder.host.engine import START_HINT
from builder.process import Completed, Runner

# `healthcheck.start_interval` came with 2.21.
MINIMUM_COMPOSE = (2, 21)
_SHOWN_LINES = 25


@dataclass(frozen=True, slots=True)
class Stack:
    """One tree's stack.

    Attributes:
        name: the compose project.
        file: the rendered compose file; not there before the first `up`.
        env: the environment for client programs.
        run: runs programs.
    """

    name: str
    file: Path
    env: Mapping[str, str]
    run: Runner


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One container of a stack.

    Attributes:
        service: as in the compose file.
        state: `running`, `exited`, ...
        health: `healthy`, `unhealthy`, `starting`, or empty where nobody looks.
        image: its name.
        exit_code: of a container that has ended.
        ports: published ports by port of the container.
    """

    service: str
    state: str
    health: str
    image: str
    exit_code: int
    ports: Mapping[int, int]

    @property
    def ok(self) -> bool:
        """Whether it runs and nothing is said against it."""
        return self.state == "running" and self.health in ("", "healthy")

    @property
    def failed(self) -> bool:
        """Whether it was started and its log says why it is of no use."""
        return self.state != "created" and not self.ok


def compose_argv(stack: Stack, *arguments: str) -> list[str]:
    """A command line of docker compose for the stack. Pure."""
    argv = ["docker", "compose", "--project-name", stack.name]
    if stack.file.is_file():
        argv += ["--file", str(stack.file)]
    return [*argv, *arguments]


def exec_argv(stack: Stack, *command: str, terminal: bool) -> list[str]:
    """The command line that runs a command in the shop's container."""
    flags = [] if terminal else ["--no-TTY"]
    return compose_argv(stack, "exec", *flags, "web", *command)


def run_compose(stack: Stack, *arguments: str, timeout: float = 600) -> Completed:
    """Run docker compose to its end.

    Raises:
        HostError: it is not installed, does not answer, or the engine does not.
    """
    try:
        return stack.run(compose_argv(stack, *arguments), env=stack.env, timeout=timeout)
    except FileNotFoundError:
        raise HostError("the program docker is not installed", hint="run `kiln setup`") from None
    except subprocess.TimeoutExpired:
        raise StackError(
            f"does not end within {timeout:.0f} s",
            where=f"docker compose {arguments[0]}",
            hint="`kiln dev logs` shows what the containers do",
        ) from None


def check_compose(stack: Stack) -> None:
    """See that docker compose is there and new enough.

    Raises:
        HostError: it is not.
    """
    done = run_compose(stack, "version", "--short", timeout=60)
    numbers = tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:2])
    if done.returncode != 0 or numbers < MINIMUM_COMPOSE:
        found = f"is {done.stdout.strip()}" if numbers else "is not installed"
        raise HostError(
            f"the compose plugin {found}, {'.'.join(map(str, MINIMUM_COMPOSE))} is needed",
            where="docker compose version",
            hint="install docker-compose-plugin, or run `kiln setup` on Debian",
        )


def read_services(stack: Stack) -> tuple[ServiceState, ...]:
    """The stack's containers as the engine has them, sorted; none where it is down.

    Raises:
        HostError: the engine does not answer.
    """
    done = run_compose(stack, "ps", "--all", "--format", "json", timeout=60)
    if done.returncode != 0:
        raise explain_failure(stack, done, "ps", ())
    return parse_services(done.stdout)


def parse_services(text: str) -> tuple[ServiceState, ...]:
    """What `docker compose ps --format json` prints: an array, or since 2.21 an object a line."""
    rows = []
    for line in text.splitlines():
        if line.strip():
            read = json.loads(line)
            rows += read if isinstance(read, list) else [read]
    return tuple(
        sorted(
            (
                ServiceState(
                    service=str(row["Service"]),
                    state=str(row["State"]),
                    health=str(row.get("Health") or ""),
                    image=str(row.get("Image") or ""),
                    exit_code=int(row.get("ExitCode") or 0),
                    ports={
                        int(port["TargetPort"]): int(port["PublishedPort"])
                        for port in row.get("Publishers") or ()
                        if port.get("PublishedPort")
                    },
                )
                for row in rows
            ),
            key=lambda one: one.service,
        )
    )


def require_running(stack: Stack) -> None:
    """See that the shop's container runs.

    Raises:
        StackError: it does not.
    """
    if not any(one.service == "web" and one.state == "running" for one in read_services(stack)):
        raise StackError(
            "this tree's development system is not running",
            where=stack.name,
            hint="run `kiln dev up`",
        )


def start_services(stack: Stack, services: Iterable[str], seconds: int = 180) -> None:
    """Start services and wait until they are healthy.

    Raises:
        StackError: one of them does not come up; the details are its last lines.
        DiskFullError, HostError: the engine says why.
    """
    wanted = tuple(services)
    done = run_compose(
        stack,
        *("up", "--detach", "--no-deps", "--quiet-pull"),
        *("--wait", "--wait-timeout", str(seconds)),
        *wanted,
        timeout=seconds + 600,
    )
    if done.returncode != 0:
        raise explain_failure(stack, done, "up", wanted)


def explain_failure(
    stack: Stack, done: Completed, command: str, services: tuple[str, ...]
) -> KilnError:
    """The error that tells a user why docker compose failed, with a failing service's log."""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    text = done.stderr.lower()
    if "cannot connect to the docker daemon" in text or "is the docker daemon running" in text:
        return HostError("the container engine does not answer", hint=START_HINT)
    if "no space left on device" in text:
        return DiskFullError(
            "there is no room left for the containers",
            where=stack.name,
            hint="free room: docker system df; docker buildx prune",
        )
    taken = re.search(r"(?:127\.0\.0\.1|0\.0\.0\.0):(\d+).{0,80}?(?:allocated|in use)", text)
    if taken or "port is already allocated" in text or "address already in use" in text:
        return HostError(
            f"port {taken[1] if taken else ''} has just been taken by another program",
            where="127.0.0.1",
            hint="run `kiln dev up` again: it takes other ports",
        )
    for one in read_services(stack) if services else ():
        if one.service in services and one.failed:
            logs = run_compose(
                stack, "logs", "--no-color", "--no-log-prefix", "--tail", "25", one.service
            )
            lines = (logs.stdout + logs.stderr).splitlines()
            state = one.health or f"{one.state}, exit status {one.exit_code}"
            return StackError(
                f"the service {one.service} does not come up: it is {state}",
                where=stack.name,
                hint=f"`kiln dev logs {one.service}` shows all of its log",
                details=tuple(line for line in lines if line.strip())[-_SHOWN_LINES:],
            )
    return StackError(
        (said or [f"exit status {done.returncode}"])[-1],
        where=f"docker compose {command}",
        details=tuple(said[:-1])[-_SHOWN_LINES:],
    )
