"""Where the current version of every resource lives: one table a type, four shared index tables.

    fhir_<type>      id, version, tx, last_updated, deleted, body, patient, terms[], <date>_start, _end …
    index_string     names, addresses and titles, normalized       ┐
    index_date       dates that repeat within a resource           │ rows of one resource are replaced
    index_quantity   numbers and quantities with their units       ├ together with it; found again by
    index_text       words of displays, narratives and notes       ┘ (resource_type, id)

``terms`` holds every token, reference and uri parameter as ``parameter=value``; ``<date>_start`` and
``<date>_end`` bound the half-open interval [start, end) of a parameter that has one value, with ±infinity
for an open side and null for no value. The columns of a class are those its search parameters need: a test
compares them with the registry.
Source: https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Column, Computed, DateTime, Index, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from models.columns import TransactionId

INSTANT = DateTime(timezone=True)


def instant() -> Any:
    """One side of a date parameter's interval."""
    return Field(default=None, sa_type=INSTANT)


class ResourceRow(SQLModel):
    """What every resource type table has. ``body`` is the answered JSON text; null once deleted."""

    id: str = Field(primary_key=True, sa_type=Text)
    version: int
    tx: int = Field(sa_type=TransactionId)
    last_updated: datetime = Field(sa_type=INSTANT)
    deleted: bool
    body: str | None = Field(default=None, sa_type=Text)
    patient: str | None = Field(default=None, sa_type=Text)
    terms: list[str] = Field(sa_type=ARRAY(Text))


class CarePlanRow(ResourceRow, table=True):
    """The current CarePlan resources."""

    __tablename__ = "fhir_care_plan"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class CareTeamRow(ResourceRow, table=True):
    """The current CareTeam resources."""

    __tablename__ = "fhir_care_team"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class ConditionRow(ResourceRow, table=True):
    """The current Condition resources."""

    __tablename__ = "fhir_condition"

    abatement_date_start: datetime | None = instant()
    abatement_date_end: datetime | None = instant()
    onset_date_start: datetime | None = instant()
    onset_date_end: datetime | None = instant()
    recorded_date_start: datetime | None = instant()
    recorded_date_end: datetime | None = instant()


class ConsentRow(ResourceRow, table=True):
    """The current Consent resources."""

    __tablename__ = "fhir_consent"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    period_start: datetime | None = instant()
    period_end: datetime | None = instant()


class DetectedIssueRow(ResourceRow, table=True):
    """The current DetectedIssue resources."""

    __tablename__ = "fhir_detected_issue"

    identified_start: datetime | None = instant()
    identified_end: datetime | None = instant()


class DocumentReferenceRow(ResourceRow, table=True):
    """The current DocumentReference resources."""

    __tablename__ = "fhir_document_reference"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    period_start: datetime | None = instant()
    period_end: datetime | None = instant()


class EncounterRow(ResourceRow, table=True):
    """The current Encounter resources."""

    __tablename__ = "fhir_encounter"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class EpisodeOfCareRow(ResourceRow, table=True):
    """The current EpisodeOfCare resources."""

    __tablename__ = "fhir_episode_of_care"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class GoalRow(ResourceRow, table=True):
    """The current Goal resources."""

    __tablename__ = "fhir_goal"

    start_date_start: datetime | None = instant()
    start_date_end: datetime | None = instant()


class GroupRow(ResourceRow, table=True):
    """The current Group resources."""

    __tablename__ = "fhir_group"


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


class MedicationRequestRow(ResourceRow, table=True):
    """The current MedicationRequest resources."""

    __tablename__ = "fhir_medication_request"

    authoredon_start: datetime | None = instant()
    authoredon_end: datetime | None = instant()


class ObservationRow(ResourceRow, table=True):
    """The current Observation resources."""

    __tablename__ = "fhir_observation"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    value_date_start: datetime | None = instant()
    value_date_end: datetime | None = instant()


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


class ProvenanceRow(ResourceRow, table=True):
    """The current Provenance resources."""

    __tablename__ = "fhir_provenance"

    recorded_start: datetime | None = instant()
    recorded_end: datetime | None = instant()
    when_start: datetime | None = instant()
    when_end: datetime | None = instant()


class QuestionnaireRow(ResourceRow, table=True):
    """The current Questionnaire resources."""

    __tablename__ = "fhir_questionnaire"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    effective_start: datetime | None = instant()
    effective_end: datetime | None = instant()


class QuestionnaireResponseRow(ResourceRow, table=True):
    """The current QuestionnaireResponse resources."""

    __tablename__ = "fhir_questionnaire_response"

    authored_start: datetime | None = instant()
    authored_end: datetime | None = instant()


class RelatedPersonRow(ResourceRow, table=True):
    """The current RelatedPerson resources."""

    __tablename__ = "fhir_related_person"

    birthdate_start: datetime | None = instant()
    birthdate_end: datetime | None = instant()


class ServiceRequestRow(ResourceRow, table=True):
    """The current ServiceRequest resources."""

    __tablename__ = "fhir_service_request"

    authored_start: datetime | None = instant()
    authored_end: datetime | None = instant()
    occurrence_start: datetime | None = instant()
    occurrence_end: datetime | None = instant()


class TaskRow(ResourceRow, table=True):
    """The current Task resources."""

    __tablename__ = "fhir_task"

    authored_on_start: datetime | None = instant()
    authored_on_end: datetime | None = instant()
    modified_start: datetime | None = instant()
    modified_end: datetime | None = instant()
    period_start: datetime | None = instant()
    period_end: datetime | None = instant()


TABLES: dict[str, type[ResourceRow]] = {
    row.__name__.removesuffix("Row"): row for row in ResourceRow.__subclasses__()
}
"""The table class of each supported type."""

WITHOUT_PATIENT = frozenset(
    {"Medication", "Organization", "Practitioner", "PractitionerRole", "Questionnaire"}
)
"""Types outside the patient compartment: their ``patient`` is always null and has no index."""

BY_DATE = {
    "DocumentReference": "date",
    "Encounter": "date",
    "MedicationRequest": "authoredon",
    "Observation": "date",
}
"""The date by which all patients' resources of a type are listed, newest first."""

INDEX_STRING = Table(
    "index_string",
    SQLModel.metadata,
    Column("resource_type", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("exact", Text, nullable=False),
    Column("prefix", Text(collation="C"), Computed("left(value, 64)", persisted=True), nullable=False),
    Index("index_string_by_value", "resource_type", "parameter", "prefix"),
    Index("index_string_by_resource", "resource_type", "id"),
)
"""``value`` is case-folded without accents, ``exact`` as sent; ``prefix`` keeps the index small."""

INDEX_DATE = Table(
    "index_date",
    SQLModel.metadata,
    Column("resource_type", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("range_start", INSTANT, nullable=False),
    Column("range_end", INSTANT, nullable=False),
    Index("index_date_by_range", "resource_type", "parameter", "range_start"),
    Index("index_date_by_resource", "resource_type", "id"),
)

INDEX_QUANTITY = Table(
    "index_quantity",
    SQLModel.metadata,
    Column("resource_type", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("system", Text),
    Column("code", Text),
    Column("value", Numeric),
    Column("low", Numeric),
    Column("high", Numeric),
    Column("canonical_unit", Text),
    Column("canonical_low", Numeric),
    Column("canonical_high", Numeric),
    Index("index_quantity_by_value", "resource_type", "parameter", "low"),
    Index("index_quantity_by_resource", "resource_type", "id"),
    Index(
        "index_quantity_by_canonical",
        "resource_type",
        "parameter",
        "canonical_unit",
        "canonical_low",
        postgresql_where=text("canonical_unit IS NOT NULL"),
    ),
)
"""``low`` and ``high`` equal ``value`` for an exact number; null is an open side. ``canonical_…`` is the same
in a unit that makes it comparable; see ``service/search/units.py``."""

INDEX_TEXT = Table(
    "index_text",
    SQLModel.metadata,
    Column("resource_type", Text, nullable=False),
    Column("parameter", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("words", TSVECTOR, nullable=False),
    Index("index_text_by_word", "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}),
    Index("index_text_by_resource", "resource_type", "id"),
)
"""A resource has a row for the words of its displays, and rows for its prose only where it has any."""


def table_name(resource_type: str) -> str:
    """Name the table of a type: ``fhir_medication_request``."""
    return "fhir_" + re.sub(r"(?<!^)(?=[A-Z])", "_", resource_type).lower()


def columns(resource_type: str) -> tuple[str, ...]:
    """The columns of a type's table, in order."""
    return tuple(SQLModel.metadata.tables[table_name(resource_type)].columns.keys())


def add_indexes(resource_type: str) -> None:
    """Give a type table its indexes: by term, change, patient and date.

    Terms are indexed at once instead of being listed first (``fastupdate``): a write costs 120 instead of
    100 microseconds of Postgres, and a search never reads through the list (0.2 instead of 1 to 7 ms).
    """
    table = SQLModel.metadata.tables[table_name(resource_type)]
    Index(
        f"{table.name}_by_term", table.c.terms, postgresql_using="gin", postgresql_with={"fastupdate": "off"}
    )
    Index(f"{table.name}_by_change", table.c.last_updated, table.c.id)
    if resource_type in BY_DATE:
        newest = table.c[f"{BY_DATE[resource_type]}_start"].desc().nulls_last()
        Index(f"{table.name}_by_date", newest, table.c.id)
    if resource_type not in WITHOUT_PATIENT:
        Index(f"{table.name}_by_patient", table.c.patient)


for _resource_type in TABLES:
    add_indexes(_resource_type)
