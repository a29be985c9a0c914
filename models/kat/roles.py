"""What people and organizations are to the therapy: taxonomy codes, and who of them prescribes.

A therapist, a counselor or a coach does not prescribe; a role without a known code is taken at its
organization's word, because R4 leaves the coding of roles open.

Source: https://taxonomy.nucc.org, https://hl7.org/fhir/R4/practitionerrole.html
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import NUCC, local_system

MARRIAGE_AND_FAMILY_THERAPIST = Code(NUCC, "106H00000X", "Marriage & Family Therapist")
CLINICAL_SOCIAL_WORKER = Code(NUCC, "1041C0700X", "Clinical Social Worker")
PROFESSIONAL_COUNSELOR = Code(NUCC, "101YP2500X", "Professional Counselor")
COACH = Code(NUCC, "171400000X", "Health & Wellness Coach")
PSYCHIATRIC_NURSE_PRACTITIONER = Code(NUCC, "363LP0808X", "Psychiatric/Mental Health Nurse Practitioner")
PSYCHIATRIST = Code(NUCC, "2084P0800X", "Psychiatry Physician")
FAMILY_PHYSICIAN = Code(NUCC, "207Q00000X", "Family Medicine Physician")

KAT_ROLE = local_system("kat-role")
THERAPIST_ROLE = Code(KAT_ROLE, "therapist", "Therapist")
PRESCRIBER_ROLE = Code(KAT_ROLE, "prescriber", "Prescriber")
COACH_ROLE = Code(KAT_ROLE, "coach", "Coach")

NON_PRESCRIBER_ROLES = frozenset({"therapist", "coach", "chaperone", "partner"})
"""Codes of ``kat-role`` that never prescribe."""

NON_PRESCRIBER_TAXONOMY = ("101Y", "102", "103", "104", "106", "171", "172", "221", "225", "226")
"""NUCC prefixes of counselors, psychologists, social workers, therapists and coaches."""

PRESCRIBER_TAXONOMY = ("103TP0016X",)
"""NUCC codes under those prefixes that do prescribe: the prescribing psychologist."""
