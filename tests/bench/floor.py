"""The floor under every figure: bare FastAPI and asyncpg with one stored row, no FHIR and no access control.

    GET  /row/{id}   the stored text of one row, by primary key       F, for what reads
    POST /row        parse the body, insert one row, commit           I, for what writes

Bare means the defaults: routes and pool as FastAPI and asyncpg make them, on uvloop and httptools. The levers
that the service pulls (a route of Starlette's, a pool without reset) are worth about half of it.
Run as: floor.py PORT DSN
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

JSON = "application/json"
PREPARE = """
CREATE SCHEMA IF NOT EXISTS floor;
CREATE TABLE IF NOT EXISTS floor.read (id text PRIMARY KEY, body text NOT NULL);
CREATE TABLE IF NOT EXISTS floor.written (id bigserial PRIMARY KEY, body text NOT NULL);
"""
READ = "SELECT body FROM floor.read WHERE id = $1"
WRITE = "INSERT INTO floor.written (body) VALUES ($1)"
STORED = orjson.dumps(
    {"resourceType": "MedicationRequest", "id": "one", "note": [{"text": "x" * 1330}]}
).decode()
"""About 1.4 kB, as a prescription."""


def application(dsn: str) -> FastAPI:
    """Make the application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, max_size=10, server_settings={"jit": "off"}) as pool:
            await pool.execute(PREPARE)
            await pool.execute("INSERT INTO floor.read VALUES ('one', $1) ON CONFLICT DO NOTHING", STORED)
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)
    app.get("/row/{row_id}")(read)
    app.post("/row")(write)
    return app


async def read(row_id: str, request: Request) -> Response:
    """Answer one stored row."""
    async with request.app.state.pool.acquire() as connection:
        body: str = await connection.fetchval(READ, row_id)
    return Response(body.encode(), media_type=JSON)


async def write(request: Request) -> Response:
    """Parse and store one row."""
    body = await request.body()
    orjson.loads(body)
    async with request.app.state.pool.acquire() as connection:
        await connection.execute(WRITE, body.decode())
    return Response(body, 201, media_type=JSON)


if __name__ == "__main__":
    uvicorn.run(
        application(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
