"""Which texts a search parameter takes, as patterns; the same as ``service/search/operands.py`` reads.

    token, uri   anything               date               prefix and date
    reference    id, Type/id, URL       number, quantity   prefix and number, |system|unit
    string       anything but blanks    composite          parts joined with $
    phonetic     a word or a number     special            place and distance

Several values are joined with commas. An empty value says nothing and is ignored. A backslash stands before a
comma, a dollar sign, a bar or a backslash that belongs to the value, and nowhere else.

Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

import re

from api.openapi_schemas import Schema, calendar, reference
from service.search.places import UNITS
from service.search.registry import Parameter, parameters

_PREFIX = "(eq|ne|gt|lt|ge|le|sa|eb|ap)?"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9](:([0-5][0-9]|60)(\.[0-9]+)?)?"
_ZONE = "(Z|[+ -]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_MOMENT = calendar(f"(T{_CLOCK}{_ZONE}?)?")
_NUMBER = r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][+-]?[0-9]{1,2})?"
_LATITUDE = r"-?(90(\.0{0,20})?|[0-8]?[0-9](\.[0-9]{0,20})?)"
_LONGITUDE = r"-?(180(\.0{0,20})?|(1[0-7][0-9]|[0-9]{1,2})(\.[0-9]{0,20})?)"
_DISTANCE = r"[0-9]{1,20}(\.[0-9]{0,20})?"
_ESCAPED = r"\\[\\$,|]"
_LENGTH = "|".join(map(re.escape, UNITS))
_LOOSE = frozenset({"token", "uri"})
_CANONICAL = frozenset({"canonical", "uri"})

MOMENT: Schema = {"type": "string", "pattern": f"^{_MOMENT}$"}
"""One date or instant."""

BOUND: Schema = {"type": "string", "pattern": f"^(eq|g[te]|l[te])?{_MOMENT}$"}
"""One date or instant, or with a prefix what comes after or before it."""

SORT: Schema = {"type": "string", "pattern": r"^[^,\u0000]*(,[^,\u0000]*){0,4}$"}
"""At most five keys."""

NAMES: Schema = {
    "type": "string",
    "pattern": r"^\s*[^\W_]+\s*(,\s*[^\W_]+\s*)*$",
}
"""Names of elements."""


def schemas() -> dict[str, Schema]:
    """Describe the values of each kind of parameter that has no parts."""
    anything = {"type": "string", "pattern": rf"^([^\\\u0000]|{_ESCAPED})*$"}
    kinds = ("date", "number", "quantity", "string", "sound", "reference", "special")
    return {_name("token"): anything, **{_name(kind): _list(_value(kind)) for kind in kinds}}


def of_parameter(resource_type: str, parameter: Parameter) -> Schema:
    """Describe the values of one search parameter."""
    known = parameters(resource_type)
    if parameter.union:
        return of_parameter(resource_type, known[parameter.union[0]])
    if parameter.kind == "composite":
        first, second = (_value(known[code].kind, separators=",$") for code in parameter.components)
        return _list(rf"{first}\${second}")
    if parameter.store == "sound":
        return reference(_name("sound"))
    loose = parameter.kind in _LOOSE or any(path.data_type in _CANONICAL for path in parameter.paths)
    return reference(_name("token" if loose else parameter.kind))


def _name(kind: str) -> str:
    return f"Search{kind.capitalize()}"


def _value(kind: str, separators: str = ",") -> str:
    """Describe one value, which holds none of the separators."""
    any_ = rf"([^{separators}\\\u0000]|{_ESCAPED})"
    word = rf"([^{separators}|\\\u0000]|{_ESCAPED})"
    of_kind = {
        "date": _PREFIX + _MOMENT,
        "number": _PREFIX + _NUMBER,
        "quantity": rf"{_PREFIX}{_NUMBER}(\|{word}*\|{word}*)?",
        "special": rf"{_LATITUDE}\|{_LONGITUDE}(\|({_DISTANCE}(\|({_LENGTH})?)?|\|{word}*)?)?",
        "string": rf"{any_}*[^{separators}\\\u0000\s]{any_}*",
        "sound": rf"{any_}*[A-Za-z0-9]{any_}*",
        "reference": rf"([A-Za-z0-9.-]{{1,64}}|{any_}*[:/]{any_}*)",
    }
    return of_kind.get(kind, f"{any_}+")


def _list(one: str) -> Schema:
    return {"type": "string", "pattern": f"^({one}(,{one})*)?$"}
