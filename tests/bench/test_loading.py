"""The loader of the benchmark writes what the store would: three patients, loaded and stored, row by row."""

from __future__ import annotations

import re
from itertools import islice

import asyncpg
import pytest
from bench import loading, population

from service.database import SERVER_SETTINGS, Database
from service.demo.build import transaction
from service.load import execute

APART = {"alembic_version", "audit_record"}
"""Not compared: the loader leaves no audit trail."""

TIMES = re.compile(r'"lastUpdated":"[^"]*"')
VARYING = {"tx", "seq", "last_updated"}

TABLES = """
SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = 'public' AND relkind = 'r' ORDER BY relname
"""


def documents():
    charts = list(islice(population.charts(0, 3), 3))
    return [*population.practice(), *(document for chart in charts for document in chart)]


async def rows(connection):
    """Every row of every table that a write may touch, without what differs from one moment to another."""
    found = {}
    for (table,) in await connection.fetch(TABLES):
        if table not in APART:
            records = await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608 - names from the catalogue
            found[table] = sorted(map(bare, records))
    return found


def bare(record):
    values = {name: value for name, value in record.items() if name not in VARYING}
    return TIMES.sub("", repr(values))


@pytest.fixture
def loaded_url(databases):
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


async def test_the_loader_writes_the_rows_that_the_store_writes(loaded_url, empty_database_url, settings):
    loaded = await asyncpg.connect(loaded_url, server_settings=loading.LOADING)
    stored = await Database.open(empty_database_url)
    try:
        await loading.make_ready(loaded)
        await loading.copy(loaded, documents(), settings.base_url)
        await execute(stored, settings, transaction(documents()))
        async with stored.acquire() as connection:
            expected = await rows(connection)
        found = await rows(loaded)
    finally:
        await loaded.close()
        await stored.close()
    filled = {table for table, values in expected.items() if values}
    assert filled > {"fhir_patient", "index_string", "index_date", "index_quantity", "index_text"}
    for table, values in expected.items():
        assert found[table] == values, table


async def test_a_population_grows_with_all_its_indexes(empty_database_url):
    connection = await asyncpg.connect(empty_database_url, server_settings=dict(SERVER_SETTINGS))
    try:
        indexes = await connection.fetch("SELECT indexdef FROM pg_indexes ORDER BY indexname")
        told = []
        await loading.grow(empty_database_url, "http://fhir.test", (0, 2), told.append, 1)
        await loading.grow(empty_database_url, "http://fhir.test", (2, 5), told.append, 1)
        assert await connection.fetch("SELECT indexdef FROM pg_indexes ORDER BY indexname") == indexes
        assert await connection.fetchval("SELECT count(*) FROM fhir_patient") == 5
        assert await connection.fetchval("SELECT count(*) FROM fhir_encounter") == 5 * 8
        assert "5 patients loaded" in told[-1]
    finally:
        await connection.close()


def test_a_patient_does_not_depend_on_how_many_there_are():
    alone = next(population.charts(7, 8))
    assert alone == list(population.charts(0, 9))[7]


def test_every_two_hundredth_chart_is_long():
    lengths = [len(population.chart(number)) for number in (0, 1, 200)]
    assert lengths == [population.LONG, 33, population.LONG]
