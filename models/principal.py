"""Who asks: the client application, its user if there is one, and the scopes it was granted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClientKind(StrEnum):
    """What a registered OAuth client is for; decides which rules its writes must satisfy."""

    PRESCRIBER = "prescriber"
    EHR = "ehr"
    THERAPIST_APP = "therapist-app"
    COACH_APP = "coach-app"
    PATIENT_APP = "patient-app"
    ADMIN = "admin"


class Role(StrEnum):
    """What a person who signs in is to the practice."""

    THERAPIST = "therapist"
    PRESCRIBER = "prescriber"
    COACH = "coach"
    PATIENT = "patient"
    AUDITOR = "auditor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Scope:
    """One SMART scope in its v2 meaning: ``context/resource_type.interactions?query``.

    ``context`` is ``patient``, ``user`` or ``system``; ``resource_type`` may be ``*``;
    ``interactions`` is a subset of ``cruds``; ``query`` is a FHIR search query or empty.
    Source: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
    """

    context: str
    resource_type: str
    interactions: frozenset[str]
    query: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """The verified bearer of an access token. References are relative (``Organization/1``)."""

    client_id: str
    client_kind: ClientKind
    scopes: tuple[Scope, ...]
    scope_text: str = ""
    organization: str | None = None
    user: str | None = None
    role: Role | None = None
    fhir_user: str | None = None
    patient: str | None = None
    """Logical id of the patient in the launch context, without ``Patient/``."""
    token_id: str = ""

    @property
    def is_operator(self) -> bool:
        """Whether this is the operator: related to every patient, exempt from who-may-write rules."""
        return self.client_kind is ClientKind.ADMIN


OPERATOR = Principal(
    client_id="operator",
    client_kind=ClientKind.ADMIN,
    scopes=(Scope("system", "*", frozenset("cruds")),),
    scope_text="system/*.cruds",
)
"""The command line itself (``kat-fhir load``), audited as ``operator``."""
