"""Bundles of what was found: bodies are joined as text, never parsed.

    match, include and outcome entries, with self, first, previous and next links

Source: https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from models.document import serialize
from models.outcome import outcome
from service import paging

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.context import Context
    from service.search.query import Query
    from service.search.run import Page, Row

Pairs = list[tuple[str, str]]


async def searchset(ctx: Context, asked: Query, page: Page, *, path: str) -> str:
    """Render one page of matches with what they include, searched at ``path`` below the base."""
    base = ctx.fhir_base
    entries = entries_of(base, page.rows)
    if asked.issues:
        found = outcome(asked.issues).decode()
        # Of the resources of a searchset, only this one has no address; the same findings are named alike.
        name = uuid5(NAMESPACE_URL, found)
        entries.append(f'{{"fullUrl":"urn:uuid:{name}","resource":{found},"search":{{"mode":"outcome"}}}}')
    links = await _links(ctx, path, asked, page)
    return bundle("searchset", page.total, links, entries)


def entries_of(base: str, rows: Iterable[Row]) -> list[str]:
    """Render the entries of a searchset."""
    return [
        f'{{"fullUrl":"{base}/{row.resource_type}/{row.id}","resource":{row.body},"search":{{"mode":"{row.mode}"}}}}'
        for row in rows
    ]


async def _links(ctx: Context, path: str, asked: Query, page: Page) -> Pairs:
    links = [("self", paging.url_of(ctx, path, asked.used))]
    if asked.cursor is None and not page.next:
        return links
    places = {"first": "", "previous": page.previous, "next": page.next}
    for relation, place in places.items():
        if place is not None:
            links.append((relation, await paging.linked(ctx, path, asked.used, place)))
    return links


def bundle(kind: str, total: int | None, links: Pairs, entries: Sequence[str]) -> str:
    """Put a Bundle together from entries that are JSON text already."""
    count = "" if total is None else f',"total":{total}'
    link = _json([{"relation": relation, "url": url} for relation, url in links])
    members = f',"entry":[{",".join(entries)}]' if entries else ""
    return f'{{"resourceType":"Bundle","type":"{kind}"{count},"link":{link}{members}}}'


def _json(value: Any) -> str:
    return serialize(value).decode()
