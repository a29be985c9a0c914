"""Numbers and quantities, slowly: drawn at random, and compared as exact fractions.

An asked number stands for everything that rounds to it: half a unit of its last digit below it belongs to
it, half a unit above it does not. That matters to ``eq`` and ``ne``; all other prefixes take it exactly, and
``ap`` means a tenth of it to both sides.

    eq  the stored range lies within      gt  it reaches above     sa  it lies above
    ne  it does not                       lt  it reaches below     eb  it lies below
    ge  it reaches or touches, le likewise                         ap  it overlaps

Readings: ``1e2`` has one significant digit, so it is [50, 150); R4's example of [95, 105) has two. A stored
``< 5`` is everything up to 5, with 5. A Range is found by where it lies, not by one of its ends. A unit of
UCUM is one of its kind: 500 mg are 0.5 g; any other unit is compared letter by letter, by its code or by
what is displayed.

Source: https://hl7.org/fhir/R4/search.html#number, #quantity, #prefix; https://ucum.org/ucum
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

UCUM = "http://unitsofmeasure.org"
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")

FACTORS = {
    "kg": ("mass", Fraction(1000)),
    "g": ("mass", Fraction(1)),
    "mg": ("mass", Fraction(1, 1000)),
    "ug": ("mass", Fraction(1, 1000000)),
    "h": ("time", Fraction(3600)),
    "min": ("time", Fraction(60)),
    "s": ("time", Fraction(1)),
    "L": ("volume", Fraction(1)),
    "mL": ("volume", Fraction(1, 1000)),
    "mg/kg": ("mass per mass", Fraction(1, 1000000)),
    "ug/kg": ("mass per mass", Fraction(1, 1000000000)),
    "mg/mL": ("mass per volume", Fraction(1)),
    "g/L": ("mass per volume", Fraction(1)),
}
"""Units by their kind and how many of its first unit they are, from UCUM's own tables."""

UNITS = (*((UCUM, code) for code in FACTORS), ("urn:units", "mg"), (UCUM, "MG"), (UCUM, "{puff}x"))
NUMBERS = (
    "5",
    "5.0",
    "5.00",
    "4.95",
    "5.05",
    "0.005",
    "5000",
    "5e-3",
    "5E3",
    "-5",
    "-4.95",
    "0",
    "300",
    "0.3",
)


EDGES = ("5", "5.0", "4.5", "5.5", "4.95", "5.05")
"""Numbers that lie where the range of another one begins or ends."""


class Stored(NamedTuple):
    """A range of numbers with the unit of each way to ask for it; None is an open side."""

    low: Fraction | None
    high: Fraction | None
    system: str | None = None
    code: str | None = None
    unit: str | None = None


def stored(value: Any, type_name: str) -> list[Stored]:
    """What one stored value covers."""
    if type_name == "Range":
        return ranged(value)
    if type_name == "SampledData":
        return stored(value.get("origin", {}), "Quantity")
    if type_name in {"decimal", "integer"}:
        return [Stored(Fraction(value), Fraction(value))]
    if "value" not in value:
        return []
    exact, comparator = Fraction(value["value"]), value.get("comparator", " ")
    low, high = None if comparator[0] == "<" else exact, None if comparator[0] == ">" else exact
    return [Stored(low, high, value.get("system"), value.get("code"), value.get("unit"))]


def ranged(value: dict[str, Any]) -> list[Stored]:
    """What a Range covers; the unit of either end is that of both."""
    low, high = value.get("low", {}), value.get("high", {})
    if "value" not in low and "value" not in high:
        return []
    named = low if "value" in low else high
    ends = (Fraction(one["value"]) if "value" in one else None for one in (low, high))
    return [Stored(*ends, named.get("system"), named.get("code"), named.get("unit"))]


def rounded(text: str) -> tuple[Fraction, Fraction, Fraction]:
    """A number as asked, and the range of all that round to it."""
    digits, _, exponent = text.lower().partition("e")
    decimals = len(digits.partition(".")[2])
    half = Fraction(10) ** (int(exponent or 0) - decimals) / 2
    exact = Fraction(text)
    return exact, exact - half, exact + half


def agrees(prefix: str, held: Stored, asked: str) -> bool:
    """Whether a stored range stands to an asked number, with or without a unit, as the prefix says."""
    number, *rest = asked.split("|")
    if not rest:
        return compares(prefix, held.low, held.high, number, Fraction(1))
    system, code = rest
    if system == UCUM and code in FACTORS:
        kind, factor = FACTORS[code]
        mine, size = (
            FACTORS.get(held.code or "", ("", Fraction(1))) if held.system == UCUM else ("", Fraction(1))
        )
        ends = (None if end is None else end * size for end in (held.low, held.high))
        return mine == kind and compares(prefix, *ends, number, factor)
    if system and system != held.system:
        return False
    named = {held.code} if system else {held.code, held.unit}
    return (not code or code in named) and compares(prefix, held.low, held.high, number, Fraction(1))


def compares(
    prefix: str, least: Fraction | None, most: Fraction | None, number: str, factor: Fraction
) -> bool:
    """Whether a range of numbers stands to an asked number of ``factor`` as the prefix says."""
    value, low, high = (one * factor for one in rounded(number))
    contained = least is not None and most is not None and low <= least and most < high
    near = abs(value) / 10
    return {
        "": contained,
        "eq": contained,
        "ne": not contained,
        "gt": most is None or most > value,
        "lt": least is None or least < value,
        "ge": most is None or most >= value,
        "le": least is None or least <= value,
        "sa": least is not None and least > value,
        "eb": most is not None and most < value,
        "ap": (least is None or least <= value + near) and (most is None or most >= value - near),
    }[prefix]


def number(chance: Random) -> str:
    """A number as it is written: one of those above, or any near them, with an exponent or with zeros."""
    if chance.random() < 0.7:
        return chance.choice(chance.choice((NUMBERS, EDGES, EDGES)))
    places = chance.randint(0, 3)
    digits = f"{Decimal(chance.randint(-60, 60)).scaleb(-places):f}"
    zeros = "0" * chance.randint(0, 2) if places else ""
    return digits + zeros + chance.choice(("", "", "e1", "E-2", "e+3"))


def decimal(chance: Random) -> Decimal:
    return Decimal(number(chance))


def asked(chance: Random, *, with_unit: bool) -> str:
    """A number as it is asked for, with or without a unit."""
    system, unit = chance.choice((*UNITS, *[(UCUM, "mg")] * 8))
    ends = (f"|{system}|{unit}", f"|{system}|{unit}", f"||{unit}", f"|{system}|", "||milligram", "")
    return number(chance) + (chance.choice(ends) if with_unit else "")


def simple(chance: Random) -> dict[str, Any]:
    """A quantity without a comparator; a code, a display, both or nothing tells its unit."""
    system, code = chance.choice((*UNITS, *[(UCUM, "mg")] * 8))
    unit = chance.choice((None, code, "milligram"))
    told = chance.choice(
        ({"system": system, "code": code}, {"system": system, "code": code}, {"system": system}, {})
    )
    return {"value": decimal(chance), **told, **({"unit": unit} if unit else {})}


def quantity(chance: Random) -> dict[str, Any]:
    comparator = chance.choice((None, None, None, "<", "<=", ">", ">="))
    return simple(chance) | ({"comparator": comparator} if comparator else {})


def span(chance: Random) -> dict[str, Any]:
    """A Range, open at either side, or in order."""
    low = simple(chance)
    high = low | {"value": low["value"] + abs(decimal(chance))}
    return chance.choice(({"low": low}, {"high": low}, {"low": low, "high": high}))


def sampled(chance: Random) -> dict[str, Any]:
    return {"origin": simple(chance), "period": 1, "dimensions": 1}
