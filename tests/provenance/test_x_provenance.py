"""A Provenance that comes in the header of a write, through a real server.

Source: https://hl7.org/fhir/R4/provenance.html#header
"""

import json
from urllib.parse import quote
from uuid import uuid4

import pytest

SYSTEM = "https://provenance.example/id"
AGENT = {"type": {"coding": [{"code": "author"}]}, "who": {"display": "Dr. Ö. Example"}}
PROVENANCE = {"resourceType": "Provenance", "recorded": "2026-01-05T10:00:00Z", "agent": [AGENT]}


def carried(document=PROVENANCE):
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return {"X-Provenance": text.encode()}


def patient(**members):
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": uuid4().hex}], **members}


def entry(resource, **request):
    url = f"urn:uuid:{uuid4()}"
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": "Patient", **request}}


def transaction(*entries, kind="transaction"):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def provenances(client):
    def found(key):
        bundle = client.get(f"/Provenance?target={key}").json()
        return [entry["resource"] for entry in bundle.get("entry", [])]

    return found


def count(client, resource):
    value = resource["identifier"][0]["value"]
    return client.get(f"/Patient?identifier={SYSTEM}|{value}&_summary=count").json()["total"]


@pytest.mark.parametrize(
    ("header", "expression"),
    [
        ("{", "Provenance"),
        ("not json", "Provenance"),
        ("[]", "Provenance"),
        ({"resourceType": "Patient"}, "Provenance.resourceType"),
        ({**PROVENANCE, "target": [{"reference": "Patient/other"}]}, "Provenance.target"),
        ({"resourceType": "Provenance", "agent": [AGENT]}, "Provenance.recorded"),
        ({**PROVENANCE, "agents": []}, "Provenance.agents"),
    ],
)
def test_a_header_that_is_no_provenance_is_refused_and_nothing_is_stored(client, header, expression):
    sent = patient()
    answer = client.post("/Patient", json=sent, headers=carried(header))
    assert answer.status_code == 400
    assert expression in [issue["expression"][0] for issue in answer.json()["issue"]]
    assert count(client, sent) == 0


def test_a_provenance_that_leads_nowhere_undoes_the_write(client):
    sent = patient()
    lost = {**PROVENANCE, "agent": [{"who": {"reference": "Practitioner/is-not-there"}}]}
    answer = client.post("/Patient", json=sent, headers=carried(lost))
    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"] == ["Provenance.agent[0].who.reference"]
    assert count(client, sent) == 0


def test_a_token_without_a_scope_for_provenance_stores_neither(server, client):
    sent = patient()
    with server.client("admin", "system/Patient.cruds") as narrow:
        answer = narrow.post("/Patient", json=sent, headers=carried())
    assert answer.status_code == 403
    assert count(client, sent) == 0


def test_a_deletion_and_a_batch_take_no_provenance(client):
    key = client.post("/Patient", json=patient()).json()["id"]
    refused = client.delete(f"/Patient/{key}", headers=carried())
    assert refused.status_code == 400
    assert "X-Provenance" in refused.json()["issue"][0]["details"]["text"]
    assert client.get(f"/Patient/{key}").status_code == 200
    sent = patient()
    assert client.post("", json=transaction(entry(sent), kind="batch"), headers=carried()).status_code == 400
    assert count(client, sent) == 0


def test_each_write_is_followed_by_a_provenance_of_the_version_it_stored(client, provenances):
    created = client.post("/Patient", json=patient(), headers=carried())
    assert created.status_code == 201
    key = f"Patient/{created.json()['id']}"
    changed = {**created.json(), "gender": "female"}
    assert client.put(f"/{key}", json=changed, headers=carried()).status_code == 200
    operations = [{"op": "replace", "path": "/gender", "value": "other"}]
    patched = client.patch(
        f"/{key}",
        content=json.dumps(operations),
        headers={**carried(), "Content-Type": "application/json-patch+json"},
    )
    assert patched.status_code == 200
    found = provenances(key)
    assert sorted(one["target"][0]["reference"] for one in found) == [
        f"{key}/_history/{n}" for n in (1, 2, 3)
    ]
    assert {one["agent"][0]["who"]["display"] for one in found} == {"Dr. Ö. Example"}
    included = client.get(f"/Patient?_id={key[8:]}&_revinclude=Provenance:target").json()["entry"]
    assert [one["search"]["mode"] for one in included] == ["match", "include", "include", "include"]


def test_a_percent_encoded_header_with_an_empty_target_is_understood(client, provenances):
    header = quote(json.dumps({**PROVENANCE, "target": [{}]}))
    created = client.post("/Patient", json=patient(), headers=carried(header))
    assert created.status_code == 201
    assert len(provenances(f"Patient/{created.json()['id']}")) == 1


def test_a_write_that_stores_nothing_leaves_no_provenance(client, provenances):
    sent = patient()
    first = client.post("/Patient", json=sent)
    key = f"Patient/{first.json()['id']}"
    condition = {"If-None-Exist": f"identifier={SYSTEM}|{sent['identifier'][0]['value']}"}
    again = client.post("/Patient", json=sent, headers={**carried(), **condition})
    assert again.status_code == 200
    assert client.put(f"/{key}", json=first.json(), headers=carried()).headers["ETag"] == 'W/"1"'
    assert provenances(key) == []


def test_a_conditional_write_that_stores_has_its_provenance(client, provenances):
    sent = patient()
    criteria = f"identifier={SYSTEM}|{sent['identifier'][0]['value']}"
    created = client.put(f"/Patient?{criteria}", json=sent, headers=carried())
    assert created.status_code == 201
    key = f"Patient/{created.json()['id']}"
    assert provenances(key)[0]["target"] == [{"reference": f"{key}/_history/1"}]


def test_a_transaction_has_one_provenance_of_all_that_it_stored(client, provenances):
    known = client.post("/Patient", json=patient()).json()
    bundle = transaction(
        entry(patient()),
        entry({**known, "gender": "male"}, method="PUT", url=f"Patient/{known['id']}"),
        {"request": {"method": "GET", "url": f"Patient/{known['id']}"}},
    )
    answer = client.post("", json=bundle, headers=carried())
    assert answer.status_code == 200
    stored = [one["response"]["location"].partition("/fhir/")[2] for one in answer.json()["entry"][:2]]
    assert len(answer.json()["entry"]) == 3
    (found,) = provenances(f"Patient/{known['id']}")
    assert [one["reference"] for one in found["target"]] == stored
    assert stored[1].endswith("/_history/2")


def test_a_transaction_is_undone_when_its_provenance_is_refused(client):
    sent = patient()
    broken = {"resourceType": "Provenance", "recorded": "2026-01-05T10:00:00Z"}
    answer = client.post("", json=transaction(entry(sent)), headers=carried(broken))
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["expression"] == ["Provenance.agent"]
    assert count(client, sent) == 0


def test_the_percent_encoding_may_be_in_either_case(client, provenances):
    encoded = quote(json.dumps(PROVENANCE))
    for header in (encoded, encoded.replace("%7B", "%7b")):
        answer = client.post("/Patient", json=patient(), headers={"X-Provenance": header})
        assert answer.status_code == 201, answer.text
        assert len(provenances(f"Patient/{answer.json()['id']}")) == 1
