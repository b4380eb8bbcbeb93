"""What the container engine and its builder are, and whether Kiln can build with them."""

import json
import re
import subprocess
from dataclasses import dataclass

from builder.errors import HostError
from builder.process import Completed, Runner

# `--progress=rawjson` came with buildx 0.13, and Docker 25 speaks API 1.44.
MINIMUM_BUILDX = (0, 13)
MINIMUM_API = (1, 44)

START_HINT = "start it (`systemctl start docker`, or `kiln setup` on Debian)"
_UPDATE_HINT = "update it to Docker 25 or later"


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine that answers.

    Attributes:
        version: as it names itself.
        api: the version of its API.
        containerd_store: images are kept by containerd, which layers with fixed times need.
        architecture: e.g. `amd64`.
    """

    version: str
    api: str
    containerd_store: bool
    architecture: str


@dataclass(frozen=True, slots=True)
class Builder:
    """A buildx builder.

    Attributes:
        name: as `docker buildx ls` shows it.
        driver: `docker`, `docker-container`, `kubernetes` or `remote`.
        buildx: the version of the client program.
    """

    name: str
    driver: str
    buildx: str


def read_engine(run: Runner) -> Engine:
    """Ask the engine what it is.

    Raises:
        HostError: there is no client program, or no engine answers.
    """
    version = _docker(run, "version", "--format", "{{json .}}")
    try:
        server = json.loads(version.stdout)["Server"]
    except (ValueError, KeyError, TypeError):
        server = None
    if version.returncode != 0 or not server:
        reason = (version.stderr.strip().splitlines() or ["no answer"])[-1]
        raise HostError(
            f"the container engine does not answer: {reason}",
            # Newer clients do not speak the API of an old engine at all.
            hint=_UPDATE_HINT if "supported API version" in reason else START_HINT,
        )
    info = _docker(run, "info", "--format", "{{json .}}")
    try:
        facts = json.loads(info.stdout)
    except ValueError:
        facts = {}
    status = [" ".join(map(str, row)) for row in facts.get("DriverStatus") or []]
    return Engine(
        version=str(server.get("Version", "?")),
        api=str(server.get("ApiVersion", "0")),
        containerd_store=any("io.containerd.snapshotter" in row for row in status),
        architecture=str(server.get("Arch", "?")),
    )


def read_builder(run: Runner, name: str | None) -> Builder:
    """Ask buildx for a builder.

    Args:
        run: runs programs.
        name: the builder, or None for the current one.

    Raises:
        HostError: buildx is not installed, or there is no such builder.
    """
    version = _docker(run, "buildx", "version")
    match = re.search(r"v?(\d+\.\d+(?:\.\d+)?)", version.stdout)
    if version.returncode != 0 or match is None:
        raise HostError(
            "the buildx plugin is not installed",
            where="docker buildx version",
            hint="install it (`apt-get install docker-buildx-plugin`, or `kiln setup` on Debian)",
        )
    inspected = _docker(run, "buildx", "inspect", *([name] if name else []))
    facts = dict(re.findall(r"^(Name|Driver): +(\S+)", inspected.stdout, re.MULTILINE))
    if inspected.returncode != 0 or "Driver" not in facts:
        reason = (inspected.stderr.strip().splitlines() or ["no answer"])[-1]
        raise HostError(
            f"there is no builder {name or ''}: {reason}".replace("  ", " "),
            where="kiln.yaml build.builder" if name else "docker buildx inspect",
            hint="`docker buildx ls` shows the builders; `docker buildx create` makes one",
        )
    return Builder(facts["Name"], facts["Driver"], match[1])


def check_builder(engine: Engine, builder: Builder) -> None:
    """See that engine and builder can do what a build needs. Pure.

    Raises:
        HostError: one of them is too old, or keeps images in a way that fixed times need not.
    """
    if _numbers(engine.api) < MINIMUM_API:
        raise HostError(
            f"the engine {engine.version} is too old: its API is {engine.api}, "
            f"{'.'.join(map(str, MINIMUM_API))} is needed",
            where="docker version",
            hint=_UPDATE_HINT,
        )
    if _numbers(builder.buildx) < MINIMUM_BUILDX:
        raise HostError(
            f"buildx {builder.buildx} is too old, {'.'.join(map(str, MINIMUM_BUILDX))} is needed",
            where="docker buildx version",
            hint="update the buildx plugin",
        )
    if builder.driver == "docker" and not engine.containerd_store:
        raise HostError(
            "the engine keeps images without containerd, so its builder cannot write an OCI image",
            where=f"builder {builder.name}",
            hint='set {"features": {"containerd-snapshotter": true}} in '
            "/etc/docker/daemon.json and restart it, or make a builder with `docker buildx create "
            "--driver docker-container --name kiln` and set build.builder: kiln in kiln.yaml",
        )


def _docker(run: Runner, *arguments: str) -> Completed:
    try:
        return run(["docker", *arguments], timeout=60)
    except FileNotFoundError:
        raise HostError(
            "the program docker is not installed",
            hint="install Docker 25 or later, or run `kiln setup` on Debian",
        ) from None
    except subprocess.TimeoutExpired:
        raise HostError(
            "the container engine does not answer within 60 s",
            where=f"docker {' '.join(arguments[:2])}",
            hint="restart it",
        ) from None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
