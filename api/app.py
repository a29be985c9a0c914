"""The index of the service: what is served, in which order a request meets what, how errors are told.

outermost ─▶ request id, log line, metrics ─▶ CORS ─▶ errors as OperationOutcome ─▶ routes

/fhir/…                          api/fhir.py
/fhir/.well-known, /oauth/…      api/smart.py
/health/…, /metrics              api/health.py
/docs, /openapi.yaml             api/docs.py
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
from models.errors import BadRequest, FhirError, InternalError, MethodNotAllowed, NotFound
from service.audit import AuditTrail
from service.database import Database
from service.oauth.tokens import AccessTokens
from service.settings import Settings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

EXPOSED = ["ETag", "Location", "Last-Modified", "X-Request-Id", "Content-Location"]


def create_app(settings: Settings | None = None, dsn: str | None = None) -> FastAPI:
    """Make the application; ``dsn`` is the database to use, where it is not a setting."""
    settings = settings or Settings.from_environment()
    dsn = dsn or settings.database_url
    if dsn is None:
        raise RuntimeError("There is no database: start with kat-fhir serve, or set KAT_DATABASE_URL.")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = await Database.open(dsn, min_size=2, max_size=settings.pool_size)
        ledger = await Database.open(dsn, min_size=1, max_size=1)
        audit = AuditTrail(ledger)
        app.state.services = Services(settings, database, audit, AccessTokens(database, settings))
        yield
        await audit.close()
        await ledger.close()
        await database.close()

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes.extend([*health.ROUTES, *smart.ROUTES, *docs.ROUTES, *fhir.ROUTES])
    app.add_exception_handler(FhirError, _refused)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(Exception, _failed)
    app.add_middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
    )
    app.add_middleware(Observe)
    return app


async def _refused(_request: Request, error: Exception) -> Response:
    return wire.failure(error if isinstance(error, FhirError) else InternalError())


async def _unrouted(_request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", InternalError.status)
    by_status = {
        NotFound.status: NotFound("There is no such route."),
        MethodNotAllowed.status: MethodNotAllowed(),
    }
    return wire.failure(by_status.get(status, BadRequest()))


async def _unreadable(_request: Request, _error: Exception) -> Response:
    return wire.failure(BadRequest("The request cannot be read."))


async def _failed(_request: Request, _error: Exception) -> Response:
    return wire.failure(InternalError())
