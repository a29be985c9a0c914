"""How Alembic reaches the database and which tables it compares with.

``service/migrate.py`` hands over its connection, which holds the lock that lets one process migrate at a
time. From the command line (``alembic revision --autogenerate``) the connection comes from KAT_DATABASE_URL.

Source: https://alembic.sqlalchemy.org/en/latest/cookbook.html#programmatic-api-use-connection-sharing-with-asyncio
"""

from __future__ import annotations

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from service import migrate


def run(connection: Connection) -> None:
    """Run the migrations on this connection, each in its own transaction."""
    context.configure(
        connection=connection,
        target_metadata=migrate.metadata(),
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


shared = context.config.attributes.get("connection")
if shared is not None:
    run(shared)
else:
    asyncio.run(migrate.on_connection(os.environ["KAT_DATABASE_URL"], run))
