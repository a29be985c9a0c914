"""Words of texts, and quantities in a unit that makes them comparable.

Resources written before are found by neither until they are written again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index of words, and add the canonical quantity."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "index_text",
        sa.Column("resource_type", sa.Text, nullable=False),
        sa.Column("parameter", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("words", TSVECTOR, nullable=False),
    )
    op.create_index(
        "index_text_by_word",
        "index_text",
        ["words"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index("index_text_by_resource", "index_text", ["resource_type", "id"])
    op.add_column("index_quantity", sa.Column("canonical_unit", sa.Text))
    op.add_column("index_quantity", sa.Column("canonical_low", sa.Numeric))
    op.add_column("index_quantity", sa.Column("canonical_high", sa.Numeric))
    op.create_index(
        "index_quantity_by_canonical",
        "index_quantity",
        ["resource_type", "parameter", "canonical_unit", "canonical_low"],
        postgresql_where=sa.text("canonical_unit IS NOT NULL"),
    )


def downgrade() -> None:
    """Remove both."""
    op.drop_index("index_quantity_by_canonical", "index_quantity")
    for name in ("canonical_unit", "canonical_low", "canonical_high"):
        op.drop_column("index_quantity", name)
    op.drop_table("index_text")
