"""Somebody who reaches hosts by ssh alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hosts import Host

# ssh takes its configuration from the home folder of the account, whatever HOME says.
_SSH = """#!/bin/sh
echo "$*" >> {folder}/logins
exec /usr/bin/ssh -F {folder}/config "$@"
"""
_CONFIG = """Host *
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
"""
_KEY = "    IdentityFile {key}\n"


@dataclass(frozen=True)
class User:
    """Somebody with an ssh and a docker of their own.

    Attributes:
        folder: with their configuration, and a line for each login.
        env: for what they run.
    """

    folder: Path
    env: dict[str, str]

    @classmethod
    def make(cls, folder: Path, keys: Sequence[Path], known: str) -> "User":
        """Give somebody what they log in with.

        Args:
            folder: must not exist.
            keys: each is tried.
            known: lines of their known_hosts.
        """
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/ssh").write_text(_SSH.format(folder=folder))
        (folder / "bin/ssh").chmod(0o755)
        lines = [_CONFIG.format(folder=folder), *(_KEY.format(key=key) for key in keys)]
        (folder / "config").write_text("".join(lines))
        (folder / "known_hosts").write_text(known)
        path = f"{folder}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        # A kiln that is killed leaves the folder of its socket behind.
        return cls(folder, {"PATH": path, "DOCKER_CONFIG": str(folder), "TMPDIR": str(folder)})

    @property
    def logins(self) -> int:
        """How often they have logged in."""
        return len((self.folder / "logins").read_text().splitlines())


def end_connections(host: Host) -> None:
    """Kill the sshd of each connection to a host."""
    host.run("sh", "-c", "kill -9 $(pgrep -f '^sshd: root')")
