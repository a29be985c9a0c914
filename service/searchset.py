"""Bundles of what was found: bodies are joined as text, never parsed.

    match, include and outcome entries, with self, first, previous and next links

Source: https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from models.document import serialize
from models.outcome import outcome
from service.search import cursors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.context import Context
    from service.search.query import Query
    from service.search.run import Page, Row

Pairs = list[tuple[str, str]]

_PLAIN = re.compile(r"[A-Za-z0-9_.~/:,$-]*")
"""What needs no quoting in an address: the unreserved characters of RFC 3986, and those kept as they are."""


def searchset(ctx: Context, asked: Query, page: Page, *, path: str = "") -> str:
    """Render one page of matches with what they include; ``path`` is its place if that is not the type."""
    base = ctx.fhir_base
    entries = entries_of(base, page.rows)
    if asked.issues:
        found = outcome(asked.issues).decode()
        entries.append(f'{{"resource":{found},"search":{{"mode":"outcome"}}}}')
    url, used = f"{base}/{path or asked.resource_type}".rstrip("/"), [*asked.used, *ctx.kept]
    links = _links(url, used, page, asked.cursor is not None)
    return bundle("searchset", page.total, links, entries)


def entries_of(base: str, rows: Iterable[Row]) -> list[str]:
    """Render the entries of a searchset."""
    return [
        f'{{"fullUrl":"{base}/{row.resource_type}/{row.id}","resource":{row.body},"search":{{"mode":"{row.mode}"}}}}'
        for row in rows
    ]


def _links(url: str, used: Pairs, page: Page, is_later: bool) -> Pairs:  # noqa: FBT001 - private
    first = url_of(url, used)
    if not (is_later or page.next):
        return [("self", first)]
    links = [("self", first), ("first", first)]
    if page.previous:
        links.append(("previous", url_of(url, [*used, (cursors.PARAMETER, page.previous)])))
    if page.next:
        links.append(("next", url_of(url, [*used, (cursors.PARAMETER, page.next)])))
    return links


def url_of(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Add parameters to an address."""
    told = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])
    return f"{url}?{told}" if told else url


def _quoted(text: str) -> str:
    """Quote as ``urllib`` does, whose every call takes long even where nothing is to be quoted."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="/:,$")


def bundle(kind: str, total: int | None, links: Pairs, entries: Sequence[str]) -> str:
    """Put a Bundle together from entries that are JSON text already."""
    count = "" if total is None else f',"total":{total}'
    link = _json([{"relation": relation, "url": url} for relation, url in links])
    members = f',"entry":[{",".join(entries)}]' if entries else ""
    return f'{{"resourceType":"Bundle","type":"{kind}"{count},"link":{link}{members}}}'


def _json(value: Any) -> str:
    return serialize(value).decode()
