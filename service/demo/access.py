"""Who may use the demonstration: clients and users, registered once, their secrets kept in one private file.

    oauth_client, oauth_user ── digests only
    <data directory>/demo-access.json (0600) ── the secrets themselves, so that every start can print them

A secret that no longer fits what is registered is replaced by a new one.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from models.oauth import OAuthClient, OAuthUser
from service.oauth import credentials
from service.oauth.registration import ClientMetadata, add_client, add_user

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from service.settings import Settings

FILE = "demo-access.json"
REDIRECT_URI = "http://127.0.0.1:8765/callback"
"""Where the therapist's tool would listen; nothing has to listen there for the tour."""

THERAPIST_APP = "client-therapist"
THERAPIST_SCOPE = (
    "openid fhirUser user/Patient.rs user/EpisodeOfCare.rs user/MedicationRequest.rs user/Encounter.crus "
    "user/Observation.crus user/QuestionnaireResponse.crus user/CarePlan.rs user/DocumentReference.crus"
)
_PRESCRIBER_SCOPE = (
    "system/MedicationRequest.cruds system/Patient.rs system/EpisodeOfCare.rs system/Observation.rs "
    "system/Task.rus system/DocumentReference.crs system/Organization.rs system/Practitioner.rs "
    "system/PractitionerRole.rs"
)

CLIENTS: Mapping[str, tuple[str, str, str, ClientMetadata]] = {
    "client-rx-a": (
        "Example TeleKet platform",
        "prescriber",
        _PRESCRIBER_SCOPE,
        {"organization": "Organization/org-rx-a", "secret": True},
    ),
    "client-rx-b": (
        "Example Lozenge platform",
        "prescriber",
        _PRESCRIBER_SCOPE,
        {"organization": "Organization/org-rx-b", "secret": True},
    ),
    "client-ehr": (
        "Example Valley EHR",
        "ehr",
        "system/*.rs",
        {"organization": "Organization/org-ehr", "secret": True},
    ),
    THERAPIST_APP: (
        "Therapist's notebook",
        "therapist-app",
        THERAPIST_SCOPE,
        {"organization": "Organization/org-kat", "public": True, "redirect_uris": [REDIRECT_URI]},
    ),
}
"""Name, kind, scopes and the rest of each client, by client_id."""

USERS: Mapping[str, tuple[str, str]] = {
    "tessa": ("therapist", "Practitioner/prac-th"),
    "prescott": ("prescriber", "Practitioner/prac-rx"),
}
"""Role and FHIR record of each user, by login."""


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """The secrets of the demonstration, and the day on which it is told."""

    day: date
    clients: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)


async def ensure(session: AsyncSession, settings: Settings, now: datetime) -> DemoAccess:
    """Register the clients and users of the demonstration, or recognize them, and return their secrets."""
    path = settings.data_dir / FILE
    kept = _read(path)
    access = DemoAccess(now.date())
    for client_id in CLIENTS:
        secret = await _client(session, client_id, kept.get("clients", {}).get(client_id), now)
        access.clients.update({client_id: secret} if secret else {})
    for login in USERS:
        access.users[login] = await _user(session, login, kept.get("users", {}).get(login), now)
    secrets_now = {"clients": access.clients, "users": access.users}
    if secrets_now != kept:
        _write(path, secrets_now)
    return access


async def _client(session: AsyncSession, client_id: str, kept: str | None, now: datetime) -> str | None:
    name, kind, scope, metadata = CLIENTS[client_id]
    stored = (
        await session.scalars(select(OAuthClient).where(col(OAuthClient.client_id) == client_id))
    ).first()
    if stored is None:
        wanted: ClientMetadata = {**metadata, "client_id": client_id}
        added = await add_client(session, name=name, kind=kind, scope=scope, now=now, **wanted)
        return added.get("client_secret")
    if stored.secret_hash is None or (kept and credentials.matches(kept, stored.secret_hash)):
        return kept
    secret = credentials.new_secret()
    stored.secret_hash = credentials.digest(secret)
    return secret


async def _user(session: AsyncSession, login: str, kept: str | None, now: datetime) -> str:
    role, fhir_user = USERS[login]
    stored = (await session.scalars(select(OAuthUser).where(col(OAuthUser.login) == login))).first()
    if stored is not None and kept and credentials.password_matches(kept, stored.password_hash):
        return kept
    password = secrets.token_urlsafe(9)
    if stored is None:
        await add_user(session, login=login, password=password, role=role, fhir_user=fhir_user, now=now)
    else:
        stored.password_hash = credentials.hash_password(password)
    return password


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _write(path: Path, secrets_now: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(secrets_now, indent=2) + "\n")
