"""What is measured: instruments with their totals, and vital signs.

Item texts of licensed instruments are not shipped, only codes.
Source: https://loinc.org
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import LOINC, OBSERVATION_CATEGORY

PHQ_9 = Code(LOINC, "44249-1", "PHQ-9 quick depression assessment panel [Reported.PHQ]")
PHQ_9_DEATH = Code(
    LOINC, "44260-8", "Thoughts that you would be better off dead, or of hurting yourself in some way"
)
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
AUDIT_C = Code(LOINC, "72109-2", "Alcohol Use Disorder Identification Test - Consumption [AUDIT-C]")
PCL_5 = Code(LOINC, "101697-1", "PTSD Checklist for DSM-5 (PCL-5)")
PCL_5_TOTAL = Code(LOINC, "101698-9", "PTSD PCL-5 score [PCL-5]")

BLOOD_PRESSURE = Code(LOINC, "85354-9", "Blood pressure panel with all children optional")
SYSTOLIC = Code(LOINC, "8480-6", "Systolic blood pressure")
DIASTOLIC = Code(LOINC, "8462-4", "Diastolic blood pressure")
HEART_RATE = Code(LOINC, "8867-4", "Heart rate")
OXYGEN_SATURATION = Code(LOINC, "2708-6", "Oxygen saturation in Arterial blood")
PULSE_OXIMETRY = Code(LOINC, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry")
OXYGEN_FLOW = Code(LOINC, "3151-8", "Inhaled oxygen flow rate")
OXYGEN_CONCENTRATION = Code(LOINC, "3150-0", "Inhaled oxygen concentration")
MEAN_BLOOD_PRESSURE = Code(LOINC, "96607-7", "Blood pressure panel mean systolic and mean diastolic")
MEAN_SYSTOLIC = Code(LOINC, "96608-5", "Systolic blood pressure mean")
MEAN_DIASTOLIC = Code(LOINC, "96609-3", "Diastolic blood pressure mean")
BODY_WEIGHT = Code(LOINC, "29463-7", "Body weight")
BODY_HEIGHT = Code(LOINC, "8302-2", "Body height")
BODY_MASS_INDEX = Code(LOINC, "39156-5", "Body mass index (BMI) [Ratio]")
BODY_TEMPERATURE = Code(LOINC, "8310-5", "Body temperature")
RESPIRATORY_RATE = Code(LOINC, "9279-1", "Respiratory rate")

VITAL_SIGNS = Code(OBSERVATION_CATEGORY, "vital-signs", "Vital Signs")
SURVEY = Code(OBSERVATION_CATEGORY, "survey", "Survey")
EXAM = Code(OBSERVATION_CATEGORY, "exam", "Exam")


def form_url(panel: Code) -> str:
    """Name LOINC's canonical form of a panel, as ``QuestionnaireResponse.questionnaire`` wants it."""
    return f"{LOINC}/q/{panel.code}"
