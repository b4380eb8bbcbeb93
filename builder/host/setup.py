"""`kiln setup`: install and start what a build needs, where it is missing. Debian only.

Each step looks first and does nothing where there is nothing to do, so that running it twice
changes nothing. An engine that is there is used as it is.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import requests

from builder.errors import HostError
from builder.host.base_image import LOCAL_REGISTRY, has_base_image, provide_base_image
from builder.host.engine import read_engine
from builder.host.mirror import find_mirror
from builder.process import Completed, Runner
from builder.registry.client import Registry

ENGINE_PACKAGES = ("docker.io", "docker-cli", "docker-buildx", "docker-compose")

# Debian 12's own engine, 20.10, keeps images without containerd and has no buildx. Debian 13's
# needs no newer C library and installs beside the rest of Debian 12 (tried with 26.1.5); its runc
# does need one, and Debian 12's serves.
_NEWER_SUITE = "trixie"
_FROM_NEWER = (*ENGINE_PACKAGES, "containerd", "cosign")
_SOURCES = Path("/etc/apt/sources.list.d/kiln.sources")
_PREFERENCES = Path("/etc/apt/preferences.d/kiln")
_DAEMON = Path("/etc/docker/daemon.json")
_STATE = Path("/var/lib/kiln")
_LOGS = Path("/var/log/kiln")

Tell = Callable[[str], None]


def set_up_host(
    run: Runner,
    env: Mapping[str, str],
    registry: Registry,
    suite: str,
    mirror: str | None,
    tell: Tell,
    *,
    signs: bool,
) -> None:
    """Bring the host to where it can build: an engine, a local registry, a base image.

    Args:
        run: runs programs.
        env: the environment for them.
        registry: a client.
        suite: the Debian release of the base image.
        mirror: address of Debian's packages; None takes this host's.
        tell: says what is being done; silent where nothing is to be done.
        signs: images are signed, for which cosign is needed.

    Raises:
        HostError: a step failed, or the host is no Debian, or this is not root.
    """
    provide_engine(run, env, mirror, tell)
    provide_registry(run, env, mirror, tell)
    if signs:
        provide_programs(run, env, mirror, tell, {"cosign": "cosign"})
    if not has_base_image(registry, suite):
        provide_programs(run, env, mirror, tell, {"mmdebstrap": "mmdebstrap"})
        provide_base_image(run, env, registry, suite, mirror, tell)


def provide_engine(run: Runner, env: Mapping[str, str], mirror: str | None, tell: Tell) -> None:
    """Use the engine that answers; else start the one that is installed; else install one."""
    if _engine_answers(run):
        return
    if shutil.which("dockerd") is None:
        if not _DAEMON.exists():
            # Layers with fixed times need containerd's image store.
            _DAEMON.parent.mkdir(parents=True, exist_ok=True)
            _DAEMON.write_text('{"features": {"containerd-snapshotter": true}}\n')
        _install(run, env, mirror, tell, ENGINE_PACKAGES)
    ready: Callable[[], bool] = partial(_engine_answers, run)
    if not ready():
        tell("starting the container engine")
        if Path("/run/systemd/system").is_dir():
            run(["systemctl", "start", "docker"], env=env, timeout=120)
        else:
            # An engine gives its builder 10 s to come up and ends where that does not do (moby
            # v26.1.5, cmd/dockerd/daemon.go, routerCtx), as on a disk that has read nothing yet.
            ready = restarting(
                lambda: _start(["dockerd"], env, _LOGS / "dockerd.log"), ready, attempts=3
            )
    _wait(ready, "the container engine", _LOGS / "dockerd.log")


def provide_registry(run: Runner, env: Mapping[str, str], mirror: str | None, tell: Tell) -> None:
    """Use the registry that answers at localhost:5000; else install and start one."""
    if _registry_answers():
        return
    provide_programs(run, env, mirror, tell, {"docker-registry": "docker-registry"})
    if not _registry_answers():
        tell(f"starting a registry at {LOCAL_REGISTRY}")
        configuration = _STATE / "registry.yml"
        configuration.parent.mkdir(parents=True, exist_ok=True)
        # On the loopback address alone, where engines take a registry without TLS.
        configuration.write_text(
            "version: 0.1\n"
            f"storage: {{filesystem: {{rootdirectory: {_STATE / 'registry'}}}, "
            "delete: {enabled: true}}\n"
            "http: {addr: 127.0.0.1:5000}\n"
            "log: {level: warn}\n"
        )
        _start(["docker-registry", "serve", str(configuration)], env, _LOGS / "registry.log")
    _wait(_registry_answers, f"the registry at {LOCAL_REGISTRY}", _LOGS / "registry.log")


def _engine_answers(run: Runner) -> bool:
    try:
        read_engine(run)
    except HostError:
        return False
    return True


def _registry_answers() -> bool:
    try:
        return requests.get(f"http://{LOCAL_REGISTRY}/v2/", timeout=5).status_code in (200, 401)
    except requests.RequestException:
        return False


def provide_programs(
    run: Runner, env: Mapping[str, str], mirror: str | None, tell: Tell, packages: Mapping[str, str]
) -> None:
    """Install the programs that are missing.

    Args:
        run, env, mirror, tell: as in `set_up_host`.
        packages: the Debian package of each program.
    """
    if missing := [package for name, package in packages.items() if shutil.which(name) is None]:
        _install(run, env, mirror, tell, missing)


def _install(
    run: Runner, env: Mapping[str, str], mirror: str | None, tell: Tell, packages: Sequence[str]
) -> None:
    release = read_debian_release()
    if release is None:
        raise HostError(
            f"{', '.join(packages)} must be installed by hand: this is not Debian 12 or 13",
            hint="install Docker 25 or later and a registry, then `kiln doctor`",
        )
    if os.geteuid() != 0:
        raise HostError(
            f"{', '.join(packages)} must be installed, which needs root",
            hint="run `kiln setup` as root once",
        )
    tell(f"installing {', '.join(packages)}")
    quiet = {**env, "DEBIAN_FRONTEND": "noninteractive"}
    if release == "bookworm":
        _SOURCES.write_text(newer_sources(find_mirror(run, quiet, mirror, release).packages))
        _PREFERENCES.write_text(newer_preferences())
    _apt(run, quiet, "update")
    _apt(run, quiet, "install", "-y", "--no-install-recommends", *packages)


def _apt(run: Runner, env: Mapping[str, str], *arguments: str) -> Completed:
    # Another apt-get may hold the lock, e.g. that of unattended upgrades.
    argv = ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments]
    done = run(argv, env=env, timeout=1200)
    if done.returncode != 0:
        raise HostError(
            f"apt-get {arguments[0]} failed",
            where="this host",
            hint="run it by hand to see why: apt-get " + " ".join(arguments),
            details=tuple((done.stderr or done.stdout).splitlines()[-10:]),
        )
    return done


def read_debian_release(os_release: Path = Path("/etc/os-release")) -> str | None:
    """`bookworm` or `trixie`; None on anything else."""
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    codename = facts.get("VERSION_CODENAME", "").strip('"')
    known = facts.get("ID", "").strip('"') == "debian" and codename in ("bookworm", "trixie")
    return codename if known else None


def newer_sources(mirror: str) -> str:
    """The apt source of Debian 13 for Debian 12. Pure."""
    return (
        f"Types: deb\nURIs: {mirror}\nSuites: {_NEWER_SUITE}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


def newer_preferences() -> str:
    """The apt pin that takes the engine from Debian 13 and nothing else. Pure."""
    return (
        f"Package: *\nPin: release n={_NEWER_SUITE}\nPin-Priority: -10\n\n"
        f"Package: {' '.join(_FROM_NEWER)}\nPin: release n={_NEWER_SUITE}\nPin-Priority: 900\n"
    )


def restarting(
    start: Callable[[], subprocess.Popen[bytes]], ready: Callable[[], bool], *, attempts: int
) -> Callable[[], bool]:
    """Start a service now, and again when it has ended by itself, as service managers do.

    Args:
        start: starts its process.
        ready: whether the service answers.
        attempts: how often it is started in all.

    Returns:
        `ready`, which also starts the service again when asked and it has ended.
    """
    processes = [start()]

    def ready_or_started_again() -> bool:
        if processes[-1].poll() is not None and len(processes) < attempts:
            processes.append(start())
        return ready()

    return ready_or_started_again


def _start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a service that outlives this process, where no service manager does so."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )


def _wait(ready: Callable[[], bool], what: str, log: Path, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if ready():
            return
        time.sleep(0.5)
    try:
        lines = log.read_text(errors="replace").splitlines()[-10:]
    except OSError:
        lines = []
    raise HostError(
        f"{what} does not come up within {seconds:.0f} s",
        where=str(log),
        hint="see the log; as root, on a machine that may run containers",
        details=tuple(lines),
    )
