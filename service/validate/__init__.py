"""Decides whether a document is a valid FHIR R4 resource, and tells all that is wrong with it at once.

    check ── walk            every member against the facts of R4: types, formats, cardinality, codes
          │    ├── references    where a Reference may point, and what is contained
          │    ├── bindings      codes of required value sets
          │    ├── narrative     XHTML without active content
          │    └── invariants    constraints between members, named by their key
          └── model           fhir.resources (R4B) agrees; asked when the walk found nothing, off the hot path

Rules of the therapy are elsewhere (``service/kat``). No text repeats a value of the document.

Source: https://hl7.org/fhir/R4/validation.html, docs/adr/2611-no-model-on-the-hot-path.md
"""

from __future__ import annotations

from typing import Any

from models.errors import Issue
from service.validate.findings import Findings, TooManyFindings
from service.validate.model import disagreements, prepare
from service.validate.walk import walk_resource

__all__ = ["check", "prepare"]


def check(document: Any, resource_type: str, *, second_opinion: bool = True) -> list[Issue]:
    """List everything that keeps a document from being a valid resource of this type.

    Structure, formats, codes, reference types and invariants: findings of status 400. Never raises,
    whatever the JSON value; the document is not changed. ``second_opinion`` asks the model of
    fhir.resources too, which costs five times the walk and has never refused what the walk accepts.
    """
    findings = Findings()
    try:
        walk_resource(document, resource_type, findings)
    except TooManyFindings:
        return findings.issues
    except RecursionError:
        findings.add("structure", "The content is nested too deeply.", resource_type)
    if findings.issues or not second_opinion:
        return findings.issues
    return disagreements(document, resource_type)
