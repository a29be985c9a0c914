"""Reads what stands in ``value`` attributes, and finds where a narrative starts and ends.

    boolean                            "true"  ──> true
    integer unsignedInt positiveInt    "9"     ──> 9
    decimal                            "1.50"  ──> Decimal("1.50")
    date code uri id …                 " a "   ──> "a", as the schema collapses white space around them
    string markdown                    " a "   ──> " a "

Whether a string has the right format is told by validation, as for JSON.
Source: https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from models.document import MAXIMUM_EXPONENT, MAXIMUM_NUMBER_LENGTH

SPACE = " \t\r\n"
"""White space of XML; Python's own notion of it is wider."""
_BOOLEANS = {"true": True, "false": False}
_INTEGER = re.compile(r"0|[-+]?[1-9][0-9]{0,17}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*+>""")
_DIVISION = re.compile(
    rb"""<div\s(?:[^"'>]|"[^"]*"|'[^']*')*?(?<=\s)xmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml["']"""
)


class NotThisType(Exception):
    """The value of an element is not of its type; the text says what is expected."""


Converter = Callable[[str], bool | int | Decimal | str]


def converter(type_: str) -> Converter:
    """Choose how the value of a primitive type is read."""
    return _CONVERTERS.get(type_, _collapsed)


def is_plain_division(body: bytes, start: int) -> bool:
    """Whether the narrative that starts here names its namespace itself, as its JSON form must."""
    return _DIVISION.match(body, start) is not None


def division_end(body: bytes, last_tag: int) -> int:
    """Find the end of a narrative whose last tag starts here; the XML must be well-formed so far."""
    tag = _TAG.match(body, last_tag)
    return tag.end() if tag else last_tag


def _boolean(value: str) -> bool:
    try:
        return _BOOLEANS[value.strip(SPACE)]
    except KeyError:
        raise NotThisType("This must be true or false.") from None


def _integer(value: str) -> int:
    value = value.strip(SPACE)
    if not _INTEGER.fullmatch(value):
        raise NotThisType("This must be a whole number.")
    return int(value)


def _decimal(value: str) -> int | Decimal:
    value = value.strip(SPACE)
    if len(value) > MAXIMUM_NUMBER_LENGTH or not _DECIMAL.fullmatch(value):
        raise NotThisType(f"This must be a decimal number of at most {MAXIMUM_NUMBER_LENGTH} characters.")
    if value != "-0" and _INTEGER.fullmatch(value):
        return int(value)
    number = Decimal(value)
    if abs(number.adjusted()) > MAXIMUM_EXPONENT:
        raise NotThisType(f"The exponent of this number is beyond {MAXIMUM_EXPONENT}.")
    return number


def _collapsed(value: str) -> str:
    return value.strip(SPACE)


_CONVERTERS: dict[str, Converter] = {
    "boolean": _boolean,
    "integer": _integer,
    "unsignedInt": _integer,
    "positiveInt": _integer,
    "decimal": _decimal,
    "string": str,
    "markdown": str,
}
