"""Large documents are read, checked and indexed beside the event loop, with the results of small ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import harness
import httpx
import pytest

from models.document import serialize
from models.errors import Malformed
from models.xml import to_xml
from service.aside import LARGE, aside

Document = dict[str, Any]
XML = {"Content-Type": "application/fhir+xml"}
PATCH = {"Content-Type": "application/json-patch+json"}
ITEMS = 4000


@pytest.fixture(scope="module")
def writer(server: harness.Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


def answers(**members: Any) -> Document:
    """Write a form of some 400 kB."""
    item = [
        {
            "linkId": f"q-{number}",
            "text": "How was the journey?",
            "answer": [{"valueString": "calm and clear"}],
        }
        for number in range(ITEMS)
    ]
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": item, **members}


def test_the_form_is_large() -> None:
    assert LARGE < len(serialize(answers())) < 2 * LARGE


async def test_small_work_is_done_at_once_and_large_work_in_one_other_thread() -> None:
    here = threading.get_ident()
    assert await aside(LARGE - 1, threading.get_ident) == here
    others = await asyncio.gather(*(aside(LARGE, threading.get_ident) for _ in range(5)))
    assert len(set(others)) == 1
    assert here not in others


async def test_the_loop_goes_on_meanwhile() -> None:
    goes_on = threading.Event()
    asyncio.get_running_loop().call_later(0.01, goes_on.set)
    assert await aside(LARGE, lambda: goes_on.wait(10))


async def test_a_refusal_comes_back() -> None:
    def refuse() -> None:
        raise Malformed("No.")

    for size in (0, LARGE):
        with pytest.raises(Malformed, match="No"):
            await aside(size, refuse)


@pytest.mark.parametrize("format_", ["json", "xml"])
def test_a_large_resource_is_stored_and_found(writer: httpx.Client, format_: str) -> None:
    value = uuid4().hex
    document = answers(identifier={"system": "urn:x", "value": value})
    content, headers = (to_xml(document), XML) if format_ == "xml" else (serialize(document), {})
    answer = writer.post("/QuestionnaireResponse", content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    (found,) = writer.get("/QuestionnaireResponse", params={"identifier": value}).json()["entry"]
    assert found["resource"]["item"] == document["item"]


def test_a_large_resource_is_refused_where_it_is_wrong(writer: httpx.Client) -> None:
    document = answers(subject={"reference": "Patient/never-there"})
    (issue,) = writer.post("/QuestionnaireResponse", json=document).json()["issue"]
    assert (issue["code"], issue["expression"]) == ("not-found", ["QuestionnaireResponse.subject.reference"])
    document["item"][ITEMS - 1]["answer"] = [{"valueBoolean": "yes"}]
    answer = writer.post("/QuestionnaireResponse", json=document)
    place = f"QuestionnaireResponse.item[{ITEMS - 1}].answer[0].value"
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"][0].startswith(place)
    broken = writer.post("/QuestionnaireResponse", content=serialize(document)[:-1])
    assert (broken.status_code, broken.json()["issue"][0]["code"]) == (400, "structure")


def test_a_large_resource_is_patched(writer: httpx.Client) -> None:
    key = writer.post("/QuestionnaireResponse", json=answers()).json()["id"]
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    answer = writer.patch(f"/QuestionnaireResponse/{key}", json=patch, headers=PATCH)
    assert (answer.status_code, answer.json()["status"]) == (200, "amended")
    patch = [{"op": "replace", "path": "/item", "value": answers()["item"]}]
    answer = writer.patch(f"/QuestionnaireResponse/{key}", json=patch, headers=PATCH)
    assert (answer.status_code, len(answer.json()["item"])) == (200, ITEMS)


def test_the_entries_of_a_large_transaction_refer_to_each_other(writer: httpx.Client) -> None:
    person, form = (f"urn:uuid:{uuid4()}" for _ in range(2))
    entries = [
        (form, answers(subject={"reference": person})),
        (person, {"resourceType": "Patient"}),
    ]
    sent = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": one, "request": {"method": "POST", "url": one["resourceType"]}}
            for url, one in entries
        ],
    }
    answer = writer.post("", json=sent)
    assert answer.status_code == 200, answer.text
    first, second = (one["response"]["location"] for one in answer.json()["entry"])
    subject = writer.get(first).json()["subject"]["reference"]
    assert f"/{subject}/" in second
