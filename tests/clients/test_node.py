"""fhir-kit-client and SMART's own client, both from npm: each scenario is one file in tests/clients/node."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import oauth_kit
import practice_kit
import pytest
from node_kit import SOURCES, Node
from practice_kit import Practice

SCENARIOS = sorted(path.stem for path in SOURCES.glob("*.mjs") if path.stem not in {"common", "smart"})
SCOPE = "openid fhirUser offline_access launch/patient patient/*.rs patient/Observation.cruds"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_kit_client_goes_through(scenario: str, node: Node, practice: Practice, token: str) -> None:
    node.run(scenario, FHIR_BASE=practice.server.fhir, FHIR_TOKEN=token)


def test_the_client_of_smart_apps_goes_through(node: Node, practice: Practice) -> None:
    server = practice.server
    app = server.add_client("therapist-app", SCOPE, public=True, redirect_uris=[oauth_kit.REDIRECT_URI])
    login = practice_kit.number("tessa")
    server.add_user(login, oauth_kit.PASSWORD, "therapist", "Practitioner/prac-th")
    granted = asyncio.run(signed_in(practice, app["client_id"], login))
    node.run(
        "smart",
        FHIR_BASE=server.fhir,
        TOKEN_URL=f"{server.base_url}/oauth/token",
        CLIENT_ID=app["client_id"],
        TOKEN_RESPONSE=json.dumps(granted),
    )


async def signed_in(practice: Practice, client_id: str, login: str) -> dict[str, Any]:
    """Return what the app is told after the therapist chose a patient and agreed."""
    async with httpx.AsyncClient(base_url=practice.server.base_url, timeout=30) as http:
        browser = oauth_kit.Browser(http)
        code = await browser.code(client_id, SCOPE, login, aud=practice.server.fhir, patient="pat-1")
        answer = await http.post("/oauth/token", data=oauth_kit.code_form(client_id, code, browser.verifier))
    assert answer.status_code == 200, answer.text
    granted: dict[str, Any] = answer.json()
    return granted
