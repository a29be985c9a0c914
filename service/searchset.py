"""Bundles of what was found: bodies are joined as text, never parsed.

    searchset   match, include and outcome entries, with self, first, previous and next links
    history     one entry a version with request and response, newest first

Source: https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from models.document import serialize
from models.errors import BadRequest
from models.outcome import outcome
from service.search import cursors
from service.search.query import DEFAULT_COUNT, MAX_COUNT
from service.search.values import interval
from service.store import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.context import Context
    from service.interaction import Interaction, Version
    from service.search.query import Query
    from service.search.run import Page

Pairs = list[tuple[str, str]]


def searchset(ctx: Context, asked: Query, page: Page) -> str:
    """Render one page of matches with what they include."""
    base = ctx.fhir_base
    entries = [
        f'{{"fullUrl":"{base}/{row.resource_type}/{row.id}","resource":{row.body},"search":{{"mode":"{row.mode}"}}}}'
        for row in page.rows
    ]
    if asked.issues:
        found = outcome(asked.issues).decode()
        entries.append(f'{{"resource":{found},"search":{{"mode":"outcome"}}}}')
    links = _links(f"{base}/{asked.resource_type}", asked.used, page, asked.cursor is not None)
    return _bundle("searchset", page.total, links, entries)


def _links(url: str, used: Pairs, page: Page, is_later: bool) -> Pairs:  # noqa: FBT001 - private
    links = [("self", _url(url, used)), ("first", _url(url, used))]
    if page.previous:
        links.append(("previous", _url(url, [*used, (cursors.PARAMETER, page.previous)])))
    if page.next:
        links.append(("next", _url(url, [*used, (cursors.PARAMETER, page.next)])))
    return links if is_later or page.next else links[:1]


def _url(url: str, pairs: Pairs) -> str:
    return f"{url}?{urlencode(pairs, quote_via=quote, safe='/:,|$')}" if pairs else url


def _bundle(kind: str, total: int | None, links: Pairs, entries: Sequence[str]) -> str:
    count = "" if total is None else f',"total":{total}'
    link = _json([{"relation": relation, "url": url} for relation, url in links])
    members = f',"entry":[{",".join(entries)}]' if entries else ""
    return f'{{"resourceType":"Bundle","type":"{kind}"{count},"link":{link}{members}}}'


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Which versions are asked for: at most ``count``, older than ``before``, changed since ``since``."""

    count: int = DEFAULT_COUNT
    before: int | None = None
    after: int | None = None
    since: datetime | None = None
    used: tuple[tuple[str, str], ...] = ()


_BEFORE, _AFTER = "_before", "_after"


def history_page(ask: Interaction) -> HistoryPage:
    """Read ``_count``, ``_since`` and the page of an instance's history.

    Raises:
        BadRequest: one of them cannot be read, or is unknown.
    """
    values = dict(ask.query)
    unknown = values.keys() - {"_count", "_since", _BEFORE, _AFTER}
    if unknown:
        raise BadRequest("History takes _count and _since.")
    return HistoryPage(
        count=min(_number(values, "_count") or DEFAULT_COUNT, MAX_COUNT),
        before=_number(values, _BEFORE),
        after=_number(values, _AFTER),
        since=_since(values.get("_since")),
        used=tuple((name, value) for name, value in ask.query if name in {"_count", "_since"}),
    )


def _number(values: dict[str, str], name: str) -> int | None:
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):  # noqa: PLR2004 - fits Postgres' integer
        raise BadRequest(f"{name} is a whole number.")
    return int(text)


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    covered = interval(text.replace(" ", "+"))
    if covered is None:
        raise BadRequest("_since is an instant, such as 2026-11-21T15:00:00Z.")
    return covered[0]


def history(ctx: Context, ask: Interaction, page: HistoryPage, versions: Sequence[Version]) -> str:
    """Render versions, newest first; one more than the page holds proves that there is a next page."""
    shown, more_older, more_newer = _shown(page, versions)
    url = f"{ctx.fhir_base}/{ask.resource_type}/{ask.id}/_history"
    used = list(page.used)
    links = [("self", _url(url, used))]
    if more_older or more_newer:
        links.append(("first", _url(url, used)))
    if more_newer:
        links.append(("previous", _url(url, [*used, (_AFTER, str(shown[0].version))])))
    if more_older:
        links.append(("next", _url(url, [*used, (_BEFORE, str(shown[-1].version))])))
    return _bundle("history", None, links, [_history_entry(ctx.fhir_base, version) for version in shown])


def _shown(page: HistoryPage, versions: Sequence[Version]) -> tuple[Sequence[Version], bool, bool]:
    """Return the page's versions newest first, and whether there are older and newer ones."""
    more = len(versions) > page.count
    shown = versions[: page.count]
    if page.after is not None:
        return shown[::-1], bool(shown), more
    return shown, more, page.before is not None and bool(shown)


def _history_entry(base: str, version: Version) -> str:
    place = f"{version.resource_type}/{version.id}"
    created = version.version == 1
    status = (
        HTTPStatus.CREATED if created else HTTPStatus.NO_CONTENT if version.body is None else HTTPStatus.OK
    )
    request = {"method": version.method, "url": version.resource_type if version.method == "POST" else place}
    response = {
        "status": f"{status.value} {status.phrase}",
        "etag": f'W/"{version.version}"',
        "lastModified": instant(version.last_updated),
    }
    body = "" if version.body is None else f'"resource":{version.body},'
    return f'{{"fullUrl":"{base}/{place}",{body}"request":{_json(request)},"response":{_json(response)}}}'


def _json(value: Any) -> str:
    return serialize(value).decode()
