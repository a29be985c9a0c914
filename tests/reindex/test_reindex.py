"""Indexing again: what was stored comes to be found as if it were written today, and nothing else changes.

Source: README, "After an upgrade"
"""

# ruff: noqa: S608 - names come from the models, every value is an argument

from __future__ import annotations

import asyncio
import json

import asyncpg
import practice_kit
import pytest

from models.definitions import RESOURCE_TYPES
from models.errors import Unavailable
from models.resource import table_name
from service import reindex as reindexing
from service.database import SERVER_SETTINGS, Database
from service.demo.practice import bundle as practice_bundle
from service.load import execute
from service.reindex import Summary, reindex
from service.settings import Settings
from service.statements import INDEX_COLUMNS, type_columns

TYPES = ("Organization", "Observation", "Patient")


@pytest.fixture(scope="module")
def practice_url(databases, settings):
    dsn = databases.create()
    asyncio.run(fill(dsn, settings))
    yield dsn
    databases.drop(dsn)


async def fill(dsn, settings):
    """Store the demonstration practice."""
    database = await Database.open(dsn, max_size=2)
    await execute(database, settings, practice_bundle(practice_kit.today()))
    await database.close()


@pytest.fixture
async def practice(practice_url):
    opened = await Database.open(practice_url, max_size=4)
    yield opened
    async with opened.acquire() as connection:
        await connection.execute("DELETE FROM reindex_progress")
    await opened.close()


async def everything(database):
    """All that a reindexing could touch, and all that it must not."""
    tables = [*map(table_name, RESOURCE_TYPES), *INDEX_COLUMNS, "resource_history", "audit_record"]
    async with database.acquire() as connection:
        return {
            table: sorted(row[0] for row in await connection.fetch(f"SELECT {whole(table)} FROM {table} r"))
            for table in tables
        }


def whole(table):
    """A row as text, its terms in one order."""
    if not table.startswith("fhir_"):
        return "r::text"
    return "(to_jsonb(r) - 'terms')::text || array(SELECT unnest(r.terms) ORDER BY 1)::text"


async def damage(database, *types):
    """Take away what finds the resources, as if it had never been indexed."""
    async with database.acquire() as connection:
        for resource_type in types:
            names = [name for name, _ in type_columns(resource_type) if name not in {"terms", "patient"}]
            nothing = "".join(f", {name} = NULL" for name in names)
            await connection.execute(f"UPDATE {table_name(resource_type)} SET terms = '{{}}'{nothing}")
        for table in INDEX_COLUMNS:
            await connection.execute(f"DELETE FROM {table} WHERE resource_type = ANY($1)", list(types))


async def count(database, resource_type):
    async with database.acquire() as connection:
        return await connection.fetchval(
            f"SELECT count(*) FROM {table_name(resource_type)} WHERE NOT deleted"
        )


async def terms(database, resource_type):
    """The number of terms of each resource, by id."""
    async with database.acquire() as connection:
        rows = await connection.fetch(
            f'SELECT id, cardinality(terms) AS size FROM {table_name(resource_type)} ORDER BY id COLLATE "C"'
        )
    return [row["size"] for row in rows]


async def test_what_was_written_is_indexed_as_its_writer_did(practice, settings):
    before = await everything(practice)
    done = await reindex(practice, settings)
    assert done == Summary(sum([await count(practice, name) for name in RESOURCE_TYPES]), 0)
    assert await everything(practice) == before


async def test_what_was_lost_comes_back_and_versions_stay(practice, settings):
    before = await everything(practice)
    await damage(practice, *TYPES)
    assert await everything(practice) != before
    await reindex(practice, settings, types=TYPES)
    assert await everything(practice) == before


async def test_other_types_are_left_alone(practice, settings):
    await damage(practice, "Organization")
    await reindex(practice, settings, types=["Patient"])
    assert set(await terms(practice, "Organization")) == {0}
    await reindex(practice, settings, types=["Organization"])
    assert 0 not in await terms(practice, "Organization")


async def test_what_is_deleted_stays_so(practice, settings):
    async with practice.acquire() as connection:
        await connection.execute("UPDATE fhir_organization SET deleted = TRUE, body = NULL, terms = '{}'")
        done = await reindex(practice, settings, types=["Organization"])
        await connection.execute(
            "UPDATE fhir_organization r SET deleted = FALSE, body = h.body FROM resource_history h "
            "WHERE h.resource_type = 'Organization' AND h.id = r.id AND h.version = r.version"
        )
    assert done == Summary(0, 0)
    assert set(await terms(practice, "Organization")) == {0}
    await reindex(practice, settings, types=["Organization"])


async def test_progress_is_told(practice, settings):
    told = []
    await reindex(practice, settings, types=TYPES, on_progress=lambda *done: told.append(done))
    total = sum([await count(practice, name) for name in TYPES])
    assert told[-1] == (total, total)
    assert all(done <= of for done, of in told)


class Stopped(Exception):
    pass


async def stopped_once(practice, settings, monkeypatch):
    """Lose the index of the observations and stop the repair after its first batch of ten."""
    monkeypatch.setattr(reindexing, "BATCH_ROWS", 10)
    await damage(practice, "Observation")

    def stop(_done, _total):
        raise Stopped

    with pytest.raises(Stopped):
        await reindex(practice, settings, types=["Observation"], on_progress=stop)


async def test_a_run_goes_on_where_one_was_stopped(practice, settings, monkeypatch):
    await stopped_once(practice, settings, monkeypatch)
    sizes = await terms(practice, "Observation")
    assert sizes.count(0) == len(sizes) - 10
    done = await reindex(practice, settings, types=["Observation"])
    assert done == Summary(len(sizes) - 10, 0)
    assert 0 not in await terms(practice, "Observation")
    again = await reindex(practice, settings, types=["Observation"])
    assert again == Summary(len(sizes), 0)


async def test_a_run_begins_anew_when_the_code_has_changed_or_it_is_told_to(practice, settings, monkeypatch):
    for restart in (False, True):
        await stopped_once(practice, settings, monkeypatch)
        if not restart:
            async with practice.acquire() as connection:
                await connection.execute("UPDATE reindex_progress SET recipe = 'of another version'")
        done = await reindex(practice, settings, types=["Observation"], restart=restart)
        assert done.resources == await count(practice, "Observation")


async def test_a_type_that_was_finished_is_not_begun_again_by_the_next_run(practice, settings):
    def stop_at_the_end(done, total):
        if done == total:
            raise Stopped

    with pytest.raises(Stopped):
        await reindex(practice, settings, types=TYPES, on_progress=stop_at_the_end)
    rest = await reindex(practice, settings, types=TYPES)
    assert rest.resources == 0


async def test_a_batch_holds_no_more_text_than_it_may(practice, settings, monkeypatch):
    monkeypatch.setattr(reindexing, "BATCH_BYTES", 1)
    told = []
    await reindex(practice, settings, types=["Patient"], on_progress=lambda done, _: told.append(done))
    assert told == list(range(1, await count(practice, "Patient") + 1))


async def test_it_waits_for_a_writer_who_wins_and_holds_no_other_writer_up(practice, practice_url, settings):
    writer = await asyncpg.connect(practice_url, server_settings=dict(SERVER_SETTINGS))
    other = await asyncpg.connect(practice_url, server_settings=dict(SERVER_SETTINGS))
    under_way = writer.transaction()
    await under_way.start()
    await writer.execute("UPDATE fhir_patient SET version = version + 1 WHERE id = 'pat-1'")
    running = asyncio.create_task(reindex(practice, settings, types=["Patient"]))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(5):
        await other.execute("UPDATE fhir_patient SET terms = terms WHERE id = 'pat-2'")
    assert not running.done()
    await under_way.commit()
    assert await running == Summary(await count(practice, "Patient") - 1, 1)
    await other.execute("UPDATE fhir_patient SET version = version - 1 WHERE id = 'pat-1'")
    await writer.close()
    await other.close()


async def test_it_waits_longer_while_the_table_is_vacuumed(practice, practice_url, settings, monkeypatch):
    monkeypatch.setattr(reindexing, "PAUSES_S", (0.01,))
    vacuum = await asyncpg.connect(practice_url, server_settings=dict(SERVER_SETTINGS))
    await vacuum.execute("BEGIN; LOCK TABLE fhir_patient IN SHARE UPDATE EXCLUSIVE MODE")
    running = asyncio.create_task(reindex(practice, settings, types=["Patient"]))
    await asyncio.sleep(3 * reindexing.LOCK_TIMEOUT_MS / 1000)
    assert not running.done()
    await vacuum.execute("ROLLBACK")
    assert (await running).changed_meanwhile == 0
    await vacuum.close()


async def test_it_gives_up_on_a_writer_that_never_ends(practice, practice_url, settings, monkeypatch):
    monkeypatch.setattr(reindexing, "PAUSES_S", (0.01,))
    writer = await asyncpg.connect(practice_url, server_settings=dict(SERVER_SETTINGS))
    await writer.execute("BEGIN")
    await writer.execute("UPDATE fhir_patient SET terms = terms WHERE id = 'pat-1'")
    with pytest.raises(Unavailable) as refused:
        await reindex(practice, settings, types=["Patient"])
    assert str(refused.value) == "Writers have held Patient for minutes; run the command again to go on."
    await writer.close()


def observation(heart_rate):
    coding = {"system": "http://loinc.org", "code": "8867-4", "display": f"Heart rate {heart_rate}"}
    unit = {"system": "http://unitsofmeasure.org", "code": "/min", "unit": "/min"}
    return {
        "resourceType": "Observation",
        "id": "beat",
        "status": "final",
        "code": {"coding": [coding]},
        "note": [{"text": f"word{heart_rate}"}],
        "subject": {"reference": "Patient/pat-1"},
        "effectiveDateTime": f"2026-01-{1 + heart_rate % 28:02d}",
        "valueQuantity": {"value": heart_rate, **unit},
    }


SLOW = """CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(0.5); RETURN new; END $$;
CREATE TRIGGER slow BEFORE INSERT ON reindex_progress FOR EACH ROW EXECUTE FUNCTION slow()"""
"""Makes the transaction of a batch last, after its index rows are in place."""

ASLEEP = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"


def test_who_writes_while_a_batch_is_put_in_place_leaves_no_old_index_behind(server):
    practice_kit.load(server)
    with practice_kit.Practice(server).operator() as client:
        assert client.put("/Observation/beat", json=observation(4711)).status_code == 201
        left_behind = asyncio.run(overtaken(server, client))
        assert client.get("/Observation", params={"value-quantity": "4711"}).json().get("entry") is None
        assert len(client.get("/Observation", params={"value-quantity": "4712"}).json()["entry"]) == 1
    assert left_behind == []


async def overtaken(server, client):
    """Write while a batch is not committed yet; tells what differs from what a quiet run makes of it."""
    settings = Settings(data_dir=server.log_path.parent, base_url=server.base_url)
    database = await Database.open(server.database_url, max_size=3)
    async with database.acquire() as connection:
        await connection.execute(SLOW)
        running = asyncio.create_task(reindex(database, settings, types=["Observation"]))
        async with asyncio.timeout(10):
            while not await connection.fetchval(ASLEEP):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        answer = await asyncio.to_thread(client.put, "/Observation/beat", json=observation(4712))
        await running
        await connection.execute("DROP FUNCTION slow CASCADE")
    assert answer.status_code == 200
    before = await everything(database)
    await reindex(database, settings, types=["Observation"])
    after = await everything(database)
    await database.close()
    return [table for table in before if before[table] != after[table]]


def test_who_pulls_changes_is_told_of_none(server):
    practice_kit.load(server)
    with practice_kit.Practice(server).operator() as client:
        newest = client.get("/Patient", params={"_sort": "-_lastUpdated", "_count": "1"}).json()
        since = newest["entry"][0]["resource"]["meta"]["lastUpdated"]
        run = server.run("reindex", "Patient", "--json")
        assert (run.returncode, json.loads(run.stdout)["changed_meanwhile"]) == (0, 0)
        assert "entry" not in client.get("/Patient", params={"_lastUpdated": f"gt{since}"}).json()
        read = client.get(newest["entry"][0]["fullUrl"]).json()
        assert read == newest["entry"][0]["resource"]


def test_a_type_that_is_not_kept_is_a_wrong_call(server):
    result = server.run("reindex", "Starship", "--json")
    assert (result.returncode, result.stdout) == (2, "")
    assert "This server keeps no Starship." in " ".join(result.stderr.split())
