"""What containers say: merged by time, or as it comes."""

import heapq
import queue
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import docker.errors
import requests
from docker.models.containers import Container

from builder.deploy.engine import engine_errors

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """A line of a container.

    Attributes:
        at: RFC 3339 in UTC with nine digits of the second, so that text sorts as time does.
        container: its name.
        text: without the line's end.
    """

    at: str
    container: str
    text: str


def parse_since(text: str, now: datetime) -> datetime:
    """A moment: `90s`, `10m`, `2h`, `3d` before now, or ISO 8601.

    Raises:
        ValueError: it is neither.
    """
    if found := re.fullmatch(r"(\d+)([smhd])", text):
        return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)


def read_logs(containers: Sequence[Container], since: datetime | None) -> Iterator[LogLine]:
    """What containers have said so far, in the order of time.

    Raises:
        EngineError: the engine does not answer.
    """
    with engine_errors("logs"):
        yield from heapq.merge(*(_read_lines(one, since, follow=False) for one in containers))


def follow_logs(containers: Sequence[Container], since: datetime | None) -> Iterator[LogLine]:
    """What containers have said and say, until all have ended.

    Raises:
        EngineError: the engine does not answer any more.
    """
    lines: queue.SimpleQueue[LogLine | Exception | None] = queue.SimpleQueue()

    def read(container: Container) -> None:
        try:
            for line in _read_lines(container, since, follow=True):
                lines.put(line)
            lines.put(None)
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            lines.put(error)

    for one in containers:
        threading.Thread(target=read, args=(one,), daemon=True, name=str(one.name)).start()
    left = len(containers)
    with engine_errors("logs"):
        while left:
            got = lines.get()
            if isinstance(got, Exception):
                raise got
            if got is None:
                left -= 1
            else:
                yield got


def _read_lines(container: Container, since: datetime | None, *, follow: bool) -> Iterator[LogLine]:
    chunks = container.logs(stream=True, follow=follow, timestamps=True, since=since)
    return split_lines(str(container.name), chunks)


def split_lines(name: str, chunks: Iterator[bytes]) -> Iterator[LogLine]:
    """Pieces of a log as its lines; the engine begins each with its time. Pure."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _read_line(name, line)
    if rest:
        yield _read_line(name, rest)


def _read_line(name: str, line: bytes) -> LogLine:
    at, _, text = line.decode("utf-8", "replace").rstrip("\r").partition(" ")
    return LogLine(at, name, text)
