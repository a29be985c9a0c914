"""National provider identifiers and DEA numbers: what their check digits prove (rule RX-5).

    NPI   1xxxxxxxxx or 2xxxxxxxxx; Luhn over 80840 + NPI
    DEA   two letters, seven digits; (d1+d3+d5) + 2·(d2+d4+d6) ends in d7

A check digit proves only that a number was typed right, not that its holder may prescribe.
Source: https://www.cms.gov/Regulations-and-Guidance/Administrative-Simplification/NationalProvIdentStand,
https://www.deadiversion.usdoj.gov/drugreg/reg_apps/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from models.kat.rules import RX_5
from models.kat.systems import DEA, IDENTIFIER_TYPE, NPI
from models.principal import Principal
from service.kat.elements import Document, child, children, codings, text
from service.kat.finding import Finding
from service.kat.writer import is_import

_NPI = re.compile(r"[12][0-9]{9}", re.ASCII)
_DEA = re.compile(r"[A-HJ-MPRSTUX][A-Z9][0-9]{7}", re.ASCII)
_NPI_CARD_PREFIX = "80840"
_TWO_DIGITS = 9

_TEXT = {
    "NPI": "The NPI is not valid: ten digits, the first 1 or 2, the last a check digit. Correct it.",
    "DEA": "The DEA number is not valid: two letters, six digits and a check digit. Correct it.",
}


def is_npi(value: str) -> bool:
    """Tell whether a string is a national provider identifier with the right check digit."""
    return bool(_NPI.fullmatch(value)) and _luhn_sum(_NPI_CARD_PREFIX + value) % 10 == 0


def is_dea(value: str) -> bool:
    """Tell whether a string is a DEA number with the right check digit."""
    if not _DEA.fullmatch(value):
        return False
    digits = [int(digit) for digit in value[2:]]
    total = sum(digits[0:6:2]) + 2 * sum(digits[1:6:2])
    return total % 10 == digits[6]


def check_identifier(identifier: Document, expression: str) -> Iterator[Finding]:
    """Find a wrong check digit in one Identifier; identifiers of other kinds pass."""
    kind = _kind(identifier)
    value = identifier.get("value")
    if kind is None or value is None:
        return
    if not isinstance(value, str) or not _VALID[kind](value):
        yield Finding(RX_5, _TEXT[kind], f"{expression}.value")


def check_identifiers(resource: Document, expression: str) -> Iterator[Finding]:
    """Find every wrong check digit in ``identifier`` of a resource."""
    for index, identifier in children(resource, "identifier"):
        yield from check_identifier(identifier, f"{expression}.identifier[{index}]")


def check_practitioner(document: dict[str, Any], writer: Principal) -> list[Finding]:
    """Find the wrong NPI and DEA numbers in a Practitioner, PractitionerRole or Organization."""
    if is_import(writer):
        return []
    return list(check_identifiers(document, text(document, "resourceType") or "Practitioner"))


_VALID = {"NPI": is_npi, "DEA": is_dea}
_SYSTEMS = {NPI: "NPI", DEA: "DEA"}


def _kind(identifier: Document) -> str | None:
    by_system = _SYSTEMS.get(text(identifier, "system") or "")
    if by_system:
        return by_system
    for system, code in codings(child(identifier, "type")):
        if system == IDENTIFIER_TYPE and code in _VALID:
            return code
    return None


def _luhn_sum(digits: str) -> int:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - _TWO_DIGITS if value > _TWO_DIGITS else value
    return total
