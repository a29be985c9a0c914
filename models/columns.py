"""Column types of Postgres that SQLAlchemy does not name."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import UserDefinedType


class TransactionId(UserDefinedType[int]):
    """``xid8``: the 64-bit transaction id that orders commits for readers of changes.

    Source: https://www.postgresql.org/docs/current/datatype-oid.html
    """

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """Name the type for DDL."""
        return "xid8"
