"""Requests that once were a 500, or a worker busy for minutes: each is refused, or answered in time."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from practice_kit import Practice, patient

from service.database import Database
from service.search.values import interval, relative

XHTML = '<div xmlns="http://www.w3.org/1999/xhtml">'


def bundle(kind: Any, *entries: Any) -> str:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries})


def entry(method: Any, url: str, **members: Any) -> dict[str, Any]:
    return {"request": {"method": method, "url": url}, **members}


def place(keys: list[str]) -> str:
    """Write a page link's place, as nobody but the server should."""
    text = json.dumps({"backwards": False, "keys": keys, "id": "x"})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "content",
    [
        bundle(["batch"]),
        bundle("batch", entry([], "Patient/pat-1")),
        bundle("transaction", entry({}, "Patient/pat-1")),
        bundle("batch", entry("GET", "Patient/pat-1", fullUrl={}), entry("POST", "Patient", resource={})),
    ],
)
def test_a_bundle_with_members_of_another_shape_is_no_fault_of_the_server(
    operator: httpx.Client, content: str
) -> None:
    assert operator.post("", content=content).status_code in {200, 400}


@pytest.mark.parametrize(
    "since",
    ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2020 00:00:00 +99999999999999999"],
)
def test_an_instant_beyond_the_calendar_in_a_header_is_passed_over(
    operator: httpx.Client, since: str
) -> None:
    assert operator.get("/Patient/pat-1", headers={"If-Modified-Since": since}).status_code == 200


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("_lastUpdated", "0001-01-01T00:00:00+14:00"),
        ("_lastUpdated", "9999-12-31T23:59:59-14:00"),
        ("value-quantity", "1e999999"),
        ("value-quantity", "1e-20000"),
        ("value-quantity", "sNaN"),
    ],
)
def test_a_forged_place_that_the_database_cannot_hold_is_400(
    operator: httpx.Client, sort: str, key: str
) -> None:
    answer = operator.get("/Observation", params={"_sort": sort, "_page": place([key])})
    assert answer.status_code == 400
    assert "page link" in answer.json()["issue"][0]["details"]["text"]


def test_about_the_beginning_of_time_is_400(operator: httpx.Client) -> None:
    answer = operator.get("/Observation", params={"_lastUpdated": "ap0001-01-01T00:00:00+14:00"})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["http._lastUpdated"]


@pytest.mark.parametrize(
    "query",
    [
        "&".join(["_sort=code,date,status,subject,_id"] * 400),
        "&".join(["code=a"] * 300),
        "code-value-quantity=" + ",".join(f"{n}$1" for n in range(501)),
        "&".join("subject:Patient.name=" + ",".join(f"{m}-{n}" for n in range(400)) for m in range(20)),
        "&".join(["focus.focus.focus.focus.focus._id=x"] * 100),
    ],
    ids=["sort keys", "criteria", "pairs", "values", "chains"],
)
def test_a_search_of_endless_parts_is_400(operator: httpx.Client, query: str) -> None:
    assert operator.get(f"/Observation?{query}").status_code == 400


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_an_entry_may_not_search_by_more_criteria_than_a_request(operator: httpx.Client, kind: str) -> None:
    answer = operator.post("", content=bundle(kind, entry("GET", "Patient?" + "&".join(["_id=a"] * 40_000))))
    assert "400 Bad Request" in answer.text or answer.status_code == 400


@pytest.mark.parametrize(
    "references",
    [["Patient?" + "&".join(["_id=a"] * 40_000)], [f"Patient?_id=a{n}" for n in range(101)]],
    ids=["criteria", "references"],
)
def test_conditional_references_are_bounded(operator: httpx.Client, references: list[str]) -> None:
    document = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "performer": [{"reference": reference} for reference in references],
    }
    assert operator.post("/Observation", content=json.dumps(document)).status_code == 400


def test_an_include_asked_for_many_times_is_followed_once(operator: httpx.Client) -> None:
    started = time.monotonic()
    query = "&".join(["_include=Observation:*"] * 300)
    assert operator.get(f"/Observation?_count=1&{query}").status_code == 200
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_links_of_thousands_of_entries_are_looked_up_and_not_searched_for(
    operator: httpx.Client, kind: str
) -> None:
    narrative = {"status": "generated", "div": f"{XHTML}{'x' * 2000}</div>"}
    unsound = {"resourceType": "Patient", "text": narrative, "gender": "no gender"}
    entries = [
        entry("POST", "Patient", fullUrl=f"urn:uuid:{uuid4()}", resource=unsound) for _ in range(2_000)
    ]
    started = time.monotonic()
    answer = operator.post("", content=bundle(kind, *entries))
    assert answer.status_code == (400 if kind == "transaction" else 200)
    assert time.monotonic() - started < 10


def test_a_link_in_a_narrative_follows_its_entry(operator: httpx.Client) -> None:
    url = f"urn:uuid:{uuid4()}"
    narrative = {"status": "generated", "div": f'{XHTML}5" tall, <a href="{url}">self</a></div>'}
    sent = bundle("transaction", entry("POST", "Patient", fullUrl=url, resource=patient(text=narrative)))
    stored = operator.post("", content=sent, headers={"Prefer": "return=representation"})
    document = stored.json()["entry"][0]["resource"]
    assert f'<a href="Patient/{document["id"]}">' in document["text"]["div"]
    assert '5" tall' in document["text"]["div"]


def test_scopes_that_narrow_each_other_without_an_end_allow_nothing(practice: Practice) -> None:
    scope = "system/Patient.rs?_has:Observation:patient:code=x system/Observation.rs?patient.name=y"
    client = practice.server.add_client("ehr", "system/*.cruds")
    headers = {"Authorization": f"Bearer {practice.server.token(client, scope)}"}
    with httpx.Client(base_url=practice.server.fhir, headers=headers) as ehr:
        assert ehr.get("/Patient").status_code == 403
        assert ehr.get("/Observation?patient.name=z").status_code == 403


async def test_a_statement_whose_values_are_refused_harms_nobody_after_it(database_url: str) -> None:
    database = await Database.open(database_url, min_size=1, max_size=1)
    try:
        with contextlib.suppress(asyncpg.DataError):
            async with database.acquire() as connection:
                await connection.execute("SET statement_timeout = '1s'")
                await connection.fetchval("SELECT $1::int", "no number")
        async with database.acquire() as connection:
            # The time of the refused statement must not go on for this one.
            await connection.fetchval("SELECT pg_sleep(1.2)")
    finally:
        await database.close()


def test_long_texts_of_strangers_are_not_remembered() -> None:
    import tracemalloc  # noqa: PLC0415 - slows everything down while it is on

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(200):
            relative(f"urn:{number}{'x' * 50_000}", "http://fhir.test/fhir/")
            interval(f"2026-01-01T00:00:00.{number}{'1' * 50_000}Z")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000_000
