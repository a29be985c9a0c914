"""Security labels that decide where a resource may be kept.

A psychotherapy note must be kept apart from the record, readable by its author alone. This server has
no such place, so it refuses the note rather than file it where others can read it.

Source: 45 CFR 164.501, https://www.ecfr.gov/current/title-45/section-164.501;
https://terminology.hl7.org/CodeSystem-v3-ActCode.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from models.errors import Issue

APART = frozenset({"PSYTHPN", "HIPAAPsyNotes", "psychotherapy-note"})
"""Labels and the category of psychotherapy notes, whatever system the sender names."""


def must_be_kept_apart(document: dict[str, Any]) -> Iterator[Issue]:
    """Find every label or category that makes a document a psychotherapy note."""
    for expression, coding in _labels(document):
        if coding.get("code") in APART:
            yield Issue(
                "not-supported",
                "This server keeps no psychotherapy notes; keep the note in its author's own system.",
                expression,
            )


def _labels(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    resource_type = document["resourceType"]
    for index, coding in enumerate(document.get("meta", {}).get("security", [])):
        yield f"{resource_type}.meta.security[{index}]", coding
    for name in ("securityLabel", "category"):
        concepts = document.get(name, [])
        for index, concept in enumerate(concepts if isinstance(concepts, list) else [concepts]):
            codings = concept.get("coding", []) if isinstance(concept, dict) else []
            for coding in codings:
                yield f"{resource_type}.{name}[{index}]", coding
