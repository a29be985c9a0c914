"""What an orchestrator and a monitoring system ask.

GET /health/live     200 while the process serves
GET /health/ready    200 when the database answers and is migrated, else 503 with the reason
GET /metrics         Prometheus' text format
"""

from __future__ import annotations

import asyncio

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from models.errors import FhirError
from service import metrics, migrate
from service.database import RETRY_AFTER_S, Database

PATIENCE_S = 3
NO_STORE = {"Cache-Control": "no-store"}


async def live(_request: Request) -> Response:
    """Tell that the process serves."""
    return JSONResponse({"status": "live"}, headers=NO_STORE)


async def ready(request: Request) -> Response:
    """Tell whether requests can be served now."""
    missing = await _missing(request.app.state.services.database)
    if missing is None:
        return JSONResponse({"status": "ready"}, headers=NO_STORE)
    headers = {**NO_STORE, "Retry-After": str(RETRY_AFTER_S)}
    return JSONResponse({"status": "unavailable", "missing": missing}, status_code=503, headers=headers)


async def figures(_request: Request) -> Response:
    """Give the figures of all worker processes."""
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE, headers=NO_STORE)


async def _missing(database: Database) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE_S), database.acquire() as connection:
            return None if await migrate.is_current(connection) else "migrations"
    except (FhirError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return "database"


ROUTES = [
    Route("/health/live", live, methods=["GET"]),
    Route("/health/ready", ready, methods=["GET"]),
    Route("/metrics", figures, methods=["GET"]),
]
