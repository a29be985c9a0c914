"""Find and list more types by date, and what covers a long time apart from the rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.tables import index_long_dates

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

HAVE_ONE = {
    "fhir_appointment": "date",
    "fhir_document_reference": "date",
    "fhir_encounter": "date",
    "fhir_medication_request": "authoredon",
    "fhir_observation": "date",
}
NEW = {
    "fhir_communication": "sent",
    "fhir_episode_of_care": "date",
    "fhir_medication_administration": "effective_time",
    "fhir_medication_dispense": "whenhandedover",
    "fhir_patient": "birthdate",
    "fhir_procedure": "date",
    "fhir_questionnaire_response": "authored",
    "fhir_service_request": "authored",
    "fhir_task": "authored_on",
}


def upgrade() -> None:
    """Create the indexes."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, date in (HAVE_ONE | NEW).items():
        if table in NEW:
            newest = sa.column(f"{date}_start").desc().nulls_last()
            op.create_index(f"{table}_by_date", table, [newest, "id"])
        index_long_dates(table, date)


def downgrade() -> None:
    """Drop them."""
    for table in HAVE_ONE | NEW:
        op.execute(f"DROP STATISTICS {table}_long")
        op.drop_index(f"{table}_by_long_date", table)
        if table in NEW:
            op.drop_index(f"{table}_by_date", table)
