"""Loads many patients fast: rows as the store would write them, copied in by several processes.

    population ─▶ extract, integrity.terms ─▶ rows ─▶ COPY    one transaction a batch, each with its own stamp

What the store keeps for a resource is all there: the type table, history, index tables, the business
identifier. The audit trail alone is left out. Nothing is validated. Indexes that no constraint needs are
made again after the rows are in, which is several times faster than keeping them meanwhile.
"""

# ruff: noqa: S608 - names come from the models, every value is an argument

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import asyncpg
from bench import population
from bench.population import Document

from models.document import serialize
from models.principal import OPERATOR
from models.resource import table_name
from service import intake, integrity, store
from service.database import SERVER_SETTINGS, Connection
from service.references import literals
from service.search.extract import extract
from service.statements import COMPUTED, INDEX_COLUMNS, type_columns

PATIENTS_OF_BATCH = 40
PATIENTS_OF_TASK = 400
METHOD = "PUT"
LOADING = {
    **SERVER_SETTINGS,
    "statement_timeout": "0",
    "synchronous_commit": "off",
    "maintenance_work_mem": "1GB",
    "max_parallel_maintenance_workers": "2",
}
HISTORY = ("resource_type", "id", "version", "tx", "last_updated", "method", "patient", "actor", "body")
CLAIMS = ("resource_type", "system", "value", "id", "version")

Row = tuple[Any, ...]


class Prepared(NamedTuple):
    """One document, indexed."""

    document: Document
    columns: dict[str, Any]
    indexes: dict[str, list[Row]]


@dataclass(slots=True)
class Rows:
    """The rows of a batch by table, in the order of their columns."""

    stamp: Any
    tables: dict[str, tuple[tuple[str, ...], list[Row]]] = field(default_factory=dict)

    def add(self, table: str, columns: tuple[str, ...], row: Row) -> None:
        """Add a row."""
        self.tables.setdefault(table, (columns, []))[1].append(row)

    def put(self, prepared: Prepared) -> None:
        """Add everything that the store keeps for a document."""
        document, columns, indexes = prepared
        kind, key, patient = document["resourceType"], document["id"], prepared.columns["patient"]
        tx, at = self.stamp.tx, self.stamp.at
        body = body_of(document, store.instant(at))
        names = tuple(name for name, _ in type_columns(kind))
        own = ("id", "version", "tx", "last_updated", "deleted", "body", *names)
        values = (key, 1, tx, at, False, body, *(columns.get(name) for name in names))
        self.add(table_name(kind), own, values)
        self.add(
            "resource_history", HISTORY, (kind, key, 1, tx, at, METHOD, patient, OPERATOR.client_id, body)
        )
        if claim := intake.claim_of(kind, document):
            self.add("business_identifier", CLAIMS, (kind, claim.system, claim.value, key, 1))
        for table, rows in indexes.items():
            names = ("resource_type", "id", *(name for name, _ in INDEX_COLUMNS[table]))
            for row in rows:
                self.add(table, names, (kind, key, *row))


def body_of(document: Document, instant: str) -> str:
    """Write the text that is stored: as sent, with the id first and the version in ``meta``."""
    kind, key, meta = document["resourceType"], document["id"], document.get("meta", {})
    first = {"resourceType": kind, "id": key, "meta": {"versionId": "1", "lastUpdated": instant, **meta}}
    return serialize(
        {**first, **{name: value for name, value in document.items() if name not in first}}
    ).decode()


def prepare(document: Document, base_url: str) -> Prepared:
    """Index a document as ``service/write.py`` does."""
    found = extract(document["resourceType"], document, base_url=base_url)
    found.columns["terms"] += integrity.terms(
        literals(document), found.columns["patient"], f"{base_url}/fhir"
    )
    return Prepared(document, found.columns, store.index_rows(found))


async def copy(connection: Connection, documents: list[Document], base_url: str) -> None:
    """Store new documents in one transaction; ``connection`` must have been through ``make_ready``."""
    prepared = [prepare(document, base_url) for document in documents]
    async with connection.transaction():
        rows = Rows(await store.draw_stamp(connection))
        for one in prepared:
            rows.put(one)
        for table, (columns, values) in rows.tables.items():
            if computed := COMPUTED.keys() & set(columns):
                await copy_computed(connection, table, columns, values, computed)
            else:
                await connection.copy_records_to_table(table, columns=columns, records=values)


async def copy_computed(
    connection: Connection, table: str, columns: tuple[str, ...], values: list[Row], computed: set[str]
) -> None:
    """Store rows of which PostgreSQL computes a column."""
    await connection.copy_records_to_table(f"given_{table}", columns=columns, records=values)
    listed = ", ".join(COMPUTED[name] if name in computed else f"entry.{name}" for name in columns)
    await connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {listed} FROM given_{table} entry"
    )
    await connection.execute(f"TRUNCATE given_{table}")


async def make_ready(connection: Connection) -> None:
    """Make the session's tables from which rows with computed columns are taken."""
    for table, columns in INDEX_COLUMNS.items():
        if COMPUTED.keys() & {name for name, _ in columns}:
            typed = ", ".join(f"{name} {data_type}" for name, data_type in columns)
            await connection.execute(
                f"CREATE TEMPORARY TABLE given_{table} (resource_type text, id text, {typed})"
            )


async def grow(
    dsn: str, base_url: str, extent: tuple[int, int], tell: Callable[[str], None], jobs: int = 3
) -> None:
    """Bring a population from one number of patients to another, and let the planner look at it."""
    first, last = extent
    began = time.monotonic()
    connection = await asyncpg.connect(dsn, server_settings=LOADING)
    try:
        await make_ready(connection)
        if first == 0:
            await copy(connection, population.practice(), base_url)
        async with without_indexes(connection, tell):
            for done in loaded_by_processes(dsn, base_url, extent, jobs):
                tell(f"{first + done:>7,} of {last:,} patients, {time.monotonic() - began:.0f} s")
        await connection.execute("VACUUM (ANALYZE)")
        tell(f"{last:>7,} patients loaded and analyzed, {time.monotonic() - began:.0f} s")
    finally:
        await connection.close()


def loaded_by_processes(dsn: str, base_url: str, extent: tuple[int, int], jobs: int) -> Iterator[int]:
    """Load in several processes; tells how many patients are done, now and then."""
    first, last = extent
    starts = range(first, last, PATIENTS_OF_TASK)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(starts)), mp_context=context) as processes:
        tasks = [
            processes.submit(load_task, dsn, base_url, (start, min(last, start + PATIENTS_OF_TASK)))
            for start in starts
        ]
        done, told, step = 0, 0, max(PATIENTS_OF_TASK, (last - first) // 20)
        try:
            for task in as_completed(tasks):
                done += task.result()
                if done - told >= step:
                    told = done
                    yield done
        except BaseException:
            processes.shutdown(wait=False, cancel_futures=True)
            raise


def load_task(dsn: str, base_url: str, extent: tuple[int, int]) -> int:
    """Load some patients in a process of its own; returns how many."""
    asyncio.run(load(dsn, base_url, extent))
    return extent[1] - extent[0]


async def load(dsn: str, base_url: str, extent: tuple[int, int]) -> None:
    """Load patients ``extent[0]`` to before ``extent[1]``."""
    connection = await asyncpg.connect(dsn, server_settings=LOADING)
    try:
        await make_ready(connection)
        charts = population.charts(*extent)
        while batch := list(islice(charts, PATIENTS_OF_BATCH)):
            await copy(connection, [document for chart in batch for document in chart], base_url)
    finally:
        await connection.close()


KEPT_APART = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index JOIN pg_class ON pg_class.oid = indrelid JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname = 'public' AND NOT indisunique AND relname ~ '^(fhir_|index_|resource_history|business_)'
ORDER BY pg_relation_size(indrelid) DESC
"""
"""The indexes of the tables that are loaded, but for those that hold a constraint."""


@asynccontextmanager
async def without_indexes(connection: Connection, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Take the indexes away for the time of the block."""
    indexes = await connection.fetch(KEPT_APART)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    yield
    began = time.monotonic()
    for index in indexes:
        await connection.execute(index["definition"])
    tell(f"        {len(indexes)} indexes made, {time.monotonic() - began:.0f} s")
