"""Where the current version of every resource lives: one table a type, four shared index tables.

    fhir_<type>      id, version, tx, last_updated, deleted, body, patient, terms[], <date>_start, _end …
                     ← rows_care, rows_documents, rows_findings, rows_medication, rows_people
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

from sqlalchemy import Boolean, Column, Computed, Index, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import SQLModel

from models import (  # noqa: F401 - each defines tables
    grams,
    rows_care,
    rows_documents,
    rows_findings,
    rows_medication,
    rows_people,
)
from models.row import INSTANT, ResourceRow

TABLES: dict[str, type[ResourceRow]] = {
    row.__name__.removesuffix("Row"): row for row in ResourceRow.__subclasses__()
}
"""The table class of each supported type."""

WITHOUT_PATIENT = frozenset(
    {
        "Binary",
        "HealthcareService",
        "Location",
        "Medication",
        "Organization",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
    }
)
"""Types outside the patient compartment: their ``patient`` is always null and has no index."""

BY_DATE = {
    "Appointment": "date",
    "Communication": "sent",
    "DocumentReference": "date",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "MedicationAdministration": "effective_time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "Observation": "date",
    "Patient": "birthdate",
    "Procedure": "date",
    "QuestionnaireResponse": "authored",
    "ServiceRequest": "authored",
    "Task": "authored_on",
}
"""The date by which all patients' resources of a type are found and listed, newest first."""

LONG = "(({date}_end AT TIME ZONE 'UTC') > ({date}_start AT TIME ZONE 'UTC') + interval '24:00:00') IS TRUE"
"""That a date covers more than a day; in words that an index may have as its condition."""

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
    Index(
        "index_string_by_part",
        text(grams.expression()),
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "64"},
    ),
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
    Index(
        "index_text_by_word",
        "words",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "64"},
    ),
    Index("index_text_by_resource", "resource_type", "id"),
)
"""A resource has a row for the words of its displays, and rows for its prose only where it has any.

Words are listed first and indexed together: every write has some and few searches ask for them. The list,
which those read through, has 64 kB at most."""


REINDEX_PROGRESS = Table(
    "reindex_progress",
    SQLModel.metadata,
    Column("resource_type", Text, primary_key=True),
    Column("recipe", Text, nullable=False),
    Column("last_id", Text),
    Column("done", Boolean, nullable=False),
)
"""How far a reindexing has come that was not finished; ``recipe`` names the code that it indexes by."""


def table_name(resource_type: str) -> str:
    """Name the table of a type: ``fhir_medication_request``."""
    return "fhir_" + re.sub(r"(?<!^)(?=[A-Z])", "_", resource_type).lower()


def columns(resource_type: str) -> tuple[str, ...]:
    """The columns of a type's table, in order."""
    return tuple(SQLModel.metadata.tables[table_name(resource_type)].columns.keys())


def add_indexes(resource_type: str) -> None:
    """Give a type table its indexes: by term, change, date, place and patient.

    Terms are indexed at once instead of being listed first (``fastupdate``): a write costs 120 instead of
    100 microseconds of Postgres, and a search never reads through the list (0.2 instead of 1 to 7 ms).
    """
    table = SQLModel.metadata.tables[table_name(resource_type)]
    Index(
        f"{table.name}_by_term", table.c.terms, postgresql_using="gin", postgresql_with={"fastupdate": "off"}
    )
    Index(f"{table.name}_by_change", table.c.last_updated, table.c.id)
    if resource_type in BY_DATE:
        start, end = (table.c[f"{BY_DATE[resource_type]}_{side}"] for side in ("start", "end"))
        newest = (start.desc().nulls_last(), table.c.id, end)
        Index(f"{table.name}_by_date", *newest)
        long = text(LONG.format(date=BY_DATE[resource_type]))
        Index(f"{table.name}_by_long_date", *newest, postgresql_where=long)
    if "near_latitude" in table.c:
        Index(f"{table.name}_by_place", table.c.near_latitude, table.c.near_longitude)
    if resource_type not in WITHOUT_PATIENT:
        Index(f"{table.name}_by_patient", table.c.patient)


for _resource_type in TABLES:
    add_indexes(_resource_type)
