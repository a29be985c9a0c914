"""The medicine: its code, the forms it comes in, the routes it takes, and which go together.

    form     ORTROCHE SLTAB DISINTAB BUCTAB │ NASSPRY │ IVSOL
    routes   sublingual buccal oral         │ nasal   │ intravenous intramuscular subcutaneous

Compounded lozenges have no RxNorm product: the ingredient with a form and a text is the right code.
R4 defines routes and forms by a SNOMED filter that cannot be evaluated without a terminology server,
so this list is short on purpose, and a code that is not in it is never refused.

Source: https://hl7.org/fhir/R4/v3/orderableDrugForm/cs.html, https://hl7.org/fhir/R4/valueset-route-codes.html
"""

from __future__ import annotations

from models.kat.code import Code
from models.kat.systems import RXNORM, SNOMED, V3_DRUG_FORM

KETAMINE = Code(RXNORM, "6130", "ketamine")
KETAMINE_SUBSTANCE = Code(SNOMED, "373464007", "Ketamine")

SUBLINGUAL = Code(SNOMED, "37839007", "Sublingual route")
BUCCAL = Code(SNOMED, "54471007", "Buccal route")
ORAL = Code(SNOMED, "26643006", "Oral route")
NASAL = Code(SNOMED, "46713006", "Nasal route")
INTRAVENOUS = Code(SNOMED, "47625008", "Intravenous route")
INTRAMUSCULAR = Code(SNOMED, "78421000", "Intramuscular route")
SUBCUTANEOUS = Code(SNOMED, "34206005", "Subcutaneous route")
ROUTES = (SUBLINGUAL, BUCCAL, ORAL, NASAL, INTRAVENOUS, INTRAMUSCULAR, SUBCUTANEOUS)

TROCHE = Code(V3_DRUG_FORM, "ORTROCHE", "Lozenge/Oral Troche")
SUBLINGUAL_TABLET = Code(V3_DRUG_FORM, "SLTAB", "Sublingual Tablet")
DISINTEGRATING_TABLET = Code(V3_DRUG_FORM, "DISINTAB", "Disintegrating Tablet")
BUCCAL_TABLET = Code(V3_DRUG_FORM, "BUCTAB", "Buccal Tablet")
NASAL_SPRAY = Code(V3_DRUG_FORM, "NASSPRY", "Nasal Spray")
INTRAVENOUS_SOLUTION = Code(V3_DRUG_FORM, "IVSOL", "Intravenous Solution")

_BY_MOUTH = frozenset({SUBLINGUAL, BUCCAL, ORAL})
_INJECTED = frozenset({INTRAVENOUS, INTRAMUSCULAR, SUBCUTANEOUS})

ROUTES_OF_FORM = {
    TROCHE: _BY_MOUTH,
    SUBLINGUAL_TABLET: _BY_MOUTH,
    DISINTEGRATING_TABLET: _BY_MOUTH,
    BUCCAL_TABLET: _BY_MOUTH,
    NASAL_SPRAY: frozenset({NASAL}),
    INTRAVENOUS_SOLUTION: _INJECTED,
}
"""The routes that a form can take; vials labelled for infusion are also injected into muscle or skin."""

ROUTES_OF_UNIT = {
    "{lozenge}": _BY_MOUTH,
    "{troche}": _BY_MOUTH,
    "{tbl}": _BY_MOUTH,
    "{tablet}": _BY_MOUTH,
    "{spray}": frozenset({NASAL}),
}
"""The routes that a dose counted in this UCUM annotation can take."""
