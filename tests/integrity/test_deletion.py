"""What others refer to is not deleted, and nothing that is referred to is ever missing.

Source: https://hl7.org/fhir/R4/http.html#delete
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from harness import Server

Document = dict[str, Any]


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


def put(client: httpx.Client, resource_type: str, **members: Any) -> str:
    """Store a resource and return ``Type/id``."""
    answer = client.post(f"/{resource_type}", json={"resourceType": resource_type, **members})
    assert answer.status_code == 201, answer.text
    return f"{resource_type}/{answer.json()['id']}"


def to(key: str) -> Document:
    return {"reference": key}


def observation(**members: Any) -> Document:
    return {"status": "final", "code": {"text": "pulse"}, **members}


def transaction(*entries: tuple[str, str, Document | None]) -> Document:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": method, "url": url}, **({"resource": document} if document else {})}
            for method, url, document in entries
        ],
    }


def refused(answer: httpx.Response, status: int = 409) -> Document:
    assert answer.status_code == status, answer.text
    (issue,) = answer.json()["issue"]
    return dict(issue)


def test_a_patient_with_a_record_is_not_deleted_and_one_resource_of_it_is_named(
    operator: httpx.Client,
) -> None:
    patient = put(operator, "Patient")
    seen = put(operator, "Observation", **observation(subject=to(patient)))
    issue = refused(operator.delete(f"/{patient}"))
    assert issue["code"] == "conflict"
    assert issue["details"]["text"] == (
        f"{seen} refers to it; delete or change that first, or both in one transaction."
    )
    assert operator.get(f"/{patient}").status_code == 200
    assert operator.get(f"/{patient}").headers["etag"] == 'W/"1"'


def test_a_reference_that_no_search_parameter_covers_holds_too(operator: httpx.Client) -> None:
    patient, place = put(operator, "Patient"), put(operator, "Location", name="Clinic")
    stay = put(
        operator,
        "Encounter",
        status="finished",
        subject=to(patient),
        **{"class": {"code": "AMB"}},
        hospitalization={"origin": to(place)},
    )
    assert stay in refused(operator.delete(f"/{place}"))["details"]["text"]


def test_a_reference_in_an_extension_holds_too(operator: httpx.Client) -> None:
    place = put(operator, "Location", name="Clinic")
    extension = [{"url": "https://a.example/at", "valueReference": to(place)}]
    patient = put(operator, "Patient", extension=extension)
    assert patient in refused(operator.delete(f"/{place}"))["details"]["text"]


def test_an_absolute_reference_to_this_server_holds_too(operator: httpx.Client, server: Server) -> None:
    organization = put(operator, "Organization", name="Practice")
    place = put(operator, "Location", managingOrganization=to(f"{server.fhir}/{organization}"))
    assert place in refused(operator.delete(f"/{organization}"))["details"]["text"]


def test_what_another_caller_may_not_see_is_not_named(operator: httpx.Client, server: Server) -> None:
    patient = put(operator, "Patient")
    seen = put(operator, "Observation", **observation(subject=to(patient)))
    with server.client("admin", "system/Patient.rd") as client:
        issue = refused(client.delete(f"/{patient}"))
    assert issue["details"]["text"].startswith("A resource that you may not see refers to it;")
    assert seen.partition("/")[2] not in str(issue)


def test_what_a_granular_scope_leaves_out_is_not_named(operator: httpx.Client, server: Server) -> None:
    patient = put(operator, "Patient")
    put(operator, "Observation", **observation(subject=to(patient)))
    with server.client("admin", "system/Patient.rd system/Observation.rs?status=preliminary") as client:
        issue = refused(client.delete(f"/{patient}"))
    assert issue["details"]["text"].startswith("A resource that you may not see")


def test_a_deletion_by_criteria_is_refused_likewise(operator: httpx.Client) -> None:
    value = uuid4().hex
    organization = put(operator, "Organization", identifier=[{"system": "urn:x", "value": value}])
    put(operator, "Location", managingOrganization=to(organization))
    refused(operator.delete(f"/Organization?identifier=urn:x|{value}"))
    assert operator.get(f"/{organization}").status_code == 200


def test_a_transaction_that_leaves_a_referrer_is_refused_and_the_entry_named(operator: httpx.Client) -> None:
    patient = put(operator, "Patient")
    first = put(operator, "Observation", **observation(subject=to(patient)))
    second = put(operator, "Observation", **observation(subject=to(patient)))
    issue = refused(operator.post("", json=transaction(("DELETE", first, None), ("DELETE", patient, None))))
    assert issue["expression"] == ["Bundle.entry[1]"]
    assert second in issue["details"]["text"]
    assert operator.get(f"/{first}").status_code == 200


def test_a_transaction_that_refers_to_what_it_deletes_is_refused(operator: httpx.Client) -> None:
    patient = put(operator, "Patient")
    new = {"resourceType": "Observation", **observation(subject=to(patient))}
    answer = operator.post("", json=transaction(("POST", "Observation", new), ("DELETE", patient, None)))
    assert refused(answer, 422)["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    assert operator.get(f"/{patient}").status_code == 200


def test_an_entry_of_a_batch_is_refused_alone(operator: httpx.Client) -> None:
    patient = put(operator, "Patient")
    seen = put(operator, "Observation", **observation(subject=to(patient)))
    batch = {**transaction(("DELETE", patient, None), ("DELETE", seen, None)), "type": "batch"}
    statuses = [entry["response"]["status"][:3] for entry in operator.post("", json=batch).json()["entry"]]
    assert statuses == ["409", "204"]


def test_a_refused_deletion_is_in_no_history(operator: httpx.Client) -> None:
    patient = put(operator, "Patient")
    put(operator, "Observation", **observation(subject=to(patient)))
    refused(operator.delete(f"/{patient}"))
    assert len(operator.get(f"/{patient}/_history").json()["entry"]) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_what_goes_together_goes_in_any_order_and_in_rings(
    operator: httpx.Client, order: tuple[int, ...]
) -> None:
    patient = put(operator, "Patient")
    first = put(operator, "Observation", **observation(subject=to(patient)))
    second = put(operator, "Observation", **observation(subject=to(patient), hasMember=[to(first)]))
    changed = {
        "resourceType": "Observation",
        "id": first.partition("/")[2],
        **observation(subject=to(patient), derivedFrom=[to(second)]),
    }
    assert operator.put(f"/{first}", json=changed).status_code == 200
    keys = (patient, first, second)
    answer = operator.post("", json=transaction(*(("DELETE", keys[at], None) for at in order)))
    assert answer.status_code == 200, answer.text
    assert {operator.get(f"/{key}").status_code for key in keys} == {410}


def test_a_transaction_may_take_the_reference_away_that_holds(operator: httpx.Client) -> None:
    organization = put(operator, "Organization", name="Practice")
    place = put(operator, "Location", managingOrganization=to(organization))
    bare = {"resourceType": "Location", "id": place.partition("/")[2], "name": "Room"}
    answer = operator.post("", json=transaction(("DELETE", organization, None), ("PUT", place, bare)))
    assert answer.status_code == 200, answer.text


def test_what_no_longer_refers_does_not_hold(operator: httpx.Client) -> None:
    organization = put(operator, "Organization", name="Practice")
    place = put(operator, "Location", managingOrganization=to(organization))
    bare = {"resourceType": "Location", "id": place.partition("/")[2], "name": "Room"}
    assert operator.put(f"/{place}", json=bare).status_code == 200
    assert operator.delete(f"/{organization}").status_code == 204


def test_what_refers_to_itself_goes(operator: httpx.Client) -> None:
    key = uuid4().hex
    organization = {"resourceType": "Organization", "id": key, "name": "Practice"}
    assert operator.put(f"/Organization/{key}", json=organization).status_code == 201
    own = {**organization, "partOf": to(f"Organization/{key}")}
    assert operator.put(f"/Organization/{key}", json=own).status_code == 200
    assert operator.delete(f"/Organization/{key}").status_code == 204


def test_a_reference_to_one_version_does_not_hold(operator: httpx.Client) -> None:
    place = put(operator, "Location", name="Clinic")
    put(
        operator,
        "Provenance",
        target=[to(f"{place}/_history/1")],
        recorded="2026-05-01T09:00:00Z",
        agent=[{"who": {"display": "the practice"}}],
    )
    assert operator.delete(f"/{place}").status_code == 204
    assert operator.get(f"/{place}/_history/1").status_code == 200


def test_a_deletion_of_what_is_gone_stays_no_error(operator: httpx.Client) -> None:
    patient = put(operator, "Patient")
    assert operator.delete(f"/{patient}").status_code == 204
    assert operator.delete(f"/{patient}").status_code == 204


def test_a_deletion_and_writers_at_the_same_time_leave_no_reference_that_leads_nowhere(
    operator: httpx.Client,
) -> None:
    for _ in range(10):
        patient = put(operator, "Patient")
        new = {"resourceType": "Observation", **observation(subject=to(patient))}

        def write(number: int, patient: str = patient, new: Document = new) -> httpx.Response:
            if number == 5:
                return operator.delete(f"/{patient}")
            return operator.post("/Observation", json=new)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(write, range(10)))
        removed = answers.pop(5)
        statuses = {answer.status_code for answer in answers}
        assert removed.status_code in {204, 409}
        assert statuses <= ({201, 422} if removed.status_code == 204 else {201})
        total = operator.get(f"/Observation?patient={patient}&_summary=count").json()["total"]
        assert total == sum(answer.status_code == 201 for answer in answers)
        assert not (removed.status_code == 204 and total)


async def test_a_writer_that_found_the_patient_before_the_deletion_stores_nothing_after_it(
    operator: httpx.Client, server: Server
) -> None:
    patient = put(operator, "Patient")
    table, key = "fhir_patient", patient.partition("/")[2]
    new = {"resourceType": "Observation", **observation(subject=to(patient))}
    connection = await asyncpg.connect(server.database_url)
    try:
        deletion = connection.transaction()
        await deletion.start()
        await connection.execute(f"SELECT 1 FROM {table} WHERE id = $1 FOR UPDATE", key)  # noqa: S608
        writer = asyncio.create_task(asyncio.to_thread(operator.post, "/Observation", json=new))
        await asyncio.wait({writer}, timeout=0.5)
        assert not writer.done()
        await connection.execute(f"UPDATE {table} SET deleted = true WHERE id = $1", key)  # noqa: S608
        await deletion.commit()
    finally:
        await connection.close()
    assert refused(await writer, 422)["expression"] == ["Observation.subject.reference"]
