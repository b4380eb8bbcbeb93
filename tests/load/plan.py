"""What a run of load consists of, and its limits."""

import ipaddress
import itertools
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

# RFC 1918 and RFC 4193. Not ipaddress.is_private, which has link-local and documentation networks.
PRIVATE = [
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]
MOST_REQUESTS = 5_000_000
LONGEST_S = 3600.0
MOST_CLIENTS = 1000


class Kind(StrEnum):
    """A kind of request."""

    PAGE = "page"
    STATIC = "static"
    CART = "cart"
    ADD = "add"
    # A newsletter's subscriber: a write that a Magento without products takes.
    SUBSCRIBE = "subscribe"


class RefusedError(Exception):
    """A plan that this generator does not run."""


@dataclass(frozen=True)
class LoadPlan:
    """Load on one address until `requests` were sent or `seconds` have passed."""

    # An address, no name: nothing is resolved.
    host: str
    port: int
    requests: int
    seconds: float
    # Connections that are kept for many requests, and clients that open one for each request.
    keepalive_clients: int = 8
    new_clients: int = 4
    # Requests per second of all clients together (open loop): each request has its time, and its
    # latency is counted from then, so that a server that stalls cannot slow its own measurement.
    # None: each client sends when it has its answer (closed loop).
    rate: float | None = None
    # How many of each kind of a client's requests follow each other, in a fixed mixed order.
    mix: tuple[tuple[Kind, int], ...] = (
        (Kind.PAGE, 4),
        (Kind.STATIC, 3),
        (Kind.CART, 1),
        (Kind.ADD, 2),
    )
    pages: tuple[str, ...] = ("/",)
    # A client begins a new session after so many additions, so that carts stay small.
    additions_per_session: int = 10
    # A connection or answer that takes longer has failed.
    timeout_s: float = 10.0
    # Host header; by default the address.
    host_header: str = ""

    def __post_init__(self) -> None:
        check_address(self.host)
        limits = {
            "requests": 1 <= self.requests <= MOST_REQUESTS,
            "seconds": 0 < self.seconds <= LONGEST_S,
            "clients": 1 <= self.keepalive_clients + self.new_clients <= MOST_CLIENTS,
            "timeout_s": 0 < self.timeout_s <= 120,
            "rate": self.rate is None or self.rate > 0,
            "mix": any(count > 0 for _, count in self.mix),
            "pages": bool(self.pages),
        }
        if wrong := [name for name, holds in limits.items() if not holds]:
            raise RefusedError(f"out of bounds: {', '.join(wrong)}")

    @property
    def clients(self) -> int:
        return self.keepalive_clients + self.new_clients

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "LoadPlan":
        mix = tuple((Kind(kind), int(count)) for kind, count in value["mix"])
        return cls(**{**value, "mix": mix, "pages": tuple(value["pages"])})


def check_address(host: str) -> None:
    """Only this machine and private networks, by address. Raises RefusedError."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise RefusedError(f"{host!r} is no IP address") from None
    if not address.is_loopback and not any(
        address.version == net.version and address in net for net in PRIVATE
    ):
        raise RefusedError(f"{host} is neither on this machine nor on a private network")


def spread_kinds(mix: tuple[tuple[Kind, int], ...]) -> list[Kind]:
    """One round of a client's requests: each kind spread evenly over it.

    >>> spread_kinds(((Kind.PAGE, 2), (Kind.ADD, 1)))
    [<Kind.PAGE: 'page'>, <Kind.ADD: 'add'>, <Kind.PAGE: 'page'>]
    """
    placed = itertools.chain.from_iterable(
        (((index + 0.5) / count, kind) for index in range(count)) for kind, count in mix
    )
    return [kind for _, kind in sorted(placed, key=lambda entry: entry[0])]
