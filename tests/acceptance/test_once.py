"""Exactly once, whoever else writes: many connections, several worker processes, one stored result."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Iterator
from itertools import cycle
from typing import Any

import harness
import httpx
import practice_kit
import pytest
from practice_kit import RX_SYSTEM, Practice, number, order, patient, resources

CONNECTIONS = 12


@pytest.fixture(scope="module")
def two_workers(databases: harness.Databases) -> Iterator[Practice]:
    server = harness.Server(databases.create(), workers=2)
    server.start()
    practice_kit.load(server)
    yield Practice(server)
    server.dispose()
    databases.drop(server.database_url)


@pytest.fixture(scope="module")
def authorization(two_workers: Practice) -> dict[str, str]:
    with two_workers.prescriber() as client:
        return {"Authorization": client.headers["Authorization"]}


@pytest.fixture(scope="module")
def everything(two_workers: Practice) -> dict[str, str]:
    with two_workers.operator() as client:
        return {"Authorization": client.headers["Authorization"]}


def at_once(base_url: str, headers: dict[str, str], requests: list[dict[str, Any]]) -> list[httpx.Response]:
    """Send all requests at the same time over several connections, round robin."""

    async def run() -> list[httpx.Response]:
        clients = [
            httpx.AsyncClient(
                base_url=base_url, headers=headers, timeout=60, limits=httpx.Limits(max_connections=1)
            )
            for _ in range(min(CONNECTIONS, len(requests)))
        ]
        # Every connection stands before the first request is sent.
        await asyncio.gather(*(client.get("/metadata") for client in clients))
        sent: list[Coroutine[Any, Any, httpx.Response]] = [
            client.request(**request) for client, request in zip(cycle(clients), requests, strict=False)
        ]
        answers = await asyncio.gather(*sent)
        await asyncio.gather(*(client.aclose() for client in clients))
        return answers

    return asyncio.run(run())


def post(document: dict[str, Any], url: str = "/MedicationRequest", **headers: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": url,
        "content": json.dumps(document),
        "headers": {"Content-Type": "application/fhir+json"}
        | {name.replace("_", "-"): value for name, value in headers.items()},
    }


@pytest.mark.parametrize("conditional", [False, True])
def test_200_posts_of_one_prescription_store_one(
    two_workers: Practice, authorization: dict[str, str], *, conditional: bool
) -> None:
    value = number()
    document = order(value)
    shuffled = dict(reversed(document.items()))
    headers = {"If_None_Exist": f"identifier={RX_SYSTEM}|{value}"} if conditional else {}
    requests = [post(document, **headers), post(shuffled, **headers)] * 100
    answers = at_once(two_workers.server.fhir, authorization, requests)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 199}
    assert len({(answer.content, answer.headers["etag"]) for answer in answers}) == 1
    assert two_workers.vault.orders(value) == 1
    with httpx.Client(base_url=two_workers.server.fhir, headers=authorization) as client:
        found = client.get("/MedicationRequest", params={"identifier": f"{RX_SYSTEM}|{value}"}).json()
    assert resources(found) == [answers[0].json()]


def test_of_two_contents_under_one_number_one_wins_and_the_other_is_a_conflict(
    two_workers: Practice, authorization: dict[str, str]
) -> None:
    value = number()
    contents = [order(value), order(value, status="on-hold")]
    requests = [post(contents[turn % 2]) for turn in range(40)]
    answers = at_once(two_workers.server.fhir, authorization, requests)
    stored = next(answer.json() for answer in answers if answer.status_code == 201)
    for turn, answer in enumerate(answers):
        same = contents[turn % 2]["status"] == stored["status"]
        assert answer.status_code in ({200, 201} if same else {409})
    assert two_workers.vault.orders(value) == 1


def test_any_criteria_of_if_none_exist_create_once(two_workers: Practice, everything: dict[str, str]) -> None:
    family = f"Once-{number()}"
    requests = [post(patient(family), "/Patient", If_None_Exist=f"family:exact={family}") for _ in range(40)]
    answers = at_once(two_workers.server.fhir, everything, requests)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 39}
    assert len({answer.content for answer in answers}) == 1


def test_of_concurrent_updates_of_one_version_exactly_one_wins(
    two_workers: Practice, everything: dict[str, str]
) -> None:
    created = at_once(two_workers.server.fhir, everything, [post(patient("Raced"), "/Patient")])[0].json()
    url = f"/Patient/{created['id']}"
    requests = [
        post({**created, "name": [{"family": f"Racer{turn}"}]}, url, If_Match='W/"1"') | {"method": "PUT"}
        for turn in range(40)
    ]
    answers = at_once(two_workers.server.fhir, everything, requests)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 39}
    winner = next(answer for answer in answers if answer.status_code == 200)
    read = at_once(two_workers.server.fhir, everything, [{"method": "GET", "url": url}])[0]
    assert read.content == winner.content
    assert read.json()["meta"]["versionId"] == "2"


def test_unconditional_updates_follow_each_other_without_a_gap(
    two_workers: Practice, everything: dict[str, str]
) -> None:
    created = at_once(two_workers.server.fhir, everything, [post(patient("Queued"), "/Patient")])[0].json()
    url = f"/Patient/{created['id']}"
    requests = [
        post({**created, "name": [{"family": f"Racer{turn}"}]}, url) | {"method": "PUT"} for turn in range(6)
    ]
    answers = at_once(two_workers.server.fhir, everything, requests)
    won = [answer for answer in answers if answer.status_code == 200]
    assert sorted(int(answer.json()["meta"]["versionId"]) for answer in won) == [*range(2, len(won) + 2)]
    assert {answer.status_code for answer in answers} <= {200, 409}


def test_transactions_with_one_prescription_at_once_store_it_once(
    two_workers: Practice, everything: dict[str, str]
) -> None:
    value, family = number(), f"Bundled-{number()}"
    bundle = practice_kit.transaction(
        ("POST", "MedicationRequest", order(value)), ("POST", "Patient", patient(family))
    )
    answers = at_once(two_workers.server.fhir, everything, [post(bundle, "/")] * 20)
    assert {answer.status_code for answer in answers} == {200}
    done = [answer.json()["entry"] for answer in answers]
    assert Counter(entries[0]["response"]["status"][:3] for entries in done) == {
        "201": 1,
        "200": len(done) - 1,
    }
    assert len({entries[0]["response"]["location"] for entries in done}) == 1
    assert two_workers.vault.orders(value) == 1
    stored = two_workers.vault.count(
        "SELECT count(*) FROM resource_history WHERE resource_type = 'Patient' AND position($1 in body) > 0",
        family,
    )
    assert stored == len(done)


def test_after_all_races_every_current_row_is_the_newest_version(two_workers: Practice) -> None:
    for resource_type in ("MedicationRequest", "Patient"):
        assert two_workers.vault.index_disagreements(resource_type) == 0
