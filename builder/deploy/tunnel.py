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
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Tunnel:
    """A forwarded socket; one whose connection has ended can be opened again at the same path.

    Attributes:
        host: ssh://..., for messages.
        argv: of ssh.
        env: the user's environment.
        socket: for clients on this machine.
        log: what ssh says.
    """

    host: str
    argv: Sequence[str]
    env: Mapping[str, str]
    socket: Path
    log: Path
    _opened: int = 0
    _process: "subprocess.Popen[bytes] | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """unix://..., for clients on this machine."""
        return f"unix://{self.socket}"

    @property
    def opened(self) -> int:
        """How often it was."""
        with self._lock:
            return self._opened

    def said(self) -> tuple[str, ...]:
        """The end of what ssh has said."""
        return _last_lines(self.log.read_text(errors="replace"))

    def open(self) -> None:
        """Log in.

        Raises:
            HostError: there is no way in.
        """
        with self._lock:
            self._open()

    def open_again(self, opened: int) -> bool:
        """Log in anew where the connection has ended.

        Args:
            opened: how often it was when it was used; another may have opened it since.

        Returns:
            Whether it was opened since.
        """
        with self._lock:
            ended = self._process is None or self._process.poll() is not None
            if self._opened == opened and ended:
                with contextlib.suppress(HostError):
                    self._open()
            return self._opened != opened

    def close(self) -> None:
        """End the connection."""
        if self._process is not None:
            _close(self._process)

    def _open(self) -> None:
        self.socket.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self.argv,
                env=dict(self.env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Ctrl-C is kiln's alone: it may have to put the old release back.
                start_new_session=True,
            )
        if not (_comes_up(self._process) and self.socket.exists()):
            _close(self._process)
            raise _no_way_in(self.host, self.said())
        self._opened += 1


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
    # Not through a master of the user's, which would hold the socket open after kiln has ended.
    forward = ("-o", "ControlPath=none", "-L", f"{socket}:{remote}")
    # It ends with its input, and that ends with this process, in whichever way.
    argv = ("ssh", *_OPTIONS, *forward, *to, f"echo {_UP} && exec cat")
    tunnel = Tunnel(address, argv, env, socket, folder / "log")
    atexit.register(tunnel.close)
    tunnel.open()
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
