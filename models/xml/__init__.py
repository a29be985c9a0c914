"""FHIR XML in and out without loss: the same document that ``models/document.py`` reads from JSON.

    bytes ── from_xml (expat, no entities) ──> document ── to_xml ──> bytes
                          └───────── shapes: the facts of R4 ─────────┘

Decimals keep their digits and the narrative its markup. No model is built: fhir.resources writes ``200``
as ``200.0``, takes fifty times as long, and needs a second XML library.

Source: https://hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

from models.xml.read import from_xml
from models.xml.write import to_xml

__all__ = ["from_xml", "to_xml"]
