"""The index of the service: what is served, and what a request meets on its way.

    every request ─▶ Observe: request id, log line, metrics, last resort for errors
        /fhir/… without Origin   ─▶ api/fhir.py, straight: it is the hot path
        everything else          ─▶ FastAPI ─▶ CORS ─▶ routes
            /fhir/.well-known, /oauth/…      api/smart.py
            /fhir/… of a browser             api/fhir.py
            /health/…, /metrics              api/health.py
            /docs, /openapi.yaml             api/docs.py

The shortcut leaves out nothing but FastAPI's own middleware, which costs more than a row read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from api import docs, fhir, health, smart, wire
from api.deps import Services
from api.observe import Observe
from models.document import serialize
from models.errors import BadRequest, FhirError, InternalError, MethodNotAllowed, NotFound
from service import capability
from service.audit import AuditTrail
from service.context import utc_now
from service.database import Database
from service.oauth.tokens import AccessTokens
from service.sealing import Seals
from service.settings import Settings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

EXPOSED = [
    "ETag",
    "Location",
    "Last-Modified",
    "X-Request-Id",
    "X-Correlation-Id",
    "X-Security-Context",
    "Content-Disposition",
    "Content-Location",
]


def create_app(settings: Settings | None = None, dsn: str | None = None) -> ASGIApp:
    """Make the application; ``dsn`` is the database to use, where it is not a setting."""
    settings = settings or Settings.from_environment()
    dsn = dsn or settings.database_url
    if dsn is None:
        raise RuntimeError("There is no database: start with kat-fhir serve, or set KAT_DATABASE_URL.")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings, dsn) as services:
            app.state.services = services
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes.extend([*health.ROUTES, *smart.ROUTES, *docs.ROUTES, *fhir.ROUTES])
    app.add_exception_handler(FhirError, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
    )
    return Observe(_Shortcut(app))


@asynccontextmanager
async def opened(settings: Settings, dsn: str) -> AsyncIterator[Services]:
    """Open what one worker process needs, and close it when the requests under way are done.

    Searches have connections of their own, because their plans must be made for each value (a broad
    and a rare term want different ones), while a plan for a statement by key serves every key.
    """
    size = settings.pool_size
    database = await Database.open(dsn, min_size=2, max_size=size)
    searches = await Database.open(dsn, min_size=1, max_size=size, plans="force_custom_plan")
    ledger = await Database.open(dsn, min_size=1, max_size=1)
    audit = AuditTrail(ledger)
    try:
        capabilities = serialize(capability.statement(settings, utc_now())).decode()
        tokens = AccessTokens(database, settings)
        yield Services(settings, database, searches, audit, tokens, Seals(tokens.keys), capabilities)
    finally:
        await audit.close()
        for each in (ledger, searches, database):
            await each.close()


class _Shortcut:
    """Sends FHIR requests past FastAPI's middleware, but for those of browsers, which need CORS."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request by the shorter way where there is one."""
        if scope["type"] == "http" and fhir.serves(scope["path"]) and not _is_browsers(scope):
            scope["app"] = self._app
            await fhir.serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_browsers(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope["headers"])


async def _refused(request: Request, error: Exception) -> Response:
    return wire.failure(error if isinstance(error, FhirError) else BadRequest(), request.scope)


async def _unrouted(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", BadRequest.status)
    by_status = {
        NotFound.status: NotFound("There is no such route."),
        MethodNotAllowed.status: MethodNotAllowed(headers=getattr(error, "headers", None)),
    }
    return wire.failure(by_status.get(status, BadRequest()), request.scope)


async def _unreadable(request: Request, _error: Exception) -> Response:
    return wire.failure(BadRequest("The request cannot be read."), request.scope)


async def _failed(request: Request, _error: Exception) -> Response:
    """Answer a fault of ours; it is raised on for Observe to log, and stands outside of CORS."""
    return wire.failure(InternalError(headers={"Access-Control-Allow-Origin": "*"}), request.scope)
