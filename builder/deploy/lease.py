"""The lock of a stack: a lease that is renewed while a release runs, and runs out by itself."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.deploy.keeper import Keeper, LeaseHolder, lost
from builder.errors import KilnError, LockedError

# Long enough for an engine that is busy or started anew; a killed kiln holds others up for as long.
LEASE_SECONDS = 45
_RENEWAL_SECONDS = 10.0


@dataclass
class Lease:
    """A lease that is held.

    Attributes:
        keeper: where.
        token: for fencing: rises with each lease.
    """

    keeper: Keeper
    token: int
    _lost: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """See, on the host, that the lease is still held.

        Raises:
            LockedError: it is not; nothing more may be done.
        """
        if self._lost.is_set():
            raise lost(self.keeper.stack, None)
        self.keeper.check(self.token)


def this_process() -> str:
    """A name of this process that no other has, on any machine: boot, PID namespace, PID, start.

    Empty where the system has no /proc.
    """
    try:
        return _name_process(os.getpid())
    except OSError:
        return ""


def is_gone(process: str) -> bool:
    """Whether a process of this machine has ended; False where it cannot be known."""
    mine = this_process()
    boot, _, _ = mine.rpartition("/")
    if not mine or not process.startswith(f"{boot}/"):
        return False
    try:
        return _name_process(int(process.rpartition("/")[2].partition("@")[0])) != process
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def _name_process(pid: int) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").readlink()
    # proc(5): the 22nd field is the start; the second, in brackets, may hold spaces.
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{boot}/{namespace}/{pid}@{started}"


@contextlib.contextmanager
def hold_lease(keeper: Keeper, who: LeaseHolder) -> Iterator[Lease]:
    """Hold a stack's lease; a thread renews it.

    A process of this machine that was killed is not waited for.

    Raises:
        LockedError: another has it.
    """
    holder = keeper.holder()
    if holder is not None and is_gone(holder.process):
        keeper.break_lease(holder.token)
    lease = Lease(keeper, keeper.acquire(LEASE_SECONDS, who))
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(_RENEWAL_SECONDS):
            try:
                keeper.renew(lease.token, LEASE_SECONDS)
            except LockedError:
                lease._lost.set()
                return
            except KilnError:
                # The engine may be starting anew; the host's clock decides.
                continue

    thread = threading.Thread(target=renew, daemon=True, name="lease")
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join(timeout=5)
        with contextlib.suppress(KilnError):
            keeper.release(lease.token)
