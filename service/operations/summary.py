"""A summary of a patient's record, made when it is asked for and not stored.

    DocumentReference ── attachment.data ── Bundle of type document ┬ Composition, its sections by type
                                                                    └ the resources themselves

It holds what the caller may read of the record and nothing else, so two callers may get two summaries.

Source: http://hl7.org/fhir/us/core/OperationDefinition/docref, https://hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from models.document import serialize
from models.errors import TooCostly
from models.kat.code import Code, concept
from models.kat.documents import CLINICAL_NOTE, SUMMARY_NOTE
from models.kat.systems import LOINC
from service import contents, store
from service.access import decide
from service.operations import everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.context import Context
    from service.operations.arguments import Arguments
    from service.search.run import Row

SUMMARY = SUMMARY_NOTE[0]
TITLE = "Summary of care"
_FHIR_JSON = "application/fhir+json"
_AUTHOR = [{"display": "KAT-FHIR"}]


class _Section(NamedTuple):
    title: str
    code: Code
    types: tuple[str, ...]


_SECTIONS = (
    _Section("Problems", Code(LOINC, "11450-4", "Problem list - Reported"), ("Condition",)),
    _Section(
        "Allergies",
        Code(LOINC, "48765-2", "Allergies and adverse reactions Document"),
        ("AllergyIntolerance",),
    ),
    _Section(
        "Medicines",
        Code(LOINC, "10160-0", "History of Medication use Narrative"),
        ("MedicationRequest", "MedicationDispense", "MedicationAdministration", "MedicationStatement"),
    ),
    _Section(
        "Plan of care",
        Code(LOINC, "18776-5", "Plan of care note"),
        ("EpisodeOfCare", "CarePlan", "CareTeam", "Goal", "ServiceRequest"),
    ),
    _Section(
        "Encounters",
        Code(LOINC, "46240-8", "History of Hospitalizations+Outpatient visits Narrative"),
        ("Encounter", "Appointment"),
    ),
    _Section(
        "Findings",
        Code(LOINC, "30954-2", "Relevant diagnostic tests/laboratory data note"),
        ("Observation", "QuestionnaireResponse", "ClinicalImpression"),
    ),
    _Section("Procedures", Code(LOINC, "47519-4", "History of Procedures Document"), ("Procedure",)),
    _Section("Notes", Code(LOINC, "34109-9", "Note"), ("DocumentReference", "Composition")),
)
"""The sections of a summary, each as far as there is anything in it."""


def is_of_type(asked: str | None) -> bool:
    """Tell whether a summary is of the type that is asked for, as ``system|code`` or ``code``."""
    return asked is None or asked in {SUMMARY.code, f"{SUMMARY.system}|{SUMMARY.code}", f"{SUMMARY.system}|"}


async def summarized(ctx: Context, given: Arguments) -> str | None:
    """Make the entry of a searchset that holds the summary; None when the caller sees no such patient.

    Raises:
        Forbidden: no scope allows to read patients.
        TooCostly: the record is too large for one document.
    """
    base_url = ctx.settings.base_url
    decide.authorize(ctx.principal, "r", "Patient", base_url=base_url)
    asked = everything.Asked(given.texts["patient"].removeprefix("Patient/"), care=everything.care(given))
    narrow = decide.visible(ctx.principal, base_url=base_url)
    rows, linked, more = await everything.record(ctx, asked, narrow)
    if more:
        raise TooCostly("The record is too large for one document; narrow it by start and end.")
    if not rows or rows[0].resource_type != "Patient":
        return None
    document_id = ctx.new_id()
    document = await _document(ctx, document_id, rows, linked)
    resource = serialize(_reference(ctx, document_id, rows[0], document, given)).decode()
    return f'{{"fullUrl":"urn:uuid:{document_id}","resource":{resource},"search":{{"mode":"match"}}}}'


async def _document(ctx: Context, document_id: str, rows: Sequence[Row], linked: Sequence[Row]) -> bytes:
    """Join the Composition and the stored texts; no resource is parsed."""
    composition = serialize(_composition(ctx, rows)).decode()
    entries = [f'{{"fullUrl":"urn:uuid:{ctx.new_id()}","resource":{composition}}}']
    entries += [
        f'{{"fullUrl":"{ctx.fhir_base}/{row.resource_type}/{row.id}","resource":{row.body}}}'
        for row in (*rows, *linked)
    ]
    identifier = serialize({"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{document_id}"}).decode()
    text = (
        f'{{"resourceType":"Bundle","identifier":{identifier},"type":"document",'
        f'"timestamp":"{store.instant(ctx.now())}","entry":[{",".join(entries)}]}}'
    )
    return (await contents.whole_text(ctx, text)).encode()


def _composition(ctx: Context, rows: Sequence[Row]) -> dict[str, Any]:
    by_type: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        # Relative references would lead nowhere: the Composition itself has no place on this server.
        by_type[row.resource_type].append({"reference": f"{ctx.fhir_base}/{row.resource_type}/{row.id}"})
    patient = by_type.pop("Patient")[0]
    sections = [
        {"title": section.title, "code": concept(section.code), "entry": entries}
        for section in _SECTIONS
        if (entries := [entry for name in section.types for entry in by_type.pop(name, [])])
    ]
    rest = [entry for entries in by_type.values() for entry in entries]
    if rest:
        sections.append({"title": "Other records", "entry": rest})
    return {
        "resourceType": "Composition",
        "status": "final",
        "type": concept(SUMMARY),
        "subject": patient,
        "date": store.instant(ctx.now()),
        "author": _AUTHOR,
        "title": TITLE,
        **({"section": sections} if sections else {}),
    }


def _reference(
    ctx: Context, document_id: str, patient: Row, document: bytes, given: Arguments
) -> dict[str, Any]:
    period = {name: given.texts[name] for name in ("start", "end") if name in given.texts}
    now = store.instant(ctx.now())
    attachment = {
        "contentType": _FHIR_JSON,
        "data": b64encode(document).decode(),
        "size": len(document),
        "title": TITLE,
        "creation": now,
    }
    return {
        "resourceType": "DocumentReference",
        "id": document_id,
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{document_id}"}],
        "status": "current",
        "docStatus": "final",
        "type": concept(SUMMARY),
        "category": [concept(CLINICAL_NOTE)],
        "subject": {"reference": f"Patient/{patient.id}"},
        "date": now,
        "author": _AUTHOR,
        "content": [{"attachment": attachment}],
        **({"context": {"period": period}} if period else {}),
    }
