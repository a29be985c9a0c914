"""fhirclient: finds the authorization server in /metadata, signs people in, reads and writes typed models."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import oauth_kit
import practice_kit
import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.encounter import Encounter
from fhirclient.models.observation import Observation
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.patient import Patient
from fhirclient.server import (
    FHIRNotFoundException,
    FHIRPermissionDeniedException,
    FHIRUnauthorizedException,
)
from practice_kit import Practice, transaction

APP_SCOPE = "openid fhirUser offline_access launch/patient patient/*.rs"


def connected(practice: Practice, **settings: Any) -> FHIRClient:
    """Make a client that has read the server's CapabilityStatement."""
    client = FHIRClient({"app_id": "unknown", "api_base": practice.server.fhir, **settings})
    client.prepare()
    return client


@pytest.fixture
def client(practice: Practice, token: str) -> FHIRClient:
    client = connected(practice)
    client.server.auth.access_token = token
    assert client.ready
    return client


def finding(response: requests.Response) -> Any:
    """Parse what the server says about a failure, strictly."""
    outcome = OperationOutcome(response.json())
    assert outcome.issue[0].details.text
    return outcome.issue[0]


def test_without_a_token_it_is_not_ready_and_gets_nothing(practice: Practice) -> None:
    client = connected(practice)
    assert not client.ready
    with pytest.raises(FHIRUnauthorizedException) as caught:
        Patient.read("pat-1", client.server)
    assert finding(caught.value.response).code == "login"


def test_what_is_not_there_and_what_is_not_allowed_differ(practice: Practice, client: FHIRClient) -> None:
    with pytest.raises(FHIRNotFoundException) as missing:
        Patient.read("never-used", client.server)
    assert finding(missing.value.response).code == "not-found"
    narrow = practice.server.add_client("ehr", "system/Patient.rs")
    client.server.auth.access_token = practice.server.token(narrow, "system/Patient.rs")
    with pytest.raises(FHIRPermissionDeniedException) as refused:
        Observation.where({"patient": "pat-1"}).perform_resources_iter(client.server).__next__()
    assert finding(refused.value.response).code == "forbidden"


def test_a_resource_that_is_not_valid_is_refused_with_a_place(client: FHIRClient) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        Patient({"gender": "x"}).create(client.server)
    assert caught.value.response.status_code == 400
    assert finding(caught.value.response).expression == ["Patient.gender"]


def test_preparing_finds_the_authorization_server(practice: Practice) -> None:
    client = connected(practice, redirect_uri=oauth_kit.REDIRECT_URI)
    with practice.server.http() as http:
        known = http.get("/fhir/.well-known/smart-configuration").json()
    assert client.server.auth.auth_type == "oauth2"
    assert client.authorize_url.partition("?")[0] == known["authorization_endpoint"]
    assert client.server.auth.state["token_uri"] == known["token_endpoint"]


def test_a_therapist_signs_in_chooses_a_patient_and_stays_signed_in(practice: Practice) -> None:
    server = practice.server
    app = server.add_client("therapist-app", APP_SCOPE, public=True, redirect_uris=[oauth_kit.REDIRECT_URI])
    login = practice_kit.number("tessa")
    server.add_user(login, oauth_kit.PASSWORD, "therapist", "Practitioner/prac-th")
    client = connected(
        practice, app_id=app["client_id"], redirect_uri=oauth_kit.REDIRECT_URI, scope=APP_SCOPE
    )
    client.wants_patient = False  # the scope says it already
    client.handle_callback(asyncio.run(signed_in(server.base_url, client.authorize_url, login)))
    assert client.patient_id == "pat-1"
    assert "Synthetica" in client.human_name(client.patient.name[0])
    sessions = list(Encounter.where({"patient": "pat-1"}).perform_resources_iter(client.server))
    assert {session.subject.reference for session in sessions} == {"Patient/pat-1"}
    with pytest.raises(FHIRNotFoundException):
        Patient.read("pat-2", client.server)
    expired = client.server.auth.access_token
    assert client.reauthorize()
    assert client.server.auth.access_token != expired
    assert Patient.read("pat-1", client.server).id == "pat-1"


async def signed_in(base_url: str, authorize_url: str, login: str) -> str:
    """Sign in at the page that the app has sent the browser to; return where the browser is sent back."""
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        browser = oauth_kit.Browser(http)
        page = await browser.sign_in(await http.get(authorize_url), login)
        consent = await browser.submit(page, "/oauth/consent", patient="pat-1")
        answer = await browser.allow(consent)
    return answer.headers["Location"]


def test_a_backend_service_authorizes_with_an_assertion(practice: Practice) -> None:
    app = practice.server.add_client("ehr", "system/*.rs", jwks=oauth_kit.public_set(oauth_kit.EC_KEY))
    endpoint = f"{practice.server.base_url}/oauth/token"
    assertion = oauth_kit.assertion(app["client_id"], oauth_kit.EC_KEY, aud=endpoint)
    client = connected(practice, app_id=app["client_id"], jwt_token=assertion, scope="system/*.rs")
    client.wants_patient = False
    client.authorize()
    assert Patient.read("pat-1", client.server).id == "pat-1"


def test_a_model_is_created_updated_and_deleted(client: FHIRClient) -> None:
    patient = Patient({"name": [{"family": "Typed", "given": ["Pat"]}], "birthDate": "1980-02-03"})
    stored = Patient(patient.create(client.server))
    assert stored.meta.versionId == "1"
    assert datetime.now(UTC) > stored.meta.lastUpdated.date
    read = Patient.read(stored.id, client.server)
    assert read.as_json() == stored.as_json()
    read.gender = "other"
    assert Patient(read.update(client.server)).meta.versionId == "2"
    assert read.delete(client.server) is None
    with pytest.raises(requests.HTTPError) as caught:
        Patient.read(stored.id, client.server)
    assert (caught.value.response.status_code, finding(caught.value.response).code) == (410, "deleted")


def test_a_transaction_of_models_is_answered_with_a_bundle(client: FHIRClient) -> None:
    sent = Bundle(transaction(("POST", "Patient", practice_kit.patient("Bundled"))))
    answer = Bundle(sent.create(client.server))
    assert answer.type == "transaction-response"
    (entry,) = answer.entry
    assert entry.response.status == "201 Created"
    assert entry.response.etag == 'W/"1"'


def test_every_page_of_a_search_is_followed(client: FHIRClient) -> None:
    bundles = list(Observation.where({"patient": "pat-1", "_count": "7"}).perform_iter(client.server))
    found = [entry.resource.id for bundle in bundles for entry in bundle.entry]
    whole = Observation.where({"patient": "pat-1", "_count": "1000"}).perform_iter(client.server)
    assert len(bundles) > 3
    assert sorted(found) == sorted(entry.resource.id for entry in next(whole).entry)


def test_included_resources_are_typed_by_themselves(client: FHIRClient) -> None:
    search = Encounter.where({"_id": "enc-1-intake"}).include("subject")
    kinds = [type(one).__name__ for one in search.perform_resources_iter(client.server)]
    assert kinds == ["Encounter", "Patient"]
    reverse = Patient.where({"_id": "pat-1"}).include("subject", Encounter, reverse=True)
    assert {type(one).__name__ for one in reverse.perform_resources_iter(client.server)} == {
        "Patient",
        "Encounter",
    }
