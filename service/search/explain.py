"""How a search was read, for an operator: ``_explain=true``.

    one line a criterion · the order · the SQL, with $n for every value

Source: https://hl7.org/fhir/R4/search.html#errors
"""

from __future__ import annotations

from collections.abc import Iterable

from models.errors import Issue
from service.search.criteria import AllOf, AnyOf, Chain, Clause, Criterion, Guarded, Has, Missing, Not
from service.search.ordering import Key


def explained(criteria: Iterable[Criterion], keys: Iterable[Key], sql: str, order: str = "") -> list[Issue]:
    """Tell how a search was read, as findings of an OperationOutcome."""
    by = order or ", ".join(f"{key.expression}{' descending' if key.descending else ''}" for key in keys)
    lines = [*(spelled(one) for one in criteria), f"order: {by or 'id'}", sql]
    return [Issue("informational", line, severity="information") for line in lines]


def spelled(criterion: Criterion) -> str:
    """One criterion in a line."""
    match criterion:
        case Clause(parameter=one, operands=operands, modifier=modifier):
            values = " or ".join(str(operand) for operand in operands) or "nothing"
            line = f"{one.code}{modifier and ':' + modifier} ({one.kind}, {one.store}): {values}"
        case Missing(parameter=one, absent=absent):
            line = f"{one.code} ({one.kind}, {one.store}): {'no value' if absent else 'any value'}"
        case Chain(parameter=one, hops=hops):
            line = f"{one.code} leads to " + " or ".join(f"{name} [{spelled(held)}]" for name, held in hops)
        case Has(source_type=source, parameter=one, criterion=held):
            line = f"referred to by {source}.{one.code} [{spelled(held)}]"
        case Not(criterion=held):
            line = f"not [{spelled(held)}]"
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
            word = " and " if isinstance(criterion, AllOf) else " or "
            line = f"[{word.join(spelled(one) for one in criteria)}]"
        case Guarded():
            line = "what it refers to may be seen"
    return line
