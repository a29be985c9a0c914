"""A first pull has no instant to resume from; it may not pass a neighbour that is still being written."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import uuid4

import asyncpg
import httpx
from practice_kit import Practice, resources


def test_a_pull_of_everything_by_time_waits_for_a_slower_writer(
    practice: Practice, operator: httpx.Client
) -> None:
    name = f"Pulled {uuid4().hex}"

    def pulled(sort: str) -> int:
        return len(resources(operator.get("/Organization", params={"name": name, "_sort": sort}).json()))

    async def run() -> tuple[int, int]:
        connection = await asyncpg.connect(practice.server.database_url)
        try:
            async with connection.transaction():
                await connection.fetchval("SELECT pg_current_xact_id()")
                document = {"resourceType": "Organization", "name": name}
                stored = await asyncio.to_thread(operator.post, "/Organization", content=json.dumps(document))
                assert stored.status_code == 201
                return await asyncio.to_thread(pulled, "_lastUpdated"), await asyncio.to_thread(
                    pulled, "name"
                )
        finally:
            await connection.close()

    assert asyncio.run(run()) == (0, 1)
    deadline = time.monotonic() + 20
    while pulled("_lastUpdated") == 0:  # transactions of other databases of the same server count too
        assert time.monotonic() < deadline
        time.sleep(0.1)
