"""Large contents under load, crashes and upgrades: none is lost, and none is kept for nothing."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import asyncpg
import httpx
from alembic import command
from alembic.config import Config
from attachments_kit import note, scan
from hypothesis import given
from hypothesis import strategies as st

from models.definitions.structures import facts, structure
from models.document import serialize
from service import migrate
from service.contents import may_be_large
from service.database import Database
from service.load import load

LARGE = scan(11)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_we_write_has_no_raw_tab(value):
    assert b"\t" not in serialize(value)


def test_every_base64_of_r4_may_be_large():
    members = {
        element.name
        for name in facts().structures
        for element in structure(name).elements.values()
        if element.type == "base64Binary"
    }
    assert {"data", "valueBase64Binary"} <= members
    assert {name for name in members if not may_be_large(name)} == set()


def test_writers_of_the_same_content_at_once_all_succeed(client, rows):
    key = str(uuid4())
    documents = [note(LARGE, id=key, description=f"writer {number}") for number in range(4)]

    async def run():
        async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers, timeout=60) as http:
            puts = (http.put(f"/DocumentReference/{key}", json=document) for document in documents)
            posts = (http.post("/DocumentReference", json=document) for document in documents)
            return await asyncio.gather(*puts, *posts)

    answers = asyncio.run(run())
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [201] * 5
    assert rows("SELECT count(*) FROM large_content WHERE id = $1", key) == [(1,)]
    history = client.get(f"/DocumentReference/{key}/_history").json()["entry"]
    assert len(history) == 4
    assert {entry["resource"]["content"][0]["attachment"]["data"] for entry in history} == {LARGE}


def test_a_crash_leaves_no_reference_without_its_content(start_server):
    server = start_server()
    documents = [note(scan(seed), patient="Patient/p") for seed in range(20, 24)]

    async def run(headers):
        async with httpx.AsyncClient(base_url=server.fhir, headers=headers, timeout=60) as http:
            sent = [
                asyncio.create_task(http.post("/DocumentReference", json=document)) for document in documents
            ]
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            server.kill()
            await asyncio.gather(*sent, return_exceptions=True)

    with server.client("admin", "system/*.cruds") as client:
        client.put("/Patient/p", json={"resourceType": "Patient", "id": "p"})
        asyncio.run(run(client.headers))
        server.start()
        found = client.get("/DocumentReference?patient=Patient/p").json()["entry"]
    assert found
    sent = {document["content"][0]["attachment"]["data"] for document in documents}
    assert {entry["resource"]["content"][0]["attachment"]["data"] for entry in found} <= sent


async def test_a_load_keeps_large_contents_apart(database, settings, connection, tmp_path):
    document = {"resourceType": "Binary", "id": str(uuid4()), "contentType": "image/png", "data": LARGE}
    path = tmp_path / "scans.ndjson"
    path.write_text(json.dumps(document))
    summary = await load(database, settings, [path])
    assert (summary.resources, summary.created) == (1, 1)
    assert (await load(database, settings, [path])).created == 0
    key = document["id"]
    versions = await connection.fetch("SELECT octet_length(body) FROM resource_history WHERE id = $1", key)
    assert [size < 1_000 for (size,) in versions] == [True]
    assert await connection.fetchval("SELECT content FROM large_content WHERE id = $1", key) == LARGE


async def test_the_way_back_puts_contents_into_their_rows(empty_database_url, settings, tmp_path):
    binary = {"resourceType": "Binary", "id": "b", "contentType": "image/png", "data": LARGE}
    photo = [{"contentType": "image/png", "data": data} for data in (LARGE, scan(12), "QUJD")]
    patient = {"resourceType": "Patient", "id": "b", "photo": photo}
    database = await Database.open(empty_database_url, max_size=1)
    for number, document in enumerate((binary, patient, {**patient, "active": True})):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        await load(database, settings, [path])
    await database.close()
    await migrate.on_connection(empty_database_url, downgrade)
    connection = await asyncpg.connect(empty_database_url)
    versions = await connection.fetch("SELECT body FROM resource_history ORDER BY seq")
    current = await connection.fetch("SELECT body FROM fhir_binary UNION ALL SELECT body FROM fhir_patient")
    await connection.close()
    stored = [json.loads(body) for (body,) in versions]
    assert [without_meta(one) for one in stored] == [binary, patient, {**patient, "active": True}]
    assert [json.loads(body) for (body,) in current] == [stored[0], stored[2]]


def without_meta(document):
    return {name: value for name, value in document.items() if name != "meta"}


def downgrade(connection):
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.downgrade(config, "0006")
