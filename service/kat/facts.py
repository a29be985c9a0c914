"""What the rules need to know beyond the prescription itself, gathered in one round trip.

    subject ─────────────> Patient          by id, or by identifier
    requester ──────────┬> PractitionerRole ──> Practitioner
                        └> Practitioner ──────> its PractitionerRoles
    medicationReference ─> Medication

Resources of the same transaction that are not stored yet (``pending``) stand in for stored ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from models.principal import Principal
from service.kat.elements import Document, child, children, contained, text
from service.kat.writer import is_import
from service.search.values import term, token_term

if TYPE_CHECKING:
    import asyncpg

    from service.references import Sought

TYPES = ("Patient", "Practitioner", "PractitionerRole", "Medication")

_PATIENT_SQL = "SELECT 'Patient' AS type, id, body FROM fhir_patient WHERE id = $1 AND NOT deleted"
"""Enough for an import whose medicine is in the prescription: nothing to plan and less to read."""

_FACTS_SQL = """
WITH named_role AS (
    SELECT id, body, terms FROM fhir_practitioner_role WHERE id = ANY($5::text[]) AND NOT deleted
), practitioner AS (
    SELECT id, body FROM fhir_practitioner
    WHERE NOT deleted AND id = ANY($3::text[] || ARRAY(
        SELECT substr(term, length('practitioner=Practitioner/') + 1) FROM named_role, unnest(terms) AS term
        WHERE term LIKE 'practitioner=Practitioner/%'))
    UNION ALL
    SELECT found.id, found.body FROM unnest($4::text[]) AS sought CROSS JOIN LATERAL (
        SELECT id, body FROM fhir_practitioner WHERE terms @> ARRAY[sought] AND NOT deleted LIMIT 2) AS found
)
SELECT 'Patient' AS type, id, body FROM fhir_patient WHERE id = ANY($1::text[]) AND NOT deleted
UNION ALL
SELECT 'Patient', found.id, found.body FROM unnest($2::text[]) AS sought CROSS JOIN LATERAL (
    SELECT id, body FROM fhir_patient WHERE terms @> ARRAY[sought] AND NOT deleted LIMIT 2) AS found
UNION ALL
SELECT 'Practitioner', id, body FROM practitioner
UNION ALL
SELECT 'PractitionerRole', id, body FROM named_role
UNION ALL
SELECT 'PractitionerRole', held.id, held.body
FROM (SELECT unnest($3::text[]) AS id UNION SELECT id FROM practitioner) AS holder CROSS JOIN LATERAL (
    SELECT id, body FROM fhir_practitioner_role
    WHERE terms @> ARRAY['practitioner=Practitioner/' || holder.id] AND NOT deleted LIMIT 50) AS held
UNION ALL
SELECT 'Medication', id, body FROM fhir_medication WHERE id = ANY($6::text[]) AND NOT deleted
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Who writes, and the resources that the prescription leads to, by ``Type/id``."""

    writer: Principal
    resources: Mapping[str, Document] = field(default_factory=dict)
    fhir_base: str = ""
    existing: frozenset[str] = frozenset()
    """What else was found to exist, as ``Type/id``."""

    def key(self, reference: Document) -> str | None:
        """Return ``Type/id`` of a literal reference to this server; None for any other reference."""
        return literal(reference, self.fhir_base)

    def resolve(self, document: Document, reference: Document) -> Document | None:
        """Return the resource that a reference names, contained or on this server."""
        target = text(reference, "reference") or ""
        if target.startswith("#"):
            return contained(document, target)
        return self.resources.get(self.key(reference) or "")

    def identified(self, resource_type: str, identifiers: set[tuple[str, str]]) -> list[str]:
        """Return the keys of the resources of a type that have one of these identifiers."""
        return [
            key
            for key, resource in self.resources.items()
            if key.startswith(f"{resource_type}/") and identifiers & set(identifiers_of(resource))
        ]

    def roles_of(self, practitioner: str) -> list[Document]:
        """Return the PractitionerRoles of a practitioner, given as ``Practitioner/id``."""
        return [
            resource
            for key, resource in self.resources.items()
            if key.startswith("PractitionerRole/")
            and self.key(child(resource, "practitioner")) == practitioner
        ]


@dataclass(slots=True)
class _Sought:
    """Which resources to look for: ids by type, and identifiers as index terms."""

    ids: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in TYPES})
    patients: set[str] = field(default_factory=set)
    practitioners: set[str] = field(default_factory=set)

    pending: Mapping[str, Document] = field(default_factory=dict)
    """What needs no look, because it stands in for what is stored."""

    def add(self, key: str | None, *types: str) -> None:
        """Look for ``Type/id`` when it is of one of these types."""
        resource_type, _, resource_id = (key or "").partition("/")
        if resource_type in types and key not in self.pending:
            self.ids[resource_type].add(resource_id)

    @property
    def only_patient(self) -> str | None:
        """The id of the patient, when nothing else is looked for."""
        patients = self.ids["Patient"]
        others = self.patients or self.practitioners or sum(map(len, self.ids.values())) > len(patients)
        return next(iter(patients)) if len(patients) == 1 and not others else None

    def statement(self) -> tuple[str, list[Any]] | None:
        """Return the smallest statement that finds them all, with its arguments; None for nothing."""
        if (patient := self.only_patient) is not None:
            return _PATIENT_SQL, [patient]
        ids = {name: list(found) for name, found in self.ids.items()}
        if not (self.patients or self.practitioners or any(ids.values())):
            return None
        named = (list(self.patients), ids["Practitioner"], list(self.practitioners))
        return _FACTS_SQL, [ids["Patient"], *named, ids["PractitionerRole"], ids["Medication"]]


async def gather(
    connection: asyncpg.Connection[Any],
    document: Document,
    *,
    writer: Principal,
    fhir_base: str,
    pending: Mapping[str, Document] | None = None,
    references: Sought | None = None,
) -> Facts:
    """Read what the rules need to judge this MedicationRequest, in one round trip or none.

    Args:
        connection: Open connection, in the caller's transaction if it has one.
        document: The MedicationRequest; PHI.
        writer: Who asks for it to be written.
        fhir_base: Absolute base of this server, so that absolute references to it are understood.
        pending: ``Type/id`` to document of the resources that the same transaction will store.
        references: References whose existence is asked in the same round trip.
    """
    pending = {key: value for key, value in (pending or {}).items() if key.partition("/")[0] in TYPES}
    sought = _sought(document, writer, fhir_base, pending)
    parts: list[str] = []
    arguments: list[Any] = []
    if (statement := sought.statement()) is not None:
        parts, arguments = [statement[0]], statement[1]
    asked: frozenset[str] = frozenset()
    if references is not None:
        selections, values = references.lookups(len(arguments) + 1)
        parts += selections
        arguments += values
        asked = references.keys
    rows = await connection.fetch(" UNION ALL ".join(parts), *arguments) if parts else []
    existing = frozenset(f"{row[0]}/{row[1]}" for row in rows if row[2] is None)
    found = {f"{row[0]}/{row[1]}": row[2] for row in rows if row[2] is not None}
    # What is referred to and hidden from the writer is nothing that a rule may tell of.
    hidden = asked - existing
    stored = {key: msgspec.json.decode(body) for key, body in found.items() if key not in hidden}
    return Facts(writer, {**stored, **pending}, fhir_base, existing)


def granted(document: Document, *, writer: Principal, fhir_base: str) -> Facts | None:
    """Return all that the rules need of a MedicationRequest whose patient is there; None if that is not all.

    An import names a patient by id and says nothing of them that could be wrong; its medicine is in it.
    """
    subject = child(document, "subject")
    patient = _sought(document, writer, fhir_base, {}).only_patient if is_import(writer) else None
    if patient is None or "display" in subject or "identifier" in subject:
        return None
    return Facts(writer, {f"Patient/{patient}": {}}, fhir_base)


def literal(reference: Document, fhir_base: str) -> str | None:
    """Return ``Type/id`` of a literal reference to this server, without a version."""
    target = (text(reference, "reference") or "").removeprefix(f"{fhir_base}/").partition("/_history/")[0]
    resource_type, _, resource_id = target.partition("/")
    return target if resource_type.isalpha() and resource_id and "/" not in resource_id else None


def identifiers_of(resource: Document) -> Iterator[tuple[str, str]]:
    """Read the (system, value) pairs of a resource's identifiers; only values with a system identify."""
    for _, identifier in children(resource, "identifier"):
        yield from identifier_pair(identifier)


def identifier_pair(identifier: Document) -> Iterator[tuple[str, str]]:
    """Read one Identifier as (system, value), case aside."""
    system, value = text(identifier, "system"), text(identifier, "value")
    if system and value:
        yield system, value.casefold()


def identifiers_referred(document: Document, reference: Document) -> set[tuple[str, str]]:
    """Read the identifiers by which a reference names somebody, its own or its contained resource's."""
    named = set(identifier_pair(child(reference, "identifier")))
    target = text(reference, "reference") or ""
    if target.startswith("#"):
        named |= set(identifiers_of(contained(document, target) or {}))
    return named


def _sought(
    document: Document, writer: Principal, fhir_base: str, pending: Mapping[str, Document]
) -> _Sought:
    sought = _Sought(pending=pending)
    subject = child(document, "subject")
    sought.add(literal(subject, fhir_base), "Patient")
    sought.patients |= _terms(identifiers_referred(document, subject))
    sought.add(literal(child(document, "medicationReference"), fhir_base), "Medication")
    if not is_import(writer):
        _seek_requester(sought, document, fhir_base, pending)
    return sought


def _seek_requester(
    sought: _Sought, document: Document, fhir_base: str, pending: Mapping[str, Document]
) -> None:
    requester = child(document, "requester")
    sought.practitioners |= _terms(identifiers_referred(document, requester))
    target = text(requester, "reference") or ""
    role = contained(document, target) or pending.get(literal(requester, fhir_base) or "") or {}
    sought.practitioners |= _terms(identifiers_referred(document, child(role, "practitioner")))
    for reference in (requester, child(role, "practitioner")):
        sought.add(literal(reference, fhir_base), "Practitioner", "PractitionerRole")


def _terms(identifiers: set[tuple[str, str]]) -> set[str]:
    """Write identifiers as they stand in the ``terms`` column."""
    return {term(f"identifier={token_term(system, value)}") for system, value in identifiers}
