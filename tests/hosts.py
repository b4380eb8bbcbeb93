"""Hosts of the tests' own on this machine: an engine each, apart from the machine's.

A host is a process of its own in namespaces of its own, for processes, mounts and the network; all
that runs there, dockerd, containerd, containers, sshd, ends when that process is killed, as on a
host that loses its power. Its image store is on a disk, /run is in memory. Hosts stand at one
switch with this machine, and reach its registry as `localhost:5000`, so that images have the same
names everywhere. Needs root.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import docker
import docker.errors
import requests

REGISTRY = "127.0.0.1:5000"
SSH_PORT = 2222
_NAMESPACES = ("--net", "--mount", "--pid", "--uts", "--ipc")
# The first process of a host: it waits for what is orphaned. /run is empty at each start.
_FIRST = "mount -t tmpfs tmpfs /run && ip link set lo up && echo up && { sleep infinity & wait; }"
_SSHD = """Port {port}
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/authorized
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
"""


def run_program(*argv: str, stdin: bytes = b"") -> str:
    """Run a program that must succeed; what it printed."""
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, (argv, done.stderr.decode())
    return done.stdout.decode()


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for a condition."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


@dataclass
class _First:
    """The first process of namespaces: as `unshare` and as itself."""

    outer: "subprocess.Popen[str]"
    pid: int

    @classmethod
    def start(cls, *namespaces: str) -> "_First":
        argv = ["unshare", *namespaces, "--fork"]
        argv += ["--mount-proc"] if "--pid" in namespaces else []
        script = _FIRST if "--pid" in namespaces else "echo up; exec sleep infinity"
        outer = subprocess.Popen(
            [*argv, "bash", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # It complains when what it started is killed.
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert outer.stdout is not None
        assert outer.stdout.readline() == "up\n"
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text()
        return cls(outer, int(children))

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.outer.wait(timeout=60)
        assert self.outer.stdout is not None
        self.outer.stdout.close()


@dataclass
class Network:
    """A switch, with this machine at the first address.

    Attributes:
        subnet: a /24.
    """

    subnet: IPv4Network
    name: str
    switch: _First
    taken: int = 1

    @property
    def gateway(self) -> str:
        return str(self.subnet[1])

    def take_address(self) -> str:
        self.taken += 1
        return str(self.subnet[self.taken])

    def attach(self, pid: int, address: str) -> None:
        """Give a network namespace an interface at the switch."""
        port = f"port{address.rpartition('.')[2]}"
        # The same after it was started anew: its neighbours remember it for a minute.
        card = ":".join(["02", "00", *(f"{int(part):02x}" for part in address.split("."))])
        with contextlib.suppress(AssertionError):
            # That of the same host before it was started anew; the kernel takes its time.
            run_program(
                "nsenter", f"--net=/proc/{self.switch.pid}/ns/net", "ip", "link", "del", port
            )
        run_program(
            *("ip", "link", "add", "name", port, "netns", str(self.switch.pid)),
            *("type", "veth", "peer", "name", "eth0", "address", card, "netns", str(pid)),
        )
        self._inside(self.switch.pid, "link", "set", port, "master", "switch", "up")
        self._inside(pid, "addr", "add", f"{address}/24", "dev", "eth0")
        self._inside(pid, "link", "set", "eth0", "up")
        self._inside(pid, "route", "add", "default", "via", self.gateway)

    @staticmethod
    def _inside(pid: int, *arguments: str) -> None:
        run_program("nsenter", f"--net=/proc/{pid}/ns/net", "ip", *arguments)


@contextlib.contextmanager
def private_network() -> Iterator[Network]:
    """A switch for hosts.

    It has a namespace of its own, where the machine's rules for forwarding do not reach.
    """
    number = secrets.randbelow(32 * 256)
    subnet = IPv4Network(f"10.{32 + number // 256}.{number % 256}.0/24")
    # The kernel takes 15 characters.
    name = f"kt{secrets.token_hex(4)}"
    switch = _First.start("--net")
    network = Network(subnet, name, switch)
    try:
        inside = ("nsenter", f"--net=/proc/{switch.pid}/ns/net", "ip", "link")
        run_program(*inside, "add", "switch", "type", "bridge")
        run_program(*inside, "set", "switch", "up")
        run_program(
            *("ip", "link", "add", "name", name),
            *("type", "veth", "peer", "name", "uplink", "netns", str(switch.pid)),
        )
        run_program(*inside, "set", "uplink", "master", "switch", "up")
        run_program("ip", "addr", "add", f"{network.gateway}/24", "dev", name)
        run_program("ip", "link", "set", name, "up")
        yield network
    finally:
        switch.kill()
        wait_until(lambda: not Path(f"/sys/class/net/{name}").exists(), "the switch goes")


@dataclass
class Host:
    """A host that runs.

    Attributes:
        name: of the host.
        address: at the switch.
        folder: its disk, with logs; the engine's socket for this machine is in it.
    """

    name: str
    network: Network
    address: str
    folder: Path
    first: _First
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def docker_host(self) -> str:
        """The engine's address for clients on this machine, for DOCKER_HOST."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def root(self) -> Path:
        """The host's files as this machine sees them, with what is mounted there."""
        return Path(f"/proc/{self.first.pid}/root")

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.docker_host, timeout=120)

    def run(self, *argv: str) -> str:
        """Run a program there that must succeed."""
        return run_program(*self._enter(), *argv)

    def docker(self, *arguments: str, stdin: str = "") -> str:
        """Run a docker command on its engine that must succeed; what it printed."""
        return run_program("docker", "--host", self.docker_host, *arguments, stdin=stdin.encode())

    def load(self, image: str) -> None:
        """Copy an image of the shared registry, which this host does not reach."""
        run_program("docker", "pull", "--quiet", image)
        save = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        load = ["docker", "--host", self.docker_host, "load"]
        done = subprocess.run(load, stdin=save.stdout, capture_output=True, check=False)
        assert (save.wait(), done.returncode) == (0, 0), done.stderr

    def start(self, log: str, *argv: str) -> None:
        """Start a program there, which ends with the host at the latest."""
        with (self.folder / log).open("ab") as output:
            self.processes.append(
                subprocess.Popen(
                    [*self._enter(), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    cwd="/",
                )
            )

    def _enter(self) -> tuple[str, ...]:
        return ("nsenter", "--target", str(self.first.pid), "--all", "--wd=/")

    # -- its engine -------------------------------------------------------------------------

    def start_engine(self) -> None:
        """Start dockerd, which starts its containerd, and wait until it answers."""
        assert self.run("stat", "-f", "-c", "%T", "/run").strip() == "tmpfs"
        self.run("rm", "-f", f"{self.folder}/docker.sock")
        self.start(
            "dockerd.log",
            "dockerd",
            *("--config-file", f"{self.folder}/daemon.json"),
            *("--data-root", f"{self.folder}/data", "--exec-root", "/run/docker"),
            *("--cgroup-parent", f"/{self.name}"),
            *("--host", "unix:///run/docker.sock", "--host", self.docker_host),
        )
        wait_until(self.engine_answers, f"dockerd, {self.folder}/dockerd.log")

    def engine_answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except (docker.errors.DockerException, requests.RequestException):
            return False

    def kill_engine(self) -> None:
        """Kill dockerd and containerd at once; containers go on as they can."""
        # In this order: containerd ends with dockerd.
        pids = (self._pid("run/docker/containerd/containerd.pid"), self._pid("run/docker.pid"))
        self.run("kill", "-9", *pids)
        wait_until(lambda: not self.engine_answers(), "dockerd ends")
        # It takes a containerd that answers; and refuses a PID file of a running process.
        self.run("rm", "-f", "/run/docker.pid")

    def stop_engine(self) -> None:
        """Let dockerd end as a service manager does."""
        self.run("kill", "-TERM", self._pid("run/docker.pid"))
        wait_until(lambda: not (self.root / "run/docker.pid").exists(), "dockerd ends")

    def _pid(self, path: str) -> str:
        return (self.root / path).read_text().strip()

    # -- the host -----------------------------------------------------------------------------

    def boot(self) -> None:
        """What a host does when it is switched on."""
        self.network.attach(self.first.pid, self.address)
        self.run("hostname", self.name)
        registry = f"{self.folder}/registry.sock"
        self.start(
            "socat.log",
            *("socat", "TCP-LISTEN:5000,bind=127.0.0.1,fork,reuseaddr", f"UNIX-CONNECT:{registry}"),
        )
        self.start_engine()
        self.start_sshd()

    def cut_power(self) -> None:
        """Kill all of its processes; what was in memory is gone."""
        self.first.kill()
        for process in self.processes:
            process.wait(timeout=60)
        self.processes.clear()

    def reboot(self) -> None:
        """Cut the power, and switch it on again."""
        self.cut_power()
        self.switch_on()

    def switch_on(self) -> None:
        """Give it power again."""
        self.first = _First.start(*_NAMESPACES)
        self.boot()

    # -- its sshd -------------------------------------------------------------------------------

    def start_sshd(self) -> None:
        """Start sshd at SSH_PORT, for `self.key`."""
        self.run("mkdir", "-p", "/run/sshd")
        self.start("sshd.log", "/usr/sbin/sshd", "-D", "-e", "-f", f"{self.folder}/sshd_config")

    @property
    def key(self) -> Path:
        """The private key that its root lets in."""
        return self.folder / "key"

    @property
    def ssh(self) -> str:
        return f"ssh://root@{self.address}:{SSH_PORT}"

    def known_hosts(self) -> str:
        """Its line of a known_hosts file."""
        kind, key = (self.folder / "host-key.pub").read_text().split()[:2]
        return f"[{self.address}]:{SSH_PORT} {kind} {key}\n"


@contextlib.contextmanager
def private_engine(name: str) -> Iterator[Host]:
    """A host that stands alone."""
    with private_network() as network, private_host(network, f"kiln-test-{name}") as host:
        yield host


@contextlib.contextmanager
def private_host(network: Network, name: str) -> Iterator[Host]:
    """A host with an engine and an sshd; all of it is removed in the end.

    Args:
        network: where it stands.
        name: such as `kiln-test-x`.
    """
    folder = Path(tempfile.mkdtemp(prefix="kiln-test-"))
    (folder / "daemon.json").write_text(json.dumps({"features": {"containerd-snapshotter": True}}))
    for key in ("host-key", "key"):
        run_program("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
    shutil.copy(folder / "key.pub", folder / "authorized")
    (folder / "sshd_config").write_text(_SSHD.format(port=SSH_PORT, folder=folder))
    # A socket in the file system leads from one network namespace to another.
    registry = subprocess.Popen(
        ["socat", f"UNIX-LISTEN:{folder}/registry.sock,fork", f"TCP:{REGISTRY}"],
        start_new_session=True,
    )
    unique = f"{name}-{secrets.token_hex(4)}"
    host = Host(unique, network, network.take_address(), folder, _First.start(*_NAMESPACES))
    try:
        host.boot()
        yield host
    finally:
        host.cut_power()
        registry.terminate()
        registry.wait(timeout=60)
        _remove_cgroups(unique)
        shutil.rmtree(folder)


def _remove_cgroups(name: str) -> None:
    for top in [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]:
        for folder, _, _ in os.walk(top, topdown=False):
            wait_until(lambda folder=folder: _remove_cgroup(folder), folder)  # type: ignore[misc]


def _remove_cgroup(folder: str) -> bool:
    try:
        os.rmdir(folder)  # noqa: PTH106 - of the kernel's
    except OSError:
        # A process of it is not reaped yet.
        return False
    return True
