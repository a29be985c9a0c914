"""However many large attachments are asked for, an answer stays within its bound; the next page goes on."""

from __future__ import annotations

import json

import pytest
from attachments_kit import MEBIBYTE, note, scan
from practice_kit import transaction

LIMIT = 33 * MEBIBYTE
DATA = scan(5, 6 * MEBIBYTE)  # 8 MiB of base64
NOTES = 5


@pytest.fixture(scope="module")
def record(client):
    """A patient with more than one page of notes; the first note has as many versions."""
    patient = f"Patient/{client.post('/Patient', json={'resourceType': 'Patient'}).json()['id']}"
    keys = []
    for number in range(NOTES):
        answer = client.post("/DocumentReference", json=note(DATA, patient=patient, description=f"{number}"))
        assert answer.status_code == 201, answer.text
        keys.append(answer.json()["id"])
    header = {"Content-Type": "application/json-patch+json", "Prefer": "return=minimal"}
    for number in range(1, NOTES):
        patch = [{"op": "replace", "path": "/description", "value": f"version {number}"}]
        client.patch(f"/DocumentReference/{keys[0]}", json=patch, headers=header)
    return patient, keys


def pages(client, address):
    """Follow a page sequence; give the size of each page and all that is in them."""
    sizes, found = [], []
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text[:500]
        sizes.append(len(answer.content))
        bundle = json.loads(answer.content)
        found += [entry["resource"] for entry in bundle.get("entry", ())]
        address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
    return sizes, found


def names(found):
    return sorted((one["id"], one["meta"]["versionId"]) for one in found)


@pytest.mark.parametrize(
    "address",
    [
        "/DocumentReference?patient={patient}",
        "/DocumentReference?patient={patient}&_sort=-_lastUpdated",
        "/{patient}/*?_type=DocumentReference",
        "/DocumentReference/$docref?patient={patient}",
        "/{patient}/$everything?_type=DocumentReference",
    ],
)
def test_a_page_of_a_record_is_cut_by_its_size_with_contents(client, record, address):
    patient, keys = record
    sizes, found = pages(client, address.format(patient=patient))
    assert max(sizes) < LIMIT
    assert len(sizes) == 2
    assert names(found) == sorted((key, str(NOTES if key == keys[0] else 1)) for key in keys)
    assert all(one["content"][0]["attachment"]["data"] == DATA for one in found)


def test_a_page_of_history_is_cut_by_its_size_with_contents(client, record):
    _, keys = record
    sizes, found = pages(client, f"/DocumentReference/{keys[0]}/_history")
    assert max(sizes) < LIMIT
    assert len(sizes) == 2
    assert [one["meta"]["versionId"] for one in found] == [str(number) for number in range(NOTES, 0, -1)]


def test_the_pages_of_a_history_lead_back_to_where_they_began(client, record):
    _, keys = record
    address = f"/DocumentReference/{keys[0]}/_history"
    first = client.get(address).json()
    link = {one["relation"]: one["url"] for one in first["link"]}
    second = client.get(link["next"]).json()
    back = client.get(next(one["url"] for one in second["link"] if one["relation"] == "previous")).json()
    assert names(entry["resource"] for entry in back["entry"]) == names(
        entry["resource"] for entry in first["entry"]
    )


def test_history_of_rows_that_hold_their_contents_is_cut_too(client, record):
    key = client.post("/DocumentReference", json=note("QUJD")).json()["id"]
    for number in range(1, 4):
        several = [{"url": "https://example.org/x", "valueString": f"{number}" * MEBIBYTE}] * 12
        answer = client.put(f"/DocumentReference/{key}", json=note("QUJD", id=key, extension=several))
        assert answer.status_code == 200
    sizes, found = pages(client, f"/DocumentReference/{key}/_history")
    assert (max(sizes) < LIMIT, len(sizes)) == (True, 2)
    assert [one["meta"]["versionId"] for one in found] == ["4", "3", "2", "1"]


def test_parts_without_the_content_fill_one_page(client, record):
    patient, _ = record
    sizes, found = pages(client, f"/Patient?_id={patient.removeprefix('Patient/')}&_summary=true")
    assert len(sizes) == len(found) == 1
    sizes, found = pages(client, f"/DocumentReference?patient={patient}&_summary=count")
    assert sizes[0] < 1_000


@pytest.mark.parametrize(
    "address",
    [
        "/Patient?_id={id}&_revinclude=DocumentReference:subject",
        "?_type=Patient&_id={id}&_revinclude=DocumentReference:subject",
    ],
)
def test_includes_that_would_be_too_large_with_their_contents_are_refused(client, record, address):
    patient, _ = record
    answer = client.get(address.format(id=patient.removeprefix("Patient/")))
    assert answer.status_code == 503
    issue = answer.json()["issue"][0]
    assert (issue["code"], "narrow" in issue["details"]["text"]) == ("too-costly", True)


def test_matches_leave_room_for_what_they_include(client, record):
    patient, _ = record
    sizes, found = pages(client, f"/DocumentReference?patient={patient}&_include=DocumentReference:subject")
    assert max(sizes) < LIMIT
    assert len({one["id"] for one in found if one["resourceType"] == "DocumentReference"}) == NOTES


def test_a_match_that_is_cut_takes_what_it_includes_to_the_next_page(client):
    identifier = [{"system": "https://example.org/scans", "value": "of two patients"}]
    for _ in range(2):
        patient = f"Patient/{client.post('/Patient', json={'resourceType': 'Patient'}).json()['id']}"
        client.post("/DocumentReference", json=note(DATA, patient=patient, identifier=identifier))
    query = "identifier=https://example.org/scans|of two patients&_include=DocumentReference:subject"
    sizes, found = pages(client, f"/DocumentReference?{query}")
    assert len(sizes) == 2
    for one, subject in (found[:2], found[2:]):
        assert one["subject"]["reference"] == f"Patient/{subject['id']}"


def test_reads_of_a_batch_are_refused_once_its_answer_is_large(client, record):
    _, keys = record
    entries = [{"request": {"method": "GET", "url": f"DocumentReference/{key}"}} for key in keys * 2]
    created = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [*entries, created]}
    answer = client.post("", json=batch)
    assert len(answer.content) < LIMIT + 8 * MEBIBYTE
    statuses = [entry["response"]["status"] for entry in answer.json()["entry"]]
    assert statuses == ["200 OK"] * 4 + ["503 Service Unavailable"] * 6 + ["201 Created"]
    issue = answer.json()["entry"][4]["response"]["outcome"]["issue"][0]
    assert (issue["code"], "several requests" in issue["details"]["text"]) == ("too-costly", True)


def test_a_transaction_whose_reads_are_too_large_stores_nothing(client, record):
    _, keys = record
    reads = [("GET", f"DocumentReference/{key}", None) for key in keys]
    bundle = transaction(("PUT", "Patient/never", {"resourceType": "Patient", "id": "never"}), *reads)
    for entry in bundle["entry"][1:]:
        del entry["resource"]
    answer = client.post("", json=bundle)
    assert answer.status_code == 503
    (issue,) = answer.json()["issue"]
    assert (issue["code"], issue["expression"][0][:13]) == ("too-costly", "Bundle.entry[")
    assert client.get("/Patient/never").status_code == 404


def test_patients_who_may_be_meant_are_refused_where_they_fill_too_large_an_answer(client):
    family = "Photographed"
    person = {"resourceType": "Patient", "name": [{"family": family}], "birthDate": "1970-01-01"}
    photo = [{"contentType": "image/png", "data": DATA}]
    for _ in range(5):
        assert client.post("/Patient", json={**person, "photo": photo}).status_code == 201
    body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": person}]}
    answer = client.post("/Patient/$match", json=body)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "too-costly")
    body["parameter"].append({"name": "count", "valuePositiveInt": 2})
    found = client.post("/Patient/$match", json=body).json()
    assert [entry["resource"]["photo"] for entry in found["entry"]] == [photo, photo]


def test_last_observations_that_fill_too_large_an_answer_are_refused(client, record):
    patient, _ = record
    scanned = {"url": "https://example.org/scan", "valueBase64Binary": DATA}
    for day in range(1, 6):
        observation = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "no coding"},
            "subject": {"reference": patient},
            "effectiveDateTime": f"2026-01-0{day}",
            "extension": [scanned],
        }
        assert client.post("/Observation", json=observation).status_code == 201
    answer = client.get(f"/Observation/$lastn?patient={patient}&max=5")
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "too-costly")
    found = client.get(f"/Observation/$lastn?patient={patient}&max=2").json()["entry"]
    assert [entry["resource"]["effectiveDateTime"] for entry in found] == ["2026-01-05", "2026-01-04"]
    assert [entry["resource"]["extension"] for entry in found] == [[scanned], [scanned]]


def test_two_matches_of_which_one_is_too_large_for_the_page_are_two(client):
    identifier = [{"system": "https://example.org/scans", "value": "twice"}]
    document = note(scan(7, 12 * MEBIBYTE - 3 * 1024), identifier=identifier, description="")
    # Stored with id and meta, two bodies of the greatest size are larger than a page.
    document["description"] = "x" * (16 * MEBIBYTE - len(json.dumps(document)))
    for _ in range(2):
        assert client.post("/DocumentReference", content=json.dumps(document)).status_code == 201
    query = "identifier=https://example.org/scans|twice"
    refused = client.put(f"/DocumentReference?{query}", json=note("QUJD", identifier=identifier))
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (412, "conflict")


def test_one_resource_of_the_greatest_size_is_stored_and_read(client):
    document = note(scan(6, 12 * MEBIBYTE - 4096))
    created = client.post("/DocumentReference", json=document, headers={"Prefer": "return=representation"})
    assert created.status_code == 201
    place = f"/DocumentReference/{created.json()['id']}"
    assert client.get(place).content == created.content
    (entry,) = client.get(f"/DocumentReference?_id={created.json()['id']}").json()["entry"]
    assert entry["resource"] == created.json()
