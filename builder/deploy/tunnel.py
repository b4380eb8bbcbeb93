"""The engine of a host behind ssh: its socket, led here through one connection.

docker's own way (`docker system dial-stdio`) logs in anew for nearly every request, of which a
release has hundreds, and docker-py's knows no timeouts. Over a forwarded socket all clients speak
as to an engine on this machine.
"""

import atexit
import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from builder.errors import HostError
from builder.process import Runner

_SECONDS = 60.0
_SHOWN_LINES = 5
# A shell's exit status where there is no such program.
_NO_PROGRAM = 127
_ASK = "docker context inspect --format '{{.Endpoints.docker.Host}}'"
_UP = "kiln-is-connected"
# BatchMode: nobody may be there to answer. ServerAlive: a dead connection is noticed in 45 s.
_OPTIONS = (
    *("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"),
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
)


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A forwarded socket.

    Attributes:
        address: unix://..., for clients on this machine.
        log: what ssh says.
    """

    address: str
    log: Path

    def said(self) -> tuple[str, ...]:
        """The end of what ssh has said."""
        return _last_lines(self.log.read_text(errors="replace"))


def open_tunnel(address: str, env: Mapping[str, str], run: Runner) -> Tunnel:
    """Lead the socket of a host's engine here, for as long as this process runs.

    It is the user's own ssh, with its configuration, keys and known hosts.

    Args:
        address: ssh://[USER@]HOST[:PORT][/PATH of the socket].
        env: the user's environment.
        run: runs programs.

    Raises:
        HostError: there is no way in, or no engine there.
    """
    to, path = _split(address)
    remote = path or _ask_path(address, to, env, run)
    folder = Path(tempfile.mkdtemp(prefix="kiln-ssh-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    socket = folder / "docker.sock"
    tunnel = Tunnel(f"unix://{socket}", folder / "log")
    # Not through a master of the user's, which would hold the socket open after kiln has ended.
    forward = ("-o", "ControlPath=none", "-L", f"{socket}:{remote}")
    with tunnel.log.open("wb") as log:
        process = subprocess.Popen(
            # It ends with its input, and that ends with this process, in whichever way.
            ["ssh", *_OPTIONS, *forward, *to, f"echo {_UP} && exec cat"],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C is kiln's alone: it may have to put the old release back.
            start_new_session=True,
        )
    atexit.register(_close, process)
    if not (_comes_up(process) and socket.exists()):
        raise _no_way_in(address, tunnel.said())
    return tunnel


def _split(address: str) -> tuple[tuple[str, ...], str]:
    """The arguments for ssh that name the host, and the path of the socket there, if given."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise HostError("is no address of a host", where=address, hint="write ssh://USER@HOST:PORT")
    user = ("-l", parts.username) if parts.username else ()
    return (*user, *(("-p", str(port)) if port else ()), "--", host), parts.path.rstrip("/")


def _ask_path(address: str, to: tuple[str, ...], env: Mapping[str, str], run: Runner) -> str:
    """Where the docker client of the host finds its engine."""
    try:
        done = run(["ssh", *_OPTIONS, *to, _ASK], env=env, timeout=_SECONDS)
    except FileNotFoundError:
        raise HostError(
            "the program ssh is not installed", where=address, hint="install an OpenSSH client"
        ) from None
    except subprocess.TimeoutExpired:
        raise _no_way_in(address, (f"no answer in {_SECONDS:.0f} s",)) from None
    if done.returncode == _NO_PROGRAM:
        raise HostError(
            "the program docker is not installed there",
            where=address,
            hint="install Docker on that host, with its client",
        )
    if done.returncode != 0:
        raise _no_way_in(address, _last_lines(done.stderr))
    # A shell's start-up files may have printed something before.
    scheme, _, path = (_last_lines(done.stdout) or ("",))[-1].partition("://")
    if scheme != "unix":
        raise HostError(
            f"its docker client speaks to {scheme}://{path}, not to an engine on that host",
            where=address,
            hint="name the socket: ssh://USER@HOST/var/run/docker.sock",
        )
    return path


def _comes_up(process: "subprocess.Popen[bytes]") -> bool:
    assert process.stdout is not None
    until = time.monotonic() + _SECONDS
    seen = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            return False
        piece = os.read(process.stdout.fileno(), 4096)
        if not piece:
            return False
        seen += piece
        if _UP.encode() in seen:
            return True
    return False


def _close(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        process.communicate(timeout=2)
    process.kill()


def _no_way_in(address: str, said: tuple[str, ...]) -> HostError:
    return HostError(
        f"ssh does not get in: {said[-1] if said else 'it says nothing'}",
        where=address,
        details=said[:-1],
        hint="see that `ssh HOST docker version` works without a question",
    )


def _last_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines()[-_SHOWN_LINES:])
