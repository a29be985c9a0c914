"""History, business identifiers, audit trail and the server's clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.columns import TransactionId

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the append-only tables."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(sa.schema.CreateSequence(sa.Sequence("server_clock", data_type=sa.BigInteger)))
    op.create_table(
        "resource_history",
        sa.Column("resource_type", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("tx", TransactionId, nullable=False),
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("last_updated", INSTANT, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("patient", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("body", sa.Text),
    )
    op.create_index(
        "resource_history_by_change", "resource_history", ["resource_type", "last_updated", "seq"]
    )
    op.create_table(
        "business_identifier",
        sa.Column("resource_type", sa.Text, primary_key=True),
        sa.Column("system", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("business_identifier_by_holder", "business_identifier", ["resource_type", "id"])
    op.create_table(
        "audit_record",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("recorded", INSTANT, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("login", sa.Text),
        sa.Column("interaction", sa.Text, nullable=False),
        sa.Column("resource_type", sa.Text),
        sa.Column("resource_id", sa.Text),
        sa.Column("query", sa.Text),
        sa.Column("status", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop the append-only tables."""
    op.drop_table("audit_record")
    op.drop_table("business_identifier")
    op.drop_table("resource_history")
    op.execute(sa.schema.DropSequence(sa.Sequence("server_clock")))
