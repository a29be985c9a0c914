"""Who may write a prescription, and in whose name (rule RX-6).

    outside prescribing platform   requester has a prescribing role in the platform's own Organization
    prescriber signed in           requester is that person, in a prescribing role
    therapist's tool               a transcript only: marked as reported, recorder named, and the
                                   requester is a prescriber known here
    coach, patient, auditor        never
    operator, EHR system           not restricted here: they copy what another system holds

Source: practice policy; the practice's therapists do not prescribe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.kat.roles import (
    KAT_ROLE,
    NON_PRESCRIBER_ROLES,
    NON_PRESCRIBER_TAXONOMY,
    PRESCRIBER_ROLE,
    PRESCRIBER_TAXONOMY,
)
from models.kat.rules import RX_6
from models.kat.systems import NUCC
from models.principal import ClientKind, Role
from service.kat.elements import Document, child, children, codings, contained, text
from service.kat.facts import Facts, identifiers_referred
from service.kat.finding import Finding

REQUESTER = "MedicationRequest.requester"

ENDED = frozenset({"cancelled", "completed", "entered-in-error", "stopped"})
"""A prescription can still be ended after its prescriber has left the organization."""

_NEVER_KINDS = frozenset({ClientKind.COACH_APP, ClientKind.PATIENT_APP})
_NEVER_ROLES = frozenset({Role.COACH, Role.PATIENT, Role.AUDITOR})


def check_requester(document: Document, facts: Facts) -> Iterator[Finding]:
    """Refuse a prescription that this writer may not write in this requester's name."""
    writer = facts.writer
    if writer.is_operator:
        return
    if writer.client_kind in _NEVER_KINDS or writer.role in _NEVER_ROLES:
        yield _finding("Only a prescriber may write a prescription, or a therapist a transcript of one.")
    elif writer.role is Role.THERAPIST or _is_therapists_tool(facts):
        yield from _check_transcript(document, facts)
    if writer.client_kind is ClientKind.PRESCRIBER:
        yield from _check_own_organization(document, facts)
    elif writer.role is Role.PRESCRIBER:
        yield from _check_own_person(document, facts)


def prescribes(role: Document) -> bool:
    """Tell whether a PractitionerRole is of a prescribing type: none of its codes says it is not."""
    named = [*_concepts(role, "code"), *_concepts(role, "specialty")]
    if any(_is_prescriber(system, code) for system, code in named):
        return True
    return not any(_is_no_prescriber(system, code) for system, code in named)


def _is_therapists_tool(facts: Facts) -> bool:
    return facts.writer.client_kind is ClientKind.THERAPIST_APP and facts.writer.role is not Role.PRESCRIBER


def _check_own_organization(document: Document, facts: Facts) -> Iterator[Finding]:
    organization = facts.writer.organization
    roles = _prescribing_roles(document, facts)
    if organization is None or not any(_organization(role, facts) == organization for role in roles):
        yield _finding(
            "The requester has no current prescribing role in the organization of this client. "
            "Name a prescriber of that organization."
        )


def _check_own_person(document: Document, facts: Facts) -> Iterator[Finding]:
    own = [
        role
        for role in _prescribing_roles(document, facts)
        if _practitioner(role, facts) == facts.writer.fhir_user
    ]
    if not own:
        yield _finding("The requester is not the person who is signed in, in a prescribing role.")


def _check_transcript(document: Document, facts: Facts) -> Iterator[Finding]:
    if document.get("reportedBoolean") is not True and not document.get("reportedReference"):
        yield Finding(
            RX_6,
            "A therapist may only transcribe a prescription. Set reportedBoolean true, or reportedReference.",
            "MedicationRequest.reported",
        )
    if not document.get("recorder"):
        yield Finding(RX_6, "A transcript names its writer. Set recorder.", "MedicationRequest.recorder")
    if facts.writer.client_kind is not ClientKind.PRESCRIBER and not _prescribing_roles(document, facts):
        yield _finding("The requester is not a prescriber known here. Name the one who prescribed.")


def _finding(message: str) -> Finding:
    return Finding(RX_6, message, REQUESTER)


def _prescribing_roles(document: Document, facts: Facts) -> list[Document]:
    """Return the stored, prescribing roles of the requester; current ones unless the prescription ends."""
    ends = text(document, "status") in ENDED
    return [
        role
        for role in _roles(document, facts)
        if prescribes(role) and (ends or role.get("active") is not False)
    ]


def _roles(document: Document, facts: Facts) -> Iterable[Document]:
    """Return the stored roles in which the requester may act; a contained role proves nothing itself."""
    requester = child(document, "requester")
    named = facts.key(requester) or ""
    if named.startswith("PractitionerRole/"):
        stored = facts.resources.get(named)
        return [stored] if stored is not None else []
    return [role for person in _persons(document, requester, facts) for role in facts.roles_of(person)]


def _persons(document: Document, reference: Document, facts: Facts) -> set[str]:
    """Return the stored Practitioners that a reference leads to, as ``Practitioner/id``."""
    named = facts.key(reference) or ""
    if named:
        return {named} if named.startswith("Practitioner/") else set()
    identified = set(facts.identified("Practitioner", identifiers_referred(document, reference)))
    holder = contained(document, text(reference, "reference") or "")
    if text(holder, "resourceType") == "PractitionerRole":
        identified |= _persons(document, child(holder, "practitioner"), facts)
    return identified


def _organization(role: Document, facts: Facts) -> str | None:
    return facts.key(child(role, "organization"))


def _practitioner(role: Document, facts: Facts) -> str | None:
    return facts.key(child(role, "practitioner"))


def _concepts(role: Document, name: str) -> Iterator[tuple[str | None, str]]:
    for _, concept in children(role, name):
        yield from codings(concept)


def _is_prescriber(system: str | None, code: str) -> bool:
    return (system == NUCC and code in PRESCRIBER_TAXONOMY) or (system, code) == (
        KAT_ROLE,
        PRESCRIBER_ROLE.code,
    )


def _is_no_prescriber(system: str | None, code: str) -> bool:
    if system == NUCC:
        return code.startswith(NON_PRESCRIBER_TAXONOMY)
    return system == KAT_ROLE and code in NON_PRESCRIBER_ROLES
