"""Large bodies: few are handled at a time, a small one never waits, and nobody keeps a place who is gone."""

from __future__ import annotations

import asyncio
import json
import socket
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing

import harness
import httpx
import pytest
from fastapi import FastAPI, Request, Response

from api import deps, oauth_http
from api.app import opened
from api.deps import LARGE_BODY, PLACES
from models.errors import TimedOut
from service.settings import Settings

LENGTH = LARGE_BODY + 1
DECLARED = f"Content-Length: {LENGTH}"
CHUNKED = "Transfer-Encoding: chunked"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SHORT_S = 0.3
TOO_SLOW = "The request took too long to arrive; send its body faster."


@pytest.fixture(scope="module")
def alone(databases: harness.Databases) -> Iterator[harness.Server]:
    with harness.serving(databases) as running:
        yield running


@pytest.fixture(scope="module")
def writer(alone: harness.Server) -> Iterator[httpx.Client]:
    with alone.client("admin", "system/*.cruds") as client:
        yield client


def sender(alone: harness.Server, writer: httpx.Client, framing: str = DECLARED) -> socket.socket:
    """Begin to send a large body; the server says to go on once it reads."""
    connection = socket.create_connection(("127.0.0.1", alone.port), timeout=20)
    lines = [
        "POST /fhir/Binary HTTP/1.1",
        "Host: localhost",
        f"Authorization: {writer.headers['authorization']}",
        "Content-Type: application/pdf",
        "Expect: 100-continue",
        framing,
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def goes_on(connection: socket.socket, within_s: float = 20) -> bool:
    """Tell whether the server begins to read a body."""
    connection.settimeout(within_s)
    try:
        return connection.recv(len(CONTINUE)) == CONTINUE
    except TimeoutError:
        return False


def status(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    return connection.recv(4096)[9:12]


def test_a_large_body_waits_for_its_place_and_a_small_one_does_not(
    alone: harness.Server, writer: httpx.Client
) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(closing(sender(alone, writer))) for _ in range(PLACES)]
        assert all(goes_on(one) for one in held)
        waiting = stack.enter_context(closing(sender(alone, writer)))
        assert not goes_on(waiting, SHORT_S)
        assert writer.post("/Patient", json={"resourceType": "Patient"}).status_code == 201
        small = zlib.compress(json.dumps({"resourceType": "Patient"}).encode(), wbits=31)
        assert writer.post("/Patient", content=small, headers={"Content-Encoding": "gzip"}).status_code == 201
        held[0].sendall(b"x" * LENGTH)
        assert status(held[0]) == b"201"
        assert goes_on(waiting)
        waiting.sendall(b"x" * LENGTH)
        assert status(waiting) == b"201"


def test_who_goes_away_leaves_the_place_to_others(alone: harness.Server, writer: httpx.Client) -> None:
    for _ in range(3):
        with ExitStack() as stack:
            held = [stack.enter_context(closing(sender(alone, writer))) for _ in range(PLACES)]
            assert all(goes_on(one) for one in held)
            stack.enter_context(closing(sender(alone, writer)))
    headers = {"Content-Type": "application/pdf"}
    for _ in range(PLACES + 1):
        assert writer.post("/Binary", content=b"x" * LENGTH, headers=headers).status_code == 201


def test_a_refused_body_gives_its_place_back(writer: httpx.Client) -> None:
    for _ in range(PLACES + 1):
        assert writer.post("/Patient", content=b"x" * LENGTH).status_code == 400


def test_a_body_that_does_not_tell_its_length_or_is_packed_waits_too(
    alone: harness.Server, writer: httpx.Client
) -> None:
    chunk = f"{LENGTH:x}\r\n".encode() + b"x" * LENGTH + b"\r\n0\r\n\r\n"
    headers = {"Content-Type": "application/pdf", "Content-Encoding": "gzip"}
    packed = zlib.compress(b"x" * LENGTH, wbits=31)
    with ExitStack() as stack:
        held = [stack.enter_context(closing(sender(alone, writer))) for _ in range(PLACES)]
        assert all(goes_on(one) for one in held)
        chunked = stack.enter_context(closing(sender(alone, writer, CHUNKED)))
        assert goes_on(chunked)
        chunked.sendall(chunk)
        chunked.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            chunked.recv(1)
        with pytest.raises(httpx.ReadTimeout):
            writer.post("/Binary", content=packed, headers=headers, timeout=SHORT_S)
        held[0].close()
        assert status(chunked) == b"201"
        assert writer.post("/Binary", content=packed, headers=headers).status_code == 201


async def test_who_falls_silent_loses_the_place(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deps, "IDLE_S", 0.05)

    async def silence() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    app = FastAPI()
    async with opened(settings, database_url) as app.state.services:
        headers = [(b"content-length", str(LENGTH).encode())]
        for _ in range(PLACES + 1):
            request = Request({"type": "http", "app": app, "headers": headers, "state": {}}, receive=silence)
            with pytest.raises(TimedOut) as refusal:
                await deps.body(request, 2 * LENGTH)
            assert refusal.value.issues[0].text == TOO_SLOW
            deps.finished(request)


@pytest.mark.parametrize("length", [100, LENGTH])
async def test_who_never_falls_silent_but_sends_too_little_loses_the_place(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(deps, "IDLE_S", 0.2)
    pauses: list[float] = []

    async def trickle() -> dict[str, object]:
        pauses.append(0.02)
        await asyncio.sleep(pauses[-1])
        return {"type": "http.request", "body": b"x", "more_body": True}

    app = FastAPI()
    async with opened(settings, database_url) as app.state.services:
        headers = [(b"content-length", str(length).encode())]
        for _ in range(PLACES + 1):
            request = Request({"type": "http", "app": app, "headers": headers, "state": {}}, receive=trickle)
            with pytest.raises(TimedOut) as refusal:
                await deps.body(request, 2 * LENGTH)
            assert refusal.value.headers == {"Connection": "close"}
            deps.finished(request)
    assert 2 * (PLACES + 1) <= len(pauses) <= 12 * (PLACES + 1)


async def test_a_body_that_comes_fast_enough_may_take_longer_than_a_silence(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deps, "IDLE_S", 0.2)
    chunk, chunks = b"x" * (LENGTH // 8), iter(range(9))

    async def steady() -> dict[str, object]:
        await asyncio.sleep(0.06)
        return {"type": "http.request", "body": chunk, "more_body": next(chunks) < 8}

    app = FastAPI()
    async with opened(settings, database_url) as app.state.services:
        headers = [(b"content-length", str(9 * len(chunk)).encode())]
        request = Request({"type": "http", "app": app, "headers": headers, "state": {}}, receive=steady)
        assert len(await deps.body(request, 2 * LENGTH)) == 9 * len(chunk)
        deps.finished(request)


async def test_a_form_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deps, "IDLE_S", 0.1)

    async def trickle() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    headers = [(b"content-type", oauth_http.FORM.encode())]
    answer = await oauth_http.form_body(Request({"type": "http", "headers": headers}, receive=trickle))
    assert isinstance(answer, Response)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert json.loads(answer.body)["error"] == "invalid_request"


@pytest.mark.slow
def test_a_silent_body_is_answered_and_the_connection_closed(
    alone: harness.Server, writer: httpx.Client
) -> None:
    with closing(sender(alone, writer, "Content-Length: 100")) as connection:
        assert goes_on(connection)
        connection.settimeout(deps.IDLE_S + 20)
        told = b""
        while chunk := connection.recv(4096):
            told += chunk
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    (issue,) = json.loads(body)["issue"]
    assert (issue["code"], issue["details"]["text"]) == ("timeout", TOO_SLOW)
