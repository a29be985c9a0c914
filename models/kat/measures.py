"""What is measured: instruments with their totals, and vital signs.

Item texts of licensed instruments are not shipped, only codes.
Source: https://loinc.org
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import LOINC, OBSERVATION_CATEGORY

PHQ_9 = Code(LOINC, "44249-1", "PHQ-9 quick depression assessment panel [Reported.PHQ]")
PHQ_9_TOTAL = Code(LOINC, "44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score [Reported]")
PHQ_9_ITEMS = (
    "44250-9",
    "44255-8",
    "44259-0",
    "44254-1",
    "44251-7",
    "44258-2",
    "44252-5",
    "44253-3",
    "44260-8",
)
GAD_7 = Code(LOINC, "69737-5", "Generalized anxiety disorder 7 item (GAD-7)")
GAD_7_TOTAL = Code(LOINC, "70274-6", "Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]")
PCL_5_TOTAL = Code(LOINC, "101698-9", "PTSD PCL-5 score [PCL-5]")

BLOOD_PRESSURE = Code(LOINC, "85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = Code(LOINC, "8480-6", "Systolic blood pressure")
DIASTOLIC = Code(LOINC, "8462-4", "Diastolic blood pressure")
HEART_RATE = Code(LOINC, "8867-4", "Heart rate")
OXYGEN_SATURATION = Code(LOINC, "2708-6", "Oxygen saturation in Arterial blood")
PULSE_OXIMETRY = Code(LOINC, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry")
BODY_WEIGHT = Code(LOINC, "29463-7", "Body weight")

VITAL_SIGNS = Code(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs")
SURVEY = Code(OBSERVATION_CATEGORY, "survey", "Survey")
EXAM = Code(OBSERVATION_CATEGORY, "exam", "Exam")


def form_url(panel: Code) -> str:
    """Name LOINC's canonical form of a panel, as ``QuestionnaireResponse.questionnaire`` wants it."""
    return f"{LOINC}/q/{panel.code}"
