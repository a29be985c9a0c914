"""A server with the demonstration practice, and what its database holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import harness
import httpx
import practice_kit
import pytest

Document = dict[str, Any]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="session")
def server(databases: harness.Databases) -> Iterator[harness.Server]:
    """A server whose pages nobody else has to share with large documents."""
    with harness.serving(databases) as running:
        yield running


@pytest.fixture(scope="session")
def practice(server: harness.Server) -> practice_kit.Practice:
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture(scope="session")
def client(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    """Somebody who may do everything."""
    with practice.operator() as client:
        client.timeout = 60
        yield client


@pytest.fixture
def patient(client: httpx.Client) -> str:
    """A patient whom only one test knows."""
    key = client.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
    return f"Patient/{key}"


@pytest.fixture
def store(client: httpx.Client) -> Callable[[Document], Document]:
    """Store a resource under an id of its own, and give it as answered."""

    def put(document: Document) -> Document:
        named = {"id": str(uuid4()), **document}
        answer = client.put(f"/{document['resourceType']}/{named['id']}", json=named)
        assert answer.status_code in {200, 201}, answer.text
        stored: Document = answer.json()
        return stored

    return put


@pytest.fixture(scope="session")
def rows(practice: practice_kit.Practice) -> Callable[..., Rows]:
    """Ask the server's database itself."""

    async def fetch(sql: str, arguments: tuple[Any, ...]) -> Rows:
        connection = await asyncpg.connect(practice.server.database_url)
        try:
            return [tuple(record) for record in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return lambda sql, *arguments: asyncio.run(fetch(sql, arguments))
