"""fhirpy's asynchronous client: many requests at once, as an integration engine makes them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import fhirpy
import pytest
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound
from practice_kit import Practice, number, order

SYSTEM = "https://fhirpy.example/async"
WRITERS = 12


@pytest.fixture
def client(practice: Practice, token: str) -> fhirpy.AsyncFHIRClient:
    return fhirpy.AsyncFHIRClient(practice.server.fhir, authorization=f"Bearer {token}")


def marked(client: fhirpy.AsyncFHIRClient, value: str, **members: Any) -> Any:
    return client.resource("Patient", identifier=[{"system": SYSTEM, "value": value}], **members)


async def test_concurrent_conditional_creations_store_one(client: fhirpy.AsyncFHIRClient) -> None:
    value = number()
    criteria = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    answers = await asyncio.gather(*(criteria.get_or_create(marked(client, value)) for _ in range(WRITERS)))
    assert Counter(created for _, created in answers) == {True: 1, False: WRITERS - 1}
    assert {found.id for found, _ in answers} == {(await criteria.get()).id}


async def test_concurrent_retries_of_a_prescription_store_one(client: fhirpy.AsyncFHIRClient) -> None:
    document = order()
    answers = await asyncio.gather(
        *(client.execute("MedicationRequest", data=document) for _ in range(WRITERS))
    )
    assert len({answer.id for answer in answers}) == 1
    changed = {**document, "note": [{"text": "another"}]}
    with pytest.raises(OperationOutcome) as caught:
        await client.execute("MedicationRequest", data=changed)
    assert caught.value.resource["issue"][0]["expression"] == ["MedicationRequest.note"]


async def test_concurrent_patches_of_one_resource_are_all_kept(client: fhirpy.AsyncFHIRClient) -> None:
    patient = await marked(client, number(), active=True).create()
    # Five writers: the server tries each as often, and who loses has lost to another one each time.
    languages = ["de", "en", "fr"]
    await asyncio.gather(
        *(client.patch("Patient", patient.id, language=language) for language in languages),
        client.patch("Patient", patient.id, gender="other"),
        client.patch("Patient", patient.id, birthDate="1980-02-03"),
    )
    await patient.refresh()
    assert patient["language"] in languages
    assert (patient["gender"], patient["birthDate"], patient["active"]) == ("other", "1980-02-03", True)
    assert patient["meta"]["versionId"] == str(1 + len(languages) + 2)
    history = await client.execute(f"Patient/{patient.id}/_history", method="get")
    assert [one.resource.meta.versionId for one in history.entry] == [str(n) for n in range(6, 0, -1)]


async def test_of_concurrent_updates_under_a_condition_one_creates(client: fhirpy.AsyncFHIRClient) -> None:
    value = number()
    criteria = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    sent = [marked(client, value, language=f"x-{n}") for n in range(WRITERS)]
    answers = await asyncio.gather(*(criteria.update(one) for one in sent))
    assert [created for _, created in answers].count(True) == 1
    assert (await criteria.get())["meta"]["versionId"] == str(WRITERS)


async def test_pages_are_read_while_others_write(client: fhirpy.AsyncFHIRClient) -> None:
    """What was there at the beginning and stays as it was comes exactly once."""
    group = number()
    tagged = {"meta": {"tag": [{"system": SYSTEM, "code": group}]}}
    before = await asyncio.gather(*(marked(client, number(), **tagged).create() for _ in range(20)))
    pages = client.resources("Patient").search(_tag=f"{SYSTEM}|{group}").limit(3)

    async def write() -> None:
        for _ in range(10):
            late = await marked(client, number(), **tagged).create()
            await late.delete()

    fetched, *_ = await asyncio.gather(pages.fetch_all(), write(), write())
    seen = Counter(one.id for one in fetched)
    assert {one.id for one in before} <= seen.keys()
    assert set(seen.values()) == {1}


async def test_errors_are_those_of_the_server(client: fhirpy.AsyncFHIRClient) -> None:
    with pytest.raises(ResourceNotFound, match="not-found"):
        await client.get("Patient", "never-used")
    patient = await marked(client, number()).create()
    await patient.delete()
    with pytest.raises(ResourceNotFound, match="deleted"):
        await patient.refresh()
    value = number()
    await asyncio.gather(*(marked(client, value).create() for _ in range(2)))
    with pytest.raises(MultipleResourcesFound):
        await client.resources("Patient").search(identifier=f"{SYSTEM}|{value}").get()
