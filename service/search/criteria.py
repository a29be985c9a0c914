"""What a search asks for, read and checked: the tree that ``compile`` turns into SQL.

    Criterion = Clause   one parameter against one or more operands (OR)     status=active,on-hold
              | Missing  whether a parameter has any value                 code:missing=true
              | Chain    a reference to a resource that satisfies another  subject:Patient.name=…
              | Has      a resource that satisfies another refers here     _has:Observation:patient:code=…
              | AllOf | AnyOf | Not
              | Guarded  whatever a resource refers to may be seen (access rules only)

Access rules are criteria too: ``Narrow`` gives, for a type, the criteria that every row of it must satisfy
to be seen, or None when no row may be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from service.search.places import Near
from service.search.registry import Parameter


class Unknown(Exception):
    """Something that this server does not know; whether that is an error depends on the handling."""


class Empty(Unknown):
    """A parameter without a value, which R4 ignores whatever the handling."""


class Term(NamedTuple):
    """An entry of ``terms``."""

    text: str


class Present(NamedTuple):
    """Any value of a parameter whose values all have the system asked for."""

    system: str


class InPatient(NamedTuple):
    """The ``patient`` column holds this id."""

    id: str


class Id(NamedTuple):
    """The resource's own id."""

    id: str


class Text(NamedTuple):
    """A string, without case, accents and punctuation, and as sent."""

    folded: str
    exact: str
    words: tuple[str, ...] = ()
    """The words of it, where they may begin different parts of a name or an address."""


class Sounds(NamedTuple):
    """Entries of ``terms``, all of which a name must have to sound alike."""

    terms: tuple[str, ...]


class Words(NamedTuple):
    """A query for texts: of words that a display has, or as a search engine takes it."""

    query: str
    of_displays: bool


class Moment(NamedTuple):
    """A prefix and the time that the value covers."""

    prefix: str
    start: datetime
    end: datetime


class Amount(NamedTuple):
    """A prefix, a number, its implicit precision, and the unit if one was named."""

    prefix: str
    value: Decimal
    low: Decimal
    high: Decimal
    system: str | None
    code: str | None


Operand: TypeAlias = Term | Present | InPatient | Id | Text | Sounds | Words | Moment | Amount | Near


@dataclass(frozen=True, slots=True)
class Clause:
    """A parameter has one of the operands; no operand can never be satisfied."""

    parameter: Parameter
    operands: tuple[Operand, ...]
    modifier: str = ""
    """``exact``, ``contains``, ``equals`` or ``ends`` for strings, ``not`` for tokens, else empty."""
    named: str = ""
    """What the index calls the values when that is not the parameter's code (a composite's pair)."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A parameter has no value (``absent``), or has any."""

    parameter: Parameter
    absent: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference leads to a resource of one of the types, each with its criterion."""

    parameter: Parameter
    hops: tuple[tuple[str, Criterion], ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource of ``source_type`` refers here by ``parameter`` and satisfies ``criterion``."""

    source_type: str
    parameter: Parameter
    criterion: Criterion


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every criterion holds; an empty one always holds."""

    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one criterion holds; an empty one never holds."""

    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The criterion does not hold; what is not known to hold, does not."""

    criterion: Criterion


@dataclass(frozen=True, slots=True)
class Guarded:
    """Whatever the row refers to may be seen.

    Of the types in ``whole`` all may be, of those in ``parts`` what satisfies their criteria; ``required``
    asks that it refer to something.
    """

    whole: tuple[str, ...]
    parts: tuple[tuple[str, tuple[Criterion, ...]], ...]
    required: bool


Criterion: TypeAlias = Clause | Missing | Chain | Has | AllOf | AnyOf | Not | Guarded

Narrow: TypeAlias = Callable[[str], tuple[Criterion, ...] | None]
"""What may be seen of a type: every criterion must hold; None when nothing may be seen."""


def everything(_resource_type: str) -> tuple[Criterion, ...]:
    """Narrow nothing: for the operator, and for rules of the server itself."""
    return ()


@dataclass(frozen=True, slots=True)
class Include:
    """One ``_include`` or, when ``reverse``, one ``_revinclude``."""

    source_type: str
    parameter: Parameter
    target_type: str | None = None
    iterate: bool = False
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort key."""

    parameter: Parameter
    descending: bool = False
