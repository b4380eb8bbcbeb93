"""Engines of a test's own, beside the one that the tests share: as on hosts of their own."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A private mount and process namespace, so that all of it ends with its first process, mounts and
# containers included. /sys stays the host's: `ip netns exec` would take the cgroups away.
_START = """
mount --make-rprivate /
containerd --root "$1/containerd" --state "$1/run/containerd" --address "$1/run/containerd.sock" \
    --log-level error &
exec dockerd --host "unix://$1/docker.sock" --containerd "$1/run/containerd.sock" \
    --data-root "$1/data" --exec-root "$1/run/docker" --pidfile "$1/run/docker.pid" \
    --cgroup-parent "$2" --log-level error
"""
_SECONDS = 60.0


@dataclass(frozen=True)
class Host:
    """An engine in a network of its own.

    Attributes:
        docker_host: for DOCKER_HOST.
        address: its own, which the host of the tests reaches.
        gateway: the address by which it reaches the host of the tests.
    """

    docker_host: str
    address: str
    gateway: str

    def docker(self, *arguments: str, stdin: str = "") -> str:
        """What a docker command on this engine prints."""
        argv = ["docker", "--host", self.docker_host, *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments[:2]}: {done.stderr}"
        return done.stdout

    def load(self, image: str) -> None:
        """Copy an image from the engine that the tests share."""
        save = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        load = ["docker", "--host", self.docker_host, "load"]
        done = subprocess.run(load, stdin=save.stdout, capture_output=True, check=False)
        assert (save.wait(), done.returncode) == (0, 0), done.stderr


@contextlib.contextmanager
def private_engine(name: str) -> Iterator[Host]:
    """An engine with nothing on it, in a network namespace joined to the host by one cable.

    Inside of it dockerd may make and delete docker0 and rules as it likes. Nothing of it is left.

    Args:
        name: tells a test's engines apart.
    """
    unique = f"kiln-test-{name}-{os.getpid()}"
    cable = f"kt{os.getpid()}{name}"[:13]
    folder = Path(tempfile.mkdtemp(prefix=f"{unique}-"))
    cgroup = Path("/sys/fs/cgroup") / unique
    engine = None
    try:
        _ip("netns", "add", unique)
        _ip("link", "add", f"{cable}-h", "type", "veth", "peer", "name", f"{cable}-e")
        # The kernel gives a number to each interface once: no two engines get the same addresses.
        number = int(Path(f"/sys/class/net/{cable}-h/ifindex").read_text()) % 16384 * 4
        gateway, address = (f"10.213.{number // 256}.{number % 256 + add}" for add in (1, 2))
        _ip("link", "set", f"{cable}-e", "netns", unique)
        _ip("addr", "add", f"{gateway}/30", "dev", f"{cable}-h")
        _ip("link", "set", f"{cable}-h", "up")
        _ip("-n", unique, "addr", "add", f"{address}/30", "dev", f"{cable}-e")
        for device in ("lo", f"{cable}-e"):
            _ip("-n", unique, "link", "set", device, "up")
        _ip("-n", unique, "route", "add", "default", "via", gateway)
        (folder / "run").mkdir()
        with (folder / "log").open("wb") as log:
            engine = subprocess.Popen(
                [
                    *("nsenter", f"--net=/run/netns/{unique}"),
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                    *("sh", "-euc", _START, "sh", str(folder), f"/{unique}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        host = Host(f"unix://{folder}/docker.sock", address, gateway)
        _wait(host, engine, folder / "log")
        yield host
    finally:
        if engine is not None:
            engine.kill()
            engine.wait()
        for argv in (["link", "delete", f"{cable}-h"], ["netns", "delete", unique]):
            subprocess.run(["ip", *argv], capture_output=True, check=False)
        _remove_cgroups(cgroup)
        shutil.rmtree(folder)


def _wait(host: Host, engine: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + _SECONDS
    argv = ["docker", "--host", host.docker_host, "info"]
    while subprocess.run(argv, capture_output=True, check=False).returncode != 0:
        assert engine.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)


def _remove_cgroups(top: Path) -> None:
    """The groups of processes that are gone; the kernel may take a moment to see the last one."""
    until = time.monotonic() + _SECONDS
    while top.exists() and time.monotonic() < until:
        for path in sorted(top.rglob("*/"), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()
        time.sleep(0.05)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
