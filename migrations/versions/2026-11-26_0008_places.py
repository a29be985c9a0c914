"""Where a Location is, to find what is near; and how far a reindexing has come.

Resources written before are found by their sound, or as near, only once ``kat-fhir reindex`` has run.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the position of a Location, and create the table of progress."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("fhir_location", sa.Column("near_latitude", sa.Double))
    op.add_column("fhir_location", sa.Column("near_longitude", sa.Double))
    op.create_index("fhir_location_by_place", "fhir_location", ["near_latitude", "near_longitude"])
    op.create_table(
        "reindex_progress",
        sa.Column("resource_type", sa.Text, primary_key=True),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("last_id", sa.Text),
        sa.Column("done", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Remove both."""
    op.drop_table("reindex_progress")
    op.drop_index("fhir_location_by_place", "fhir_location")
    op.drop_column("fhir_location", "near_longitude")
    op.drop_column("fhir_location", "near_latitude")
