"""What must hold between the members of a data type.

Source: https://hl7.org/fhir/R4/datatypes.html, https://hl7.org/fhir/R4/metadatatypes.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from service.validate.narrative import has_content, is_plain_html

JSON = Mapping[str, Any]
Rules = Mapping[str, tuple[tuple[str, Callable[[JSON], bool]], ...]]

UCUM = "http://unitsofmeasure.org"
_DATE_LENGTH = len("YYYY-MM-DD")
_MEALS = frozenset({"C", "CM", "CD", "CV"})


def has(value: JSON, name: str) -> bool:
    """Whether an element is there, be it only as the extensions of a primitive."""
    return name in value or f"_{name}" in value


def has_choice(value: JSON, prefix: str) -> bool:
    """Whether an element such as ``value[x]`` is there, in any of its types."""
    return any(name.lstrip("_").startswith(prefix) for name in value)


def is_not_before(later: Any, earlier: Any) -> bool:
    """Whether a date or dateTime is not before another, as far as their precision tells; true if absent."""
    if not (isinstance(later, str) and isinstance(earlier, str)):
        return True
    if len(later) > _DATE_LENGTH < len(earlier):
        return _moment(later) >= _moment(earlier)
    precision = min(len(later), len(earlier), _DATE_LENGTH)
    return later[:precision] >= earlier[:precision]


def _moment(text: str) -> datetime:
    """Read a dateTime; Python knows no leap second."""
    return datetime.fromisoformat(text[:17].replace(":60", ":59") + text[17:].replace("60", "59", 1))


def _extension(value: JSON) -> bool:
    return has(value, "extension") != has_choice(value, "value")


def _code_needs_system(value: JSON) -> bool:
    return not has(value, "code") or has(value, "system")


def _measured_in_ucum(value: JSON) -> bool:
    return (has(value, "code") or not has(value, "value")) and value.get("system", UCUM) == UCUM


def _duration(value: JSON) -> bool:
    return not has(value, "code") or (value.get("system") == UCUM and has(value, "value"))


def _age(value: JSON) -> bool:
    return _measured_in_ucum(value) and value.get("value", 1) > 0


def _count(value: JSON) -> bool:
    number = value.get("value", 0)
    return _measured_in_ucum(value) and value.get("code", "1") == "1" and number == int(number)


def _range(value: JSON) -> bool:
    low, high = value.get("low", {}), value.get("high", {})
    if "value" not in low or "value" not in high or low.get("code") != high.get("code"):
        return True
    return bool(low["value"] <= high["value"])


def _ratio(value: JSON) -> bool:
    if has(value, "numerator") != has(value, "denominator"):
        return False
    return has(value, "numerator") or has(value, "extension")


def _needs(name: str, needed: str) -> Callable[[JSON], bool]:
    return lambda value: not has(value, name) or has(value, needed)


def _exactly_one(first: str, second: str) -> Callable[[JSON], bool]:
    return lambda value: has(value, first) != has(value, second)


def _not_negative(name: str) -> Callable[[JSON], bool]:
    return lambda value: value.get(name, 0) >= 0


def _offset(value: JSON) -> bool:
    return not has(value, "offset") or (has(value, "when") and _MEALS.isdisjoint(value.get("when", ())))


def _named_event(value: JSON) -> bool:
    needed = {"named-event": "name", "periodic": "timing"}.get(value.get("type", ""), "data")
    return has_choice(value, needed)


_QUANTITY = ("qty-3", _code_needs_system)

DATATYPE_RULES: Rules = {
    "Age": (_QUANTITY, ("age-1", _age)),
    "Attachment": (("att-1", _needs("data", "contentType")),),
    "ContactPoint": (("cpt-2", _needs("value", "system")),),
    "Count": (_QUANTITY, ("cnt-3", _count)),
    "DataRequirement.codeFilter": (("drq-1", _exactly_one("path", "searchParam")),),
    "DataRequirement.dateFilter": (("drq-2", _exactly_one("path", "searchParam")),),
    "Distance": (_QUANTITY, ("dis-1", _measured_in_ucum)),
    "Duration": (_QUANTITY, ("drt-1", _duration)),
    "Expression": (("exp-1", lambda value: has(value, "expression") or has(value, "reference")),),
    "Extension": (("ext-1", _extension),),
    "Narrative": (
        ("txt-1", lambda value: is_plain_html(value.get("div", ""))),
        ("txt-2", lambda value: has_content(value.get("div", ""))),
    ),
    "Period": (("per-1", lambda value: is_not_before(value.get("end"), value.get("start"))),),
    "Quantity": (_QUANTITY,),
    "Range": (("rng-2", _range),),
    "Ratio": (("rat-1", _ratio),),
    "SimpleQuantity": (_QUANTITY,),
    "Timing.repeat": (
        ("tim-1", _needs("duration", "durationUnit")),
        ("tim-2", _needs("period", "periodUnit")),
        ("tim-4", _not_negative("duration")),
        ("tim-5", _not_negative("period")),
        ("tim-6", _needs("periodMax", "period")),
        ("tim-7", _needs("durationMax", "duration")),
        ("tim-8", _needs("countMax", "count")),
        ("tim-9", _offset),
        ("tim-10", lambda value: not (has(value, "timeOfDay") and has(value, "when"))),
    ),
    "TriggerDefinition": (
        ("trd-1", lambda value: not (has(value, "data") and has_choice(value, "timing"))),
        ("trd-2", _needs("condition", "data")),
        ("trd-3", _named_event),
    ),
}
