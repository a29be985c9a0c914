"""What a request needs before it can be performed: the process's services, the caller, the context."""

from __future__ import annotations

import re
from asyncio import to_thread
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from api import compression
from models.errors import BadRequest, TooLarge, Unauthenticated
from service.context import random_id

if TYPE_CHECKING:
    from starlette.requests import Request

    from models.principal import Principal
    from service.audit import AuditTrail
    from service.database import Database
    from service.oauth.tokens import AccessTokens
    from service.settings import Settings

_REQUEST_ID = re.compile(r"[A-Za-z0-9\-._]{1,64}")


@dataclass(frozen=True, slots=True)
class Services:
    """What one worker process keeps open; reached as ``request.app.state.services``."""

    settings: Settings
    database: Database
    searches: Database
    audit: AuditTrail
    tokens: AccessTokens
    capabilities: str
    """The CapabilityStatement's JSON text."""


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


async def body(request: Request, limit: int) -> bytes:
    """Read the request body, up to the limit, which counts what it unpacks to where it is coded.

    Raises:
        TooLarge: the body is longer than ``limit`` bytes.
        BadRequest: the caller went away before the body was complete; nobody reads the answer. Or the
            body is not coded as it says.
        UnsupportedMediaType: its content coding is not on offer.
    """
    coding = compression.of_body(request.headers.get("content-encoding", ""))
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    chunks = bytearray()
    try:
        async for chunk in request.stream():
            chunks += chunk
            if len(chunks) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise BadRequest("The request ended before its body was complete.") from None
    if coding is None:
        return bytes(chunks)
    return await to_thread(compression.decompressed, bytes(chunks), coding, limit)
