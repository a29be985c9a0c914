"""The three jobs as shell commands that work when pasted: prescribe, treat, pull.

1  a prescribing platform posts a prescription, and posts it again: 201, then 200 with the same id
2  a therapist signs in (authorization code + PKCE), sees it, writes a session and a progress note
3  an EHR pulls the episodes page by page
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date
from string import Template

from models.kat.code import concept
from models.kat.documents import CLINICAL_NOTE, PROGRESS_NOTE
from models.kat.local import ENCOUNTER_TYPES
from service.demo import orders
from service.demo.access import REDIRECT_URI, THERAPIST_APP, THERAPIST_SCOPE, DemoAccess
from service.demo.build import Resource, reference
from service.demo.chart import AMBULATORY, Chart

VERIFIER = "the-verifier-of-the-tour-is-no-secret-to-anybody"
"""PKCE code verifier; a real app draws one at random for each sign-in."""

_TOUR = Template(
    """
Demonstration of $base: client $rx_a with secret $secret_a, client $ehr with secret $secret_ehr,
users $users. Paste this into a shell:

B=$base
token() { curl -s -u "$$1" -d grant_type=client_credentials --data-urlencode "scope=$$2" $$B/oauth/token |
  sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/'; }
send() { curl -s -w '\\n%{http_code} %header{location}\\n' -H "Authorization: Bearer $$T" \\
  -H 'Content-Type: application/fhir+json' -d "$$2" $$B/fhir/$$1 | cut -c 1-160; }
fetch() { curl -s -H "Authorization: Bearer $$T" "$$1"; }

echo '1. A prescribing platform posts a prescription, and sends it again'
T=$$(token '$rx_a:$secret_a' 'system/MedicationRequest.crus')
RX='$prescription'
send MedicationRequest "$$RX"
send MedicationRequest "$$RX"

echo '2. The therapist signs in, sees it, writes a session and a progress note'
J=$$(mktemp); Q='$query'
page() { curl -s -b $$J -c $$J "$$B/oauth/authorize?$$Q"; }
form() { sed -n 's/.*name="form_token" value="\\([^"]*\\)".*/\\1/p' | head -n 1; }
F=$$(page | form)
curl -s -o /dev/null -b $$J -c $$J -d "form_token=$$F" --data-urlencode "request=$$Q" \\
  -d login=$login --data-urlencode 'password=$password' $$B/oauth/sign-in
P=$$(page); F=$$(echo "$$P" | form)
TICKS=$$(echo "$$P" | grep -o 'name="scope-[0-9]*"' | sed 's/name="\\(.*\\)"/\\1=on/' | tr '\\n' '&')
CODE=$$(curl -s -o /dev/null -w '%{redirect_url}' -b $$J -c $$J -d "form_token=$$F" \\
  --data-urlencode "request=$$Q" -d "$${TICKS}decision=allow" $$B/oauth/consent |
  sed 's/.*[?&]code=\\([^&]*\\).*/\\1/')
T=$$(curl -s -d grant_type=authorization_code -d client_id=$app -d code_verifier=$verifier -d "code=$$CODE" \\
  --data-urlencode redirect_uri=$redirect $$B/oauth/token | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
fetch "$$B/fhir/MedicationRequest?patient=Patient/pat-2&status=active" | cut -c 1-320; echo
send Encounter '$session'
send DocumentReference '$note'

echo '3. An EHR pulls the episodes, two a page'
T=$$(token '$ehr:$secret_ehr' 'system/*.rs')
N="$$B/fhir/EpisodeOfCare?_lastUpdated=gt2026-01-01&_count=2"
while [ -n "$$N" ]; do
  P=$$(fetch "$$N"); echo "$$P" | grep -o '"fullUrl": *"[^"]*"'
  N=$$(echo "$$P" | grep -o '{[^{}]*"relation": *"next"[^{}]*}' | sed 's/.*"url": *"\\([^"]*\\)".*/\\1/')
done

In a browser the therapist signs in at
$base/oauth/authorize?$query
"""
)


def tour(access: DemoAccess, base_url: str) -> str:
    """Write the tour with the secrets of this demonstration."""
    users = ", ".join(f"{login} with password {password}" for login, password in access.users.items())
    return _TOUR.substitute(
        base=base_url,
        rx_a="client-rx-a",
        secret_a=access.clients["client-rx-a"],
        ehr="client-ehr",
        secret_ehr=access.clients["client-ehr"],
        users=users,
        login="tessa",
        password=access.users["tessa"],
        app=THERAPIST_APP,
        verifier=VERIFIER,
        redirect=REDIRECT_URI,
        query=_query(base_url),
        prescription=_json(_prescription(access.day)),
        session=_json(_session(access.day)),
        note=_json(_note(access.day)),
    )


def _query(base_url: str) -> str:
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    parameters = {
        "response_type": "code",
        "client_id": THERAPIST_APP,
        "redirect_uri": REDIRECT_URI,
        "scope": THERAPIST_SCOPE.replace(" ", "+"),
        "state": "tour",
        "aud": f"{base_url}/fhir",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return "&".join(f"{name}={value}" for name, value in parameters.items())


def _prescription(day: date) -> Resource:
    number = ("https://rx-a.example/rx", f"RX-A-TOUR-{day:%Y%m%d}")
    order = orders.prescription(
        Chart("2"), number, day.isoformat(), "PractitionerRole/role-rx", (200, 100), 3
    )
    del order["id"]
    return order


def _session(day: date) -> Resource:
    chart = Chart("2")
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": AMBULATORY.coding(),
        "type": [concept(ENCOUNTER_TYPES["preparation"])],
        "subject": chart.patient,
        "episodeOfCare": [chart.episode],
        "participant": [{"individual": reference(chart.therapist)}],
        "period": {"start": f"{day}T08:00:00Z", "end": f"{day}T08:50:00Z"},
    }


def _note(day: date) -> Resource:
    chart = Chart("2")
    text = base64.b64encode(b"Grounding went well. Plan: first journey next week.").decode()
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": concept(*PROGRESS_NOTE),
        "category": [concept(CLINICAL_NOTE)],
        "subject": chart.patient,
        "date": f"{day}T09:00:00Z",
        "author": [reference(chart.therapist)],
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": text}}],
        "context": {"encounter": [chart.episode]},
    }


def _json(document: Resource) -> str:
    """Write JSON that fits between single quotes of a shell."""
    return json.dumps(document, separators=(",", ":")).replace("'", "\\u0027")
