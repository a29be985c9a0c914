"""A pull that resumes from the greatest lastUpdated it saw misses nothing and sees nothing twice.

    HTTP writers         create, update and send transactions, as fast as they are answered
    slow transactions    write at once, commit 100 to 500 ms later; a third is rolled back
    the puller           reads what is greater than the greatest it saw, page by page, all the while

A row that is committed late carries an instant before those of rows that were committed meanwhile. A
reader of instants alone has passed it by then.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import harness
import httpx
import practice_kit
import pytest
from practice_kit import Practice, Vault, patient, transaction

from models.principal import OPERATOR
from service import store
from service.context import Context, Stamp
from service.database import SERVER_SETTINGS
from service.search.extract import extract
from service.settings import Settings

WRITING_S = 5
SLOW_WRITERS = 6
HTTP_WRITERS = 3
PAGE = 7
DRAWS = 300
BEFORE_ALL = "2000-01-01T00:00:00Z"

Seen = Counter[tuple[str, str]]


class RollBack(Exception):
    """Ends a transaction without a commit."""


class Puller:
    """An EHR that comes back for more, and remembers every version that it was given."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.since = BEFORE_ALL
        self.seen: Seen = Counter()
        self.pages = 0

    async def pull(self) -> int:
        """Pull once; tell how many versions came."""
        url = f"/Patient?_lastUpdated=gt{self.since}&_sort=_lastUpdated&_count={PAGE}"
        came = 0
        while url:
            answer = await self.http.get(url)
            assert answer.status_code == 200, answer.text
            found = practice_kit.resources(answer.json())
            self.seen.update(practice_kit.versions(one) for one in found)
            self.since = max([self.since, *(one["meta"]["lastUpdated"] for one in found)])
            self.pages += 1
            came += len(found)
            links = {link["relation"]: link["url"] for link in answer.json()["link"]}
            url = links.get("next", "")
        return came


async def write_over_http(http: httpx.AsyncClient, ends: float) -> None:
    """Create a patient, change it, and send a transaction of two more; again and again."""
    while asyncio.get_running_loop().time() < ends:
        created = (await http.post("/Patient", json=patient("Fast"))).raise_for_status().json()
        changed = {**created, "gender": "other"}
        (await http.put(f"/Patient/{created['id']}", json=changed)).raise_for_status()
        pair = transaction(("POST", "Patient", patient("Two")), ("POST", "Patient", patient("Two")))
        (await http.post("/", json=pair)).raise_for_status()


async def write_slowly(dsn: str, settings: Settings, seed: int, ends: float) -> None:
    """Write one to three versions in a transaction that stays open for a while."""
    chance = random.Random(seed)  # noqa: S311 - which writer waits how long is no secret
    connection = await asyncpg.connect(dsn, server_settings=dict(SERVER_SETTINGS))
    committed: dict[str, int] = {}
    while asyncio.get_running_loop().time() < ends:
        ctx = Context(OPERATOR, connection, settings, "slow")
        known = dict(committed)
        try:
            async with store.transaction(ctx):
                for _ in range(chance.randint(1, 3)):
                    key = chance.choice([*known, str(uuid4())])
                    known[key] = known.get(key, 0) + 1
                    await store.write(ctx, change(key, known[key]))
                await asyncio.sleep(chance.uniform(0.1, 0.5))
                roll_back_a_third(chance)
            committed = known
        except RollBack:
            pass
    await connection.close()


def roll_back_a_third(chance: random.Random) -> None:
    if chance.random() < 1 / 3:
        raise RollBack


def change(key: str, version: int) -> store.Change:
    document = patient(f"Slow{version}", id=key)
    extracted = extract("Patient", document, base_url="http://fhir.test")
    return store.Change("Patient", key, version, "PUT", document, extracted)


async def pulled_while_written(practice: Practice, authorization: str) -> Puller:
    """Pull as long as anybody writes, and until nothing new comes."""
    dsn = practice.server.database_url
    settings = Settings(
        data_dir=practice.server.log_path.parent, base_url=practice.server.base_url, database_url=dsn
    )
    headers = {"Authorization": authorization}
    async with httpx.AsyncClient(base_url=practice.server.fhir, headers=headers, timeout=30) as http:
        ends = asyncio.get_running_loop().time() + WRITING_S
        fast = [write_over_http(http, ends) for _ in range(HTTP_WRITERS)]
        slow = [write_slowly(dsn, settings, seed, ends) for seed in range(SLOW_WRITERS)]
        writers = asyncio.gather(*fast, *slow)
        puller = Puller(http)
        while not writers.done():
            await puller.pull()
        await writers
        await settled(puller)
        return puller


async def settled(puller: Puller) -> None:
    """Pull until nothing comes, also while somebody else on the server holds a transaction open."""
    for _ in range(20):
        if await puller.pull() == 0:
            await asyncio.sleep(0.1)


def newest(vault: Vault) -> set[tuple[str, str]]:
    rows = vault.fetch("SELECT id, version FROM fhir_patient WHERE NOT deleted")
    return {(row["id"], str(row["version"])) for row in rows}


@pytest.fixture(scope="module")
def pulled(databases: harness.Databases) -> Iterator[tuple[Puller, Vault]]:
    """A puller after its work, and what there was to see."""
    server = harness.Server(databases.create())
    server.start()
    practice = Practice(server)
    with practice.operator() as client:
        puller = asyncio.run(pulled_while_written(practice, client.headers["Authorization"]))
    yield puller, practice.vault
    server.dispose()
    databases.drop(server.database_url)


def test_many_writers_were_at_work_while_pages_were_turned(pulled: tuple[Puller, Vault]) -> None:
    puller, vault = pulled
    assert vault.versions() > 100
    assert puller.pages > 50
    slow = vault.count("SELECT count(DISTINCT tx) FROM resource_history WHERE position('Slow' in body) > 0")
    assert slow > SLOW_WRITERS


def test_no_version_is_seen_twice(pulled: tuple[Puller, Vault]) -> None:
    puller, _ = pulled
    assert [version for version, times in puller.seen.items() if times > 1] == []


def test_every_resource_is_seen_as_it_is_in_the_end(pulled: tuple[Puller, Vault]) -> None:
    puller, vault = pulled
    assert newest(vault) - puller.seen.keys() == set()


def test_nothing_is_seen_that_was_rolled_back(pulled: tuple[Puller, Vault]) -> None:
    puller, vault = pulled
    stored = vault.fetch("SELECT id, version FROM resource_history")
    assert puller.seen.keys() - {(row["id"], str(row["version"])) for row in stored} == set()


def test_instants_and_transactions_are_in_one_order(pulled: tuple[Puller, Vault]) -> None:
    _, vault = pulled
    rows = vault.fetch("SELECT last_updated FROM resource_history ORDER BY tx, seq")
    instants = [row["last_updated"] for row in rows]
    assert all(earlier <= later for earlier, later in itertools.pairwise(instants))


async def test_stamps_drawn_at_the_same_moment_order_alike(database_url: str) -> None:
    async def draw() -> list[Stamp]:
        connection = await asyncpg.connect(database_url, server_settings=dict(SERVER_SETTINGS))
        stamps = [await store.draw_stamp(connection) for _ in range(DRAWS)]
        await connection.close()
        return stamps

    drawn = await asyncio.gather(*(draw() for _ in range(SLOW_WRITERS)))
    stamps = sorted(itertools.chain.from_iterable(drawn), key=lambda stamp: stamp.tx)
    assert all(earlier.at < later.at for earlier, later in itertools.pairwise(stamps))
