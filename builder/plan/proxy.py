"""The proxy in front of a shop: what it listens to, and the addresses behind it. Pure.

A release's web containers stand in one of two slots. A slot's addresses follow from the network
alone, so the proxy knows all of them for good: a container that is started again keeps its address,
and a swap changes one entry of a map instead of the configuration.

Inside of the stack's network, a /24:

    .2            the proxy
    .32 + i       replica i of slot blue, from 1 to 60
    .96 + i       replica i of slot green, from 1 to 60
    .160 + k      static content of the k-th older release, from 1 to 9
    .192 - .255   given by the engine: database, cache, cron ...
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Literal

Slot = Literal["blue", "green"]
Mode = Literal["open", "maintenance"]
SLOTS: tuple[Slot, Slot] = ("blue", "green")
MOST_REPLICAS = 60
MOST_ASSETS = 9
# Whom the proxy's image runs as: files for it, e.g. a certificate's key, belong to this number.
PROXY_UID = 200
# Where web containers listen.
WEB_PORT = 8080

_FIRST: dict[Slot, int] = {"blue": 32, "green": 96}
_FIRST_ASSETS = 160
_PROXY = 2
_DYNAMIC = (192, 26)


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of the proxy's container.

    Attributes:
        port: 1024 or above, since the proxy is not root.
        certificate: the name below /run/secrets of a PEM file with certificate, chain and key, for
            HTTPS and HTTP/2; None for plain HTTP.
    """

    port: int
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds. request <= drain <= the grace time with which the proxy's container is stopped.

    Attributes:
        request: longest silence of a container that works on a request.
        keep_alive: longest silence of a client between two requests.
        drain: longest life of a worker after a reload, and of the proxy after a stop.
    """

    request: int
    keep_alive: int
    drain: int


@dataclass(frozen=True, slots=True)
class ProxyPlan:
    """Everything that the proxy's configuration is rendered from.

    Attributes:
        name: of the stack.
        subnet: of the stack's network, a /24.
        replicas: servers in each slot, from 1 to MOST_REPLICAS.
        assets: older releases whose static content can be served, from 0 to MOST_ASSETS.
        listeners: where clients come in.
        allowed: who is served during maintenance.
        trusted: proxies in front of this one, whose X-Forwarded headers are believed.
        retry_after: seconds that a client is told to wait during maintenance.
        timeouts: see there.
        max_connections: of clients, at once.
        page: HTML for maintenance, and for when no container of the live slot is healthy.
        resolved: containers are found by the engine's DNS, under `slot_alias` and `assets_alias`,
            and not at addresses of their own.
    """

    name: str
    subnet: IPv4Network
    replicas: int
    assets: int
    listeners: tuple[Listener, ...]
    allowed: tuple[IPv4Network | IPv6Network, ...]
    trusted: tuple[IPv4Network | IPv6Network, ...]
    retry_after: int
    timeouts: Timeouts
    max_connections: int
    page: str
    resolved: bool = False


def other_slot(slot: Slot) -> Slot:
    """The one that the next release goes to."""
    return "green" if slot == "blue" else "blue"


def slot_backend(slot: Slot) -> str:
    """The name of a slot in the proxy's configuration and maps."""
    return f"be_{slot}"


def assets_backend(k: int) -> str:
    """The name of the k-th older release's static content, likewise; k from 1."""
    return f"be_assets_{_within(k, MOST_ASSETS)}"


def slot_alias(slot: Slot) -> str:
    """The name of a slot's containers in a network without fixed addresses."""
    return f"web-{slot}"


def assets_alias(k: int) -> str:
    """The name of the k-th older release's static content there; k from 1."""
    return f"assets-{_within(k, MOST_ASSETS)}"


def web_address(subnet: IPv4Network, slot: Slot, index: int) -> IPv4Address:
    """The address of a slot's replica; `index` from 1.

    Raises:
        ValueError: there is no such replica, or the network is no /24.
    """
    return _address(subnet, _FIRST[slot] + _within(index, MOST_REPLICAS))


def assets_address(subnet: IPv4Network, k: int) -> IPv4Address:
    """The address of the k-th older release's static content; k from 1.

    Raises:
        ValueError: there is no such place, or the network is no /24.
    """
    return _address(subnet, _FIRST_ASSETS + _within(k, MOST_ASSETS))


def proxy_address(subnet: IPv4Network) -> IPv4Address:
    """The proxy's address.

    Raises:
        ValueError: the network is no /24.
    """
    return _address(subnet, _PROXY)


def dynamic_range(subnet: IPv4Network) -> IPv4Network:
    """The addresses that the engine gives out itself.

    Raises:
        ValueError: the network is no /24.
    """
    first, prefix = _DYNAMIC
    return IPv4Network((_address(subnet, first), prefix))


def _address(subnet: IPv4Network, host: int) -> IPv4Address:
    if subnet.prefixlen != 24:
        raise ValueError(f"{subnet} is no /24")
    return subnet.network_address + host


def _within(index: int, most: int) -> int:
    if not 1 <= index <= most:
        raise ValueError(f"{index} is not from 1 to {most}")
    return index
