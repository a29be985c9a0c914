"""The table of Coverage."""

from __future__ import annotations

from alembic import op

from migrations.tables import create_type_table

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_type_table("fhir_coverage")


def downgrade() -> None:
    """Drop it."""
    op.drop_table("fhir_coverage")
