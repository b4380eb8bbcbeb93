"""One HTTP/1.1 connection on asyncio, without retries: an answer that is whole, or a failure."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

import httptools


class Reason(StrEnum):
    """Why a request has failed."""

    REFUSED = "refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_ERROR = "connect_error"
    # The connection was there, the request was written:
    RESET = "reset"
    CLOSED = "closed"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    MALFORMED = "malformed"
    # There was a whole answer, but not the right one:
    STATUS_5XX = "status_5xx"
    STATUS_OTHER = "status_other"
    WRONG_BODY = "wrong_body"


class RequestFailedError(Exception):
    """A request that has got no answer."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass
class Answer:
    """A whole answer."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    keeps: bool = False


class Connection(asyncio.Protocol):
    """Takes one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._parts: list[bytes] = []
        self._received = b""
        self._framed = False
        self._in_body = False

    @property
    def is_open(self) -> bool:
        """False as soon as this side has seen the other one close."""
        return self._transport is not None and not self._transport.is_closing()

    async def exchange(self, request: bytes, seconds: float) -> Answer:
        """Write a request and read its answer. Raises RequestFailedError; never writes twice."""
        assert self._transport is not None
        assert self._waiting is None
        self._begin()
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = loop.call_later(seconds, self._fail, Reason.TIMEOUT, f"no answer in {seconds} s")
        self._transport.write(request)
        try:
            return await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    async def close(self, seconds: float = 0) -> None:
        """Close; first give the other side some time to do so.

        Whoever closes first keeps the port for a minute: with a connection for each request, a
        client that does so runs out of ports.
        """
        if seconds and not self._closed.done():
            await asyncio.wait([self._closed], timeout=seconds)
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            # Bytes that nobody has asked for, such as a proxy's 408 before it closes.
            assert self._transport is not None
            self._transport.abort()
            return
        self._received = self._received or data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Reason.MALFORMED, f"{error}: {data[:200]!r}")

    def eof_received(self) -> bool:
        if self._in_body and not self._framed:
            # Neither a length nor chunks: the end of the connection is the answer's.
            self.on_message_complete()
        else:
            self._lose(Reason.CLOSED, "end of the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(Reason.RESET if exc else Reason.CLOSED, str(exc or "connection lost"))
        # The parser holds this object too, and a run collects no cycles.
        del self._parser
        if not self._closed.done():
            self._closed.set_result(None)

    def _lose(self, reason: Reason, detail: str) -> None:
        if self._received:
            self._fail(Reason.TRUNCATED, f"{detail}, after {self._received[:200]!r}")
        else:
            self._fail(reason, f"{detail}, before a byte of the answer")

    def _fail(self, reason: Reason, detail: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(RequestFailedError(reason, detail))
        if self._transport is not None:
            self._transport.abort()

    # -- the parser's side ------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self._framed = self._framed or key in ("content-length", "transfer-encoding")
        self._answer.headers.append((key, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._answer.status = self._parser.get_status_code()
        self._answer.keeps = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if self._waiting is None or self._waiting.done():
            return
        self._answer.body = b"".join(self._parts)
        self._waiting.set_result(self._answer)


async def connect(host: str, port: int, seconds: float) -> Connection:
    """Raises RequestFailedError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(Connection, host, port)
    except TimeoutError:
        raise RequestFailedError(Reason.CONNECT_TIMEOUT, f"in {seconds} s") from None
    except ConnectionRefusedError as error:
        raise RequestFailedError(Reason.REFUSED, str(error)) from None
    except OSError as error:
        raise RequestFailedError(Reason.CONNECT_ERROR, str(error)) from None
    return connection
