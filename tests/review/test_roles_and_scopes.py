"""A prescriber cannot draw in another's doctor by a role, and granular scopes do not show older contents."""

import pytest
from practice_kit import transaction

NOTE = "http://terminology.hl7.org/CodeSystem/observation-category"


def role(practitioner, organization):
    return {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": practitioner},
        "organization": {"reference": organization},
    }


@pytest.fixture(scope="module")
def organizations(practice):
    with practice.operator("system/*.cruds") as operator:
        for name in ("one", "two"):
            organization = {"resourceType": "Organization", "id": f"role-{name}", "name": name}
            assert operator.put(f"/Organization/role-{name}", json=organization).is_success
        doctor = operator.post("/Practitioner", json={"resourceType": "Practitioner"}).json()["id"]
        operator.post("/PractitionerRole", json=role(f"Practitioner/{doctor}", "Organization/role-one"))
        yield f"Practitioner/{doctor}"


@pytest.fixture(scope="module")
def stranger(practice, organizations):
    scope = "system/PractitionerRole.cruds system/Practitioner.cruds"
    server = practice.server
    with server.client("prescriber", scope, organization="Organization/role-two") as client:
        yield client


def test_a_role_for_another_organizations_doctor_is_refused(stranger, organizations):
    answer = stranger.post("/PractitionerRole", json=role(organizations, "Organization/role-two"))
    assert answer.status_code == 403


def test_a_transaction_that_changes_the_doctor_beside_the_role_is_refused(stranger, organizations):
    taken = {
        "resourceType": "Practitioner",
        "id": organizations.partition("/")[2],
        "name": [{"text": "mine"}],
    }
    entries = transaction(
        ("POST", "PractitionerRole", role(organizations, "Organization/role-two")),
        ("PUT", organizations, taken),
    )
    assert stranger.post("", json=entries).status_code == 403


def test_a_role_for_a_doctor_whom_the_client_entered_itself_is_stored(stranger, organizations):
    own = stranger.post("/Practitioner", json={"resourceType": "Practitioner"}).json()["id"]
    answer = stranger.post("/PractitionerRole", json=role(f"Practitioner/{own}", "Organization/role-two"))
    assert answer.status_code == 201


def observation(patient, category, **members):
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": NOTE, "code": category}]}],
        "code": {"text": "any"},
        "subject": {"reference": f"Patient/{patient}"},
        **members,
    }


def test_a_granular_scope_does_not_show_what_a_resource_was_before(practice, server):
    with practice.operator("system/*.cruds") as operator:
        patient = operator.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
        before = operator.post("/Observation", json=observation(patient, "social-history")).json()
        address = f"/Observation/{before['id']}"
        operator.put(address, json=observation(patient, "vital-signs", id=before["id"]))
    scope = f"system/Observation.rs?category={NOTE}|vital-signs"
    with practice.server.client("admin", scope) as client:
        assert client.get(address).status_code == 200
        assert client.get(f"{address}/_history/1").status_code == 404
        assert client.get(f"{address}/_history/2").status_code == 200
        told = client.get(f"{address}/_history").json()["entry"]
        assert [entry["response"]["etag"] for entry in told] == ['W/"2"']


def test_the_history_of_the_server_needs_a_reading_scope(practice):
    with practice.server.client("admin", "system/Observation.s") as client:
        assert client.get("/_history").status_code == 403
