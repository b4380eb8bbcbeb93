"""The lock of a stack: a lease that is renewed while a release runs, and runs out by itself."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

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


@contextlib.contextmanager
def hold_lease(keeper: Keeper, who: LeaseHolder) -> Iterator[Lease]:
    """Hold a stack's lease; a thread renews it.

    Raises:
        LockedError: another has it.
    """
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
