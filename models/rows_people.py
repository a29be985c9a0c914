"""Tables of people, and of the organizations and places where they meet.

Source: https://hl7.org/fhir/R4/administration-module.html
"""

from __future__ import annotations

from datetime import datetime

from models.row import ResourceRow, degrees, instant


class GroupRow(ResourceRow, table=True):
    """The current Group resources."""

    __tablename__ = "fhir_group"


class HealthcareServiceRow(ResourceRow, table=True):
    """The current HealthcareService resources."""

    __tablename__ = "fhir_healthcare_service"


class LocationRow(ResourceRow, table=True):
    """The current Location resources."""

    __tablename__ = "fhir_location"

    near_latitude: float | None = degrees()
    near_longitude: float | None = degrees()


class OrganizationRow(ResourceRow, table=True):
    """The current Organization resources."""

    __tablename__ = "fhir_organization"


class PatientRow(ResourceRow, table=True):
    """The current Patient resources."""

    __tablename__ = "fhir_patient"

    birthdate_start: datetime | None = instant()
    birthdate_end: datetime | None = instant()
    death_date_start: datetime | None = instant()
    death_date_end: datetime | None = instant()


class PractitionerRow(ResourceRow, table=True):
    """The current Practitioner resources."""

    __tablename__ = "fhir_practitioner"


class PractitionerRoleRow(ResourceRow, table=True):
    """The current PractitionerRole resources."""

    __tablename__ = "fhir_practitioner_role"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class RelatedPersonRow(ResourceRow, table=True):
    """The current RelatedPerson resources."""

    __tablename__ = "fhir_related_person"

    birthdate_start: datetime | None = instant()
    birthdate_end: datetime | None = instant()
