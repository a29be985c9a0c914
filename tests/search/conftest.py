"""A shelf of resources in a rolled-back transaction, put there as the store puts them."""

# ruff: noqa: S608 - names come from the models, every value is an argument

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import harness
import pytest

from models.document import serialize
from models.resource import table_name
from service.search import query, run
from service.search.criteria import Narrow, everything
from service.search.extract import Extracted, extract
from service.search.run import Page

BASE_URL = "http://fhir.test"
FIRST_INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@dataclass
class Shelf:
    connection: asyncpg.Connection[Any]
    placed: int = field(default=0)

    async def put(
        self, document: dict[str, Any], *, at: datetime | None = None, deleted: bool = False
    ) -> Extracted:
        """Store a document as the newest version of its id."""
        resource_type, key = document["resourceType"], document["id"]
        found = extract(resource_type, document, base_url=BASE_URL)
        self.placed += 1
        instant = at or FIRST_INSTANT + timedelta(seconds=self.placed)
        values = {"id": key, "version": 1, "last_updated": instant, "deleted": deleted, **found.columns}
        values["body"] = serialize(document).decode()
        names = ", ".join(values)
        marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        table = table_name(resource_type)
        await self.connection.execute(f"DELETE FROM {table} WHERE id = $1", key)
        await self.connection.execute(
            f"INSERT INTO {table} ({names}, tx) VALUES ({marks}, '1'::xid8)", *values.values()
        )
        await self.put_rows("index_string", "value, exact", resource_type, key, found.strings)
        await self.put_rows("index_date", "range_start, range_end", resource_type, key, found.dates)
        await self.put_rows(
            "index_quantity",
            "system, code, value, low, high, canonical_unit, canonical_low, canonical_high",
            resource_type,
            key,
            found.quantities,
        )
        await self.put_texts(resource_type, key, found.texts)
        return found

    async def put_texts(self, resource_type: str, key: str, rows: list[tuple[str, str]]) -> None:
        await self.connection.execute(
            "DELETE FROM index_text WHERE resource_type = $1 AND id = $2", resource_type, key
        )
        for parameter, words in rows:
            read = (
                "array_to_tsvector(string_to_array($4, ' '))"
                if parameter == ":text"
                else "to_tsvector('english', $4)"
            )
            await self.connection.execute(
                f"INSERT INTO index_text (resource_type, id, parameter, words) VALUES ($1, $2, $3, {read})",
                resource_type,
                key,
                parameter,
                words,
            )

    async def put_rows(
        self, table: str, columns: str, resource_type: str, key: str, rows: list[tuple[Any, ...]]
    ) -> None:
        await self.connection.execute(
            f"DELETE FROM {table} WHERE resource_type = $1 AND id = $2", resource_type, key
        )
        for row in rows:
            marks = ", ".join(f"${number}" for number in range(3, len(row) + 3))
            await self.connection.execute(
                f"INSERT INTO {table} (resource_type, id, parameter, {columns}) VALUES ($1, $2, {marks})",
                resource_type,
                key,
                *row,
            )

    async def page(
        self, resource_type: str, text: str, *, narrow: Narrow = everything, strict: bool = True
    ) -> Page:
        """One page of a search written as a query string."""
        pairs = parse_qsl(text, keep_blank_values=True)
        asked = query.parse(resource_type, pairs, base_url=BASE_URL, strict=strict)
        return await run.search(self.connection, asked, narrow, now=NOW)

    async def find(self, resource_type: str, text: str, *, narrow: Narrow = everything) -> list[str]:
        """The ids of the matches of one page, in order."""
        page = await self.page(resource_type, text, narrow=narrow)
        return [row.id for row in page.rows if row.mode == "match"]

    async def matches(self, resource_type: str, name: str, value: str) -> bool:
        """Whether one parameter, given decoded, finds anything."""
        asked = query.parse(resource_type, [(name, value)], base_url=BASE_URL, strict=True)
        return bool((await run.search(self.connection, asked, everything)).rows)

    async def matching(self, resource_type: str, name: str, value: str) -> list[str]:
        """The ids of the matches of one parameter, given decoded."""
        asked = query.parse(resource_type, [(name, value)], base_url=BASE_URL, strict=True)
        page = await run.search(self.connection, asked, everything, now=NOW)
        return sorted(row.id for row in page.rows)

    async def included(self, resource_type: str, text: str, *, narrow: Narrow = everything) -> set[str]:
        """What one page includes, as ``Type/id``."""
        page = await self.page(resource_type, text, narrow=narrow)
        return {f"{row.resource_type}/{row.id}" for row in page.rows if row.mode == "include"}


@pytest.fixture(scope="session")
def database_url(databases: harness.Databases) -> Iterator[str]:
    """A database that no other room's tests write to: here it is counted what there is."""
    dsn = databases.create()
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def shelf(connection: asyncpg.Connection[Any]) -> Shelf:
    return Shelf(connection)
