"""From criteria to SQL conditions, each about one row of one type.

    terms        r.terms @> ARRAY[$1]             many values: probes of the index, one a value
                 $1 = ANY(r.terms)                where few rows can match: no index, so that a plan made
                                                  once never joins in a broad term
    patient      r.patient = $1
    place        r.near_latitude BETWEEN $1 AND $2 AND … <= $9
    date         r.date_start >= $1 AND r.date_end <= $2
    shared rows  r.id IN (SELECT i.id FROM index_string i WHERE …)
    chain, _has  r.patient IN (SELECT c.id FROM fhir_patient c WHERE …)

Names of tables, columns and parameters come from the registry; every value is an argument.
Source: https://hl7.org/fhir/R4/search.html#prefix
"""

# ruff: noqa: S608 - names come from the registry, every value is an argument

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from models import grams
from models.errors import BadRequest, Forbidden
from models.resource import table_name
from service.search import comparisons, links, places
from service.search.criteria import (
    AllOf,
    Amount,
    AnyOf,
    Chain,
    Clause,
    Criterion,
    Guarded,
    Has,
    Id,
    InPatient,
    Missing,
    Moment,
    Narrow,
    Not,
    Operand,
    Present,
    Sounds,
    Term,
    Text,
    Words,
)
from service.search.places import Near
from service.search.registry import Parameter

MAX_ALTERNATIVES = 8
"""Up to so many terms are ORed; more are probed one by one, since the planner misjudges long lists."""

MAX_ARGUMENTS = 10_000
"""Values of one search."""

MAX_ARGUMENTS_OF_ALL = 30_000
"""Values of one statement, which may hold the searches of many types; the driver's own limit is 32,767."""

MAX_HOPS_OF_ALL = 1_000
"""Tables that the chains of one search may visit; without types, a chain branches at every reference."""

MAX_DEPTH = 20
"""Narrowings within narrowings."""

TOO_MANY = "The search has too many values or chains; ask in several searches, and name the types of chains."

NAME = re.compile(r"[\w:=/.-]+", re.ASCII)

Shared: TypeAlias = Text | Words | Amount | Moment
"""What a row of a shared index table is compared with."""


def literal(name: str) -> str:
    """Quote a name of ours (a type, a parameter) as an SQL text."""
    if not NAME.fullmatch(name):
        raise ValueError(name)
    return f"'{name}'"


@dataclass(slots=True)
class Builder:
    """Collects the arguments of one statement and writes its conditions."""

    resource_type: str
    narrow: Narrow
    now: datetime | None = None
    """What an approximate date is near to; the database's clock when absent."""
    selective: bool = False
    """Another index finds the few rows of the root: terms need none, and chains start at those rows."""
    root: str = "r"
    """The alias of the statement's own rows."""
    first_argument: int = 1
    arguments: list[Any] = field(default_factory=list)
    aliases: int = 0
    depth: int = 0
    """How many narrowings are being written within each other: a scope may follow references too."""

    def argument(self, value: Any, data_type: str = "") -> str:
        """Add an argument and name it."""
        held = len(self.arguments)
        if held == MAX_ARGUMENTS or self.first_argument + held > MAX_ARGUMENTS_OF_ALL:
            raise BadRequest(TOO_MANY)
        self.arguments.append(value)
        cast = f"::{data_type}" if data_type else ""
        return f"${self.first_argument + held}{cast}"

    def alias(self) -> str:
        """A fresh alias for a table."""
        if self.aliases == MAX_HOPS_OF_ALL:
            raise BadRequest(TOO_MANY)
        self.aliases += 1
        return f"c{self.aliases}"

    def visible(self, resource_type: str, alias: str) -> str | None:
        """The condition that a row exists and may be seen; None when no row of the type may be."""
        narrowing = self.narrow(resource_type)
        if narrowing is None:
            return None
        if self.depth == MAX_DEPTH:
            raise Forbidden("The scopes of the access token narrow each other without an end.")
        self.depth += 1
        parts = [self.holds(criterion, resource_type, alias) for criterion in narrowing]
        self.depth -= 1
        return " AND ".join([f"NOT {alias}.deleted", *parts])

    def holds(self, criterion: Criterion, resource_type: str, alias: str) -> str:
        """The condition that a criterion holds for a row."""
        match criterion:
            case Clause():
                held = self.clause(criterion, resource_type, alias)
            case Missing():
                present = self.present(criterion.parameter, resource_type, alias)
                held = f"NOT {present}" if criterion.absent else present
            case Chain():
                held = links.chain(self, criterion, resource_type, alias)
            case Has():
                held = links.has(self, criterion, resource_type, alias)
            case AllOf() | AnyOf():
                word, empty = (" AND ", "TRUE") if isinstance(criterion, AllOf) else (" OR ", "FALSE")
                held = self.joined(word, criterion.criteria, resource_type, alias) or empty
            case Guarded():
                held = links.guarded(self, criterion, alias)
            case Not():
                held = f"(({self.holds(criterion.criterion, resource_type, alias)}) IS NOT TRUE)"
        return held

    def joined(self, word: str, criteria: tuple[Criterion, ...], resource_type: str, alias: str) -> str:
        """Join the conditions of several criteria."""
        parts = [self.holds(criterion, resource_type, alias) for criterion in criteria]
        return f"({word.join(parts)})" if parts else ""

    def clause(self, clause: Clause, resource_type: str, alias: str) -> str:
        """One parameter against its operands."""
        terms = [one.text for one in clause.operands if isinstance(one, Term)]
        parts = [self.any_term(terms, resource_type, alias)] if terms else []
        parts += self.columns(clause, alias)
        if any(isinstance(one, Present) for one in clause.operands):
            parts.append(self.present(clause.parameter, resource_type, alias))
        parts += self.alike(clause, resource_type, alias)
        rows = [one for one in clause.operands if isinstance(one, Text | Amount | Moment)]
        if words := [one for one in clause.operands if isinstance(one, Words)]:
            parts.append(self.shared(clause, "text", words, resource_type, alias))
        if rows and clause.parameter.store in SHARED:
            parts.append(self.shared(clause, clause.parameter.store, rows, resource_type, alias))
        elif rows:
            parts += [self.typed_date(clause.parameter, one, alias) for one in rows]
        held = parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})" if parts else "FALSE"
        return f"NOT {held}" if clause.modifier == "not" else held

    def alike(self, clause: Clause, resource_type: str, alias: str) -> list[str]:
        """Operands that say what a value is like: names by their sound, positions by their distance."""
        conditions = []
        stem = f"{alias}.{clause.parameter.column}"
        for one in clause.operands:
            if isinstance(one, Sounds):
                terms = [self.any_term([text], resource_type, alias) for text in one.terms]
                conditions.append(f"({' AND '.join(terms)})")
            elif isinstance(one, Near):
                conditions.append(places.condition(self, one, f"{stem}_latitude", f"{stem}_longitude"))
        return conditions

    def columns(self, clause: Clause, alias: str) -> list[str]:
        """Operands that are plain columns: the patient's id and the resource's own."""
        conditions = []
        for kind, column in ((InPatient, "patient"), (Id, "id")):
            found = [one.id for one in clause.operands if isinstance(one, kind)]
            if len(found) == 1:
                conditions.append(f"{alias}.{column} = {self.argument(found[0])}")
            elif found:
                conditions.append(f"{alias}.{column} = ANY({self.argument(found, 'text[]')})")
        if (
            conditions
            and clause.modifier == "not"
            and any(isinstance(one, InPatient) for one in clause.operands)
        ):
            conditions = [f"COALESCE({condition}, FALSE)" for condition in conditions]
        return conditions

    def any_term(self, terms: list[str], resource_type: str, alias: str) -> str:
        """The row has one of the terms."""
        if self.selective and alias == self.root:
            if len(terms) == 1:
                return f"{self.argument(terms[0])} = ANY({alias}.terms)"
            listed = self.argument(terms, "text[]")
            return f"EXISTS (SELECT FROM unnest({alias}.terms) t WHERE t = ANY({listed}))"
        if len(terms) <= MAX_ALTERNATIVES:
            probes = [f"{alias}.terms @> ARRAY[{self.argument(text)}]" for text in terms]
            return probes[0] if len(probes) == 1 else f"({' OR '.join(probes)})"
        probe = self.alias()
        return (
            f"{alias}.id IN (SELECT {probe}.id FROM unnest({self.argument(terms, 'text[]')}) v "
            f"CROSS JOIN LATERAL (SELECT p.id FROM {table_name(resource_type)} p "
            f"WHERE p.terms @> ARRAY[v]) {probe})"
        )

    def present(self, one: Parameter, resource_type: str, alias: str) -> str:
        """The row has any value of a parameter."""
        if one.store in {"id", "last_updated"}:
            return "TRUE"
        if one.store == "column":
            return f"({alias}.{one.column}_start IS NOT NULL)"
        if one.store == "place":
            return f"({alias}.{one.column}_latitude IS NOT NULL)"
        if one.store in SHARED:
            return (
                f"EXISTS (SELECT FROM {SHARED[one.store]} i WHERE i.resource_type = {literal(resource_type)} "
                f"AND i.parameter = {literal(one.code)} AND i.id = {alias}.id)"
            )
        held = (
            f"EXISTS (SELECT FROM unnest({alias}.terms) t WHERE starts_with(t, {literal(one.code + '=')}) "
            f"OR starts_with(t, {literal(one.code + ':')}))"
        )
        return f"({alias}.patient IS NOT NULL OR {held})" if one.in_patient_column else held

    def typed_date(self, one: Parameter, moment: Operand, alias: str) -> str:
        """A date held by columns of the type table; the resource's own instant is one of them."""
        if not isinstance(moment, Moment):
            raise TypeError
        if one.store == "last_updated":
            column = f"{alias}.last_updated"
            return comparisons.instant(self, moment, column)
        return comparisons.date(self, moment, f"{alias}.{one.column}_start", f"{alias}.{one.column}_end")

    def shared(
        self, clause: Clause, store: str, operands: Sequence[Shared], resource_type: str, alias: str
    ) -> str:
        """Operands that rows of a shared index table answer."""
        return f"{alias}.id IN (SELECT i.id {self.rows_of(clause, store, operands, resource_type)})"

    def rows_of(
        self,
        clause: Clause,
        store: str,
        operands: Sequence[Shared],
        resource_type: str,
        *,
        by_id: bool = False,
    ) -> str:
        """The rows ``i`` of a shared index table that answer; see ``matches``.

        Where another index than that of values finds them, that one is kept from being read, too.
        """
        named = self.argument(clause.named) if clause.named else literal(clause.parameter.code)
        stem = "" if by_id else grams.stem(resource_type, clause.parameter.code)
        alternatives = " OR ".join(compared(self, operand, clause.modifier, stem) for operand in operands)
        elsewhere = by_id or all(
            isinstance(operand, Text) and comparisons.entries(operand, clause.modifier)
            for operand in operands
        )
        column = "(i.parameter || '')" if elsewhere else "i.parameter"
        return (
            f"FROM {SHARED[store]} i WHERE i.resource_type = {literal(resource_type)} "
            f"AND {column} = {named} AND ({alternatives})"
        )

    def matches(self, clause: Clause, resource_type: str, *, by_id: bool) -> str:
        """The rows ``i`` of the index table of names, or of words, that answer a criterion about these.

        ``by_id`` says that the id will be given: then no index of values is to be used.
        """
        operands = [one for one in clause.operands if isinstance(one, Text | Words)]
        store = "text" if all(isinstance(one, Words) for one in operands) else clause.parameter.store
        return self.rows_of(clause, store, operands, resource_type, by_id=by_id)


SHARED = {
    "string": "index_string",
    "date": "index_date",
    "quantity": "index_quantity",
    "text": "index_text",
}
"""The shared index table of each store that has one."""


def compared(build: Builder, operand: Shared, modifier: str, stem: str) -> str:
    """The condition on a row ``i`` of a shared table."""
    match operand:
        case Text():
            return comparisons.string(build, operand, modifier, stem)
        case Words():
            return comparisons.words(build, operand)
        case Amount():
            return comparisons.amount(build, operand)
        case Moment():
            return comparisons.date(build, operand, "i.range_start", "i.range_end")
