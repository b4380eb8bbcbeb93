"""A server on asyncio that behaves as a test says, down to the bytes."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
# Called for each request, counted from 0, with its first line, headers and body.
Behaviour = Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """A request as the server has read it."""

    number: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Server:
    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0


def answer(body: bytes, status: int = 200, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    plain: socket.socket = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def added(asked: Asked, duplicate: bool = False) -> bytes:
    """The answer to an addition, as the sample shop gives it."""
    told = {"ok": True, "duplicate": duplicate, "request_id": asked.form["request_id"]}
    return answer(json.dumps(told).encode())


async def _read(reader: asyncio.StreamReader, number: int) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {
        name.lower(): value.strip()
        for name, value in (line.split(":", maxsplit=1) for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(number, method, path, headers, body)


@contextlib.asynccontextmanager
async def serve(behave: Behaviour) -> AsyncIterator[Server]:
    """A server on a free port of this machine."""
    found = Server(0)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                asked = await _read(reader, len(found.asked))
                found.asked.append(asked)
                await behave(asked, writer)
                await writer.drain()
                if asked.headers.get("connection") == "close":
                    break
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
