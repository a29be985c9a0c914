"""Codes of required bindings: no other code may be sent.

Source: https://hl7.org/fhir/R4/terminologies.html#required
"""

from __future__ import annotations

from typing import Any

from models.definitions.structures import Element, codes, codings
from service.validate.findings import Findings

_MAXIMUM_LISTED = 16


def check_code(code: Any, element: Element, path: str, findings: Findings) -> None:
    """Note a code that is not one of the value set."""
    if element.codes is not None and code not in element.codes:
        findings.add("code-invalid", _text(element), path)


def check_concept(value: dict[str, Any], element: Element, path: str, findings: Findings) -> None:
    """Note a CodeableConcept or a Coding without a coding of the value set."""
    sent = value.get("coding", ()) if element.type == "CodeableConcept" else (value,)
    allowed = codings(element.value_set)
    if type(sent) not in {list, tuple} or not any(_pair(coding) in allowed for coding in sent):
        systems = " or ".join(sorted({system for system, _ in allowed}))
        findings.add("code-invalid", f"{_text(element)} The system is {systems}.", f"{path}.coding")


def _pair(coding: Any) -> tuple[Any, Any] | None:
    if type(coding) is not dict:
        return None
    system, code = coding.get("system"), coding.get("code")
    return (system, code) if type(system) is str and type(code) is str else None


def _text(element: Element) -> str:
    allowed = codes(element.value_set)
    if len(allowed) > _MAXIMUM_LISTED:
        return f"This is not a code of http://hl7.org/fhir/ValueSet/{element.value_set}."
    return f"This is not a code of {element.value_set}. Use one of: {', '.join(allowed)}."
