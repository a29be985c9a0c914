"""One practice and one service: makes ready what the families ask about, and measures them.

updates, links ─▶ warm up ─▶ measure    family by family, with a fresh token where one is needed
"""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import httpx
from bench import population
from bench.driver import Ask, Driver, Measured, Target
from bench.families import UPDATED, VERSIONS, Family, Practice
from bench.processes import BenchError, Client

from models.document import serialize
from service.store import instant

SAMPLE = 400
"""Different requests of one family."""

PAGES_OF, MAX_PLACES = 200, 200
"""Observations between two places that are known, and how many are: a later one costs the same."""

INSTANTS, PLACES_LEFT = 200, 60
SOME_INSTANTS = """
SELECT last_updated FROM (
    SELECT last_updated, row_number() OVER (ORDER BY last_updated DESC) AS place, count(*) OVER () AS episodes
    FROM fhir_episode_of_care) e
WHERE place > $2 AND place % greatest(1, episodes / $1) = 0
"""


async def practice(dsn: str, patients: int) -> Practice:
    """Look at what is loaded; the instants leave room for a page after them."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(SOME_INSTANTS, INSTANTS, PLACES_LEFT)
        return Practice(patients, tuple(instant(row["last_updated"]) for row in rows))
    finally:
        await connection.close()


async def update(client: Client, known: Practice) -> None:
    """Give the weights of some patients several versions; those that have them stay as they are."""
    step = max(1, known.patients // UPDATED)
    async with Driver(Target(f"{client.base}/fhir", client.token()), 1) as driver:
        for turn in range(2, VERSIONS + 1):
            asks = [update_of(number * step, turn) for number in range(min(UPDATED, known.patients))]
            done = await driver.drive(asks, count=len(asks), seconds=60)
            if done.wrong:
                raise BenchError(f"Nothing to measure: {done.first_wrong}")


async def walked(client: Client, known: Practice) -> Practice:
    """Follow the links from page to page, and keep them but for the last, which may leave no whole page."""
    asked = {"_sort": "-date", "_count": str(PAGES_OF)}
    url, places = str(httpx.URL(f"{client.base}/fhir/Observation", params=asked)), []
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        while url and len(places) < MAX_PLACES:
            answer = await http.get(url, headers={"Authorization": f"Bearer {client.token()}"})
            links = {link["relation"]: link["url"] for link in answer.raise_for_status().json()["link"]}
            url = links.get("next", "")
            places += [httpx.URL(url).params["_page"]] if url else []
    return replace(known, places=tuple(places[:-1]))


def update_of(number: int, version: int) -> Ask:
    """Write the next version of a patient's weight."""
    key = f"obs-{population.key(number)}-weight"
    weight = next(document for document in population.chart(number) if document["id"] == key)
    body = serialize({**weight, "note": [{"text": f"Measured again, version {version}."}]})
    return Ask(f"/Observation/{key}", key, method="PUT", body=body)


async def measure(
    client: Client, family: Family, known: Practice, *, warm_up: int, count: int, seconds: float
) -> Measured:
    """Measure one family with one connection; the requests that warm up are others than those that count."""
    asks = family.asks(known, min(SAMPLE, warm_up + count))
    first = min(warm_up, len(asks) // 2)
    async with Driver(Target(f"{client.base}/fhir", client.token()), 1) as driver:
        await driver.drive(asks[:first], count=first, seconds=seconds)
        return await driver.drive(asks[first:], count=count, seconds=seconds)
