"""Contents larger than a mebibyte, apart from the rows of their resources.

What was stored before stays in its row until its resource is written again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.resource import table_name

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; base64 of a picture or of a PDF does not compress, so it is not tried."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "large_content",
        sa.Column("resource_type", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("sha256", sa.LargeBinary, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.execute("ALTER TABLE large_content ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Put every content back into the rows that are marked with it, and remove the table."""
    kept = op.get_bind().execute(sa.text("SELECT resource_type, id, sha256 FROM large_content"))
    for resource_type, resource_id, sha256 in kept.all():
        values = {"resource_type": resource_type, "id": resource_id, "sha256": sha256}
        for table, is_of_type in ((table_name(resource_type), ""), ("resource_history", _OF_TYPE)):
            op.get_bind().execute(sa.text(_PUT_BACK.format(table=table, is_of_type=is_of_type)), values)
    op.drop_table("large_content")


_OF_TYPE = "AND r.resource_type = c.resource_type"
_PUT_BACK = """
UPDATE {table} r SET body = replace(body, m.mark, '"' || c.content || '"')
FROM large_content c CROSS JOIN LATERAL (SELECT E'[\\t"' || c.resource_type || '/' || c.id || '/'
    || encode(c.sha256, 'hex') || '",' || octet_length(c.content) || ']' AS mark) m
WHERE c.resource_type = :resource_type AND c.id = :id AND c.sha256 = :sha256
    AND r.id = c.id {is_of_type} AND strpos(r.body, m.mark) > 0
"""
