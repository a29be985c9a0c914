"""A page stays within a bound of bytes, and the pages after it hold the rest."""

import base64

import harness
import pytest

NOTE = base64.b64encode(b"x" * 6_000_000).decode()


@pytest.fixture(scope="module")
def server(databases):
    """A server whose pages nobody else has to share with large notes."""
    with harness.serving(databases) as running:
        yield running


def note(patient, number):
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "description": f"note {number}",
        "content": [{"attachment": {"contentType": "text/plain", "data": NOTE}}],
    }


def test_a_page_of_large_notes_is_cut_and_goes_on_on_the_next(server):
    with server.client("admin", "system/*.cruds") as client:
        patient = client.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
        made = {client.post("/DocumentReference", json=note(patient, n)).json()["id"] for n in range(6)}
        address, sizes, found = f"/DocumentReference?patient={patient}", [], []
        while address:
            answer = client.get(address)
            assert answer.status_code == 200
            sizes.append(len(answer.content))
            bundle = answer.json()
            found += [entry["resource"]["id"] for entry in bundle["entry"]]
            address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        assert max(sizes) < 34 * 1024 * 1024
        assert len(sizes) == 2
        assert (set(found), len(found)) == (made, len(made))


def test_includes_that_would_make_an_answer_too_large_are_refused_with_advice(server):
    with server.client("admin", "system/*.cruds") as client:
        patient = client.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
        for number in range(6):
            client.post("/DocumentReference", json=note(patient, number))
        answer = client.get(f"/Patient?_id={patient}&_revinclude=DocumentReference:subject")
        assert answer.status_code == 503
        assert answer.json()["issue"][0]["code"] == "too-costly"
