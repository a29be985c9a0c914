"""One table for each of the first 24 resource types, and the three index tables of search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.columns import TransactionId

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

DATES = {
    "fhir_care_plan": ("date",),
    "fhir_care_team": ("date",),
    "fhir_condition": ("abatement_date", "onset_date", "recorded_date"),
    "fhir_consent": ("date", "period"),
    "fhir_detected_issue": ("identified",),
    "fhir_document_reference": ("date", "period"),
    "fhir_encounter": ("date",),
    "fhir_episode_of_care": ("date",),
    "fhir_goal": ("start_date",),
    "fhir_group": (),
    "fhir_medication": ("expiration_date",),
    "fhir_medication_administration": ("effective_time",),
    "fhir_medication_request": ("authoredon",),
    "fhir_observation": ("date", "value_date"),
    "fhir_organization": (),
    "fhir_patient": ("birthdate", "death_date"),
    "fhir_practitioner": (),
    "fhir_practitioner_role": ("date",),
    "fhir_provenance": ("recorded", "when"),
    "fhir_questionnaire": ("date", "effective"),
    "fhir_questionnaire_response": ("authored",),
    "fhir_related_person": ("birthdate",),
    "fhir_service_request": ("authored", "occurrence"),
    "fhir_task": ("authored_on", "modified", "period"),
}
"""The date parameters that have one value, by table."""

BY_DATE = {
    "fhir_document_reference": "date_start",
    "fhir_encounter": "date_start",
    "fhir_medication_request": "authoredon_start",
    "fhir_observation": "date_start",
}
"""The date by which all patients' resources are listed, newest first."""

WITHOUT_PATIENT = {
    "fhir_medication",
    "fhir_organization",
    "fhir_practitioner",
    "fhir_practitioner_role",
    "fhir_questionnaire",
}


def upgrade() -> None:
    """Create the resource tables and the index tables."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, dates in DATES.items():
        create_type_table(table, dates)
    create_index_string()
    create_index_date()
    create_index_quantity()


def create_type_table(table: str, dates: tuple[str, ...]) -> None:
    """Create one type table.

    Bodies and terms stay in the row, uncompressed, up to a page: a row is then read and written without
    the cost of compression. ``terms`` needs good statistics, since almost every search selects by it.
    """
    op.create_table(
        table,
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("tx", TransactionId, nullable=False),
        sa.Column("last_updated", INSTANT, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("patient", sa.Text),
        sa.Column("terms", sa.ARRAY(sa.Text), nullable=False),
        *(sa.Column(f"{date}_{side}", INSTANT) for date in dates for side in ("start", "end")),
    )
    op.create_index(
        f"{table}_by_term",
        table,
        ["terms"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(f"{table}_by_change", table, ["last_updated", "id"])
    if table in BY_DATE:
        newest = sa.column(BY_DATE[table]).desc().nulls_last()
        op.create_index(f"{table}_by_date", table, [newest, "id"])
    if table not in WITHOUT_PATIENT:
        op.create_index(f"{table}_by_patient", table, ["patient"])
    op.execute(f"ALTER TABLE {table} SET (toast_tuple_target = 8160)")
    op.execute(f"ALTER TABLE {table} ALTER COLUMN body SET STORAGE EXTERNAL")
    op.execute(f"ALTER TABLE {table} ALTER COLUMN terms SET STATISTICS 1000")


def create_index_string() -> None:
    """Create the index of names, addresses and texts."""
    op.create_table(
        "index_string",
        sa.Column("resource_type", sa.Text, nullable=False),
        sa.Column("parameter", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("exact", sa.Text, nullable=False),
        sa.Column(
            "prefix", sa.Text(collation="C"), sa.Computed("left(value, 64)", persisted=True), nullable=False
        ),
    )
    op.create_index("index_string_by_value", "index_string", ["resource_type", "parameter", "prefix"])
    op.create_index("index_string_by_resource", "index_string", ["resource_type", "id"])


def create_index_date() -> None:
    """Create the index of dates that repeat within a resource."""
    op.create_table(
        "index_date",
        sa.Column("resource_type", sa.Text, nullable=False),
        sa.Column("parameter", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("range_start", INSTANT, nullable=False),
        sa.Column("range_end", INSTANT, nullable=False),
    )
    op.create_index("index_date_by_range", "index_date", ["resource_type", "parameter", "range_start"])
    op.create_index("index_date_by_resource", "index_date", ["resource_type", "id"])


def create_index_quantity() -> None:
    """Create the index of numbers and quantities."""
    op.create_table(
        "index_quantity",
        sa.Column("resource_type", sa.Text, nullable=False),
        sa.Column("parameter", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("system", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("value", sa.Numeric),
        sa.Column("low", sa.Numeric),
        sa.Column("high", sa.Numeric),
    )
    op.create_index("index_quantity_by_value", "index_quantity", ["resource_type", "parameter", "low"])
    op.create_index("index_quantity_by_resource", "index_quantity", ["resource_type", "id"])


def downgrade() -> None:
    """Drop all of them."""
    for table in (*DATES, "index_string", "index_date", "index_quantity"):
        op.drop_table(table)
