"""A large attachment stands apart from its resource, and nobody who reads can tell."""

from __future__ import annotations

import base64
import json

import pytest
from attachments_kit import MEBIBYTE, note, scan
from practice_kit import order, transaction

LARGE = scan(1)
OTHER = scan(2)
REFERS = {"context": {"related": [{"reference": "#a"}]}}

HELD = "SELECT octet_length(body) FROM {table} WHERE id = $1"
KEPT = "SELECT octet_length(content) FROM large_content WHERE resource_type = $1 AND id = $2"


def body_sizes(rows, table, resource_id):
    return [size for (size,) in rows(HELD.format(table=table), resource_id)]


def kept(rows, document):
    return sorted(size for (size,) in rows(KEPT, document["resourceType"], document["id"]))


def data(document):
    return document["content"][0]["attachment"]["data"]


def order_with(number, value):
    scanned = {"url": "https://example.org/scan", "valueBase64Binary": value}
    return order(number, extension=[scanned])


def without_meta(document):
    return {name: value for name, value in document.items() if name != "meta"}


def test_what_looks_like_a_mark_is_a_text_like_any_other(client, store, rows):
    secret = store(note(LARGE))
    ((digest,),) = rows("SELECT encode(sha256, 'hex') FROM large_content WHERE id = $1", secret["id"])
    forged = f'[\t"DocumentReference/{secret["id"]}/{digest}",{len(LARGE)}]'
    basic = {"resourceType": "Basic", "id": "a", "code": {"text": f'"data":{forged}'}}
    stored = store(note("QUJD", description=forged, contained=[basic], **REFERS))
    read = client.get(f"/DocumentReference/{stored['id']}")
    assert read.json() == stored
    assert stored["description"] == forged
    assert LARGE not in read.text
    ((body,),) = rows("SELECT body FROM fhir_document_reference WHERE id = $1", stored["id"])
    assert "\t" not in body


def test_a_mark_in_the_place_of_a_content_is_refused(client):
    place = f"DocumentReference/x/{'0' * 64}"
    text = json.dumps(note("QUJD")).replace('"QUJD"', f'[\t"{place}",5]')
    answer = client.post("/DocumentReference", content=text)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["DocumentReference.content[0].attachment.data"]
    assert "0000" not in answer.text


@pytest.mark.parametrize("character", ["\\u0001", "\\u0000", "\\u001f"])
def test_a_control_character_is_refused(client, character):
    text = json.dumps(note("QUJD", description="here")).replace("here", character)
    answer = client.post("/DocumentReference", content=text)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["DocumentReference.description"]


def test_nothing_is_kept_of_a_transaction_that_is_refused(client, rows):
    mine = scan(3)
    broken = note("QUJD", patient="Patient/nobody-has-this-id")
    answer = client.post(
        "",
        json=transaction(("POST", "DocumentReference", note(mine)), ("POST", "DocumentReference", broken)),
    )
    assert answer.status_code == 422
    assert rows("SELECT 1 FROM large_content WHERE content = $1", mine) == []


def test_validation_keeps_nothing(client, rows):
    mine = scan(4)
    answer = client.post("/DocumentReference/$validate", json=note(mine))
    assert answer.json()["issue"][0]["severity"] == "information"
    assert rows("SELECT 1 FROM large_content WHERE content = $1", mine) == []


def test_one_resource_keeps_nothing_in_common_with_another(store, rows):
    mine, yours = store(note(LARGE)), store(note(LARGE))
    assert kept(rows, mine) == kept(rows, yours) == [len(LARGE)]


def test_a_confined_caller_finds_no_content_of_somebody_else(practice, store):
    theirs = store(note(LARGE))
    with practice.server.client("ehr", "system/DocumentReference.rs?status=superseded") as narrow:
        for path in ("", "/_history", "/_history/1"):
            answer = narrow.get(f"/DocumentReference/{theirs['id']}{path}")
            assert answer.status_code == 404
        assert "entry" not in narrow.get(f"/DocumentReference?_id={theirs['id']}").json()


def test_the_row_is_small_and_every_answer_is_whole(client, rows):
    created = client.post(
        "/DocumentReference", json=note(LARGE), headers={"Prefer": "return=representation"}
    ).json()
    place = f"/DocumentReference/{created['id']}"
    assert data(created) == LARGE
    assert body_sizes(rows, "fhir_document_reference", created["id"])[0] < 1_000
    assert body_sizes(rows, "resource_history", created["id"])[0] < 1_000
    assert kept(rows, created) == [len(LARGE)]
    read = client.get(place)
    assert read.json() == created
    assert read.content == client.get(f"{place}/_history/1").content
    for found in (client.get(f"/DocumentReference?_id={created['id']}"), client.get(f"{place}/_history")):
        assert read.content in found.content


def test_what_is_not_large_stays_in_the_row(store, rows):
    just = base64.b64encode(b"x" * (MEBIBYTE // 4 * 3)).decode()
    stored = store(note(just))
    assert len(just) == MEBIBYTE
    assert kept(rows, stored) == []
    assert body_sizes(rows, "fhir_document_reference", stored["id"])[0] > MEBIBYTE


@pytest.mark.parametrize(
    "document",
    [
        {"resourceType": "Binary", "contentType": "image/png", "data": LARGE},
        {"resourceType": "Patient", "photo": [{"contentType": "image/png", "data": LARGE}] * 2},
        {
            "resourceType": "Communication",
            "status": "completed",
            "payload": [{"contentAttachment": {"contentType": "audio/mpeg", "data": LARGE}}],
        },
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "item": [{"linkId": "1", "answer": [{"valueAttachment": {"contentType": "x/y", "data": LARGE}}]}],
        },
        note(
            "QUJD",
            contained=[{"resourceType": "Binary", "id": "a", "contentType": "x/y", "data": LARGE}],
            **REFERS,
        ),
        note("QUJD", extension=[{"url": "https://example.org/x", "valueBase64Binary": LARGE}]),
    ],
    ids=["Binary", "photo", "payload", "answer", "contained", "extension"],
)
def test_a_content_stands_apart_wherever_it_is(client, store, rows, document):
    stored = store(document)
    place, header = f"/{document['resourceType']}/{stored['id']}", {"Accept": "application/fhir+json"}
    read = client.get(place, headers=header).json()
    assert without_meta(read) == without_meta({**document, "id": stored["id"]})
    assert max(body_sizes(rows, "resource_history", stored["id"])) < 1_000
    assert kept(rows, stored) == [len(LARGE)]


def test_versions_share_a_content_and_history_tells_each(client, store, rows):
    first = store(note(LARGE))
    second = store({**first, "description": "signed"})
    third = store({**second, "content": note(OTHER)["content"]})
    assert third["meta"]["versionId"] == "3"
    assert kept(rows, first) == [len(LARGE), len(OTHER)]
    client.delete(f"/DocumentReference/{first['id']}")
    history = client.get(f"/DocumentReference/{first['id']}/_history").json()["entry"]
    assert [data(entry["resource"]) == OTHER for entry in history[1:]] == [True, False, False]
    assert [entry["resource"] for entry in history[1:]] == [third, second, first]


def test_the_same_content_again_makes_no_version(client, store, rows):
    first = store(note(LARGE))
    again = client.put(f"/DocumentReference/{first['id']}", json=first)
    assert (again.status_code, again.json()) == (200, first)
    assert len(body_sizes(rows, "resource_history", first["id"])) == 1


def test_what_was_stored_whole_before_is_read_recognized_and_patched(client, store, rows):
    first = store(note(LARGE))
    place = f"/DocumentReference/{first['id']}"
    whole = client.get(place).text
    rows("UPDATE fhir_document_reference SET body = $2 WHERE id = $1", first["id"], whole)
    assert client.get(place).text == whole
    assert client.put(place, json=first).json()["meta"]["versionId"] == "1"
    assert store({**first, "description": "new"})["meta"]["versionId"] == "2"
    assert body_sizes(rows, "fhir_document_reference", first["id"])[0] < 1_000


def test_a_patch_sees_the_whole_document(client, store):
    first = store(note(LARGE))
    place, header = f"/DocumentReference/{first['id']}", {"Content-Type": "application/json-patch+json"}
    path = "/content/0/attachment/data"
    refused = client.patch(place, json=[{"op": "test", "path": path, "value": OTHER}], headers=header)
    assert refused.status_code in {400, 422}
    operations = [
        {"op": "test", "path": path, "value": LARGE},
        {"op": "copy", "from": "/content/0", "path": "/content/1"},
        {"op": "replace", "path": path, "value": "QUJD"},
    ]
    patched = client.patch(place, json=operations, headers=header)
    assert patched.status_code == 200, patched.text
    contents = client.get(place).json()["content"]
    assert [one["attachment"]["data"] for one in contents] == ["QUJD", LARGE]


def test_labels_are_added_to_the_whole_document(client, store):
    first = store(note(LARGE))
    place = f"/DocumentReference/{first['id']}"
    tag = {"system": "https://example.org", "code": "seen"}
    meta = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [tag]}}]}
    assert client.post(f"{place}/$meta-add", json=meta).status_code == 200
    read = client.get(place).json()
    assert (read["meta"]["tag"], without_meta(read)) == ([tag], without_meta(first))
    assert client.get(f"{place}/$validate").json()["issue"][0]["severity"] == "information"


def test_a_summary_leaves_the_content_out_and_elements_may_ask_for_it(client, store, rows):
    first = store(note(LARGE, description="scanned"))
    place = f"/DocumentReference/{first['id']}"
    rows("UPDATE large_content SET content = 'cut' WHERE id = $1", first["id"])
    for query in ("_summary=text", "_elements=description"):
        one = client.get(f"{place}?{query}").json()
        (entry,) = client.get(f"/DocumentReference?_id={first['id']}&{query}").json()["entry"]
        assert one == entry["resource"]
        assert one["content"][0]["attachment"]["data"] == "cut"  # content is mandatory
    photo = store({"resourceType": "Patient", "photo": [{"contentType": "image/png", "data": LARGE}]})
    rows("DELETE FROM large_content WHERE id = $1", photo["id"])
    assert client.get(f"/Patient/{photo['id']}").status_code == 500
    for query in ("_summary=true", "_elements=name"):
        assert client.get(f"/Patient/{photo['id']}?{query}").status_code == 200
        assert client.get(f"/Patient?_id={photo['id']}&{query}").status_code == 200


def test_every_way_to_the_record_gives_the_content(client, store, patient):
    first = store(note(LARGE, patient=patient))
    who, key = patient.removeprefix("Patient/"), first["id"]
    reads = [{"request": {"method": "GET", "url": f"DocumentReference/{key}"}}]
    reads.append({"request": {"method": "GET", "url": f"DocumentReference?_id={key}"}})
    bundles = [
        client.post("", json={"resourceType": "Bundle", "type": kind, "entry": reads})
        for kind in ("batch", "transaction")
    ]
    answers = [
        client.get(f"/{patient}/$everything"),
        client.get(f"/{patient}/*"),
        client.get(f"/{patient}/DocumentReference"),
        client.get(f"/Patient?_id={who}&_revinclude=DocumentReference:subject"),
        client.get(f"/DocumentReference?_id={key}&_include=DocumentReference:subject"),
        client.get(f"/DocumentReference/$docref?patient={who}"),
        client.get(f"?_type=DocumentReference,Patient&_id={key}"),
        *bundles,
    ]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    counts = [answer.text.count(f'"data":"{LARGE}"') for answer in answers]
    assert counts == [1] * 7 + [2, 2]


def test_the_words_of_a_text_are_found(client, store):
    word = "xylophonist"
    text = base64.b64encode(f"{word} ".encode() + b"and others " * 100_000).decode()
    first = note(text)
    first["content"][0]["attachment"]["contentType"] = "text/plain"
    key = store(first)["id"]
    (entry,) = client.get(f"/DocumentReference?_content={word}").json()["entry"]
    assert entry["resource"]["id"] == key


def test_a_conditional_write_answers_with_the_whole_match(client, store):
    identifier = [{"system": "https://example.org/scans", "value": "1"}]
    first = store(note(LARGE, identifier=identifier))
    query = "identifier=https://example.org/scans|1"
    found = client.post("/DocumentReference", json=note(OTHER), headers={"If-None-Exist": query})
    assert (found.status_code, found.json()) == (200, first)
    same = client.put(f"/DocumentReference?{query}", json=without_meta(first))
    assert (same.status_code, same.json()) == (200, first)


def test_an_order_for_a_patient_with_a_large_photo_is_judged_and_stored(practice, client):
    patient = client.get("/Patient/pat-2").json()
    patient["photo"] = [{"contentType": "image/png", "data": LARGE}]
    assert client.put("/Patient/pat-2", json=patient).status_code == 200
    with practice.prescriber() as prescriber:
        answer = prescriber.post("/MedicationRequest", json=order("RX-large-2"))
    assert answer.status_code == 201, answer.text


def test_a_prescription_is_recognized_by_its_whole_content(practice, rows):
    with practice.prescriber() as prescriber:
        number = "RX-large-1"
        first = prescriber.post("/MedicationRequest", json=order_with(number, LARGE))
        assert first.status_code == 201, first.text
        again = prescriber.post("/MedicationRequest", json=order_with(number, LARGE))
        assert (again.status_code, again.content) == (200, first.content)
        other = prescriber.post("/MedicationRequest", json=order_with(number, OTHER))
        assert other.status_code == 409
        assert other.json()["issue"][0]["expression"] == ["MedicationRequest.extension[0].valueBase64Binary"]
    assert kept(rows, first.json()) == [len(LARGE)]
