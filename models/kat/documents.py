"""The kinds of notes and consents, each with the codes that make it findable.

Progress notes carry US Core's common code 11506-3 beside the mental-health one, so that an EHR's query
for common clinical notes finds them.
Source: https://hl7.org/fhir/us/core/clinical-notes.html, https://loinc.org
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import LOINC, US_CORE_NOTE_CATEGORY

CLINICAL_NOTE = Code(US_CORE_NOTE_CATEGORY, "clinical-note", "Clinical Note")

PROGRESS_NOTE = (
    Code(LOINC, "34904-3", "Mental health Progress note"),
    Code(LOINC, "11506-3", "Progress note"),
)
CONSULT_NOTE = (
    Code(LOINC, "34785-6", "Mental health Consult note"),
    Code(LOINC, "11488-4", "Consult note"),
)
HISTORY_NOTE = (
    Code(LOINC, "78306-8", "Mental health History and physical note"),
    Code(LOINC, "34117-2", "History and physical note"),
)
JOURNEY_NOTE = (
    Code(LOINC, "78472-8", "Mental health Procedure note"),
    Code(LOINC, "28570-0", "Procedure note"),
)
SUMMARY_NOTE = (
    Code(LOINC, "34133-9", "Summary of episode note"),
    Code(LOINC, "18842-5", "Discharge summary"),
)

PATIENT_CONSENT = Code(LOINC, "59284-0", "Patient Consent")
RELEASE_CONSENT = Code(LOINC, "64292-6", "Release of information consent")
