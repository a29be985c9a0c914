"""Whether a search can match few rows only: said to the planner by the form of the statement.

Postgres knows how often the frequent terms occur, and takes all others for half as frequent as the rarest
of those. With a LIMIT it may then walk a large table in the order of the answer, hoping to meet matches
soon, and meet one in a million. Where the meaning of a parameter says that matches are few, they are
therefore found first and put in order afterwards; elsewhere the planner's choice is the better one.

    named        rows of named patients, rows named by id        nothing but that index is needed
    few          also: identifiers, references to one patient's own resources, chains and ``_has`` to such
"""

from __future__ import annotations

from collections.abc import Iterable

from service.search.criteria import (
    AllOf,
    AnyOf,
    Chain,
    Clause,
    Criterion,
    Guarded,
    Has,
    Id,
    InPatient,
    Not,
    Operand,
    Term,
)
from service.search.registry import Parameter

COMMON_TARGETS = (
    "Group/",
    "HealthcareService/",
    "Location/",
    "Medication/",
    "Organization/",
    "PlanDefinition/",
    "Practitioner/",
    "PractitionerRole/",
    "Questionnaire/",
)
"""Resources of these types are referred to by those of many patients."""


def named(criteria: Iterable[Criterion]) -> bool:
    """Whether rows belong to named patients or are named themselves."""
    return any(
        isinstance(criterion, Clause)
        and criterion.modifier != "not"
        and criterion.operands
        and all(isinstance(operand, InPatient | Id) for operand in criterion.operands)
        for criterion in criteria
    )


def steady(criteria: Iterable[Criterion]) -> bool:
    """Whether one plan serves all values: the rows are named, and nothing leads to other tables first."""
    held = tuple(criteria)
    leading = Chain | Has | AnyOf | AllOf | Not | Guarded
    return named(held) and not any(isinstance(criterion, leading) for criterion in held)


def confined(criteria: Iterable[Criterion]) -> bool:
    """Whether each criterion alone leaves few rows, which an index of the type finds: likewise one plan."""
    held = tuple(criteria)
    direct = (one.criteria if isinstance(one, AnyOf) else (one,) for one in held)
    return bool(held) and all(isinstance(one, Clause) and leaves_few(one) for some in direct for one in some)


def few(criteria: Iterable[Criterion]) -> bool:
    """Whether any criterion alone leaves few rows."""
    return any(leaves_few(criterion) for criterion in criteria)


def leaves_few(criterion: Criterion) -> bool:
    """Whether a criterion can hold for few rows only."""
    match criterion:
        case Clause(parameter=one, operands=operands, modifier=modifier):
            return modifier != "not" and all(is_rare(one, operand) for operand in operands)
        case Chain(parameter=one, hops=hops):
            return all(
                f"{target_type}/" not in COMMON_TARGETS and leaves_few(wanted) for target_type, wanted in hops
            )
        case Has(criterion=wanted):
            return leaves_few(wanted)
        case AllOf(criteria=criteria):
            return few(criteria)
        case AnyOf(criteria=criteria):
            return all(leaves_few(one) for one in criteria)
        case _:
            return False


def is_rare(one: Parameter, operand: Operand) -> bool:
    """Whether few rows hold a value: ids, identifiers, references that only one patient's record makes.

    What lies elsewhere, such as the definition of a questionnaire, may be shared by all.
    """
    if isinstance(operand, InPatient | Id):
        return True
    if not isinstance(operand, Term):
        return False
    value = operand.text.partition("=")[2]
    if one.kind == "reference":
        return not value.startswith(COMMON_TARGETS) and "://" not in value
    return bool(one.paths) and one.paths[0].data_type == "Identifier" and not value.endswith("|")
