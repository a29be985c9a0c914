"""Tables of drugs, ordered and given.

Source: https://hl7.org/fhir/R4/medications-module.html
"""

from __future__ import annotations

from datetime import datetime

from models.row import ResourceRow, instant


class MedicationRow(ResourceRow, table=True):
    """The current Medication resources."""

    __tablename__ = "fhir_medication"

    expiration_date_start: datetime | None = instant()
    expiration_date_end: datetime | None = instant()


class MedicationAdministrationRow(ResourceRow, table=True):
    """The current MedicationAdministration resources."""

    __tablename__ = "fhir_medication_administration"

    effective_time_start: datetime | None = instant()
    effective_time_end: datetime | None = instant()


class MedicationDispenseRow(ResourceRow, table=True):
    """The current MedicationDispense resources."""

    __tablename__ = "fhir_medication_dispense"

    whenhandedover_start: datetime | None = instant()
    whenhandedover_end: datetime | None = instant()
    whenprepared_start: datetime | None = instant()
    whenprepared_end: datetime | None = instant()


class MedicationRequestRow(ResourceRow, table=True):
    """The current MedicationRequest resources."""

    __tablename__ = "fhir_medication_request"

    authoredon_start: datetime | None = instant()
    authoredon_end: datetime | None = instant()


class MedicationStatementRow(ResourceRow, table=True):
    """The current MedicationStatement resources."""

    __tablename__ = "fhir_medication_statement"

    effective_start: datetime | None = instant()
    effective_end: datetime | None = instant()
