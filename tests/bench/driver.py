"""A small load generator: keep-alive connections, one request in flight on each, every answer looked at.

    asks ──┬─ connection 1 ─▶ ask, answer, ask, answer …
           ├─ connection 2 ─▶ ask, answer …              one iterator feeds all connections
           └─ …

Requests are bytes before the clock starts, and an answer is looked at after it has stopped. The service's
own load tool has fixed workloads; this one takes whatever ``families.py`` asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import httptools
from bench.processes import BenchError

ENTRY = b'"fullUrl":'
TIMEOUT_S = 60


class Ask(NamedTuple):
    """One request, and by what its answer is recognized as right."""

    target: str
    marker: str = ""
    least: int = 0
    """Entries of a Bundle that the answer has at least."""
    method: str = "GET"
    body: bytes = b""
    status: int = 200


class Answer(NamedTuple):
    """What came back, and how long it took."""

    status: int
    body: bytes
    seconds: float


@dataclass(slots=True)
class Measured:
    """The answers of one workload."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    first_wrong: str = ""

    def add(self, ask: Ask, answer: Answer) -> None:
        """Look at an answer."""
        self.seconds.append(answer.seconds)
        if fault := fault_of(ask, answer):
            self.wrong += 1
            self.first_wrong = self.first_wrong or f"{ask.method} {ask.target}: {fault}"

    def quantile_ms(self, share: float) -> float:
        """Return the latency that a share of the answers does not exceed."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def fault_of(ask: Ask, answer: Answer) -> str:
    """Say what is wrong with an answer; empty when nothing is."""
    if answer.status != ask.status:
        return f"status {answer.status}, {answer.body[:300]!r}"
    if ask.marker.encode() not in answer.body:
        return f"{ask.marker} is missing"
    if ask.least and answer.body.count(ENTRY) < ask.least:
        return f"{answer.body.count(ENTRY)} entries instead of {ask.least}"
    return ""


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._parser, self._parts = httptools.HttpResponseParser(self), []
        self._began = time.perf_counter()
        self.transport.write(request)  # type: ignore[attr-defined]
        async with asyncio.timeout(TIMEOUT_S):
            return await self._answer

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        seconds = time.perf_counter() - self._began
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), b"".join(self._parts), seconds))

    def connection_lost(self, _reason: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchError("The server closed a connection."))


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and who sends them."""

    base: str
    token: str = ""

    def request(self, ask: Ask) -> bytes:
        """Write a request."""
        place = urlsplit(self.base)
        lines = [f"{ask.method} {place.path}{ask.target} HTTP/1.1", f"Host: {place.netloc}"]
        lines += [f"Authorization: Bearer {self.token}"] if self.token else []
        if ask.method != "GET":
            lines += ["Content-Type: application/fhir+json", f"Content-Length: {len(ask.body)}"]
        return "\r\n".join((*lines, "", "")).encode() + ask.body

    async def connect(self) -> Connection:
        """Open a connection."""
        place = urlsplit(self.base)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, place.hostname, place.port)
        return connection


class Driver:
    """Connections to one server; ``async with``."""

    def __init__(self, target: Target, connections: int) -> None:
        self._target, self._count = target, connections
        self._connections: list[Connection] = []

    async def __aenter__(self) -> Self:
        self._connections = [await self._target.connect() for _ in range(self._count)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.transport.close()

    async def drive(self, asks: Sequence[Ask], *, count: int, seconds: float) -> Measured:
        """Ask, one round after the other, until the count or the time is used up."""
        measured = Measured()
        prepared = [(ask, self._target.request(ask)) for ask in asks]
        requests = islice(cycle(prepared), count)
        until = time.perf_counter() + seconds
        await asyncio.gather(*(use(one, requests, until, measured) for one in self._connections))
        return measured


async def use(
    connection: Connection, requests: Iterator[tuple[Ask, bytes]], until: float, measured: Measured
) -> None:
    """Send what one connection can."""
    while time.perf_counter() < until and (following := next(requests, None)):
        ask, request = following
        measured.add(ask, await connection.ask(request))
