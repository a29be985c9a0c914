"""Page sequences while others write: what stays as it was is shown exactly once, in order, there and back.

    still    40 patients that nobody touches; birth dates, genders and names meet, or are absent
    moving   20 patients that three writers change, delete and bring back, and new ones that they add

Sizes, sorts and criteria are drawn. A patient that moves may be met at its old and its new place, never twice
in the same version.

Source: https://hl7.org/fhir/R4/http.html#paging, https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager
from random import Random
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.examples import examples

FAMILIES = ("Adams", "adams", "Ädams", "Brown", "De la Cruz", "Zed")
BIRTHDAYS = (None, "1980", "1980-05", "1980-05-01", "1990-12-31")
GENDERS = (None, "female", "male", "other")
STILL, MOVING, WRITERS = 40, 20, 3

SORTS = (
    "",
    "_id",
    "-_id",
    "_lastUpdated",
    "-_lastUpdated",
    "birthdate",
    "-birthdate",
    "gender,-birthdate",
    "-gender,_id",
    "family",
    "-family,birthdate",
    "given,-_lastUpdated",
)
CRITERIA = (
    "",
    "_lastUpdated=ge2000",
    "birthdate=ge1900",
    "family=a,b,d,z",
    "gender=female,male",
    "active:not=false",
)
SCOPE = "system/*.cruds"
WALKS = st.lists(
    st.tuples(st.integers(1, 17), st.sampled_from(SORTS), st.sampled_from(CRITERIA)),
    min_size=10,
    max_size=10,
    unique_by=lambda walk: walk[1],
)


def patient(chance, key):
    """A patient whose sort keys are drawn from few."""
    birthday, gender = chance.choice(BIRTHDAYS), chance.choice(GENDERS)
    return {
        "resourceType": "Patient",
        "id": key,
        "name": [{"family": chance.choice(FAMILIES), "given": [chance.choice(("Sam", "Pat"))]}],
        **({"birthDate": birthday} if birthday else {}),
        **({"gender": gender} if gender else {}),
    }


def put(document):
    request = {"method": "PUT", "url": f"Patient/{document['id']}"}
    return {"resource": document, "request": request}


@pytest.fixture(scope="module")
def crowd(own_server):
    """Makes clients, each with a fresh token, of a server with those that stay and those that will move."""
    chance = Random("crowd")  # noqa: S311 - nothing here is secret
    documents = [patient(chance, f"still-{number}") for number in range(STILL)]
    documents += [patient(chance, f"moving-{number}") for number in range(MOVING)]
    chance.shuffle(documents)
    credentials = own_server.add_client("admin", SCOPE)

    def headers():
        token = own_server.token(credentials, SCOPE)
        return {"Authorization": f"Bearer {token}", "Prefer": "handling=strict"}

    with httpx.Client(base_url=own_server.fhir, headers=headers(), timeout=30) as http:
        for part in (documents[:25], documents[25:45], documents[45:]):
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": list(map(put, part))}
            http.post("", json=bundle).raise_for_status()
        await_all(http)
    return lambda: httpx.AsyncClient(base_url=own_server.fhir, headers=headers(), timeout=30)


def await_all(http):
    """Wait until no older transaction of the database holds anybody back."""
    deadline = time.monotonic() + 30
    while len(http.get("Patient?_lastUpdated=ge2000&_count=1000").json().get("entry", ())) < STILL + MOVING:
        assert time.monotonic() < deadline, "Another test held a transaction open for too long."
        time.sleep(0.05)


@asynccontextmanager
async def written_meanwhile(http):
    """Let writers work until the block ends."""
    tasks = [asyncio.create_task(write(http, Random(number))) for number in range(WRITERS)]  # noqa: S311 - as above
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


async def write(http, chance):
    """Change, delete, bring back and add, for ever."""
    while True:
        key = chance.choice([f"moving-{number}" for number in range(MOVING)])
        action = chance.choice(("change", "change", "change", "delete", "add"))
        if action == "delete":
            answer = await http.delete(f"Patient/{key}")
        else:
            document = patient(chance, key if action == "change" else str(uuid4()))
            answer = await http.put(f"Patient/{document['id']}", json=document)
        assert answer.status_code in {200, 201, 204}, answer.text


def asked(sort, criteria, count):
    """The URL of a first page."""
    parts = (f"_sort={sort}" if sort else "", criteria, f"_count={count}")
    return f"Patient?{'&'.join(filter(None, parts))}"


async def pages(http, url, relation):
    """Every page from a URL on by one kind of link, as (id, version)s, and the links of the last one."""
    found, links = [], {relation: url}
    while relation in links:
        answer = await http.get(links[relation])
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        resources = [entry["resource"] for entry in bundle.get("entry", [])]
        found.append([(one["id"], one["meta"]["versionId"]) for one in resources])
        links = {link["relation"]: link["url"] for link in bundle["link"]}
    return found, links


async def expected(http, sort, criteria):
    """Those that stay, in their order."""
    whole, _ = await pages(http, asked(sort, criteria, 1000), "next")
    return stayed(whole)


def stayed(found):
    """The ids of those that nobody touches, in order."""
    return [key for key, _ in itertools.chain(*found) if key.startswith("still-")]


@examples(1, shrinks=False)
@given(walks=WALKS)
async def test_what_stays_as_it_was_is_shown_exactly_once_in_order_there_and_back(crowd, walks):
    async with crowd() as http:
        quiet = [await expected(http, sort, criteria) for _, sort, criteria in walks]
        async with written_meanwhile(http):
            for (count, sort, criteria), still in zip(walks, quiet, strict=True):
                url = asked(sort, criteria, count)
                there, links = await pages(http, url, "next")
                assert stayed(there) == still, url
                back = await back_again(http, links) if len(there) > 1 else []
                assert stayed([*back, there[-1]]) == still, url
                for found in (there, [*back, there[-1]]):
                    shown = list(itertools.chain(*found))
                    assert len(shown) == len(set(shown)), url
                assert all(0 < len(page) <= count for page in there[:-1]), url


async def back_again(http, links):
    """The pages before the last one, in the order of the sequence."""
    found, _ = await pages(http, links["previous"], "previous")
    return found[::-1]
