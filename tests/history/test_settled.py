"""What holds a change back from those who will resume from it: transactions under way in this database only.

The rows are asked for through the service; the open transactions are sessions of their own.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from urllib.parse import quote

import asyncpg
import harness
import pytest

RETRY_S = 0.05
PATIENCE_S = 20.0
BRIEFLY_S = 1.0


@pytest.fixture(scope="module")
def changes(databases: harness.Databases):
    """A server whose database nobody else uses."""
    with harness.serving(databases) as running, running.client("admin", "system/*.cruds") as client:
        yield running, client


def store(client):
    answer = client.post("/Practitioner", json={"resourceType": "Practitioner", "name": [{"family": "Roe"}]})
    assert answer.status_code == 201
    return answer.json()


def readers(made):
    """Each way to ask for changes, so as to resume from the last one."""
    instant = quote(made["meta"]["lastUpdated"])
    return (
        f"/Practitioner?_lastUpdated=ge{instant}",
        "/Practitioner/_history?_count=1000",
        "/_history?_count=1000",
        f"/Practitioner/{made['id']}/_history?_since={instant}",
    )


def is_shown(client, made):
    """Whether a change is shown to each reader, or to none."""
    shown = {}
    for url in readers(made):
        entries = client.get(url).raise_for_status().json().get("entry", [])
        shown[made["id"] in {entry["resource"]["id"] for entry in entries}] = url
    assert len(shown) == 1, shown
    return True in shown


def comes_within(client, made, seconds):
    deadline = time.monotonic() + seconds
    while not is_shown(client, made):
        if time.monotonic() > deadline:
            return False
        time.sleep(RETRY_S)
    return True


@contextmanager
def under_way(dsn):
    """A transaction that has drawn its id and does not end while the block runs."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(dsn))
        try:
            runner.run(connection.execute("BEGIN; SELECT pg_current_xact_id()"))
            yield
        finally:
            runner.run(connection.close())


def test_a_transaction_under_way_in_this_database_holds_later_changes_back(changes):
    server, client = changes
    with under_way(server.database_url):
        made = store(client)
        assert not comes_within(client, made, BRIEFLY_S)
    assert comes_within(client, made, PATIENCE_S)


def test_a_transaction_under_way_in_another_database_holds_nothing_back(changes, databases):
    _, client = changes
    other = databases.create(migrated=False)
    try:
        with under_way(other):
            made = store(client)
            assert comes_within(client, made, PATIENCE_S)
    finally:
        databases.drop(other)
