"""The table of a resource type, as migrations create it.

Migrations that have run call this: it may grow by options with a default, and must otherwise stay as it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.columns import TransactionId

INSTANT = sa.DateTime(timezone=True)
LONG = "(({date}_end AT TIME ZONE 'UTC') > ({date}_start AT TIME ZONE 'UTC') + interval '24:00:00') IS TRUE"


def create_type_table(
    table: str, *dates: str, patient: bool = True, by_date: str | None = None, long: bool = False
) -> None:
    """Create one type table.

    Bodies and terms stay in the row, uncompressed, up to a page: a row is then read and written without
    the cost of compression. ``terms`` needs good statistics, since almost every search selects by it.

    Args:
        table: its name, such as ``fhir_coverage``.
        dates: the date parameters that have one value.
        patient: whether the type is in the patient compartment.
        by_date: the date by which all patients' resources are listed, newest first.
        long: whether ``index_long_dates`` is made too: True for every type with ``by_date`` since 0010.
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
        f"{table}_by_term", table, ["terms"], postgresql_using="gin", postgresql_with={"fastupdate": "off"}
    )
    op.create_index(f"{table}_by_change", table, ["last_updated", "id"])
    if by_date:
        newest = sa.column(f"{by_date}_start").desc().nulls_last()
        op.create_index(f"{table}_by_date", table, [newest, "id"])
        if long:
            index_long_dates(table, by_date)
    if patient:
        op.create_index(f"{table}_by_patient", table, ["patient"])
    op.execute(f"ALTER TABLE {table} SET (toast_tuple_target = 8160)")
    op.execute(f"ALTER TABLE {table} ALTER COLUMN body SET STORAGE EXTERNAL")
    op.execute(f"ALTER TABLE {table} ALTER COLUMN terms SET STATISTICS 1000")


def index_long_dates(table: str, date: str) -> None:
    """Keep what covers more than a day apart, and let the planner know how few that are."""
    newest, long = sa.column(f"{date}_start").desc().nulls_last(), LONG.format(date=date)
    op.create_index(f"{table}_by_long_date", table, [newest, "id"], postgresql_where=sa.text(long))
    op.execute(f"CREATE STATISTICS {table}_long ON {long.removesuffix(' IS TRUE')} FROM {table}")
