"""A container engine, here or on another host: the docker SDK, and docker compose beside it."""

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docker
import docker.errors
import requests
import urllib3.exceptions
from docker.models.containers import Container

from builder.deploy.tunnel import Tunnel, open_tunnel
from builder.errors import DiskFullError, EngineError, HostError
from builder.host.engine import START_HINT
from builder.process import Completed, Runner

_TIMEOUT = 120.0
_NO_ANSWER = "the container engine does not answer"
# The second where an answer breaks off while it is read.
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError)
_SHOWN_LINES = 20
_EXIT_SECONDS = 10.0
STACK_LABEL = "io.kiln.stack"
RELEASE_LABEL = "io.kiln.release"
ROLE_LABEL = "io.kiln.role"
WORKERS = ("cron", "consumer")


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers.

    Attributes:
        name: for messages: its address.
        client: of the SDK.
        env: the environment for client programs, which leads them to the same engine.
        run: runs programs.
        tunnel: the way there by ssh; None where there is another.
    """

    name: str
    client: docker.DockerClient
    env: Mapping[str, str]
    run: Runner
    tunnel: Tunnel | None = None

    @property
    def logins(self) -> int:
        """How often it was logged in to; 0 where one need not."""
        return self.tunnel.opened if self.tunnel else 0

    def log_in_again(self, logins: int) -> bool:
        """Log in anew where the connection has ended; other ways begin anew by themselves.

        Args:
            logins: as many as there were when it was asked.

        Returns:
            Whether there is another connection now.
        """
        return self.tunnel is not None and self.tunnel.open_again(logins)


def connect(host: str | None, env: Mapping[str, str], run: Runner) -> Engine:
    """Reach an engine.

    Args:
        host: ssh://..., tcp://..., unix://..., the name of a docker context, or None for the one
            that the docker client would take.
        env: the user's environment.
        run: runs programs.

    Raises:
        HostError: it does not answer, or there is no context of the name.
    """
    address = host if host and "://" in host else _context_address(host, env, run)
    tunnel = open_tunnel(address, env, run) if address.startswith("ssh://") else None
    reached = tunnel.address if tunnel else address
    led = {**env, "DOCKER_HOST": reached}
    led.pop("DOCKER_CONTEXT", None)
    try:
        client = docker.DockerClient(base_url=reached, timeout=int(_TIMEOUT))
        client.ping()
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        raise HostError(
            f"{_NO_ANSWER}: {_shortened(error.__cause__ or error)}",
            where=address,
            details=tunnel.said() if tunnel else (),
            hint="see that `ssh HOST docker version` shows a server, and that sshd there allows "
            "forwarding"
            if tunnel
            else START_HINT,
        ) from None
    return Engine(address, client, led, run, tunnel)


def _context_address(name: str | None, env: Mapping[str, str], run: Runner) -> str:
    if name is None and env.get("DOCKER_HOST"):
        return str(env["DOCKER_HOST"])
    argv = ["docker", "context", "inspect", *([name] if name else [])]
    try:
        done = run(argv, env=env, timeout=60)
        return str(json.loads(done.stdout)[0]["Endpoints"]["docker"]["Host"])
    except FileNotFoundError:
        raise HostError("the program docker is not installed", hint="run `kiln setup`") from None
    except (ValueError, LookupError):
        raise HostError(
            f"there is no docker context {name}",
            where="deploy.host",
            hint="`docker context ls` shows them; or give ssh://USER@HOST",
        ) from None


@contextlib.contextmanager
def engine_errors(where: str) -> Iterator[None]:
    """Say in the user's terms what the engine refuses.

    Raises:
        DiskFullError: its disk is full.
        EngineError: anything else.
    """
    try:
        yield
    except docker.errors.DockerException as error:
        raise explain_refusal(_shortened(error), where) from None
    except (*_BROKEN, OSError) as error:
        raise explain_refusal(f"{_NO_ANSWER}: {_shortened(error)}", where) from None


def is_no_answer(error: BaseException) -> bool:
    """Whether an error says that an engine cannot be reached, and not that it refuses."""
    if isinstance(error, docker.errors.APIError):
        return False
    return isinstance(error, (*_BROKEN, OSError, docker.errors.DockerException))


def explain_refusal(text: str, where: str) -> EngineError | DiskFullError:
    """An engine's words as an error. Pure."""
    if "Cannot connect to the Docker daemon" in text:
        text = f"{_NO_ANSWER}: {text}"
    if "no space left on device" in text.lower():
        return DiskFullError(
            "the host's disk is full",
            where=where,
            hint="make room (`docker image prune`, `kiln prune`), then `kiln resume`",
        )
    return EngineError(text, where=where, hint="mend it, then `kiln resume`")


def pull_image(engine: Engine, image: str, tell: Callable[[str], None]) -> None:
    """Have an image on a host, under its digest.

    Raises:
        EngineError: it cannot be had.
        DiskFullError: the host's disk is full.
    """
    with engine_errors(engine.name):
        try:
            engine.client.images.get(image)
        except docker.errors.ImageNotFound:
            tell(image)
            # Not images.pull, which does not look at what has gone wrong.
            for line in engine.client.api.pull(image, stream=True, decode=True):
                if "error" in line:
                    raise explain_refusal(str(line["error"]), image) from None


def run_compose(
    engine: Engine, project: str, text: str, *arguments: str, timeout: float = 900
) -> Completed:
    """Run docker compose with a rendered file.

    Raises:
        EngineError: it failed; the details are its last lines.
        DiskFullError: the host's disk is full.
    """
    argv = ["docker", "compose", "--project-name", project, "--file", "-", *arguments]
    try:
        done = engine.run(argv, env=engine.env, stdin=text.encode(), timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            f"docker compose does not work: {error}"
            if isinstance(error, OSError)
            else f"docker compose has not ended within {timeout:.0f} s",
            where=project,
            hint="see `docker compose version`, then `kiln resume`",
        ) from None
    if done.returncode != 0:
        lines = tuple((done.stderr or done.stdout).strip().splitlines()[-_SHOWN_LINES:])
        refused = explain_refusal(lines[-1] if lines else "no answer", f"docker compose {project}")
        refused.details = lines[:-1]
        raise refused
    return done


def stack_containers(engine: Engine, stack: str, **labels: str) -> list[Container]:
    """The containers of a stack, running or not, sorted by name.

    Args:
        engine: the engine.
        stack: the stack's name.
        **labels: `release` and `role`.
    """
    names = {"release": RELEASE_LABEL, "role": ROLE_LABEL}
    wanted = [f"{STACK_LABEL}={stack}", *(f"{names[key]}={value}" for key, value in labels.items())]
    with engine_errors(engine.name):
        found = engine.client.containers.list(
            all=True, filters={"label": wanted}, ignore_removed=True
        )
    return sorted(found, key=lambda one: str(one.name))


def stop_containers(containers: list[Container], seconds: float, where: str) -> list[str]:
    """Stop containers as they wish to be stopped, all at once, and remove them.

    Args:
        containers: which.
        seconds: after that they are killed.
        where: for messages.

    Returns:
        The names of those that had to be killed.
    """
    killed = []
    with engine_errors(where):
        for container in containers:
            # Its own signal, sent as such, tells the engine not to start it again.
            signal = container.attrs["Config"].get("StopSignal") or "SIGTERM"
            _send(container, signal)
        until = time.monotonic() + seconds
        left = list(containers)
        while left and time.monotonic() < until:
            left = [one for one in left if _runs(one)]
            if left:
                time.sleep(0.2)
        for container in left:
            killed.append(str(container.name))
            _send(container, "SIGKILL")
        for container in containers:
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True, v=True)
    return killed


def _send(container: Container, signal: str) -> None:
    try:
        container.kill(signal=signal)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # 409: it does not run.
        if error.status_code != 409:
            raise


def _runs(container: Container) -> bool:
    try:
        container.reload()
    except docker.errors.NotFound:
        return False
    return container.status in ("running", "restarting", "paused")


def last_lines(container: Container, count: int = _SHOWN_LINES) -> tuple[str, ...]:
    """The end of a container's log; none where it is gone."""
    try:
        text = container.logs(tail=count).decode("utf-8", "replace")
    except (docker.errors.DockerException, *_BROKEN):
        return ()
    return tuple(text.strip().splitlines()[-count:])


def run_in(container: Container, *argv: str, where: str = "") -> Completed:
    """Run a program in a running container.

    Raises:
        EngineError: it does not run, or the engine does not answer.
    """
    code, out, err = exec_in(container, argv, where or str(container.name))
    return Completed(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def run_with_input(container: Container, given: bytes, *argv: str) -> Completed:
    """Run a program in a running container with something on its standard input.

    What is given is in no command line and in no environment.

    Raises:
        EngineError: it does not run, or the engine does not answer.
    """
    where = str(container.name)
    with engine_errors(where):
        api: Any = container.client.api  # type: ignore[union-attr]
        made = api.exec_create(container.id, list(argv), stdin=True)["Id"]
        stream = api.exec_start(made, socket=True)
        raw = getattr(stream, "_sock", stream)
        raw.sendall(given)
        raw.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
        out, err = split_streams(answer)
        code = _wait_exit(api, made, argv[0], where)
    return Completed(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def exec_in(container: Container, argv: Sequence[str], where: str) -> tuple[int, bytes, bytes]:
    """Run a program in a running container: its exit status, output and errors as they are.

    Raises:
        EngineError: it does not run, or the engine does not answer.
    """
    with engine_errors(where):
        api: Any = container.client.api  # type: ignore[union-attr]
        made = api.exec_create(container.id, list(argv))["Id"]
        # Not docker-py's exec_start: it reads from the socket beneath the answer's buffer, and so
        # loses output that comes together with the headers, as it does on a busy machine.
        answer = api.post(
            f"{api.base_url}/v{api.api_version}/exec/{made}/start",
            json={"Detach": False, "Tty": False},
            timeout=None,
        )
        if not answer.ok:
            raise explain_refusal(answer.text.strip()[:300], where)
        out, err = split_streams(answer.content)
        code = _wait_exit(api, made, argv[0], where)
    return code, out, err


def _wait_exit(api: Any, identity: str, program: str, where: str) -> int:
    """The exit status of a program whose output has ended: the engine may hear of it later."""
    until = time.monotonic() + _EXIT_SECONDS
    while (code := api.exec_inspect(identity)["ExitCode"]) is None:
        if time.monotonic() > until:
            raise EngineError(
                f"the container ended while {program} ran, or the engine was cut off",
                where=where,
                hint="run it again",
            )
        time.sleep(0.02)
    return int(code)


def split_streams(content: bytes) -> tuple[bytes, bytes]:
    """What came on standard output and on standard error, of the engine's frames. Pure.

    A frame: the stream's number, three zeros, the length in four bytes, and so many bytes
    (Docker's API, "Attach to a container", stream format).
    """
    streams: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
    at = 0
    while at + 8 <= len(content):
        length = int.from_bytes(content[at + 4 : at + 8], "big")
        streams.setdefault(content[at], bytearray()).extend(content[at + 8 : at + 8 + length])
        at += 8 + length
    return bytes(streams[1]), bytes(streams[2])


def _shortened(error: BaseException) -> str:
    text = getattr(error, "explanation", None)
    if not text:
        # requests and urllib3 wrap what the socket says.
        while error.args and isinstance(error.args[-1], BaseException):
            error = error.args[-1]
        strerror = error.strerror if isinstance(error, OSError) else None
        text = strerror or str(error) or type(error).__name__
    return " ".join(str(text).split())[:500]
