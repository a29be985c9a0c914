"""What a chart knows of a person beyond the therapy: statuses, social history, preferences, other medicine.

The categories are those by which an EHR asks for these observations (US Core).
Source: https://hl7.org/fhir/us/core/screening-and-assessments.html, https://loinc.org
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.local import INSTRUMENTS
from models.kat.systems import (
    DATA_ABSENT_REASON,
    LOINC,
    OBSERVATION_CATEGORY,
    RXNORM,
    SNOMED,
    US_CORE_CATEGORY,
)

SDOH = Code(US_CORE_CATEGORY, "sdoh", "SDOH")
FUNCTIONAL_STATUS = Code(US_CORE_CATEGORY, "functional-status", "Functional Status")
DISABILITY_STATUS = Code(US_CORE_CATEGORY, "disability-status", "Disability Status")
COGNITIVE_STATUS = Code(US_CORE_CATEGORY, "cognitive-status", "Cognitive Status")
TREATMENT_PREFERENCE = Code(
    US_CORE_CATEGORY, "treatment-intervention-preference", "Treatment Intervention Preference"
)
CARE_PREFERENCE = Code(US_CORE_CATEGORY, "care-experience-preference", "Care Experience Preference")
SOCIAL_HISTORY = Code(OBSERVATION_CATEGORY, "social-history", "Social History")
ACTIVITY = Code(OBSERVATION_CATEGORY, "activity", "Activity")

HOUSING = Code(LOINC, "71802-3", "Housing status")
HOUSED = Code(LOINC, "LA30189-7", "I have housing")
TRANSPORT_TOO_EXPENSIVE = Code(SNOMED, "160695008", "Transport too expensive")
SUPPORTS = INSTRUMENTS["supports"]
FUNCTION = Code(LOINC, "75276-6", "Functional status [Interpretation]")
DRESSES_ALONE = Code(SNOMED, "129035000", "Independent with dressing (finding)")
DEPRESSION_SEVERITY = Code(LOINC, "94023-9", "Depression severity")
MODERATE = Code(LOINC, "LA6751-7", "Moderate")
COGNITION = Code(LOINC, "11332-4", "History of Cognitive Function Narrative")
TREATMENT_WISHES = Code(
    LOINC, "75773-2", "Goals, preferences, and priorities for medical treatment Narrative - Reported"
)
CARE_WISHES = Code(LOINC, "95541-9", "Care experience preference")
TOBACCO = Code(LOINC, "72166-2", "Tobacco smoking status")
NEVER_SMOKED = Code(SNOMED, "266919005", "Never smoked tobacco")
OCCUPATION = Code(LOINC, "11341-5", "History of Occupation")
INDUSTRY = Code(LOINC, "86188-0", "History of Occupation Industry")
EXERCISE = Code(
    LOINC,
    "89555-7",
    "How many days per week did you engage in moderate to strenuous physical activity in the last 30 days",
)
MENTAL_STATUS = Code(LOINC, "10190-7", "Mental status Narrative")
ALERTNESS = Code(LOINC, "9269-2", "Glasgow coma score total")
HEART_RHYTHM = Code(LOINC, "8884-9", "Heart rate rhythm")
SINUS_RHYTHM = Code(SNOMED, "64730000", "Normal sinus rhythm")
NOT_AT_ALL = Code(LOINC, "LA6568-5", "Not at all")
YES = Code(LOINC, "LA33-6", "Yes")

SERTRALINE = Code(RXNORM, "36437", "sertraline")
PARTLY_TAKEN = Code(SNOMED, "275928001", "Drugs - partial non-compliance (finding)")
LATEX = Code(SNOMED, "111088007", "Latex (substance)")
RASH = Code(SNOMED, "271807003", "skin rash")
ELECTROCARDIOGRAM = Code(SNOMED, "29303009", "Electrocardiographic procedure")
EVALUATION = Code(SNOMED, "386053000", "Evaluation procedure (procedure)")
CHECK_UP = Code(SNOMED, "185349003", "Encounter for check up (procedure)")

PATIENT_ROLE = Code(SNOMED, "116154003", "Patient (person)")
CAREGIVER = Code(SNOMED, "133932002", "Caregiver (person)")
PRIMARY_CARE_PROVIDER = Code(SNOMED, "453231000124104", "Primary care provider")

UNKNOWN = Code(DATA_ABSENT_REASON, "unknown", "Unknown")
"""Why a value is missing that ought to be there."""
