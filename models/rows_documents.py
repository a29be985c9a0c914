"""Tables of what was written down, agreed to and signed.

Source: https://hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

from datetime import datetime

from models.row import ResourceRow, instant


class BinaryRow(ResourceRow, table=True):
    """The current Binary resources."""

    __tablename__ = "fhir_binary"


class CompositionRow(ResourceRow, table=True):
    """The current Composition resources."""

    __tablename__ = "fhir_composition"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class ConsentRow(ResourceRow, table=True):
    """The current Consent resources."""

    __tablename__ = "fhir_consent"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    period_start: datetime | None = instant()
    period_end: datetime | None = instant()


class CoverageRow(ResourceRow, table=True):
    """The current Coverage resources."""

    __tablename__ = "fhir_coverage"


class DocumentReferenceRow(ResourceRow, table=True):
    """The current DocumentReference resources."""

    __tablename__ = "fhir_document_reference"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    period_start: datetime | None = instant()
    period_end: datetime | None = instant()


class ProvenanceRow(ResourceRow, table=True):
    """The current Provenance resources."""

    __tablename__ = "fhir_provenance"

    recorded_start: datetime | None = instant()
    recorded_end: datetime | None = instant()
    when_start: datetime | None = instant()
    when_end: datetime | None = instant()
