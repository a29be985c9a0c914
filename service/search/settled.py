"""Up to where changes are settled: who reads on from the last change they saw misses no neighbour.

A writing transaction draws its id and its instants together (``service/statements.py``), so changes appear in
the order of ids, but for those under way: they show up later, at instants already passed. A reader who will
resume is therefore shown what lies before the oldest transaction under way, and the rest a moment later.

``pg_snapshot_xmin`` is that oldest one of the whole PostgreSQL server. One that runs in another database
writes nothing here, and must not hold our changes back however long it takes: those are left out. Whoever is
not seen to be elsewhere counts as here: who ended since the snapshot, and a prepared transaction.

    WITH horizon AS MATERIALIZED (…)        found once a statement, of however many types
    … WHERE r.tx < (SELECT h.tx FROM horizon h)

Source: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
"""

from __future__ import annotations

_HORIZON = "(SELECT h.tx FROM horizon h)"
_SNAPSHOT = "pg_current_snapshot()"
_ELSEWHERE = (
    "SELECT FROM pg_stat_get_activity(NULL) a WHERE a.backend_xid = x::xid "
    "AND a.datid <> (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_FIRST_UNDER_WAY = (
    f"SELECT x FROM pg_snapshot_xip({_SNAPSHOT}) x "  # noqa: S608 - constants of this file
    f"WHERE NOT EXISTS ({_ELSEWHERE}) ORDER BY x LIMIT 1"
)
_FOUND = (
    "WITH horizon AS MATERIALIZED "
    f"(SELECT coalesce(({_FIRST_UNDER_WAY}), pg_snapshot_xmax({_SNAPSHOT})) AS tx) "
)


def settled(alias: str) -> str:
    """Write the condition that a row's transaction, and every one before it, has ended.

    The statement needs ``with_horizon``.
    """
    return f"{alias}.tx < {_HORIZON}"


def with_horizon(sql: str) -> str:
    """Let a whole statement find the horizon, if any part of it asks for that."""
    return _FOUND + sql if _HORIZON in sql else sql
