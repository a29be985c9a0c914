"""What belongs to a patient: the compartment of R4, as criteria.

    Patient/1/Observation  ─► subject=Patient/1 or performer=Patient/1
    Patient/1/*            ─► likewise for every type of the compartment, and the patient

Source: https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

from models.definitions import RESOURCE_TYPES, compartment
from service.search.criteria import AnyOf, Clause, Criterion, Id
from service.search.operands import to_operand
from service.search.registry import parameters

OWNER = "Patient"
"""The only type whose compartments are offered."""


def members() -> tuple[str, ...]:
    """The types of the compartment."""
    return tuple(name for name in RESOURCE_TYPES if compartment().get(name))


def criterion(resource_type: str, patient: str) -> Criterion:
    """The criterion that a resource of a type in the compartment belongs to a patient."""
    known = parameters(resource_type)
    found = [known[code] for code in compartment().get(resource_type, ()) if code in known]
    in_column = [one for one in found if one.in_patient_column]
    chosen = [*in_column[:1], *(one for one in found if not one.in_patient_column)]
    ways = [Clause(one, (to_operand(one, f"{OWNER}/{patient}"),)) for one in chosen]
    if resource_type == OWNER:
        ways.append(Clause(known["_id"], (Id(patient),)))
    return ways[0] if len(ways) == 1 else AnyOf(tuple(ways))
