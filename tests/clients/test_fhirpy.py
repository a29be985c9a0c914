"""fhirpy: resources as objects, searches as chains of calls; what it raises tells what the server said."""

from __future__ import annotations

from collections import Counter
from typing import Any

import fhirpy
import httpx
import pytest
from fhirpy.base.exceptions import (
    AuthorizationError,
    ForbiddenError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)
from practice_kit import Practice, note, number, order, transaction

SYSTEM = "https://fhirpy.example"


@pytest.fixture
def client(practice: Practice, token: str) -> fhirpy.SyncFHIRClient:
    return fhirpy.SyncFHIRClient(practice.server.fhir, authorization=f"Bearer {token}")


@pytest.fixture
def patient(client: fhirpy.SyncFHIRClient) -> Any:
    name = [{"family": "Doe", "given": ["Pat"]}]
    return client.resource("Patient", name=name, identifier=[identifier(number())]).create()


def identifier(value: str) -> dict[str, str]:
    return {"system": SYSTEM, "value": value}


def observe(client: fhirpy.SyncFHIRClient, patient: Any, code: str, date: str, **members: Any) -> Any:
    return client.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": SYSTEM, "code": code}]},
        subject=patient.to_reference(),
        effectiveDateTime=date,
        **members,
    ).create()


def resource(client: fhirpy.SyncFHIRClient, document: dict[str, Any]) -> Any:
    members = {name: value for name, value in document.items() if name != "resourceType"}
    return client.resource(document["resourceType"], **members)


def ids(resources: list[Any]) -> list[str]:
    return [resource.id for resource in resources]


def issue(outcome: OperationOutcome) -> dict[str, Any]:
    """Return the first finding of what the server answered, not of what the client made up."""
    found: dict[str, Any] = outcome.resource["issue"][0]
    assert found["details"]["text"]
    return found


def test_nobody_gets_nothing(practice: Practice) -> None:
    stranger = fhirpy.SyncFHIRClient(practice.server.fhir, authorization="Bearer nonsense")
    with pytest.raises(AuthorizationError, match='"code":"login"'):
        stranger.resources("Patient").fetch()


def test_what_the_scopes_do_not_allow_is_forbidden(practice: Practice) -> None:
    narrow = practice.server.token(
        practice.server.add_client("ehr", "system/Patient.rs"), "system/Patient.rs"
    )
    client = fhirpy.SyncFHIRClient(practice.server.fhir, authorization=f"Bearer {narrow}")
    with pytest.raises(ForbiddenError, match='"code":"forbidden"'):
        client.resources("Observation").fetch()


def test_an_invalid_resource_is_an_outcome_with_a_place(client: fhirpy.SyncFHIRClient) -> None:
    with pytest.raises(OperationOutcome) as caught:
        client.resource("Patient", gender="x").save()
    assert issue(caught.value)["expression"] == ["Patient.gender"]


def test_a_broken_rule_is_an_outcome_with_the_rule(client: fhirpy.SyncFHIRClient) -> None:
    with pytest.raises(OperationOutcome) as caught:
        resource(client, order(dispenseRequest={"numberOfRepeatsAllowed": 9})).save()
    assert "RX-1" in [coding["code"] for coding in issue(caught.value)["details"]["coding"]]


def test_a_search_that_is_not_understood_is_an_outcome(client: fhirpy.SyncFHIRClient) -> None:
    with pytest.raises(OperationOutcome) as caught:
        client.resources("Patient").search(birthdate="yesterday").fetch()
    assert issue(caught.value)["expression"] == ["http.birthdate"]


def test_what_is_referred_to_is_not_deleted(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    observe(client, patient, "held", "2026-05-01")
    with pytest.raises(OperationOutcome) as caught:
        patient.delete()
    assert issue(caught.value)["code"] == "conflict"


def test_a_resource_is_created_read_changed_and_deleted(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    assert (patient["meta"]["versionId"], patient.reference) == ("1", f"Patient/{patient.id}")
    patient["gender"] = "female"
    assert patient.update()["meta"]["versionId"] == "2"
    read = client.reference("Patient", patient.id).to_resource()
    assert read.serialize() == patient.serialize()
    patient.delete()
    with pytest.raises(ResourceNotFound, match='"code":"deleted"'):
        patient.to_reference().to_resource()
    with pytest.raises(ResourceNotFound, match='"code":"not-found"'):
        client.reference("Patient", "never-used").to_resource()


def test_an_update_creates_under_the_id_of_the_client(client: fhirpy.SyncFHIRClient) -> None:
    key = number("given")[:60]
    made = client.resource("Patient", id=key, active=True).save()
    assert (made.id, made["meta"]["versionId"]) == (key, "1")


def test_a_patch_gives_members_and_takes_them_away(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    patient.patch(gender="male", birthDate="1980-02-03")
    assert (patient["meta"]["versionId"], patient["name"][0]["family"]) == ("2", "Doe")
    client.patch("Patient", patient.id, birthDate=None, active=True)
    patient.refresh()
    assert (patient["gender"], patient["active"], "birthDate" in patient) == ("male", True, False)
    patient["gender"] = "other"
    assert patient.save(fields=["gender"])["meta"]["versionId"] == "4"
    with pytest.raises(OperationOutcome) as caught:
        client.patch("Patient", patient.id, id="another")
    assert issue(caught.value)["code"] == "invalid"


def test_a_refresh_fetches_only_what_has_changed(
    client: fhirpy.SyncFHIRClient, patient: Any, operator: httpx.Client
) -> None:
    before = patient.serialize()
    assert patient.refresh().serialize() == before
    operator.put(f"/Patient/{patient.id}", json={**before, "active": False}).raise_for_status()
    assert patient.refresh()["active"] is False


def test_a_condition_creates_once(client: fhirpy.SyncFHIRClient) -> None:
    value = number()
    criteria = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    made, created = criteria.get_or_create(client.resource("Patient", identifier=[identifier(value)]))
    again, repeated = criteria.get_or_create(client.resource("Patient", identifier=[identifier(value)]))
    third = client.resource("Patient", identifier=[identifier(value)]).create(identifier=f"{SYSTEM}|{value}")
    assert (created, repeated, ids([again, third])) == (True, False, [made.id] * 2)
    assert criteria.get().serialize() == made.serialize()


def test_a_condition_updates_patches_and_deletes_the_only_match(client: fhirpy.SyncFHIRClient) -> None:
    value = number()
    criteria = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    _, created = criteria.update(client.resource("Patient", identifier=[identifier(value)]))
    changed, again = criteria.update(client.resource("Patient", identifier=[identifier(value)], active=True))
    assert (created, again, changed["meta"]["versionId"]) == (True, False, "2")
    assert criteria.patch(active=False)["active"] is False
    assert criteria.delete() == (None, 204)
    assert criteria.first() is None
    assert criteria.delete() == (None, 204)


def test_a_condition_that_several_match_changes_nothing(client: fhirpy.SyncFHIRClient) -> None:
    value = number()
    for _ in range(2):
        client.resource("Patient", identifier=[identifier(value)]).save()
    criteria = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    with pytest.raises(MultipleResourcesFound, match='"code":"conflict"'):
        criteria.update(client.resource("Patient", identifier=[identifier(value)], active=True))
    with pytest.raises(MultipleResourcesFound):
        criteria.delete()
    with pytest.raises(MultipleResourcesFound):
        criteria.get()
    assert [one["meta"]["versionId"] for one in criteria.fetch()] == ["1", "1"]


def test_criteria_combine_chains_dates_and_modifiers(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    dates = ("2026-01-05", "2026-02-05", "2026-03-05")
    made = [observe(client, patient, f"kind-{n}", date) for n, date in enumerate(dates)]
    mine = client.resources("Observation").search(patient=patient)
    assert ids(mine.search(date__ge="2026-02", date__lt="2026-03").fetch()) == ids(made[1:2])
    assert ids(mine.search(code=f"{SYSTEM}|kind-0,{SYSTEM}|kind-2").sort("date").fetch()) == ids(made[::2])
    assert ids(mine.search(code__not=f"{SYSTEM}|kind-0").sort("-date").fetch()) == ids(made[:0:-1])
    assert mine.search(value_quantity__missing=False).count() == 0
    assert mine.count() == 3
    value = patient["identifier"][0]["value"]
    chained = client.resources("Observation").search(patient__Patient__identifier=f"{SYSTEM}|{value}")
    assert ids(chained.search(subject__Patient__name__exact="Doe").sort("date").limit(1).fetch()) == ids(
        made[:1]
    )
    assert chained.search(patient__name="nobody").fetch() == []


def test_a_reverse_chain_finds_whom_something_is_about(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    observe(client, patient, "reverse", "2026-05-01")
    seen = client.resources("Patient").has("Observation", "patient", code=f"{SYSTEM}|reverse")
    assert patient.id in ids(seen.fetch())
    prescribed = client.resources("Practitioner").has(
        "PractitionerRole", "practitioner", "MedicationRequest", "requester", status="active"
    )
    assert ids(prescribed.fetch()) == ["prac-np"]


def test_includes_come_with_their_matches(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    made = observe(client, patient, "included", "2026-05-01")
    found = client.resources("Observation").search(_id=made.id).include("Observation", "subject", "Patient")
    bundle = found.fetch_raw()
    assert [(one.resource.reference, one.search.mode) for one in bundle.entry] == [
        (made.reference, "match"),
        (patient.reference, "include"),
    ]
    assert ids(found.fetch()) == [made.id]
    reverse = client.resources("Patient").search(_id=patient.id).revinclude("Observation", "subject")
    assert [one.resource.reference for one in reverse.fetch_raw().entry] == [
        patient.reference,
        made.reference,
    ]
    whole = client.resources("EpisodeOfCare").search(_id="ep-1").include("EpisodeOfCare", "patient")
    iterated = whole.include("Patient", "general-practitioner", iterate=True).fetch_raw()
    assert {one.resource.reference for one in iterated.entry} >= {"EpisodeOfCare/ep-1", "Patient/pat-1"}


def test_elements_are_left_out_and_marked(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    (slim,) = client.resources("Patient").search(_id=patient.id).elements("identifier").fetch()
    assert slim.keys() == {"resourceType", "id", "meta", "identifier"}
    assert slim["meta"]["tag"][0]["code"] == "SUBSETTED"


@pytest.mark.parametrize("size", [1, 4, 7, 1000])
def test_every_page_is_fetched_whatever_its_size(
    client: fhirpy.SyncFHIRClient, operator: httpx.Client, size: int
) -> None:
    fetched = client.resources("Encounter").search(patient="Patient/pat-1").limit(size).fetch_all()
    whole = operator.get("/Encounter?patient=pat-1&_count=1000&_total=accurate").json()
    assert Counter(ids(fetched)) == Counter(entry["resource"]["id"] for entry in whole["entry"])
    assert len(fetched) == whole["total"] > 10


def test_pages_of_a_sorted_search_keep_the_order(client: fhirpy.SyncFHIRClient) -> None:
    newest = client.resources("Encounter").search(patient="Patient/pat-1").sort("-date").limit(3).fetch_all()
    starts = [one["period"]["start"] for one in newest]
    assert starts == sorted(starts, reverse=True)


def test_a_transaction_is_stored_whole_or_not_at_all(client: fhirpy.SyncFHIRClient) -> None:
    value = number()
    entries = transaction(
        ("POST", "Patient", {"resourceType": "Patient", "identifier": [identifier(value)]}),
        ("POST", "Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}),
    )
    entries["entry"][1]["resource"]["subject"] = {"reference": entries["entry"][0]["fullUrl"]}
    broken = {
        **entries,
        "entry": [*entries["entry"], {"request": {"method": "DELETE", "url": "Patient/pat-1"}}],
    }
    with pytest.raises(OperationOutcome) as caught:
        resource(client, broken).save()
    assert issue(caught.value)["expression"] == ["Bundle.entry[2]"]
    criteria = client.resources("Patient").search(identifier=f"{SYSTEM}|{value}")
    assert criteria.fetch() == []
    answer = resource(client, entries).save()
    assert [one["response"]["status"] for one in answer["entry"]] == ["201 Created"] * 2
    stored = criteria.get()
    assert client.resources("Observation").search(patient=stored).count() == 1


def test_operations_are_executed_on_types_and_instances(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    made = [observe(client, patient, "last", f"2026-05-0{day}") for day in (1, 2)]
    last = client.resources("Observation").execute("$lastn", method="get", params={"patient": [patient.id]})
    assert [one.resource.id for one in last.entry] == [made[1].id]
    everything = patient.execute("$everything", method="get", params={"_count": [2]})
    assert len(everything.entry) == 2
    rest = client.execute(everything.link[-1].url, method="get")
    assert {one.resource.id for one in [*everything.entry, *rest.entry]} == {patient.id, *ids(made)}
    described = {"resourceType": "Patient", "identifier": patient["identifier"], "name": patient["name"]}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": described}]}
    matches = client.resources("Patient").execute("$match", data=parameters)
    assert [(one.resource.id, one.search.mode) for one in matches.entry] == [(patient.id, "match")]
    assert matches.entry[0].search.score > 0.5


def test_labels_are_added_and_taken_away(patient: Any) -> None:
    label = {"system": SYSTEM, "code": "label"}
    labels = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [label]}}]}
    assert patient.execute("$meta-add", data=labels)["parameter"][0]["valueMeta"]["tag"] == [label]
    assert patient.refresh()["meta"]["tag"] == [label]
    patient.execute("$meta-delete", data=labels)
    assert "tag" not in patient.refresh()["meta"]


def test_validation_says_what_a_write_would_be_refused_for(
    client: fhirpy.SyncFHIRClient, patient: Any
) -> None:
    assert patient.is_valid()
    assert resource(client, note("text/plain", b"sound")).is_valid(raise_exception=True)
    patient["gender"] = "x"
    assert not patient.is_valid()
    with pytest.raises(OperationOutcome) as caught:
        patient.is_valid(raise_exception=True)
    assert issue(caught.value)["expression"] == ["Patient.gender"]


def test_history_tells_every_version(client: fhirpy.SyncFHIRClient, patient: Any) -> None:
    patient.patch(active=True)
    patient.delete()
    history = client.execute(f"Patient/{patient.id}/_history", method="get")
    assert [one.request.method for one in history.entry] == ["DELETE", "PATCH", "POST"]
    first = client.execute(f"Patient/{patient.id}/_history/1", method="get")
    assert (first.meta.versionId, "active" in first) == ("1", False)


def test_a_page_of_another_server_is_not_followed(client: fhirpy.SyncFHIRClient, practice: Practice) -> None:
    """The client refuses it; so it matters that every link of ours begins with the base it knows."""
    bundle = client.resources("Observation").limit(1).fetch_raw()
    assert all(link.url.startswith(f"{practice.server.fhir}/") for link in bundle.link)
    with pytest.raises(ValueError, match="security"):
        client.execute("https://elsewhere.example/fhir/Patient", method="get")
