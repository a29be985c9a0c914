"""The second job: a therapist signs in, sees the prescription, records a session and posts notes.

The tool is a public app: authorization code with PKCE, through the real pages of a real server.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import harness
import httpx
import oauth_kit
import practice_kit
import pytest
from practice_kit import Practice, note, order, resources

from models.kat.code import concept
from models.kat.local import ENCOUNTER_TYPES
from service.demo.chart import AMBULATORY, Chart

SCOPE = (
    "openid fhirUser user/Patient.rs user/EpisodeOfCare.rs user/MedicationRequest.rs user/Encounter.crus "
    "user/DocumentReference.crus"
)
MIB = 1024 * 1024


def pdf(size: int) -> bytes:
    """Make a file of every byte there is, which no handling as text would survive."""
    return b"%PDF-1.7\n" + bytes(range(256)) * (size // 256)


@pytest.fixture(scope="session")
def tokens(practice: Practice) -> dict[str, Any]:
    """What the app holds after a therapist signed in and agreed."""
    server = practice.server
    app = server.add_client("therapist-app", SCOPE, public=True, redirect_uris=[oauth_kit.REDIRECT_URI])
    login = practice_kit.number("tessa")
    server.add_user(login, oauth_kit.PASSWORD, "therapist", "Practitioner/prac-th")
    return asyncio.run(signed_in(server, app["client_id"], login))


async def signed_in(server: harness.Server, client_id: str, login: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=server.base_url, timeout=30) as http:
        browser = oauth_kit.Browser(http)
        code = await browser.code(client_id, SCOPE, login, aud=server.fhir)
        answer = await http.post("/oauth/token", data=oauth_kit.code_form(client_id, code, browser.verifier))
    assert answer.status_code == 200, answer.text
    granted: dict[str, Any] = answer.json()
    return granted


@pytest.fixture(scope="session")
def tool(practice: Practice, tokens: dict[str, Any]) -> Iterator[httpx.Client]:
    headers = {
        "Authorization": f"Bearer {tokens['access_token']}",
        "Content-Type": "application/fhir+json",
    }
    with httpx.Client(base_url=practice.server.fhir, headers=headers, timeout=60) as client:
        yield client


def session() -> dict[str, Any]:
    chart, day = Chart("2"), practice_kit.today()
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": AMBULATORY.coding(),
        "type": [concept(ENCOUNTER_TYPES["preparation"])],
        "subject": chart.patient,
        "episodeOfCare": [chart.episode],
        "participant": [{"individual": {"reference": chart.therapist}}],
        "period": {"start": f"{day}T08:00:00Z", "end": f"{day}T08:50:00Z"},
    }


def test_a_therapist_cannot_write_a_prescription(tool: httpx.Client, practice: Practice) -> None:
    sent = order()
    answer = tool.post("/MedicationRequest", json=sent)
    assert answer.status_code == 403
    assert practice.vault.orders(sent["identifier"][0]["value"]) == 0


def test_an_app_sees_only_what_it_was_granted(tool: httpx.Client) -> None:
    assert tool.get("/Consent").status_code == 403
    assert tool.get("/Condition/cond-2").status_code == 403


def test_the_app_learns_who_signed_in(tokens: dict[str, Any]) -> None:
    assert set(tokens["scope"].split()) == set(SCOPE.split())
    assert tokens["expires_in"] <= 3600
    assert "id_token" in tokens


def test_the_therapist_sees_the_prescription_that_was_just_posted(
    tool: httpx.Client, prescriber: httpx.Client
) -> None:
    posted = prescriber.post("/MedicationRequest", json=order()).json()
    found = tool.get("/MedicationRequest", params={"patient": "Patient/pat-2", "status": "active"})
    assert found.status_code == 200
    assert posted in resources(found.json())
    assert tool.get(f"/MedicationRequest/{posted['id']}").json() == posted


def test_a_recorded_session_belongs_to_the_episode(tool: httpx.Client) -> None:
    recorded = tool.post("/Encounter", json=session())
    assert recorded.status_code == 201, recorded.text
    found = tool.get("/Encounter", params={"episode-of-care": "EpisodeOfCare/ep-2", "_count": 200})
    assert recorded.json() in resources(found.json())
    assert tool.get(recorded.headers["location"]).content == recorded.content


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/plain; charset=utf-8", "Grounding went well. Später: Körperarbeit 🌵".encode()),
        ("text/markdown; charset=utf-8", b"# Session\n\n* resourcing\n* *parts work*\n"),
        ("application/pdf", pdf(5 * MIB)),
    ],
    ids=["text", "markdown", "pdf"],
)
def test_a_note_comes_back_byte_for_byte(tool: httpx.Client, content_type: str, content: bytes) -> None:
    posted = tool.post("/DocumentReference", json=note(content_type, content))
    assert posted.status_code == 201, posted.text[:500]
    read = tool.get(f"/DocumentReference/{posted.json()['id']}")
    attachment = read.json()["content"][0]["attachment"]
    assert attachment["contentType"] == content_type
    assert base64.b64decode(attachment["data"]) == content
    assert read.content == posted.content


def test_a_note_is_found_with_its_session_and_can_be_replaced(tool: httpx.Client) -> None:
    encounter = tool.post("/Encounter", json=session()).json()
    context = {"encounter": [{"reference": f"Encounter/{encounter['id']}"}]}
    first = tool.post("/DocumentReference", json=note("text/plain", b"draft", context=context)).json()
    replaces = [{"code": "replaces", "target": {"reference": f"DocumentReference/{first['id']}"}}]
    second = tool.post(
        "/DocumentReference", json=note("text/plain", b"final", context=context, relatesTo=replaces)
    ).json()
    superseded = tool.put(f"/DocumentReference/{first['id']}", json={**first, "status": "superseded"})
    assert superseded.status_code == 200
    found = tool.get(
        "/DocumentReference",
        params={
            "encounter": f"Encounter/{encounter['id']}",
            "category": "clinical-note",
            "status": "current",
            "_include": "DocumentReference:encounter",
        },
    ).json()
    assert resources(found) == [second]
    assert [entry["resource"] for entry in found["entry"] if entry["search"]["mode"] == "include"] == [
        encounter
    ]
