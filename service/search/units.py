"""Units of UCUM made comparable: one canonical unit for all that measure the same.

    mg       ─► g, 0.001              500 mg is found by 0.5 g
    mg/kg    ─► g/g, 0.000001         masses are not cancelled: a dose per body weight stays one
    mm[Hg]   ─► Pa, 133.322387415     {beats}/min ─► 1/s

Only the units that this therapy uses are known; another one is compared as sent. UCUM distinguishes case:
``MG`` is no milligram here.
Source: https://ucum.org/ucum, https://hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache
from typing import NamedTuple

UCUM = "http://unitsofmeasure.org"

ATOMS: dict[str, tuple[str, Decimal]] = {
    "kg": ("g", Decimal(1000)),
    "g": ("g", Decimal(1)),
    "mg": ("g", Decimal("0.001")),
    "ug": ("g", Decimal("0.000001")),
    "ng": ("g", Decimal("0.000000001")),
    "[lb_av]": ("g", Decimal("453.59237")),
    "[oz_av]": ("g", Decimal("28.349523125")),
    "L": ("L", Decimal(1)),
    "l": ("L", Decimal(1)),
    "dL": ("L", Decimal("0.1")),
    "mL": ("L", Decimal("0.001")),
    "ml": ("L", Decimal("0.001")),
    "uL": ("L", Decimal("0.000001")),
    "ms": ("s", Decimal("0.001")),
    "s": ("s", Decimal(1)),
    "min": ("s", Decimal(60)),
    "h": ("s", Decimal(3600)),
    "d": ("s", Decimal(86400)),
    "wk": ("s", Decimal(604800)),
    "mo": ("s", Decimal(2629800)),
    "a": ("s", Decimal(31557600)),
    "m": ("m", Decimal(1)),
    "km": ("m", Decimal(1000)),
    "cm": ("m", Decimal("0.01")),
    "mm": ("m", Decimal("0.001")),
    "[in_i]": ("m", Decimal("0.0254")),
    "[ft_i]": ("m", Decimal("0.3048")),
    "[yd_i]": ("m", Decimal("0.9144")),
    "[mi_i]": ("m", Decimal("1609.344")),
    "[nmi_i]": ("m", Decimal(1852)),
    "m2": ("m2", Decimal(1)),
    "cm2": ("m2", Decimal("0.0001")),
    "Pa": ("Pa", Decimal(1)),
    "kPa": ("Pa", Decimal(1000)),
    "mm[Hg]": ("Pa", Decimal("133.322387415")),
    "%": ("1", Decimal("0.01")),
    "1": ("1", Decimal(1)),
}
"""By code: the unit that stands for all of its kind, and how many of those it is.

Source: https://ucum.org/ucum, tables of base, derived and customary units.
"""

LONGEST = 40
"""Characters of a unit whose parts are looked at."""

ANNOTATION = re.compile(r"\{[^{}]*\}")
DIGITS = Context(prec=18)
"""Enough for any measurement; two ways to the same quantity round to the same number."""


class Unit(NamedTuple):
    """A canonical unit, and how many of it the given unit is."""

    code: str
    factor: Decimal


class Canonical(NamedTuple):
    """A quantity in its canonical unit; all None when its unit is not known."""

    unit: str | None = None
    low: Decimal | None = None
    high: Decimal | None = None


NONE = Canonical()


def unit(system: str | None, code: str | None) -> Unit | None:
    """The canonical unit of a unit of UCUM; None when it is not one of those known."""
    if system != UCUM or not code or len(code) > LONGEST:
        return None
    return read(code)


@lru_cache(maxsize=1024)
def read(code: str) -> Unit | None:
    """Read a unit: atoms with slashes between them."""
    factor = Decimal(1)
    names = []
    for place, part in enumerate(ANNOTATION.sub("", code).split("/")):
        atom = ATOMS.get(part or "1")
        if atom is None:
            return None
        names.append(atom[0])
        factor = DIGITS.divide(factor, atom[1]) if place else atom[1]
    return Unit("/".join((names[0], *sorted(names[1:]))), factor)


def canonical(system: str | None, code: str | None, low: Decimal | None, high: Decimal | None) -> Canonical:
    """A stored quantity in its canonical unit; an open side stays open."""
    known = unit(system, code)
    if known is None:
        return NONE
    return Canonical(known.code, scaled(low, known.factor), scaled(high, known.factor))


def scaled(value: Decimal | None, factor: Decimal) -> Decimal | None:
    """So many of the canonical unit."""
    return None if value is None else DIGITS.multiply(value, factor)
