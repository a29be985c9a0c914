"""The URLs of the code systems and identifier systems that the therapy uses.

Source: https://hl7.org/fhir/R4/terminologies-systems.html
"""

from __future__ import annotations

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
UCUM = "http://unitsofmeasure.org"
NUCC = "http://nucc.org/provider-taxonomy"

NPI = "http://hl7.org/fhir/sid/us-npi"
DEA = "urn:oid:2.16.840.1.113883.4.814"
IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"

_HL7 = "http://terminology.hl7.org/CodeSystem/"
V3_ACT_CODE = _HL7 + "v3-ActCode"
V3_CONFIDENTIALITY = _HL7 + "v3-Confidentiality"
V3_DRUG_FORM = _HL7 + "v3-orderableDrugForm"
V3_PARTICIPATION = _HL7 + "v3-ParticipationType"
V3_ROLE = _HL7 + "v3-RoleCode"
CLINICAL_STATUS = _HL7 + "condition-clinical"
VERIFICATION_STATUS = _HL7 + "condition-ver-status"
CONDITION_CATEGORY = _HL7 + "condition-category"
OBSERVATION_CATEGORY = _HL7 + "observation-category"
MEDICATION_REQUEST_CATEGORY = _HL7 + "medicationrequest-category"
CONSENT_SCOPE = _HL7 + "consentscope"
GOAL_ACHIEVEMENT = _HL7 + "goal-achievement"
ORGANIZATION_TYPE = _HL7 + "organization-type"
PROVENANCE_AGENT = _HL7 + "provenance-participant-type"
DISCHARGE = _HL7 + "discharge-disposition"
DIAGNOSIS_ROLE = _HL7 + "diagnosis-role"
PERFORMER_FUNCTION = _HL7 + "med-admin-perform-function"
COURSE_OF_THERAPY = _HL7 + "medicationrequest-course-of-therapy"
SUBSTITUTION = _HL7 + "v3-substanceAdminSubstitution"
ALLERGY_STATUS = _HL7 + "allergyintolerance-clinical"
ALLERGY_VERIFICATION = _HL7 + "allergyintolerance-verification"
COVERAGE_CLASS = _HL7 + "coverage-class"
SUBSCRIBER_RELATIONSHIP = _HL7 + "subscriber-relationship"
DATA_ABSENT_REASON = _HL7 + "data-absent-reason"
TRIBAL_ENTITY = _HL7 + "v3-TribalEntityUS"

US_CORE = "http://hl7.org/fhir/us/core/"
US_CORE_CATEGORY = US_CORE + "CodeSystem/us-core-category"
US_CORE_NOTE_CATEGORY = US_CORE + "CodeSystem/us-core-documentreference-category"

LOCAL = "https://kat-fhir.example/fhir/"
"""Canonical base of what this project mints: no published guide covers ketamine-assisted therapy."""


def local_system(name: str) -> str:
    """Name a code system of this project, for instance ``kat-phase``."""
    return f"{LOCAL}CodeSystem/{name}"


def local_extension(name: str) -> str:
    """Name an extension of this project, for instance ``kat-off-label``."""
    return f"{LOCAL}StructureDefinition/{name}"


def local_form(name: str) -> str:
    """Name a questionnaire of this project, for instance ``kat-discharge-check``."""
    return f"{LOCAL}Questionnaire/{name}"
