"""``_filter``: one expression instead of many parameters, read into the same criteria.

    expression = part (("and" | "or") part)*          from left to right, neither binds closer
    part       = "not" "(" expression ")" | "(" expression ")" | comparison
    comparison = path operator value                  birthdate ge 1980 · subject.name co "kim"
    path       = name ("[" expression "]")? ("." path)?     participant[role eq x].name: of the same target

    eq ne    equal; ne has a value, and none that is equal     co sw ew        strings
    gt lt ge le sa eb ap    dates, numbers, quantities         in ni ss sb     value sets, uris
    pr       whether there is a value                          re              references

Source: https://hl7.org/fhir/R4/search_filter.html
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import msgspec

from models.errors import BadRequest
from service.search.criteria import AllOf, AnyOf, Chain, Criterion, Not, Unknown
from service.search.registry import Parameter, parameters, targets

if TYPE_CHECKING:
    from service.search.reading import Reader

PARAMETER = "_filter"
MAX_COMPARISONS = 50
MAX_DEPTH = 20

PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)
NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
CHOOSING = re.compile(PATH.pattern + r"\[", re.ASCII)
WORD = re.compile(r"[a-z]+", re.ASCII)
SPACE = re.compile(r"\s*")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
TOKEN = re.compile(r'[^\s)\]"]+')
SPECIAL = re.compile(r"([\\,$|])")
UNQUOTED_SPECIAL = re.compile(r"([\\,$])")

ORDERED = frozenset({"eq", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
OPERATORS: dict[str, dict[str, str]] = {
    "string": {"eq": "equals", "co": "contains", "sw": "", "ew": "ends"},
    "token": {"eq": "", "in": "in", "ni": "not-in"},
    "reference": {"eq": "", "re": ""},
    "uri": {"eq": "", "ss": "below", "sb": "above"},
    "composite": {"eq": ""},
    "special": {"eq": ""},
}
"""The modifier that says what an operator says, by kind of parameter."""

OF_STORES = {"text": {"co": ""}, "sound": {"eq": ""}}
"""Likewise, where the kind does not decide."""


def criterion(reader: Reader, resource_type: str, text: str) -> Criterion:
    """Read an expression as a criterion for a type.

    Raises:
        Unknown: a path names no search parameter.
        BadRequest: the expression, an operator or a value cannot be read.
    """
    expression = Expression(reader, resource_type, text)
    found = expression.alternatives(0)
    if expression.next():
        expression.unreadable()
    return found


def translated(one: Parameter, operator: str, value: str) -> tuple[str, str]:
    """Say an operator as a modifier, or as a prefix of the value.

    Raises:
        BadRequest: the parameter cannot be compared like this.
    """
    if operator == "pr":
        return "missing", "false" if value == "true" else "true" if value == "false" else value
    if one.kind in {"date", "number", "quantity"} and operator in ORDERED:
        return "", operator + value
    known = OF_STORES.get(one.store) or OPERATORS.get(one.kind, {})
    if operator not in known:
        raise BadRequest(f"The operator '{operator}' of _filter does not apply to '{one.code}'.")
    return known[operator], value


@dataclass(slots=True)
class Expression:
    """An expression and the place up to which it has been read."""

    reader: Reader
    resource_type: str
    text: str
    at: int = 0
    comparisons: set[int] = field(default_factory=set)
    """Where they are; one behind a reference is read for every type that this may lead to."""

    def alternatives(self, depth: int) -> Criterion:
        """Read parts joined by ``and`` and ``or``."""
        if depth > MAX_DEPTH:
            raise BadRequest(f"A _filter nested deeper than {MAX_DEPTH} is not supported.")
        found = self.part(depth)
        while (word := self.peek(WORD)) in {"and", "or"}:
            self.take(WORD)
            both = (found, self.part(depth))
            found = AllOf(both) if word == "and" else AnyOf(both)
        return found

    def part(self, depth: int) -> Criterion:
        """Read a part: in parentheses, negated, or a comparison."""
        if self.next() == "(":
            return self.enclosed(depth)
        if self.peek(PATH) == "not":
            self.take(PATH)
            return Not(self.enclosed(depth))
        return self.followed(depth) if self.peek(CHOOSING) else self.comparison()

    def followed(self, depth: int) -> Criterion:
        """Read ``reference[expression].path operator value``: what both hold for is one and the same."""
        name = self.take(NAME)
        one = parameters(self.resource_type).get(name)
        if one is None:
            raise Unknown(f"{self.resource_type} has no search parameter '{name}'.")
        if one.kind != "reference":
            self.unreadable()
        start, own, end, hops = self.at, self.resource_type, 0, []
        for self.resource_type in targets(one):
            self.at = start
            self.reader.spent.hop("")
            with suppress(Unknown):
                hops.append((self.resource_type, self.target(depth + 1)))
                end = self.at
        self.at, self.resource_type = end, own
        if not hops:
            raise Unknown(f"No type that '{name}' refers to has all of the search parameters that follow it.")
        return Chain(one, tuple(hops))

    def target(self, depth: int) -> Criterion:
        """Read what must hold for a resource that is referred to."""
        chosen: tuple[Criterion, ...] = ()
        if self.next() == "[":
            self.expect("[")
            chosen = (self.alternatives(depth),)
            self.expect("]")
        self.expect(".")
        return AllOf((*chosen, self.followed(depth) if self.peek(CHOOSING) else self.comparison()))

    def enclosed(self, depth: int) -> Criterion:
        """Read an expression in parentheses."""
        self.expect("(")
        found = self.alternatives(depth + 1)
        self.expect(")")
        return found

    def comparison(self) -> Criterion:
        """Read ``path operator value``."""
        if self.at in self.comparisons:  # behind a reference, read for one more type
            self.reader.spent.hop("")
        self.comparisons.add(self.at)
        if len(self.comparisons) > MAX_COMPARISONS:
            raise BadRequest(f"A _filter of more than {MAX_COMPARISONS} comparisons is not supported.")
        path, operator = self.take(PATH), self.take(WORD)
        value = self.value()
        if operator == "ne":
            present = self.compared(path, "pr", "true")
            return AllOf((present, Not(self.compared(path, "eq", value))))
        return self.compared(path, operator, value)

    def compared(self, path: str, operator: str, value: str) -> Criterion:
        """Read one comparison as the search parameter that says the same."""
        return self.reader.criterion(self.resource_type, f"{path}:{operator}", value)

    def value(self) -> str:
        """Read a value, escaped as in a search parameter; a comma or a dollar has no meaning here."""
        if self.next() != '"':
            return UNQUOTED_SPECIAL.sub(r"\\\1", self.take(TOKEN))
        try:
            text = msgspec.json.decode(self.take(STRING).encode(), type=str)
        except (msgspec.DecodeError, UnicodeError):
            self.unreadable()
        return SPECIAL.sub(r"\\\1", text)

    def next(self) -> str:
        """The next character that is no space; empty at the end."""
        space = SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def peek(self, pattern: re.Pattern[str]) -> str:
        """What comes next, if it has a form."""
        self.next()
        found = pattern.match(self.text, self.at)
        return found[0] if found else ""

    def take(self, pattern: re.Pattern[str]) -> str:
        """Go on behind what comes next, which must have a form."""
        found = self.peek(pattern)
        if not found:
            self.unreadable()
        self.at += len(found)
        return found

    def expect(self, character: str) -> None:
        """Go on behind a character that must come next."""
        if self.next() != character:
            self.unreadable()
        self.at += 1

    def unreadable(self) -> NoReturn:
        """Refuse the expression, naming the place and not the text."""
        raise BadRequest(
            f"The _filter cannot be read at character {self.at + 1}; "
            "write comparisons such as: status eq active and (date ge 2026 or not (code eq 1))."
        )
