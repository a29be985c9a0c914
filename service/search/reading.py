"""Reading one criterion: its name (modifiers, chains, ``_has``) and its values.

    status=active,on-hold           Clause with two operands
    subject:Patient.name:exact=…    Chain to a Clause of Patient
    _has:Observation:patient:code=  Has around a Clause of Observation

Source: https://hl7.org/fhir/R4/search.html#modifiers, #chaining, #has
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest, Issue
from service.search import composites, filters, operands, places
from service.search.criteria import (
    AllOf,
    Amount,
    AnyOf,
    Chain,
    Clause,
    Criterion,
    Empty,
    Has,
    Missing,
    Operand,
    Term,
    Unknown,
)
from service.search.predicates import MAX_HOPS_OF_ALL, TOO_MANY
from service.search.registry import (
    Parameter,
    is_whole,
    manner,
    parameters,
    targets,
)
from service.search.values import term
from service.search.words import DISPLAYS

MAX_HOPS = 5
MAX_VALUES = 500
MAX_VALUES_OF_CHAINS = 25_000
"""Values that the chains of one search may read; each branch of a chain reads them anew."""

TOO_MANY_VALUES = f"More than {MAX_VALUES} values in one search parameter are not supported."
SAFE_NAME = re.compile(r"[\w:.-]{1,80}", re.ASCII)

MODIFIERS = {
    "token": frozenset({"not", "of-type", "text", "in", "not-in"}),
    "media type": frozenset({"not", "text", "in", "not-in", "below"}),
    "canonical": frozenset({"text", "below"}),
    "string": frozenset({"exact", "contains"}),
    "reference": frozenset({"identifier", "text"}),
    "uri": frozenset({"above", "below"}),
}
"""Modifiers by manner, besides ``:missing`` for all and ``:[type]`` for references."""

OF_FILTERS = {"string": frozenset({"equals", "ends"})}
"""Modifiers that only an operator of ``_filter`` stands for."""

COMPOSITE_PARTS = 2

EITHER_WAY = {"reference", "token"}
"""Kinds of components that may come in either order: R4 has both for ``relationship``, by its definitions
the target comes first, by its expressions the code."""

HAS_PARTS = 4
NO_HAS = "Write _has:Type:reference:parameter, of a type whose resources refer to those that are searched."

TYPES = frozenset({"_type", "_type:not"})
"""A parameter of every resource without a value in any: chains and ``_has`` may ask for it, too."""

BY_PARAMETER: dict[str, Callable[[Parameter, str], tuple[Operand, ...]]] = {
    "token": operands.token,
    "uri": operands.uri,
}
BY_VALUE: dict[str, operands.Read] = {
    "date": operands.date,
    "string": operands.string,
    "number": operands.amount,
    "quantity": operands.amount,
    "special": operands.near,
}


BY_MODIFIER: dict[str, Callable[[Parameter, str], tuple[Operand, ...]]] = {
    "of-type": operands.of_type,
    "text": operands.display,
    "in": operands.member,
    "not-in": operands.member,
    "above": operands.at_or_above,
    "below": operands.at_or_below,
}
HINTS = {"special": places.HINT}
"""How a value is written, where that is not obvious."""

HIERARCHY = (
    "; it applies to uris, to versions of canonical references and to media types, "
    "since no hierarchy of codes or resources is known here"
)
"""Why ``:above`` and ``:below`` are refused elsewhere."""

KEPT = frozenset({"not", "exact", "contains", "equals", "ends"})
"""Modifiers that change how a value is compared, not what it is."""

NEGATIONS = frozenset({"not", "not-in", "ni"})


def named(name: str, otherwise: str = "with this name") -> str:
    """A parameter's name for a text, unless it could carry something else."""
    return f"'{name}'" if SAFE_NAME.fullmatch(name) else otherwise


def place(name: str) -> str | None:
    """Where in the request a parameter is, for an issue."""
    return f"http.{name}" if SAFE_NAME.fullmatch(name) else None


def without_value(name: str) -> NoReturn:
    """Refuse to read a criterion without a value: it would say nothing."""
    raise Empty(f"The search parameter {named(name)} has no value.")


def unreadable(name: str, hint: str = "") -> BadRequest:
    """The error for a value that cannot be read."""
    text = f"The value of the search parameter {named(name)} cannot be read.{hint and ' '}{hint}"
    return BadRequest(issues=[Issue("invalid", text, place(name))])


def unsupported_modifier(name: str, reason: str = "") -> BadRequest:
    """The error for a modifier; ignoring one would change what the rest means."""
    text = f"The search parameter {named(name)} has a modifier that is not supported here{reason}."
    return BadRequest(issues=[Issue("not-supported", text, place(name))])


def unknown_value_set(name: str) -> BadRequest:
    """The error for a value set whose codes are not known."""
    text = (
        f"The search parameter {named(name)} names a value set whose codes are not known here; "
        "known are those that R4 binds to its codes."
    )
    return BadRequest(issues=[Issue("not-supported", text, place(name))])


def system_alone(name: str) -> BadRequest:
    """The error for ``system|`` in a part of a composite; its index knows no systems without a code."""
    text = f"Each part of the search parameter {named(name)} takes a code, not a system alone."
    return BadRequest(issues=[Issue("not-supported", text, f"http.{name}" if name.isidentifier() else None)])


def listed(value: str) -> list[str]:
    """The values between commas; nothing between them is no value, where there is any.

    Raises:
        BadRequest: they are too many.
    """
    values = operands.split(value, ",")
    if len(values) > MAX_VALUES:
        raise BadRequest(TOO_MANY_VALUES)
    return [one for one in values if one] or values


@dataclass(slots=True)
class Spent:
    """What the chains of one search have taken so far: a short one without types branches to thousands."""

    hops: int = 0
    values: int = 0

    def hop(self, value: str) -> None:
        """Follow one more reference, to where a value is read.

        Raises:
            BadRequest: they are too many.
        """
        self.hops += 1
        self.values += value.count(",") + 1
        if self.hops > MAX_HOPS_OF_ALL or self.values > MAX_VALUES_OF_CHAINS:
            raise BadRequest(TOO_MANY)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads criteria for a server whose FHIR base is ``fhir_base`` (with a slash at its end)."""

    fhir_base: str
    of_filter: bool = False
    """What stands for a modifier is an operator of ``_filter``."""
    spent: Spent = field(default_factory=Spent, compare=False)

    def criterion(self, resource_type: str, name: str, value: str, hops: int = 0) -> Criterion:
        """Read ``name=value`` as a criterion for a type.

        Raises:
            Unknown: there is no such parameter.
            BadRequest: the modifier or a value cannot be read, or the chains of the search are too many.
        """
        if hops > MAX_HOPS:
            raise BadRequest(f"A chain of more than {MAX_HOPS} references is not supported.")
        if hops:
            self.spent.hop(value)
        if name == "_has" or name.startswith("_has:"):
            return self.has(resource_type, name, value, hops)
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if head in TYPES:
            return of_type(resource_type, name, value)
        one = parameters(resource_type).get(code)
        if one is None:
            raise Unknown(f"{resource_type} has no search parameter {named(code)}.")
        if dot:
            return self.chain(one, modifier, rest, value, hops)
        return self.simple(resource_type, one, name, modifier, value)

    def has(self, resource_type: str, name: str, value: str, hops: int) -> Criterion:
        """Read ``_has:Observation:patient:code=…``."""
        parts = name.split(":", 3)
        if len(parts) < HAS_PARTS:
            raise BadRequest(issues=[Issue("invalid", NO_HAS, place(name))])
        if parts[1] not in RESOURCE_TYPES:
            raise Unknown(f"The search parameter {named(name)} is not supported.")
        _, source_type, code, rest = parts
        one = parameters(source_type).get(code)
        if one is None or one.kind != "reference" or resource_type not in targets(one):
            raise Unknown(f"{source_type} has no reference parameter {named(code)} to {resource_type}.")
        return Has(source_type, one, self.criterion(source_type, rest, value, hops + 1))

    def chain(self, one: Parameter, modifier: str, rest: str, value: str, hops: int) -> Criterion:
        """Read ``subject:Patient.name=…``; without a type, every target type that knows the rest."""
        if one.kind != "reference" or (modifier and modifier not in targets(one)):
            raise Unknown(f"The search parameter {named(one.code)} cannot be chained like this.")
        found: list[tuple[str, Criterion]] = []
        for kind in (modifier,) if modifier else targets(one):
            try:
                found.append((kind, self.criterion(kind, rest, value, hops + 1)))
            except Unknown:
                if modifier:
                    raise
        if not found:
            raise Unknown(f"No type that {named(one.code)} refers to has the search parameter {named(rest)}.")
        return Chain(one, tuple(found))

    def simple(self, resource_type: str, one: Parameter, name: str, modifier: str, value: str) -> Criterion:
        """Read a parameter of the type itself."""
        if one.store == "union":
            return self.union(resource_type, one, name, modifier, value)
        if one.kind == "composite":
            return self.composite(resource_type, one, name, modifier, value)
        if self.of_filter and modifier:
            modifier, value = filters.translated(one, modifier, value)
        if modifier == "missing":
            if value not in {"true", "false"}:
                raise unreadable(name)
            return Missing(one, value == "true")
        read = self.operand_reader(one, name, modifier)
        try:
            found = tuple(dict.fromkeys(operand for text in listed(value) for operand in read(text)))
        except (ValueError, ArithmeticError):
            raise unreadable(name, HINTS.get(one.kind, "")) from None
        except operands.UnknownValueSet:
            raise unknown_value_set(name) from None
        kept = "not" if modifier == "not-in" else modifier if modifier in KEPT else ""
        return Clause(one, found, kept, DISPLAYS if modifier == "text" else "")

    def operand_reader(self, one: Parameter, name: str, modifier: str) -> operands.Read:
        """The reader of one value, chosen by kind and modifier."""
        if one.kind == "reference" and modifier in targets(one):
            return partial(operands.reference, one, fhir_base=self.fhir_base, resource_type=modifier)
        self.require_modifier(one, name, modifier)
        if one.store in {"text", "sound"}:
            return operands.prose if one.store == "text" else partial(operands.sound, one)
        if modifier == "identifier":
            return partial(operands.token, one, stem=f"{one.code}:identifier=")
        if one.kind == "reference" and modifier not in BY_MODIFIER:
            return partial(operands.reference, one, fhir_base=self.fhir_base, resource_type=None)
        chosen = BY_MODIFIER.get(modifier) or BY_PARAMETER.get(one.kind)
        if chosen:
            return partial(chosen, one)
        return operands.whole if is_whole(one) and not modifier else BY_VALUE[one.kind]

    def require_modifier(self, one: Parameter, name: str, modifier: str) -> None:
        """Refuse a modifier that a parameter does not have; ids, prose and sounds have none."""
        known = MODIFIERS.get(manner(one), frozenset())
        if self.of_filter:
            known |= OF_FILTERS.get(one.kind, frozenset())
        plain = one.store in {"sound", "text"} or (one.store == "id" and modifier != "not")
        if modifier and (plain or modifier not in known):
            raise unsupported_modifier(name, HIERARCHY if modifier in {"above", "below"} else "")

    def union(self, resource_type: str, one: Parameter, name: str, modifier: str, value: str) -> Criterion:
        """Read a parameter that means any of others; a negation must hold for all of them."""
        known = parameters(resource_type)
        parts = tuple(self.simple(resource_type, known[code], name, modifier, value) for code in one.union)
        negated = (modifier, value) in {("missing", "true"), ("pr", "false")} or modifier in NEGATIONS
        return AllOf(parts) if negated else AnyOf(parts)

    def composite(
        self, resource_type: str, one: Parameter, name: str, modifier: str, value: str
    ) -> Criterion:
        """Read ``code$value``; both components must hold for the same element."""
        if modifier and not (self.of_filter and modifier == "eq"):
            raise unsupported_modifier(name)
        first, second = (parameters(resource_type)[code] for code in one.components)
        found: list[Criterion] = []
        for text in listed(value):
            parts = operands.split(text, "$")
            if len(parts) != COMPOSITE_PARTS or not all(parts):
                raise unreadable(name)
            if one.base:
                found.append(self.pair(one, (first, second), name, parts))
                if {first.kind, second.kind} == EITHER_WAY:
                    # What cannot be read backwards is meant forwards.
                    with suppress(BadRequest):
                        found.append(self.pair(one, (first, second), name, parts[::-1]))
            else:
                halves = zip((first, second), parts, strict=True)
                found.append(
                    AllOf(tuple(self.simple(resource_type, half, name, "", part) for half, part in halves))
                )
        return AnyOf(tuple(found))

    def pair(
        self, one: Parameter, components: tuple[Parameter, Parameter], name: str, parts: list[str]
    ) -> Criterion:
        """Read a composite whose components share a repeating element, as the index pairs them."""
        first, second = components
        try:
            heads = self.operand_reader(first, name, "")(parts[0])
            tails = self.operand_reader(second, name, "")(parts[1])
        except (ValueError, ArithmeticError):
            raise unreadable(name) from None
        for component, part in zip(components, parts, strict=True):
            # A bar of the code itself has a backslash before it, and parts nothing.
            if component.kind == "token" and operands.split(part, "|")[1:] == [""]:
                raise system_alone(name)
        keys = [composites.key(one.code, bare(head)) for head in heads]
        clauses = []
        for key in keys:
            amounts = tuple(tail for tail in tails if isinstance(tail, Amount))
            if amounts:
                clauses.append(Clause(second, amounts, named=key))
            else:
                terms = tuple(Term(term(f"{key}${bare(tail)}")) for tail in tails)
                clauses.append(Clause(one, terms))
        return AnyOf(tuple(clauses))


def bare(operand: Operand) -> str:
    """The value of a term without the parameter's name."""
    return operand.text.partition("=")[2] if isinstance(operand, Term) else ""


def of_type(resource_type: str, name: str, value: str) -> Criterion:
    """Whether resources of a type are of one of the types asked for: all of them, or none."""
    is_named = resource_type in {text.strip() for text in listed(value)}
    return AllOf(()) if is_named is name.endswith("_type") else AnyOf(())
