"""The primitive types of FHIR R4 as functions: a value in, nothing or what is wrong with it out.

    boolean  integer unsignedInt positiveInt  decimal          JSON booleans and numbers, never in quotes
    string markdown code id  uri url canonical oid uuid        JSON strings
    date dateTime instant time  base64Binary

No text repeats the value. Source: https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import binascii
import math
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple


class Fault(NamedTuple):
    """What is wrong with a value: an issue code and a text a person can act on."""

    code: str
    text: str


Check = Callable[[Any], Fault | None]

MAXIMUM_STRING_LENGTH = 1_048_576
_INT32 = 2**31

_YEAR = r"(?!0000)\d{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_DATE = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?", re.ASCII)
_DATE_TIME = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?", re.ASCII)
_INSTANT = re.compile(f"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)
_CODE = re.compile("[^\\s\x00-\x1f\ud800-\udfff]+(?: [^\\s\x00-\x1f\ud800-\udfff]+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LANGUAGE = re.compile("[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*|[ixIX](?:-[A-Za-z0-9]{1,8})+")
_CURRENCY = re.compile("[A-Z]{3}")
_NOT_IN_URI = re.compile("[\\s\x00-\x1f\ud800-\udfff]")
_ACTIVE_SCHEME = re.compile(r"(?:javascript|vbscript):", re.IGNORECASE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

NOT_A_STRING = Fault("structure", "This must be a JSON string.")
EMPTY = Fault("structure", "An empty string is not a value. Leave the element out.")
_TOO_LONG = Fault("too-long", f"A string may have at most {MAXIMUM_STRING_LENGTH} characters.")
_CHARACTERS = Fault("value", "A string may hold no control characters but tab and line ends.")
_BOOLEAN = Fault("structure", "This must be true or false, without quotes.")
_INTEGER = Fault("structure", "This must be a whole JSON number, without quotes or a decimal point.")
_DECIMAL = Fault("structure", "This must be a JSON number, without quotes.")
_RANGE = "A whole number from {} to 2147483647 is expected here."
_DATE_FAULT = Fault("value", "This is not a date. Write YYYY, YYYY-MM or YYYY-MM-DD, with a day that exists.")
_DATE_TIME_FAULT = Fault(
    "value",
    "This is not a dateTime. Write a date, or YYYY-MM-DDThh:mm:ss with a time zone (Z or +hh:mm), "
    "with a day that exists.",
)
_INSTANT_FAULT = Fault(
    "value", "This is not an instant. Write YYYY-MM-DDThh:mm:ss with a time zone (Z or +hh:mm)."
)
_TIME_FAULT = Fault("value", "This is not a time of day. Write hh:mm:ss, without a time zone.")
_CODE_FAULT = Fault("value", "A code has no leading, trailing or double spaces.")
_ID_FAULT = Fault("value", "An id is 1 to 64 letters, digits, '-' or '.'.")
_URI_FAULT = Fault("value", "A URI holds no spaces and no control characters.")
_OID_FAULT = Fault("value", "Write an OID as urn:oid: and its numbers.")
_UUID_FAULT = Fault("value", "Write a UUID as urn:uuid: and its 36 characters, in lower case.")
_SCHEME_FAULT = Fault("value", "A URL that runs a script is not accepted.")
_LANGUAGE_FAULT = Fault(
    "code-invalid", "This is not a language tag of BCP 47. Write for instance en or en-US."
)
_CURRENCY_FAULT = Fault(
    "code-invalid", "This is not a currency of ISO 4217. Write its three letters, for instance USD."
)
_BASE64_FAULT = Fault("value", "This is not base64. Use the alphabet of RFC 4648 with its padding.")


def string(value: Any) -> Fault | None:
    """Check any text."""
    if type(value) is not str:
        return NOT_A_STRING
    if not value:
        return EMPTY
    if len(value) > MAXIMUM_STRING_LENGTH:
        return _TOO_LONG
    return None if value.isprintable() or not _FORBIDDEN.search(value) else _CHARACTERS


def _boolean(value: Any) -> Fault | None:
    return None if value is True or value is False else _BOOLEAN


def _whole(minimum: int) -> Check:
    fault = Fault("value", _RANGE.format(minimum))

    def check(value: Any) -> Fault | None:
        if type(value) is not int:
            return fault if type(value) is Decimal and value == value.to_integral_value() else _INTEGER
        return None if minimum <= value < _INT32 else fault

    return check


def _decimal(value: Any) -> Fault | None:
    if type(value) is Decimal or type(value) is int:
        return None
    return None if type(value) is float and math.isfinite(value) else _DECIMAL


def _matching(pattern: re.Pattern[str], fault: Fault) -> Check:
    matches = pattern.fullmatch

    def check(value: Any) -> Fault | None:
        if type(value) is not str:
            return NOT_A_STRING
        return None if matches(value) else fault if value else EMPTY

    return check


def _calendar(pattern: re.Pattern[str], fault: Fault) -> Check:
    """As ``_matching``, and the day must exist: the 30th of February does not."""
    matches = pattern.fullmatch

    def check(value: Any) -> Fault | None:
        if type(value) is not str:
            return NOT_A_STRING
        if not matches(value):
            return fault if value else EMPTY
        if value[8:10] > "28" and int(value[8:10]) > monthrange(int(value[:4]), int(value[5:7]))[1]:
            return fault
        return None

    return check


def _uri(value: Any) -> Fault | None:
    if type(value) is not str:
        return NOT_A_STRING
    if not value:
        return EMPTY
    if _NOT_IN_URI.search(value):
        return _URI_FAULT
    if value[:4] == "urn:":
        return _urn(value)
    return _SCHEME_FAULT if _ACTIVE_SCHEME.match(value) else None


def _urn(value: str) -> Fault | None:
    if value.startswith("urn:uuid:") and not _UUID.fullmatch(value.partition("#")[0]):
        return _UUID_FAULT
    if value.startswith("urn:oid:") and not _OID.fullmatch(value.partition("|")[0]):
        return _OID_FAULT
    return None


def _base64(value: Any) -> Fault | None:
    if type(value) is not str:
        return NOT_A_STRING
    if not value:
        return EMPTY
    return None if _decodes(value) or _decodes("".join(value.split())) else _BASE64_FAULT


def _decodes(value: str) -> bool:
    """Whether this is base64 in one line; FHIR also allows white space, which ``_base64`` takes out."""
    try:
        binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        return False
    return value != "" and not value.endswith("===")


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "boolean": _boolean,
        "integer": _whole(-_INT32),
        "unsignedInt": _whole(0),
        "positiveInt": _whole(1),
        "decimal": _decimal,
        "string": string,
        "markdown": string,
        "xhtml": string,
        "code": _matching(_CODE, _CODE_FAULT),
        "id": _matching(_ID, _ID_FAULT),
        "uri": _uri,
        "url": _uri,
        "canonical": _uri,
        "oid": _matching(_OID, _OID_FAULT),
        "uuid": _matching(_UUID, _UUID_FAULT),
        "date": _calendar(_DATE, _DATE_FAULT),
        "dateTime": _calendar(_DATE_TIME, _DATE_TIME_FAULT),
        "instant": _calendar(_INSTANT, _INSTANT_FAULT),
        "time": _matching(_TIME, _TIME_FAULT),
        "base64Binary": _base64,
    }
)
"""One check for each primitive type."""

FORMATS: Mapping[str, Check] = MappingProxyType(
    {
        "language": _matching(_LANGUAGE, _LANGUAGE_FAULT),
        "currency": _matching(_CURRENCY, _CURRENCY_FAULT),
    }
)
"""Checks for codes of a required value set that is too large to list, by the name of their element.

Source: https://hl7.org/fhir/R4/valueset-all-languages.html, https://hl7.org/fhir/R4/valueset-currencies.html
"""
