"""What holds a transaction together: order, links, criteria, atomicity.

Source: https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import pytest
from conformance_kit import (
    criteria,
    entry,
    json_patch,
    observation,
    patient,
    placed,
    refusal,
    responses,
    send,
    statuses,
    stored,
    total,
    urn,
)

XHTML = "http://www.w3.org/1999/xhtml"
BOTH = pytest.mark.parametrize("kind", ["batch", "transaction"])


@BOTH
def test_every_entry_is_answered_in_its_place(client, kind, value):
    gone = stored(client, patient())
    made = stored(client, patient())
    answer = send(
        client,
        kind,
        entry("GET", f"Patient/{made['id']}"),
        entry("POST", "Patient", patient(value)),
        entry("DELETE", f"Patient/{gone['id']}"),
        entry("PUT", f"Patient/{made['id']}", {**made, "active": True}),
        entry("GET", f"Patient?{criteria(value)}"),
    )
    assert answer.json()["type"] == f"{kind}-response"
    assert statuses(answer) == [200, 201, 204, 200, 200]
    told = responses(answer)
    assert told[1]["location"] == f"{client.base_url}Patient/{placed(client, answer, 1)['id']}/_history/1"
    assert (told[1]["etag"], told[2]["etag"], told[3]["etag"]) == ('W/"1"', 'W/"2"', 'W/"2"')
    assert all("lastModified" in told[number] for number in (0, 1, 2, 3))


def test_what_is_read_in_a_transaction_is_what_it_has_written(client, value):
    made, gone = stored(client, patient()), stored(client, patient(value))
    answer = send(
        client,
        "transaction",
        entry("GET", f"Patient/{made['id']}"),
        entry("GET", f"Patient?{criteria(value)}"),
        entry("PUT", f"Patient/{made['id']}", {**made, "active": True}),
        entry("POST", "Patient", patient(value, active=False)),
        entry("DELETE", f"Patient/{gone['id']}"),
    )
    read, searched = (answer.json()["entry"][number]["resource"] for number in (0, 1))
    assert read["active"] is True
    assert [one["resource"].get("active") for one in searched["entry"]] == [False]


@pytest.mark.parametrize("order", [1, -1])
def test_links_between_entries_lead_to_what_is_stored_whatever_the_order(client, order):
    person, seen, file = urn(), urn(), urn()
    div = f'<div xmlns="{XHTML}"><a href="{person}">who</a></div>'
    entries = [
        entry("POST", "Patient", patient(link=[{"other": {"reference": person}, "type": "seealso"}]), person),
        entry(
            "POST",
            "Observation",
            observation(person, text={"status": "generated", "div": div}, note=[{"text": person}]),
            seen,
        ),
        entry(
            "POST", "Binary", {"resourceType": "Binary", "contentType": "text/plain", "data": "YQ=="}, file
        ),
        entry(
            "POST",
            "DocumentReference",
            {
                "resourceType": "DocumentReference",
                "status": "current",
                "subject": {"reference": person},
                "content": [{"attachment": {"url": file}}],
                "context": {"related": [{"reference": seen}]},
            },
        ),
    ]
    answer = send(client, "transaction", *entries[::order])
    kept = [placed(client, answer, number) for number in range(4)][::order]
    where = [f"{one['resourceType']}/{one['id']}" for one in kept]
    assert kept[0]["link"][0]["other"]["reference"] == where[0]
    assert kept[1]["subject"]["reference"] == kept[3]["subject"]["reference"] == where[0]
    assert kept[1]["text"]["div"] == div.replace(person, where[0])
    assert kept[1]["note"] == [{"text": person}]
    assert kept[3]["content"][0]["attachment"]["url"] == where[2]
    assert kept[3]["context"]["related"][0]["reference"] == where[1]


def test_a_link_to_no_entry_stays_and_a_broken_one_is_refused(client):
    foreign = urn()
    answer = send(client, "transaction", entry("POST", "Observation", observation(foreign)))
    assert placed(client, answer, 0)["subject"]["reference"] == foreign
    for broken in ("urn:uuid:123", "nobody", "Patient/never-there"):
        answer = send(client, "transaction", entry("POST", "Observation", observation(broken)))
        assert answer.status_code in {400, 422}
        assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[0].resource.subject.reference"]


def test_a_conditional_creation_that_is_sent_again_leads_to_the_stored_resource(client, value):
    places = []
    for again in (False, True):
        person = urn()
        creation = entry("POST", "Patient", patient(value), person, ifNoneExist=criteria(value))
        answer = send(client, "transaction", entry("POST", "Observation", observation(person)), creation)
        assert statuses(answer) == [201, 200 if again else 201]
        places += [placed(client, answer, 0)["subject"]["reference"], responses(answer)[1]["location"]]
    assert len(set(places)) == 2
    assert f"/{places[0]}/_history/1" in places[1]
    assert total(client, value) == 1


def test_links_to_a_conditional_creation_lead_somewhere_whatever_else_is_stored(client, value):
    plain, conditional = urn(), urn()
    entries = [
        entry("POST", "Observation", observation(plain)),
        entry("POST", "Observation", observation(conditional)),
        entry("POST", "Patient", patient(value), plain),
        entry("POST", "Patient", patient(value), conditional, ifNoneExist=criteria(value)),
    ]
    answer = send(client, "transaction", *entries)
    assert statuses(answer) == [201] * 4
    subjects = {placed(client, answer, number)["subject"]["reference"] for number in (0, 1)}
    assert len(subjects) == total(client, value) == 2
    assert all(client.get(f"/{subject}").status_code == 200 for subject in subjects)


@pytest.mark.parametrize("methods", [("POST", "POST"), ("PUT", "PUT"), ("POST", "PUT"), ("PUT", "DELETE")])
def test_two_entries_with_the_same_criteria_are_refused(client, value, methods):
    made = {
        "POST": entry("POST", "Patient", patient(value), ifNoneExist=criteria(value)),
        "PUT": entry("PUT", f"Patient?{criteria(value)}", patient(value)),
        "DELETE": entry("DELETE", f"Patient?{criteria(value)}"),
    }
    answer = send(client, "transaction", *(made[method] for method in methods))
    refusal(answer, 400, "invalid", "Bundle.entry[1]")
    assert total(client, value) == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_an_entry_whose_criteria_several_match_fails_the_transaction(client, value, method):
    for _ in range(2):
        stored(client, patient(value))
    made = {
        "POST": entry("POST", "Patient", patient(value), ifNoneExist=criteria(value)),
        "PUT": entry("PUT", f"Patient?{criteria(value)}", patient(value)),
        "PATCH": entry("PATCH", f"Patient?{criteria(value)}", json_patch()),
        "DELETE": entry("DELETE", f"Patient?{criteria(value)}"),
    }
    other = entry("POST", "Patient", patient(f"{value}-other"))
    refusal(send(client, "transaction", other, made[method]), 412, "conflict", "Bundle.entry[1]")
    assert (total(client, value), total(client, f"{value}-other")) == (2, 0)


@BOTH
def test_entries_by_criteria_change_the_one_match_or_create(client, kind, value):
    update = entry("PUT", f"Patient?{criteria(value)}", patient(value))
    changed = entry("PUT", f"Patient?{criteria(value)}", patient(value, active=True))
    deletion = entry("DELETE", f"Patient?{criteria(value)}")
    assert [statuses(send(client, kind, one))[0] for one in (update, changed, deletion, deletion)] == [
        201,
        200,
        204,
        204,
    ]
    assert total(client, value) == 0


@BOTH
@pytest.mark.parametrize("url", ["Patient", "Patient?", "Patient?_tag=", "Patient?unknown=1"])
def test_an_entry_without_sound_criteria_deletes_nothing(client, kind, value, url):
    stored(client, patient(value))
    answer = send(client, kind, entry("DELETE", url))
    status = 400 if "unknown" in url else 412
    if kind == "transaction":
        refusal(answer, status, "not-supported" if status == 400 else "conflict", "Bundle.entry[0]")
    else:
        assert statuses(answer) == [status]
    assert total(client, value) == 1


def test_a_conditional_reference_is_replaced_in_a_transaction_and_alone(client, value):
    made = stored(client, patient(value))
    seen = observation(f"Patient?{criteria(value)}")
    answer = send(client, "transaction", entry("POST", "Observation", seen))
    for kept in (placed(client, answer, 0), stored(client, seen)):
        assert kept["subject"]["reference"] == f"Patient/{made['id']}"


@pytest.mark.parametrize("matches", [0, 2])
def test_a_conditional_reference_without_a_single_match_is_refused(client, value, matches):
    for _ in range(matches):
        stored(client, patient(value))
    seen = observation(f"Patient?{criteria(value)}")
    alone = client.post("/Observation", json=seen)
    refusal(alone, 422, "not-found", "Observation.subject.reference")
    within = send(client, "transaction", entry("POST", "Observation", seen))
    refusal(within, 422, "not-found", "Bundle.entry[0].resource.subject.reference")


@pytest.mark.parametrize("order", [1, -1])
def test_a_creation_without_a_full_url_is_known_by_the_id_that_its_sender_wrote(client, value, order):
    there = stored(client, patient())
    asked = [
        entry("POST", "Patient", patient(value, id=f"new-{value}")),
        entry("POST", "Observation", observation(f"Patient/new-{value}", id=f"seen-{value}")),
        entry(
            "POST",
            "Flag",
            {**observation(f"Patient/{there['id']}"), "resourceType": "Flag", "status": "active"},
        ),
    ]
    answer = send(client, "transaction", *asked[::order])
    made = {one["resourceType"]: one for one in (placed(client, answer, number) for number in range(3))}
    assert made["Patient"]["id"] != f"new-{value}"
    assert made["Observation"]["subject"]["reference"] == f"Patient/{made['Patient']['id']}"
    assert made["Flag"]["subject"]["reference"] == f"Patient/{there['id']}"


def test_an_id_that_two_entries_write_names_neither_creation(client, value):
    kept = patient(id=f"kept-{value}", active=True)
    answer = send(
        client,
        "transaction",
        entry("POST", "Patient", patient(id=f"kept-{value}")),
        entry("PUT", f"Patient/kept-{value}", kept),
        entry("POST", "Observation", observation(f"Patient/kept-{value}")),
    )
    assert placed(client, answer, 2)["subject"]["reference"] == f"Patient/kept-{value}"


FAILING = {
    "an invalid resource": (entry("POST", "Patient", patient(gender="m")), 400, "code-invalid"),
    "a read of nothing": (entry("GET", "Patient/never-there"), 404, "not-found"),
    "a stale version": (
        entry("PUT", "Patient/never-there", patient(id="never-there"), ifMatch='W/"3"'),
        412,
        "conflict",
    ),
    "a dangling reference": (
        entry("POST", "Observation", observation("Patient/never-there")),
        422,
        "not-found",
    ),
    "a patch that fails": (entry("PATCH", "Patient/never-there", json_patch()), 404, "not-found"),
}


@pytest.mark.parametrize("case", FAILING)
def test_one_failing_entry_undoes_the_whole_transaction(client, value, case):
    failing, status, code = FAILING[case]
    gone, made = stored(client, patient()), stored(client, patient())
    answer = send(
        client,
        "transaction",
        entry("DELETE", f"Patient/{gone['id']}"),
        entry("POST", "Patient", patient(value)),
        entry("PUT", f"Patient/{made['id']}", {**made, "active": True}),
        failing,
    )
    issue = answer.json()["issue"][0]
    assert (answer.status_code, issue["code"]) == (status, code)
    assert issue["expression"][0].startswith("Bundle.entry[3]")
    assert client.get(f"/Patient/{gone['id']}").json() == gone
    assert client.get(f"/Patient/{made['id']}").json() == made
    assert total(client, value) == 0


@pytest.mark.parametrize("other", ["PUT", "PATCH", "DELETE", "absolute"])
def test_two_entries_for_the_same_resource_are_refused(client, other):
    made = stored(client, patient())
    url = f"Patient/{made['id']}"
    second = {
        "PUT": entry("PUT", url, made),
        "PATCH": entry("PATCH", url, json_patch()),
        "DELETE": entry("DELETE", url),
        "absolute": entry("DELETE", f"{client.base_url}{url}"),
    }[other]
    answer = send(client, "transaction", entry("PUT", url, {**made, "active": True}), second)
    refusal(answer, 400, "invalid", "Bundle.entry[1]")
    assert client.get(f"/{url}").json() == made


@pytest.mark.parametrize("order", [1, -1])
def test_a_patient_and_the_record_are_deleted_together_in_any_order(client, order):
    person = stored(client, patient())
    seen = stored(client, observation(f"Patient/{person['id']}"))
    places = [f"Patient/{person['id']}", f"Observation/{seen['id']}"]
    refusal(client.delete(f"/{places[0]}"), 409, "conflict")
    answer = send(client, "transaction", *(entry("DELETE", place) for place in places[::order]))
    assert statuses(answer) == [204, 204]
    assert [client.get(f"/{place}").status_code for place in places] == [410, 410]


def test_a_record_that_was_fetched_whole_is_accepted_again_and_as_a_copy(client, value):
    person = stored(client, patient(value))
    stored(client, observation(f"Patient/{person['id']}"))
    record = client.get(f"/Patient/{person['id']}/$everything").json()["entry"]
    again = [
        entry("PUT", one["fullUrl"].removeprefix(str(client.base_url)), one["resource"]) for one in record
    ]
    answer = send(client, "transaction", *again)
    assert statuses(answer) == [200, 200]
    assert {one["etag"] for one in responses(answer)} == {'W/"1"'}
    copies = [
        entry("POST", one["resource"]["resourceType"], one["resource"], one["fullUrl"]) for one in record
    ]
    copied = send(client, "transaction", *copies)
    assert statuses(copied) == [201, 201]
    kept = {one["resourceType"]: one for one in (placed(client, copied, number) for number in (0, 1))}
    assert kept["Observation"]["subject"]["reference"] == f"Patient/{kept['Patient']['id']}"
    assert kept["Patient"]["id"] != person["id"]
