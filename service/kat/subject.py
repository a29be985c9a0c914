"""Whose prescription it is: a patient known here, and the very one described (rule RX-7).

    subject.reference Patient/id ──> must be stored
    subject.identifier ────────────> one stored patient has it
    subject.reference #p ──────────> one stored patient has its identifier,
                                     the same family name and the same birth date

A mismatch is KEY206, non-matching identification. A patient is never created from a prescription.
Source: https://hl7.org/fhir/R4/v3/ActCode/cs.html#v3-ActCode-KEY206
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from models.kat.rules import RX_7
from service.kat.elements import Document, child, children, contained, text, texts
from service.kat.facts import Facts, identifier_pair, identifiers_of, identifiers_referred
from service.kat.finding import Finding

SUBJECT = "MedicationRequest.subject"

_UNKNOWN = "The patient is not known here. Register the patient first, or correct the reference."
_AMBIGUOUS = "Several patients have this identifier (KEY206). Refer to one by its id."
_NOT_DESCRIBED = "The subject names no patient. Refer to a Patient by its id or by an identifier."


def check_subject(document: Document, facts: Facts) -> Iterator[Finding]:
    """Refuse an unknown patient, and a description that does not match the stored patient."""
    yield from _check_contained_subjects(document)
    subject = child(document, "subject")
    if not subject:
        return
    keys = _candidates(document, facts)
    if len(keys) == 1:
        yield from _check_description(document, facts.resources[keys[0]])
    elif keys:
        yield Finding(RX_7, _AMBIGUOUS, SUBJECT)
    elif text(subject, "reference") or child(subject, "identifier"):
        yield Finding(
            RX_7, _UNKNOWN, f"{SUBJECT}.{'reference' if text(subject, 'reference') else 'identifier'}"
        )
    else:
        yield Finding(RX_7, _NOT_DESCRIBED, SUBJECT)


def patient_of(document: Document, facts: Facts) -> str | None:
    """Return the logical id of the one stored patient that the prescription is for."""
    keys = _candidates(document, facts)
    return keys[0].removeprefix("Patient/") if len(keys) == 1 else None


def _candidates(document: Document, facts: Facts) -> list[str]:
    """Return the stored patients that the subject may mean, as ``Patient/id``."""
    subject = child(document, "subject")
    target = text(subject, "reference") or ""
    if target and not target.startswith("#"):
        key = facts.key(subject) or ""
        return [key] if key.startswith("Patient/") and key in facts.resources else []
    if target and text(contained(document, target), "resourceType") != "Patient":
        return []
    return facts.identified("Patient", identifiers_referred(document, subject))


def _check_description(document: Document, patient: Document) -> Iterator[Finding]:
    """Compare what the prescription says of the patient with the stored patient."""
    subject = child(document, "subject")
    target = text(subject, "reference") or ""
    described = contained(document, target) if target.startswith("#") else None
    named = set(identifier_pair(child(subject, "identifier")))
    if target and named and not named <= set(identifiers_of(patient)):
        yield _mismatch("identifier", f"{SUBJECT}.identifier")
    if _display_differs(text(subject, "display"), patient):
        yield _mismatch("name", f"{SUBJECT}.display")
    if described is not None:
        index = next(i for i, item in children(document, "contained") if item is described)
        yield from _check_contained(described, patient, f"MedicationRequest.contained[{index}]")


def _check_contained(described: Document, patient: Document, expression: str) -> Iterator[Finding]:
    families = _families(described)
    if families and not families & _families(patient):
        yield _mismatch("family name", f"{expression}.name")
    born = text(described, "birthDate")
    if born and born != text(patient, "birthDate"):
        yield _mismatch("birth date", f"{expression}.birthDate")
    if not families or not born:
        yield Finding(
            RX_7,
            "A contained patient is matched by family name and birth date (KEY206). Send both.",
            expression,
        )


def _check_contained_subjects(document: Document) -> Iterator[Finding]:
    """Refuse a contained resource that brings a patient of its own."""
    own = text(child(document, "subject"), "reference")
    for index, resource in children(document, "contained"):
        for name in ("subject", "patient"):
            reference = child(resource, name)
            if reference and (own is None or text(reference, "reference") != own):
                yield Finding(
                    RX_7,
                    "A contained resource concerns another patient than the prescription. Remove it.",
                    f"MedicationRequest.contained[{index}].{name}",
                )


def _mismatch(what: str, expression: str) -> Finding:
    return Finding(
        RX_7,
        f"The {what} is not the one on record for this patient (KEY206, non-matching identification). "
        "Check which patient is meant.",
        expression,
    )


def _display_differs(display: str | None, patient: Document) -> bool:
    """Tell whether a display shares no word with any name or identifier of the patient."""
    words = _words(display or "")
    return bool(words) and not words & _known_words(patient)


def _known_words(patient: Document) -> set[str]:
    known = {word for _, value in identifiers_of(patient) for word in _words(value)}
    for _, name in children(patient, "name"):
        for part in (text(name, "family"), text(name, "text"), *texts(name, "given")):
            known |= _words(part or "")
    return known


def _families(patient: Document) -> set[str]:
    return {
        " ".join(sorted(_words(family)))
        for _, name in children(patient, "name")
        if (family := text(name, "family"))
    }


def _words(value: str) -> set[str]:
    """Split into words, case and accents aside."""
    plain = unicodedata.normalize("NFKD", value.casefold())
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return set(re.findall(r"\w+", letters))
