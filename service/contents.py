"""Large contents stand apart: base64 of more than a mebibyte is kept beside the rows that searches read.

    document ── set_apart ──▶ the same with marks  ─▶ fhir_<type>.body, resource_history.body ─┐
                         └──▶ contents             ─▶ large_content, in the same statement     │
    answer ◀── completed ── one look-up for all marks of an answer ◀── bodies joined as text ◀─┘

    "data":"JVBERi0xLjQK…"   ⇄   "data":[<tab>"DocumentReference/1/<sha256>",11184812]

No client can make a mark. JSON is stored as our encoder writes it, which puts no white space between
tokens and escapes a tab inside of a string; so a raw tab tells a mark, and to look for it costs 20 ns a
resource. Text with marks is still JSON: whoever needs other members only reads it as it is stored.

A mark names its own resource, and a content is looked up by resource and digest together. So contents are
reached through the resource alone, which was read through the door, and that another resource holds the
same bytes shows in no answer, no waiting and no time. Versions of one resource share a content.

Nothing is ever left over: history keeps every version, deletions included, and each of them its contents.
Whoever removes a resource with its history some day removes its contents by the same key.
``meta`` stays whole, because operations and summaries take it apart; in resources written before the
migration 0007 everything does.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import Raw, structs

from models.document import serialize
from models.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.context import Context
    from service.interaction import Answer, Version

LARGE = 1024 * 1024
"""Characters of a content that may stand in its resource's row. Source: issue 3, point 7."""

_MEMBERS = frozenset({"carrierAIDC", "data", "hash", "query"})

_TAB = "\t"
_MARK = re.compile(r'\[\t"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})/([0-9a-f]{64})",([0-9]{1,10})\]')

_LOOK_UP = """SELECT c.resource_type, c.id, encode(c.sha256, 'hex'), c.content
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted(resource_type, id, digest)
JOIN large_content c ON c.resource_type = wanted.resource_type AND c.id = wanted.id
    AND c.sha256 = decode(wanted.digest, 'hex')"""

Place = tuple[str, str, str]
"""Type and id of a resource, and the digest of a content, in hexadecimal."""


def may_be_large(member: str) -> bool:
    """Tell whether a member of R4 holds base64; nothing is searched in it, and no rule reads it.

    Source: https://hl7.org/fhir/R4/datatypes.html#base64Binary
    """
    return member in _MEMBERS or member.endswith("Base64Binary")


def set_apart(document: dict[str, Any], place: str) -> tuple[dict[str, Any], dict[bytes, str]]:
    """Put marks into a copy of a document, and return the contents by digest.

    Args:
        document: what will be stored; it stays as it is.
        place: ``Type/id`` of its resource.
    """
    kept: dict[bytes, str] = {}
    rest = {name: value for name, value in document.items() if name != "meta"}
    marked = _marked(rest, place, kept)
    return ({**document, **marked}, kept) if kept else (document, kept)


def _marked(value: Any, place: str, kept: dict[bytes, str]) -> Any:
    if isinstance(value, list):
        return [_marked(item, place, kept) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _mark(item, place, kept)
        if isinstance(item, str) and len(item) > LARGE and may_be_large(name)
        else _marked(item, place, kept)
        for name, item in value.items()
    }


def _mark(value: str, place: str, kept: dict[bytes, str]) -> Raw:
    text = serialize(value)[1:-1]
    digest = sha256(text)
    kept[digest.digest()] = text.decode()
    return Raw(f'[{_TAB}"{place}/{digest.hexdigest()}",{len(text)}]'.encode())


def fitting(bodies: Sequence[str], limit: int) -> int:
    """Count the bodies, from the first on, that fit into an answer with their contents; one always does.

    Args:
        bodies: texts as they are stored, which the database has bounded already.
        limit: bytes of all together.
    """
    if not any(_TAB in body for body in bodies):
        return len(bodies)
    total = 0
    for number, body in enumerate(bodies):
        total += size(body)
        if number and total > limit:
            return number
    return len(bodies)


def size(text: str) -> int:
    """Measure a stored text with its contents, in bytes."""
    return len(text.encode()) + sum(int(mark[4]) for mark in _MARK.finditer(text))


async def completed(ctx: Context, answer: Answer) -> Answer:
    """Put the contents into an answer; one without marks is returned as it is."""
    if answer.document is not None and _TAB in answer.document:
        return structs.replace(answer, document=await whole_text(ctx, answer.document))
    if answer.version is not None and answer.version.body is not None and _TAB in answer.version.body:
        return structs.replace(answer, version=await whole(ctx, answer.version))
    return answer


async def whole(ctx: Context, version: Version) -> Version:
    """Return a version with its contents, for whoever reads it as a document or compares it."""
    if version.body is None or _TAB not in version.body:
        return version
    return structs.replace(version, body=await whole_text(ctx, version.body))


async def whole_text(ctx: Context, text: str) -> str:
    """Put the contents into a text that has marks."""
    marks = list(_MARK.finditer(text))
    contents = await _contents(ctx, {(mark[1], mark[2], mark[3]) for mark in marks}) if marks else {}
    parts, end = [], 0
    for mark in marks:
        parts += [text[end : mark.start()], '"', contents[mark[1], mark[2], mark[3]], '"']
        end = mark.end()
    return "".join((*parts, text[end:]))


async def _contents(ctx: Context, places: Iterable[Place]) -> dict[Place, str]:
    wanted = sorted(places)
    columns = [list(column) for column in zip(*wanted, strict=True)]
    async with ctx.connected(keeps_plan=True) as connection:
        records = await connection.fetch(_LOOK_UP, *columns)
    found = {(record[0], record[1], record[2]): record[3] for record in records}
    if len(found) < len(wanted):
        raise InternalError("A part of a stored resource is missing. Report the request id to the operator.")
    return found
