"""What a build costs: time, the whole machine's CPU time and memory, bytes of the image.

CPU time and memory are the machine's, since BuildKit works in a daemon of its own: it must be idle
otherwise.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.registry.oci import layer_steps

_TICKS = os.sysconf("SC_CLK_TCK")
_STAT = Path("/proc/stat")
_MEMINFO = Path("/proc/meminfo")
_LOOK_S = 0.2


@dataclass
class Cost:
    """What was used between two moments.

    Attributes:
        wall_s: seconds.
        cpu_s: seconds of all cores.
        memory_bytes: the most that was in use at once beyond what was in use at the start.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0


@contextmanager
def measured() -> Iterator[Cost]:
    """Fills what it yields when it ends."""
    # What others have written is theirs to wait for.
    os.sync()
    cost = Cost()
    done = threading.Event()
    free = available_bytes(_MEMINFO.read_text())

    def look() -> None:
        while not done.wait(_LOOK_S):
            used = free - available_bytes(_MEMINFO.read_text())
            cost.memory_bytes = max(cost.memory_bytes, used)

    looking = threading.Thread(target=look)
    looking.start()
    busy, begun = busy_seconds(_STAT.read_text()), time.monotonic()
    try:
        yield cost
    finally:
        cost.wall_s = time.monotonic() - begun
        cost.cpu_s = busy_seconds(_STAT.read_text()) - busy
        done.set()
        looking.join()


def idle_share(seconds: float = 2.0) -> float:
    """The share of the cores' time that nothing uses, from 0 to 1, over some seconds."""
    busy = busy_seconds(_STAT.read_text())
    time.sleep(seconds)
    used = busy_seconds(_STAT.read_text()) - busy
    return max(0.0, 1 - used / seconds / (os.cpu_count() or 1))


def busy_seconds(stat: str) -> float:
    """Seconds of all cores in which something ran, from /proc/stat. Pure.

    Source: proc_stat(5). Time that a hypervisor took away is none in which something ran here.
    """
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def available_bytes(meminfo: str) -> int:
    """Memory that programs could still have, from /proc/meminfo; caches count. Pure."""
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    return int(lines["MemAvailable"].split()[0]) * 1024


@dataclass(frozen=True)
class Image:
    """An image in a registry.

    Attributes:
        digest: of its manifest.
        config: digest and bytes of its configuration.
        layers: the step that made each, its digest and compressed bytes; from the bottom up.
    """

    digest: str
    config: tuple[str, int]
    layers: tuple[tuple[str, str, int], ...]

    @property
    def blobs(self) -> Mapping[str, int]:
        """Bytes by digest; what the image has twice counts once, as a registry keeps it."""
        return dict([self.config, *((digest, size) for _, digest, size in self.layers)])


@dataclass(frozen=True)
class Shipped:
    """Bytes on the way of an image.

    Attributes:
        pushed: of blobs that the registry did not have.
        pulled: of blobs that a host lacks which has the image before; without one, all.
        image: of all blobs.
        layers: how many it has.
        layers_reused: how many of them the registry had.
    """

    pushed: int
    pulled: int
    image: int
    layers: int
    layers_reused: int


def read_image(digest: str, manifest: Mapping[str, Any], config: Mapping[str, Any]) -> Image:
    """An image from its manifest and configuration. Pure.

    Layers have no step where the history does not say which is whose.
    """
    described, layers = manifest["config"], manifest["layers"]
    return Image(
        digest=digest,
        config=(described["digest"], described["size"]),
        layers=tuple(
            (step, layer["digest"], layer["size"])
            for step, layer in zip(layer_steps(config, len(layers)), layers, strict=True)
        ),
    )


def count_shipped(image: Image, known: Mapping[str, int], before: Image | None) -> Shipped:
    """What it takes to bring an image to a registry and to a host. Pure.

    Args:
        image: the new one.
        known: blobs that the registry has.
        before: the image that the host has; None for a host with none.
    """
    blobs = image.blobs
    layers = {digest for _, digest, _ in image.layers}
    there = before.blobs if before else {}
    return Shipped(
        pushed=sum(size for digest, size in blobs.items() if digest not in known),
        pulled=sum(size for digest, size in blobs.items() if digest not in there),
        image=sum(blobs.values()),
        layers=len(layers),
        layers_reused=len(layers & set(known)),
    )


@dataclass(frozen=True)
class Span:
    """Something that a build did: its stage or phase, and from when to when, in seconds."""

    name: str
    begun: float
    ended: float


@dataclass(frozen=True)
class Run:
    """One measured build.

    Attributes:
        cost: what it took.
        shipped: its bytes.
        image: what it made.
        timeline: what it did.
        stages: seconds of each stage, as the tool tells them itself; empty where it does not.
    """

    cost: Cost
    shipped: Shipped
    image: Image
    timeline: tuple[Span, ...] = ()
    stages: Mapping[str, float] = field(default_factory=dict)
