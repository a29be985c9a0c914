"""Documents stored by the real store, asked for by the real search, and gone again after each example."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models.principal import OPERATOR
from service import store
from service.context import Context
from service.database import Connection
from service.search import query, run
from service.search.criteria import everything
from service.search.extract import extract
from service.settings import Settings

BASE_URL = "http://fhir.test"
NOW = datetime(2026, 11, 21, tzinfo=UTC)

Document = dict[str, Any]


@dataclass
class Archive:
    """One connection, and the settings of a server that does not run."""

    connection: Connection
    settings: Settings

    @asynccontextmanager
    async def holding(self, documents: Iterable[Document]) -> AsyncIterator[None]:
        """Store documents as a transaction of the operator would, for a while."""
        ctx = Context(OPERATOR, self.connection, self.settings, "properties")
        around = self.connection.transaction()
        await around.start()
        try:
            async with store.transaction(ctx):
                for document in documents:
                    await store.write(ctx, creation(document))
            yield
        finally:
            await around.rollback()

    async def find(self, resource_type: str, *pairs: tuple[str, str]) -> list[str]:
        """The ids of all that the parameters match, in order; their values are decoded."""
        pairs = (*pairs, ("_count", "1000"))
        asked = query.parse(resource_type, pairs, base_url=BASE_URL, strict=True)
        page = await run.search(self.connection, asked, everything, now=NOW)
        return sorted(row.id for row in page.rows)


def creation(document: Document) -> store.Change:
    """The first version of a document."""
    resource_type, key = document["resourceType"], document["id"]
    extracted = extract(resource_type, document, base_url=BASE_URL)
    return store.Change(resource_type, key, 1, "PUT", document, extracted)
