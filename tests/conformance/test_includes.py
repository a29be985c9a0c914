"""What comes along with the matches of a search, and what a scope keeps out of it.

Source: https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from conformance_kit import (
    SYSTEM,
    found,
    observation,
    organization,
    patient,
    refusal,
    stored,
)


def test_medications_are_included_once_and_only_those_of_the_matches(client, value):
    person = stored(client, patient())
    drugs = [stored(client, {"resourceType": "Medication", "code": {"text": f"drug {n}"}}) for n in range(3)]
    for number in (0, 0, 1):
        stored(
            client,
            {
                "resourceType": "MedicationStatement",
                "status": "active",
                "subject": {"reference": f"Patient/{person['id']}"},
                "medicationReference": {"reference": f"Medication/{drugs[number]['id']}"},
            },
        )
    asked = f"/MedicationStatement?patient={person['id']}&_include=MedicationStatement:medication"
    answer = client.get(f"{asked}&_total=accurate&_count=50")
    assert len(found(answer)) == answer.json()["total"] == 3
    assert sorted(found(answer, "include")) == sorted(f"Medication/{drugs[n]['id']}" for n in (0, 1))


def test_provenance_comes_with_what_it_is_about(client):
    person = stored(client, patient())
    stored(client, observation(f"Patient/{person['id']}"))
    seen = found(client.get(f"/Observation?patient={person['id']}"))[0]
    where = [{"reference": seen}]
    agent = [{"who": {"reference": f"Patient/{person['id']}"}}]
    made = stored(
        client,
        {"resourceType": "Provenance", "target": where, "recorded": "2026-05-01T09:00:00Z", "agent": agent},
    )
    asked = f"/Observation?patient={person['id']}&status=final&_revinclude=Provenance:target"
    answer = client.get(asked)
    assert (found(answer), found(answer, "include")) == ([seen], [f"Provenance/{made['id']}"])


def test_includes_go_on_from_what_was_included_and_take_in_all_or_one_type(client, value):
    clinic = stored(client, organization(value))
    where = {"reference": f"Organization/{clinic['id']}"}
    person = stored(client, patient(value, managingOrganization=where))
    who = {"reference": f"Patient/{person['id']}"}
    seen = stored(client, observation(f"Patient/{person['id']}", performer=[where, who]))
    asked = f"/Observation?_id={seen['id']}"
    own = [f"Patient/{person['id']}"]
    both = sorted([*own, f"Organization/{clinic['id']}"])
    for includes, expected in (
        ("_include=Observation:patient", own),
        ("_include=Observation:performer:Patient", own),
        ("_include=Observation:performer", both),
        ("_include=Observation:patient&_include:iterate=Patient:organization", both),
        ("_include=*", both),
        ("_include=Observation:*", both),
        ("_include=Observation:encounter", []),
    ):
        answer = client.get(f"{asked}&{includes}")
        assert (sorted(found(answer, "include")), found(answer)) == (expected, [f"Observation/{seen['id']}"])
    around = client.get(
        f"/Organization?_id={clinic['id']}&_revinclude=Patient:organization&_revinclude:iterate=Observation:patient"
    )
    assert sorted(found(around, "include")) == sorted([*own, f"Observation/{seen['id']}"])


def test_a_type_without_a_scope_is_in_no_answer(client, narrow, value):
    clinic = stored(client, organization(value))
    where = {"reference": f"Organization/{clinic['id']}"}
    person = stored(client, patient(value, managingOrganization=where))
    condition = {"resourceType": "Condition", "subject": {"reference": f"Patient/{person['id']}"}}
    stored(client, {**condition, "code": {"coding": [{"code": value}]}})
    own = f"/Patient?_id={person['id']}"
    for hidden in (
        "&_include=Patient:organization",
        "&_include=*",
        "&_revinclude=Condition:patient",
        "&_revinclude=Condition:patient&_revinclude:iterate=Provenance:target",
    ):
        answer = narrow.get(own + hidden)
        if answer.status_code == 200:
            assert (found(answer), found(answer, "include")) == ([f"Patient/{person['id']}"], [])
        else:
            refusal(answer, 403, "forbidden")
    for hidden in (f"&_has:Condition:patient:code={value}", f"&organization.identifier={SYSTEM}|{value}"):
        assert found(client.get(own + hidden)) == [f"Patient/{person['id']}"]
        answer = narrow.get(own + hidden)
        assert answer.status_code == 403 or found(answer) == []
    assert {name.partition("/")[0] for name in found(narrow.get(f"/Patient/{person['id']}/*"))} == {"Patient"}
    for refused in ("/Condition", f"/?_type=Condition&_id={value}", f"/Patient/{person['id']}/Condition"):
        refusal(narrow.get(refused), 403, "forbidden")
