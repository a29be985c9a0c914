"""Contained resources: what a chain asks of them is indexed with the resource that holds them.

    MedicationRequest.medicationReference = #m, contained Medication m with code ket
        ─► term medication:Medication.code=ket, and likewise names, dates and quantities

    medication.code=ket  ─► a Medication that is referred to has the code, or one that is contained

So a chain finds what is contained as R4 asks, one hop deep, and a search of Medication does not. The patient
of a record is never a contained one: references that the ``patient`` column holds are left as they are.

Source: https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from models.definitions import RESOURCE_TYPES
from service.search.criteria import (
    AllOf,
    Amount,
    AnyOf,
    Chain,
    Clause,
    Criterion,
    Has,
    InPatient,
    Missing,
    Moment,
    Not,
    Operand,
    Present,
    Sounds,
    Term,
    Text,
)
from service.search.registry import Parameter, parameters, targets
from service.search.values import CANONICAL, term

if TYPE_CHECKING:
    from service.search.extract import Extracted
    from service.search.leaves import Rows

COMPARED = (Text, Amount, Moment, Present)
"""Operands that are compared with rows, or with terms, that bear the parameter's name."""

SEVERAL = ":"
"""Follows the mark of contained resources where one parameter refers to several of a type."""


def stem(code: str, resource_type: str) -> str:
    """Begin the names of what is indexed of contained resources of a type, and mark that there is one."""
    return f"{code}:{resource_type}."


def add(rows: Rows, document: dict[str, Any], read: Callable[[str, dict[str, Any]], Extracted]) -> None:
    """Index each contained resource under the parameters whose references lead to it."""
    held = {one.get("id"): one for one in document.get("contained", ())}
    met: set[str] = set()
    for one, key in dict.fromkeys(rows.contained):
        target = held.get(key, {})
        resource_type = target.get("resourceType")
        if resource_type in RESOURCE_TYPES and resource_type in targets(one):
            bare = {name: value for name, value in target.items() if name != "contained"}
            named = stem(one.code, resource_type)
            if named in met:
                rows.terms.append(named + SEVERAL)
            met.add(named)
            add_one(rows, named, resource_type, read(resource_type, bare))


def add_one(rows: Rows, named: str, resource_type: str, found: Extracted) -> None:
    """Add the index of one contained resource."""
    known = parameters(resource_type)
    rows.terms.append(named)
    rows.terms.extend(
        term(named + text) for text in found.columns["terms"] if not text.startswith((CANONICAL, ":"))
    )
    rows.strings.extend((named + code, value, exact) for code, value, exact in found.strings)
    rows.dates.extend((named + code, start, end) for code, start, end in found.dates)
    rows.quantities.extend((named + row[0], *row[1:6]) for row in found.quantities)
    for one in known.values():
        if one.store == "column" and (start := found.columns[f"{one.column}_start"]) is not None:
            rows.dates.append((named + one.code, start, found.columns[f"{one.column}_end"]))
        if one.in_patient_column and (patient := found.columns["patient"]) is not None:
            rows.terms.append(term(f"{named}{one.code}=Patient/{patient}"))


def within(criterion: Criterion, named: str) -> Criterion | None:
    """The criterion, for a holder, that what it contains satisfies another; None where that is not known."""
    match criterion:
        case Clause():
            return clause(criterion, named)
        case Missing(parameter=one) if one.store not in {"last_updated", "place", "text"}:
            return beside(named, replace(criterion, parameter=renamed(one, named)))
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria) if criteria:
            parts = [part for each in criteria if (part := within(each, named)) is not None]
            if len(parts) < len(criteria):
                return None
            if isinstance(criterion, AllOf) and len(parts) > 1:
                parts.append(alone(named))
            return replace(criterion, criteria=tuple(parts))
        case Not(criterion=inner):
            negated = within(inner, named)
            return beside(named, Not(negated)) if negated is not None else None
        case Chain() | Has() | Missing() | _:
            return None


def alone(named: str) -> Clause:
    """One parameter refers to no more than one: else nobody knows of which of them a value is."""
    return Clause(Parameter(named, "token", "", "terms"), (Term(named + SEVERAL),), "not")


def clause(asked: Clause, named: str) -> Criterion | None:
    """A clause about a contained resource; None where its operands are about the row itself, or its words."""
    one = asked.parameter
    moved = tuple(operand(one, each, named) for each in asked.operands)
    if one.store in {"id", "last_updated", "place"} or None in moved:
        return None
    held = tuple(each for each in moved if each is not None)
    found = Clause(renamed(one, named), held, asked.modifier, asked.named and named + asked.named)
    return beside(named, found) if asked.modifier == "not" else found


def operand(one: Parameter, each: Operand, named: str) -> Operand | None:
    """An operand as the index of the holder has it."""
    match each:
        case Term(text):
            return Term(term(named + text))
        case InPatient(key):
            return Term(term(f"{named}{one.code}=Patient/{key}"))
        case Sounds(terms):
            return Sounds(tuple(term(named + text) for text in terms))
        case _:
            return each if isinstance(each, COMPARED) else None


def renamed(one: Parameter, named: str) -> Parameter:
    """A parameter of a contained resource as one of its holder; its dates are among those that repeat."""
    store = "date" if one.store == "column" else one.store
    return replace(one, code=named + one.code, store=store, in_patient_column=False)


def beside(named: str, criterion: Criterion) -> AllOf:
    """What is not so holds only where there is such a contained resource."""
    any_of_it = Parameter(named, "token", "", "terms")
    return AllOf((Clause(any_of_it, (Term(named),)), criterion))
