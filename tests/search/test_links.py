"""Chains, ``_has`` and includes, and that nothing invisible is reached by them.

Source: https://hl7.org/fhir/R4/search.html#chaining, #has, #include
"""

from __future__ import annotations

import pytest

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest, TooCostly
from service.search import includes, query, run

BASE_URL = "http://fhir.test"


def to(reference):
    return {"reference": reference}


@pytest.fixture
async def clinic(shelf):
    """Two patients: Anna, treated by Kim in an episode of clinic C with a note; Ben, who has one order."""
    await shelf.put({"resourceType": "Organization", "id": "C", "name": "Clinic"})
    await shelf.put({"resourceType": "Practitioner", "id": "kim", "name": [{"family": "Kim"}]})
    for key, name, mrn in (("anna", "Adams", "1"), ("ben", "Brown", "2")):
        person = {"identifier": [{"system": "urn:mrn", "value": mrn}], "name": [{"family": name}]}
        await shelf.put(
            {"resourceType": "Patient", "id": key, "managingOrganization": to("Organization/C")} | person
        )
    episode = {
        "status": "active",
        "careManager": to("Practitioner/kim"),
        "managingOrganization": to("Organization/C"),
    }
    await shelf.put({"resourceType": "EpisodeOfCare", "id": "e", "patient": to("Patient/anna")} | episode)
    visit = {"status": "finished", "subject": to("Patient/anna"), "episodeOfCare": [to("EpisodeOfCare/e")]}
    await shelf.put({"resourceType": "Encounter", "id": "v", "class": {"code": "AMB"}} | visit)
    order = {"resourceType": "MedicationRequest", "intent": "order", "status": "active"}
    await shelf.put(order | {"id": "ma", "subject": to("Patient/anna"), "requester": to("Practitioner/kim")})
    await shelf.put(order | {"id": "mb", "subject": to("Patient/ben"), "requester": to("Organization/C")})
    note = {"resourceType": "DocumentReference", "id": "n", "subject": to("Patient/anna")}
    await shelf.put(note | {"context": {"encounter": [to("Encounter/v"), to("EpisodeOfCare/e")]}})
    await shelf.put({"resourceType": "Provenance", "id": "prov", "target": [to("MedicationRequest/ma")]})
    return shelf


@pytest.mark.parametrize(
    ("resource_type", "text", "expected"),
    [
        ("MedicationRequest", "patient.identifier=urn:mrn|1", ["ma"]),
        ("MedicationRequest", "patient.name=br", ["mb"]),
        ("MedicationRequest", "subject:Patient.name=adams", ["ma"]),
        ("MedicationRequest", "subject:Group.identifier=x", []),
        ("MedicationRequest", "requester.name=kim", ["ma"]),
        ("MedicationRequest", "requester:Organization.name=clinic", ["mb"]),
        ("MedicationRequest", "requester.name=kim&patient=anna", ["ma"]),
        ("MedicationRequest", "requester.name=kim&patient=ben", []),
        ("MedicationRequest", "patient._id=ben", ["mb"]),
        ("DocumentReference", "encounter:Encounter.episode-of-care.organization.name=clinic", ["n"]),
        ("DocumentReference", "encounter:EpisodeOfCare.status=finished", []),
        ("Patient", "_has:MedicationRequest:patient:requester=Practitioner/kim", ["anna"]),
        ("Patient", "_has:MedicationRequest:subject:status=active", ["anna", "ben"]),
        ("Patient", "_has:MedicationRequest:subject:status=active&_id=ben", ["ben"]),
        ("MedicationRequest", "_has:Provenance:target:_id=prov", ["ma"]),
        ("Encounter", "_has:DocumentReference:encounter:_id=n", ["v"]),
        ("Encounter", "_has:DocumentReference:encounter:_id=n&patient=anna", ["v"]),
        ("Practitioner", "_has:MedicationRequest:requester:_has:Provenance:target:_id=prov", ["kim"]),
        ("Organization", "_has:EpisodeOfCare:organization:patient.name=adams", ["C"]),
    ],
)
async def test_references_are_followed_in_either_direction(clinic, resource_type, text, expected):
    assert await clinic.find(resource_type, text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("status.name=x", "The search parameter 'status' cannot be chained like this."),
        ("patient:Practitioner.name=x", "The search parameter 'patient' cannot be chained like this."),
        ("patient.shoe-size=9", "No type that 'patient' refers to has the search parameter 'shoe-size'."),
        ("_has:Patient:link:name=x", "Patient has no reference parameter 'link' to MedicationRequest."),
        ("_has:Nothing:a:b=x", "The search parameter '_has:Nothing:a:b' is not supported."),
    ],
)
async def test_a_link_that_leads_nowhere_is_refused(shelf, text, complaint):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("MedicationRequest", text)
    assert refused.value.issues[0].text == complaint


async def test_a_chain_of_too_many_references_is_refused(shelf):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Observation", "has-member:Observation." * 6 + "code=x")
    assert str(refused.value) == "A chain of more than 5 references is not supported."


@pytest.mark.parametrize(
    ("resource_type", "text", "expected"),
    [
        ("EpisodeOfCare", "_id=e&_include=EpisodeOfCare:patient", {"Patient/anna"}),
        (
            "EpisodeOfCare",
            "_include=EpisodeOfCare:care-manager&_include=EpisodeOfCare:patient",
            {"Patient/anna", "Practitioner/kim"},
        ),
        ("EpisodeOfCare", "_include=*", {"Patient/anna", "Practitioner/kim", "Organization/C"}),
        ("MedicationRequest", "_id=ma&_include=*:*", {"Patient/anna", "Practitioner/kim"}),
        (
            "MedicationRequest",
            "_id=ma&_include:iterate=*",
            {"Patient/anna", "Practitioner/kim", "Organization/C"},
        ),
        ("MedicationRequest", "_include=MedicationRequest:requester", {"Practitioner/kim", "Organization/C"}),
        ("MedicationRequest", "_include=MedicationRequest:requester:Practitioner", {"Practitioner/kim"}),
        ("MedicationRequest", "_id=mb&_include=MedicationRequest:requester:Practitioner", set()),
        ("MedicationRequest", "_revinclude=Provenance:target", {"Provenance/prov"}),
        ("Patient", "_revinclude=MedicationRequest:patient&_id=ben", {"MedicationRequest/mb"}),
        ("Encounter", "_revinclude=DocumentReference:encounter", {"DocumentReference/n"}),
        (
            "Encounter",
            "_include=Encounter:episode-of-care&_include:iterate=EpisodeOfCare:care-manager",
            {"EpisodeOfCare/e", "Practitioner/kim"},
        ),
        (
            "Patient",
            "_id=anna&_revinclude=MedicationRequest:patient&_revinclude:iterate=Provenance:target",
            {"MedicationRequest/ma", "Provenance/prov"},
        ),
    ],
)
async def test_a_page_includes_what_belongs_to_its_matches_once(clinic, resource_type, text, expected):
    page = await clinic.page(resource_type, text)
    included = [f"{row.resource_type}/{row.id}" for row in page.rows if row.mode == "include"]
    assert sorted(included) == sorted(expected)


async def test_an_include_follows_only_the_matches_that_are_on_the_page(clinic):
    text = "_count=1&_include=MedicationRequest:patient"
    assert await clinic.included("MedicationRequest", text) == {"Patient/anna"}


async def test_a_match_is_not_included_again(shelf):
    await shelf.put({"resourceType": "Encounter", "id": "whole"})
    await shelf.put({"resourceType": "Encounter", "id": "part", "partOf": to("Encounter/whole")})
    assert await shelf.included("Encounter", "_include=Encounter:part-of") == set()
    assert await shelf.included("Encounter", "_id=part&_include=Encounter:part-of") == {"Encounter/whole"}


async def test_deleted_resources_are_in_no_answer(clinic):
    await clinic.put({"resourceType": "Patient", "id": "anna"}, deleted=True)
    await clinic.put({"resourceType": "Provenance", "id": "prov"}, deleted=True)
    assert await clinic.find("Patient", "") == ["ben"]
    assert await clinic.find("Patient", "name:missing=true") == []
    assert await clinic.find("MedicationRequest", "patient.identifier=urn:mrn|1") == []
    assert await clinic.find("MedicationRequest", "_has:Provenance:target:_id=prov") == []
    assert await clinic.included("MedicationRequest", "_include=MedicationRequest:patient") == {"Patient/ben"}


def only(**queries):
    """See the types named, each under a query; a type not named cannot be seen."""

    def narrow(resource_type):
        text = queries.get(resource_type)
        return None if text is None else query.clauses(resource_type, text, base_url=BASE_URL)

    return narrow


@pytest.mark.parametrize(
    ("resource_type", "text"),
    [
        ("Patient", "_has:DocumentReference:patient:_id=n"),
        ("Encounter", "_has:DocumentReference:encounter:_id=n"),
        ("MedicationRequest", "requester.name=kim"),
        ("MedicationRequest", "patient.identifier=urn:mrn|2"),
        ("MedicationRequest", "patient=ben"),
        ("DocumentReference", "_id=n"),
    ],
)
async def test_what_may_not_be_seen_cannot_be_asked_about(clinic, resource_type, text):
    narrow = only(Patient="_id=anna", MedicationRequest="patient=anna", Encounter="patient=anna")
    assert await clinic.find(resource_type, text) != [] or resource_type == "DocumentReference"
    assert await clinic.find(resource_type, text, narrow=narrow) == []
    assert (await clinic.page(resource_type, f"{text}&_summary=count", narrow=narrow)).total == 0


async def test_what_may_not_be_seen_is_not_included(clinic):
    narrow = only(MedicationRequest="", Patient="_id=ben", Encounter="")
    links = (
        "_include=MedicationRequest:patient",
        "_include=MedicationRequest:requester",
        "_revinclude=Provenance:target",
    )
    text = "&".join(links)
    assert await clinic.included("MedicationRequest", text, narrow=narrow) == {"Patient/ben"}
    assert (
        await clinic.included("Encounter", "_revinclude=DocumentReference:encounter", narrow=narrow) == set()
    )
    iterating = "_include=Encounter:episode-of-care&_include:iterate=Encounter:patient"
    assert await clinic.included("Encounter", iterating, narrow=narrow) == set()


async def test_a_scope_that_is_no_list_of_criteria_is_refused():
    for text in ("_count=5", "status=active&_include=*", "shoe-size=9", "status=", "status:in=x"):
        with pytest.raises(BadRequest):
            query.clauses("MedicationRequest", text, base_url=BASE_URL)


async def test_a_star_includes_all_that_refers_to_a_match(clinic):
    one = await clinic.included("Patient", "_id=anna&_revinclude=MedicationRequest:patient")
    found = await clinic.included("Patient", "_id=anna&_revinclude=*")
    assert one < found
    assert {name.partition("/")[0] for name in found} >= {"Encounter", "MedicationRequest"}
    both = await clinic.included("Patient", "_id=anna&_include=*&_revinclude=*")
    assert both >= found


async def test_more_kinds_of_includes_than_can_be_followed_are_refused(clinic):
    text = "&".join(f"_revinclude:iterate={name}:*" for name in RESOURCE_TYPES)
    with pytest.raises(BadRequest) as refused:
        await clinic.page("Patient", text, strict=False)
    assert str(refused.value) == "More than 150 kinds of includes in one search are not supported."


@pytest.mark.parametrize("text", ["_revinclude=MedicationRequest:patient", "_revinclude:iterate=*"])
async def test_a_page_that_would_include_too_much_is_given_up_with_advice(clinic, monkeypatch, text):
    for module in (includes, run):
        monkeypatch.setattr(module, "MAX_INCLUDED", 1)
    with pytest.raises(TooCostly) as refused:
        await clinic.page("Patient", f"_count=1&{text}&_revinclude=Encounter:patient")
    assert (refused.value.status, refused.value.issues[0].code) == (503, "too-costly")
    assert str(refused.value) == run.ADVICE
