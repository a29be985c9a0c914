"""The diagnoses that the demonstration uses; those of the gates come with their rules.

There is no ICD-10-CM code for treatment-resistant depression: F33.x with the SNOMED CT code beside it.
Source: https://www.cdc.gov/nchs/icd/icd-10-cm/, http://snomed.info/sct
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import ICD_10_CM, SNOMED

RECURRENT_SEVERE_DEPRESSION = Code(
    ICD_10_CM, "F33.2", "Major depressive disorder, recurrent severe without psychotic features"
)
RECURRENT_MODERATE_DEPRESSION = Code(ICD_10_CM, "F33.1", "Major depressive disorder, recurrent, moderate")
TREATMENT_RESISTANT_DEPRESSION = Code(SNOMED, "1153570009", "Treatment resistant depression")
CHRONIC_PTSD = Code(ICD_10_CM, "F43.12", "Post-traumatic stress disorder, chronic")
GENERALIZED_ANXIETY = Code(ICD_10_CM, "F41.1", "Generalized anxiety disorder")
HYPERTENSION = Code(ICD_10_CM, "I10", "Essential (primary) hypertension")
PARTNER_PROBLEMS = Code(ICD_10_CM, "Z63.0", "Problems in relationship with spouse or partner")
PSYCHOSOCIAL = Code(ICD_10_CM, "Z65.8", "Other specified problems related to psychosocial circumstances")
ALCOHOL_IN_REMISSION = Code(ICD_10_CM, "F10.21", "Alcohol dependence, in remission")
NAUSEA = Code(SNOMED, "422587007", "Nausea")
NAUSEA_DIAGNOSIS = Code(ICD_10_CM, "R11.0", "Nausea")
INSOMNIA = Code(ICD_10_CM, "G47.00", "Insomnia, unspecified")
