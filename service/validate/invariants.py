"""Constraints between the members of an object, named by FHIR's own key.

Each rule is one row: the type, the key, and what must hold (``datatype_rules``, ``resource_rules``). The
text of a finding is FHIR's own sentence. A rule sees only objects whose members have the right types.

Source: https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from functools import cache
from typing import Any

from models.definitions.structures import facts
from service.validate.datatype_rules import DATATYPE_RULES
from service.validate.findings import Findings
from service.validate.resource_rules import RESOURCE_RULES

RULES = {**DATATYPE_RULES, **RESOURCE_RULES}


_OWN_TEXTS = {
    "qty-3": "If a code for the unit is present, the system SHALL also be present.",
    "txt-1": "The div must be well-formed XHTML of FHIR's subset of HTML, without scripts, event handlers, "
    "forms, external images or active styles and links.",
}
"""Sentences where FHIR has none for the type, or one that does not help."""
_MEMBERS = {"txt-1": "div", "txt-2": "div"}
"""Where the object breaks the rule, when it is one member."""


def check_invariants(value: dict[str, Any], type_: str, path: str, findings: Findings) -> None:
    """Note every rule of this type that the object breaks."""
    for key, holds in RULES.get(type_, ()):
        if not holds(value):
            place = f"{path}.{_MEMBERS[key]}" if key in _MEMBERS else path
            findings.add("invariant", _text(type_, key), place)


@cache
def _text(type_: str, key: str) -> str:
    """Find FHIR's sentence for a key, at the type or at one of its elements."""
    if key in _OWN_TEXTS:
        return f"{_OWN_TEXTS[key]} ({key})"
    sentence = next(
        sentences[key]
        for place, sentences in facts().invariants.items()
        if key in sentences and (place == type_ or place.startswith(f"{type_}."))
    )
    return f"{sentence.rstrip('.')}. ({key})"
