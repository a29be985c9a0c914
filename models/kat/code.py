"""One code of a code system, and the two ways FHIR writes it.

    Code ── coding ──> Coding ── concept ──> CodeableConcept

Source: https://hl7.org/fhir/R4/datatypes.html#codesystem
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Code:
    """A code with the display of its own system."""

    system: str
    code: str
    display: str

    def coding(self) -> dict[str, Any]:
        """Write it as a FHIR Coding."""
        return {"system": self.system, "code": self.code, "display": self.display}


def concept(*codes: Code, text: str | None = None) -> dict[str, Any]:
    """Write one or more codes of the same meaning as a FHIR CodeableConcept."""
    document: dict[str, Any] = {}
    if codes:
        document["coding"] = [code.coding() for code in codes]
    if text is not None:
        document["text"] = text
    return document
