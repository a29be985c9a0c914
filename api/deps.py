"""What a request needs before it can be performed: the process's services, the caller, the context."""

from __future__ import annotations

import re
from asyncio import Semaphore, get_running_loop, timeout, to_thread
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from api import compression
from models.errors import BadRequest, TimedOut, TooLarge, Unauthenticated
from service.context import random_id

if TYPE_CHECKING:
    from asyncio import Timeout

    from starlette.requests import Request

    from models.principal import Principal
    from service.audit import AuditTrail
    from service.database import Database
    from service.oauth.tokens import AccessTokens
    from service.sealing import Seals
    from service.settings import Settings

LARGE_BODY = 1024 * 1024
"""Bytes of a body beyond which a request waits for a place: read, its content takes ten times as much."""

PLACES = 4
"""Requests with a large body that a worker process handles at a time, which bounds its memory."""

IDLE_S = 30
"""How long a request may send nothing of its body: a client that is gone must not keep others waiting."""

SLOWEST_BYTES_PER_S = 64 * 1024
"""Half a megabit a second: a body that comes slower, after the first ``IDLE_S``, is given up.

Who sends a byte now and then is never silent, and would keep a place of large bodies for ever.
"""

_PLACE = "place"
_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._]{1,64}")


@dataclass(frozen=True, slots=True)
class Services:
    """What one worker process keeps open; reached as ``request.app.state.services``."""

    settings: Settings
    database: Database
    searches: Database
    audit: AuditTrail
    tokens: AccessTokens
    seals: Seals
    capabilities: str
    """The CapabilityStatement's JSON text."""
    places: Semaphore = field(default_factory=lambda: Semaphore(PLACES))
    """Of requests with a large body."""


def services(request: Request) -> Services:
    """Return the services of this process."""
    found: Services = request.app.state.services
    return found


async def principal(known: Services, authorization: str) -> Principal:
    """Return who bears the access token of an ``Authorization`` header.

    Raises:
        Unauthenticated: there is no bearer token, or it is not valid.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(headers={"WWW-Authenticate": 'Bearer realm="FHIR"'})
    return await known.tokens.verify(token.strip())


def request_id(sent: str | None) -> str:
    """Return the caller's own request id when it is usable, else a new one."""
    return sent if sent and _REQUEST_ID.fullmatch(sent) else random_id()


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes; send less, or a note's attachment by itself.")


async def _take_place(request: Request) -> None:
    """Wait for one of the places of requests with a large body; ``finished`` gives it back.

    Nobody who waits holds anything that another waits for: connections are taken later, and no second place.
    """
    places = services(request).places
    if _PLACE not in request.scope["state"]:
        await places.acquire()
        request.scope["state"][_PLACE] = places


def finished(request: Request) -> None:
    """Give back the place of a request, if it has one."""
    places = request.scope["state"].pop(_PLACE, None)
    if places is not None:
        places.release()


async def body(request: Request, limit: int) -> bytes:
    """Read the request body, up to the limit, which counts what it unpacks to where it is coded.

    Raises:
        TooLarge: the body is longer than ``limit`` bytes.
        BadRequest: the caller went away before the body was complete, or it is not coded as it says.
        TimedOut: the body came too slowly, or not at all; the connection is closed.
        UnsupportedMediaType: its content coding is not on offer.
    """
    coding = compression.of_body(request.headers.get("content-encoding", ""))
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isascii() and declared.isdigit() else 0
    if length > limit:
        raise _too_large(limit)
    if length > LARGE_BODY:
        await _take_place(request)
    try:
        async with timeout(IDLE_S) as patience:
            sent = await _received(request, limit, patience)
    except ClientDisconnect:
        raise BadRequest("The request ended before its body was complete.") from None
    except TimeoutError:
        raise TimedOut(headers={"Connection": "close"}) from None
    return sent if coding is None else await _unpacked(request, sent, coding, limit)


async def _received(request: Request, limit: int, patience: Timeout) -> bytes:
    """Read all chunks; a body that turns out to be large waits for its place in the middle."""
    now, chunks = get_running_loop().time, bytearray()
    began = now()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > limit:
            raise _too_large(limit)
        if len(chunks) > LARGE_BODY and _PLACE not in request.scope["state"]:
            patience.reschedule(None)
            waits = now()
            await _take_place(request)
            began += now() - waits
        in_time = began + IDLE_S + len(chunks) / SLOWEST_BYTES_PER_S
        patience.reschedule(min(now() + IDLE_S, in_time))
    return bytes(chunks)


async def _unpacked(request: Request, sent: bytes, coding: compression.Name, limit: int) -> bytes:
    """Unpack a body, the first time only as far as it needs no place."""
    if len(sent) <= LARGE_BODY < limit:
        try:
            return await to_thread(compression.decompressed, sent, coding, LARGE_BODY)
        except TooLarge:
            await _take_place(request)
    return await to_thread(compression.decompressed, sent, coding, limit)
