"""Find strings by any part of them, and pass over what has ended without reading it.

PostgreSQL computes both from what is stored; nothing needs to be indexed again by ``kat-fhir reindex``. Who
writes waits meanwhile, some ten seconds for two million resources. Readers wait only while the old indexes
are dropped, at the end.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

LONG = "(({date}_end AT TIME ZONE 'UTC') > ({date}_start AT TIME ZONE 'UTC') + interval '24:00:00') IS TRUE"
BY_DATE = {
    "fhir_appointment": "date",
    "fhir_communication": "sent",
    "fhir_document_reference": "date",
    "fhir_encounter": "date",
    "fhir_episode_of_care": "date",
    "fhir_medication_administration": "effective_time",
    "fhir_medication_dispense": "whenhandedover",
    "fhir_medication_request": "authoredon",
    "fhir_observation": "date",
    "fhir_patient": "birthdate",
    "fhir_procedure": "date",
    "fhir_questionnaire_response": "authored",
    "fhir_service_request": "authored",
    "fhir_task": "authored_on",
}

NAME = "(resource_type || '.') || parameter"
PARTS = tuple(
    f'regexp_replace("left"(substr(value, {place}), '
    f"(LEAST(char_length(value), 4000) - {place - 1}) / 3 * 3), "
    rf"'(...)', ({NAME}) || ':\1|', 'g')"
    for place in (1, 2, 3)
)
MARK = f"repeat(({NAME}) || ':', LEAST(char_length(value) / 4001, 1))"
GRAMS = f"string_to_array(rtrim((({PARTS[0]} || {PARTS[1]}) || {PARTS[2]}) || {MARK}, '|'), '|')"


def upgrade() -> None:
    """Create the index of parts, and put the ends into the indexes by date."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "index_string_by_part",
        "index_string",
        [sa.text(GRAMS)],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "64"},
    )
    op.execute("ANALYZE index_string")
    replace_indexes_by_date("{date}_end")


def downgrade() -> None:
    """Drop the one, and make the others as they were."""
    op.drop_index("index_string_by_part", "index_string")
    replace_indexes_by_date()


def replace_indexes_by_date(*more: str) -> None:
    """Make each index by date again, with more columns or without, before any old one goes."""
    for table, date in BY_DATE.items():
        newest = sa.column(f"{date}_start").desc().nulls_last()
        listed = [newest, "id", *(column.format(date=date) for column in more)]
        long = sa.text(LONG.format(date=date))
        op.create_index(f"{table}_by_date_made", table, listed)
        op.create_index(f"{table}_by_long_date_made", table, listed, postgresql_where=long)
    for table in BY_DATE:
        for name in (f"{table}_by_date", f"{table}_by_long_date"):
            op.drop_index(name, table)
            op.execute(f"ALTER INDEX {name}_made RENAME TO {name}")
