"""How much two descriptions speak of one person: documented weights, no learning, no guessing.

    element      weight   agrees when
    identifier     10     one has the same system and value; differs when a system is shared and no value
    name            3     a family name is the same, case and accents aside
    given name      2     a given name is the same, or one is the other's initial
    birth date      4     both cover a common day; the more exact one lies within the other
    gender          1     the codes are the same
    telecom         3     a phone number (last ten digits) or an e-mail address is the same
    address         2     postal code, or city, and a line are the same

    score = agreeing weight / weight of what both descriptions have * (agreeing weight / 12, at most 1)

The second factor keeps little evidence from looking like proof: family, given name, birth date and gender
weigh 10 and reach 0.83; an identifier or a telephone number must come to it. What differs lowers the first.

    certain ≥ 0.95    probable ≥ 0.7    possible ≥ 0.4    below: not a match

Source: https://hl7.org/fhir/R4/patient-operation-match.html, https://hl7.org/fhir/R4/valueset-match-grade.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.kat.elements import children, text, texts
from service.search.values import Interval, folded, interval, normalized, rank, term, token_term

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTAIN, PROBABLE, POSSIBLE = "certain", "probable", "possible"

GRADES = ((0.95, CERTAIN), (0.7, PROBABLE), (0.4, POSSIBLE))
"""The least score of each grade."""

WEIGHTS = {"identifier": 10, "family": 3, "given": 2, "birth": 4, "gender": 1, "telecom": 3, "address": 2}

ENOUGH = 12
"""The agreeing weight that is proof, if nothing differs."""

MAX_TERMS = 20
PHONE_DIGITS = 10

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """What a Patient says about who somebody is, folded for comparison. PHI."""

    identifiers: frozenset[Pair]
    families: frozenset[str]
    givens: frozenset[str]
    birth: Interval | None
    gender: str
    telecoms: frozenset[str]
    addresses: frozenset[Pair]
    terms: tuple[str, ...]
    """How identifiers and telecoms are found in the search index."""


def person(document: dict[str, Any]) -> Person:
    """Read who a Patient describes."""
    names = [name for _, name in children(document, "name") if name.get("use") != "anonymous"]
    birth = text(document, "birthDate")
    return Person(
        frozenset(_identifiers(document)),
        frozenset(normalized(family) for name in names if (family := text(name, "family"))),
        frozenset(normalized(given) for name in names for given in texts(name, "given")),
        interval(birth) if birth else None,
        text(document, "gender") or "",
        frozenset(_telecoms(document)),
        frozenset(_addresses(document)),
        tuple(dict.fromkeys(_terms(document)))[:MAX_TERMS],
    )


def likeness(one: Person, other: Person) -> float:
    """Return the score, from 0 to 1."""
    verdicts = {
        "identifier": _same_identifier(one.identifiers, other.identifiers),
        "family": _shared(one.families, other.families),
        "given": _same_given(one.givens, other.givens),
        "birth": _same_birth(one.birth, other.birth),
        "gender": one.gender == other.gender if one.gender and other.gender else None,
        "telecom": _shared(one.telecoms, other.telecoms),
        "address": _shared(one.addresses, other.addresses),
    }
    compared = sum(WEIGHTS[name] for name, agrees in verdicts.items() if agrees is not None)
    agreed = sum(WEIGHTS[name] for name, agrees in verdicts.items() if agrees)
    return agreed / compared * min(1, agreed / ENOUGH) if compared else 0


def grade(score: float) -> str | None:
    """Name a score; None when it is no match."""
    return next((told for least, told in GRADES if score >= least), None)


def _shared(one: frozenset[Any], other: frozenset[Any]) -> bool | None:
    return bool(one & other) if one and other else None


def _same_identifier(one: frozenset[Pair], other: frozenset[Pair]) -> bool | None:
    if one & other:
        return True
    return False if {system for system, _ in one} & {system for system, _ in other} else None


def _same_given(one: frozenset[str], other: frozenset[str]) -> bool | None:
    initials = {given.rstrip(".") for given in one | other if len(given.rstrip(".")) == 1}
    if any(given[0] in initials for given in one) and any(given[0] in initials for given in other):
        return bool({given[0] for given in one} & {given[0] for given in other} & initials) or bool(
            one & other
        )
    return _shared(one, other)


def _same_birth(one: Interval | None, other: Interval | None) -> bool | None:
    if one is None or other is None:
        return None
    return rank(one[0]) < rank(other[1]) and rank(other[0]) < rank(one[1])


def _identifiers(document: dict[str, Any]) -> Iterator[Pair]:
    for _, item in children(document, "identifier"):
        system, value = text(item, "system"), text(item, "value")
        if system and value:
            yield system, folded(value)


def _telecoms(document: dict[str, Any]) -> Iterator[str]:
    for _, item in children(document, "telecom"):
        value = text(item, "value") or ""
        digits = re.sub(r"\D", "", value, flags=re.ASCII)
        if item.get("system") == "email":
            yield folded(value)
        elif len(digits) >= PHONE_DIGITS:
            yield digits[-PHONE_DIGITS:]


def _addresses(document: dict[str, Any]) -> Iterator[Pair]:
    for _, item in children(document, "address"):
        lines = folded(" ".join(texts(item, "line")))
        for place in (text(item, "postalCode"), text(item, "city")):
            if lines and place:
                yield folded(place), lines


def _terms(document: dict[str, Any]) -> Iterator[str]:
    for _, item in children(document, "identifier"):
        system, value = text(item, "system"), text(item, "value")
        if system and value:
            yield term(f"identifier={token_term(system, value)}")
    for _, item in children(document, "telecom"):
        if value := text(item, "value"):
            yield term(f"telecom={value.casefold()}")
