"""A pull over several types misses nothing, whatever writers of each of them do, and sees nothing twice.

    fast     creates, changes and deletes over HTTP, one resource or both types in one transaction
    slow     a transaction of the store that writes both types at once and commits late, or is rolled back
    puller   GET /fhir?_type=…&_lastUpdated=gt<the greatest it saw>, page by page, all the while

Of one type, with its figures, the same is shown in tests/acceptance/test_pull.py.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from random import Random
from uuid import uuid4

import asyncpg
import httpx
from properties.archive import creation

from models.principal import OPERATOR
from service import store
from service.context import Context
from service.database import SERVER_SETTINGS
from service.search.settled import settled, with_horizon
from service.settings import Settings

TYPES = ("Organization", "Practitioner", "Location")
WRITING_S = 3
SLOW_WRITERS, FAST_WRITERS, PAGE = 4, 2, 5


def document(resource_type, key, number):
    return {"resourceType": resource_type, "id": key, "identifier": [{"value": str(number)}]}


class Undo(Exception):
    """Ends a transaction without a commit."""


class Puller:
    """Comes back for more, and remembers every version that it was given."""

    def __init__(self, http):
        self.http = http
        self.since = "2000-01-01T00:00:00Z"
        self.seen = Counter()
        self.in_order = True

    async def pull(self):
        """Pull once, to the last page; tell how many versions came."""
        url, came = f"?_type={','.join(TYPES)}&_lastUpdated=gt{self.since}&_count={PAGE}", 0
        while url:
            answer = await self.http.get(url)
            assert answer.status_code == 200, answer.text
            found = [entry["resource"] for entry in answer.json().get("entry", [])]
            for one in found:
                meta = one["meta"]
                self.in_order &= self.since <= meta["lastUpdated"]
                self.since = meta["lastUpdated"]
                self.seen[one["resourceType"], one["id"], int(meta["versionId"])] += 1
            came += len(found)
            url = next((link["url"] for link in answer.json()["link"] if link["relation"] == "next"), "")
        return came


async def write_fast(http, chance, ends):
    """Write over HTTP: several types at once, a change, a deletion."""
    while asyncio.get_running_loop().time() < ends:
        keys = {resource_type: str(uuid4()) for resource_type in TYPES}
        entries = [
            {
                "resource": document(resource_type, key, 1),
                "request": {"method": "PUT", "url": f"{resource_type}/{key}"},
            }
            for resource_type, key in keys.items()
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        (await http.post("", json=bundle)).raise_for_status()
        changed, removed = chance.sample(TYPES, 2)
        place = f"{changed}/{keys[changed]}"
        (await http.put(place, json=document(changed, keys[changed], 2))).raise_for_status()
        (await http.delete(f"{removed}/{keys[removed]}")).raise_for_status()


async def write_slowly(dsn, settings, chance, ends):
    """Write one of each type, wait, and commit or not."""
    connection = await asyncpg.connect(dsn, server_settings=dict(SERVER_SETTINGS))
    while asyncio.get_running_loop().time() < ends:
        try:
            ctx = Context(OPERATOR, connection, settings, "slow")
            async with store.transaction(ctx):
                for resource_type in chance.sample(TYPES, len(TYPES)):
                    await store.write(ctx, creation(document(resource_type, str(uuid4()), 1)))
                await asyncio.sleep(chance.uniform(0.05, 0.4))
                undo_a_third(chance)
        except Undo:
            pass
    await connection.close()


def undo_a_third(chance):
    if chance.random() < 1 / 3:
        raise Undo


async def pulled(server, authorization):
    """Pull as long as anybody writes, and until nothing new comes."""
    settings = Settings(
        data_dir=server.log_path.parent, base_url=server.base_url, database_url=server.database_url
    )
    async with httpx.AsyncClient(base_url=server.fhir, headers=authorization, timeout=30) as http:
        ends = asyncio.get_running_loop().time() + WRITING_S
        chances = map(Random, itertools.count())
        writers = asyncio.gather(
            *(write_fast(http, next(chances), ends) for _ in range(FAST_WRITERS)),
            *(write_slowly(server.database_url, settings, next(chances), ends) for _ in range(SLOW_WRITERS)),
        )
        puller = Puller(http)
        while not writers.done():
            await puller.pull()
        await writers
        await await_settled(server.database_url, puller)
        return puller


async def await_settled(dsn, puller):
    """Pull until everything is shown, also while another test holds a transaction open."""
    connection = await asyncpg.connect(dsn)
    for _ in range(600):
        if not await connection.fetchval(with_horizon(f"SELECT EXISTS ({held_back()})")):
            break
        await asyncio.sleep(0.05)
    await connection.close()
    await puller.pull()


def held_back():
    """The rows that a search with a lower bound does not show yet."""
    condition = settled("r")
    rows = (f"SELECT FROM fhir_{name.lower()} r WHERE NOT {condition}" for name in TYPES)
    return " UNION ALL ".join(rows)


def stored(dsn):
    """The newest version of everything that is there, and every version that ever was."""

    async def read():
        connection = await asyncpg.connect(dsn)
        newest = " UNION ALL ".join(
            f"SELECT '{name}', id, version FROM fhir_{name.lower()} WHERE NOT deleted"  # noqa: S608 - as above
            for name in TYPES
        )
        rows = await connection.fetch(newest)
        every = await connection.fetch("SELECT resource_type, id, version FROM resource_history")
        await connection.close()
        return {tuple(row) for row in rows}, {tuple(row) for row in every}

    return asyncio.run(read())


def test_a_pull_of_several_types_misses_nothing_and_sees_nothing_twice(own_server):
    with own_server.client("admin", "system/*.cruds") as client:
        puller = asyncio.run(pulled(own_server, {"Authorization": client.headers["Authorization"]}))
    newest, every = stored(own_server.database_url)
    assert len(newest) > 20
    assert {resource_type for resource_type, *_ in puller.seen} == set(TYPES)
    assert puller.in_order
    assert [version for version, times in puller.seen.items() if times > 1] == []
    assert newest - puller.seen.keys() == set()
    assert puller.seen.keys() - every == set(), "Something was seen that was rolled back."
