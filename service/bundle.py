"""Batch and transaction: several interactions in one request.

    batch         each entry for itself; refusals stand in that entry's response
    transaction   all or nothing, in the order DELETE, POST, PUT, GET, whatever order they came in:

        plan ─▶ lock criteria ─▶ stamp ─▶ identify (existing or new id) ─▶ rewrite references ─▶ perform

Ids are given before anything is stored, so entries may refer to each other in any order and in rings.
Whoever loses a race starts the whole transaction again; nothing of the first attempt is left.

Source: https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from msgspec import structs

from models.document import serialize
from models.errors import BadRequest, Conflict, FhirError, Issue, Malformed
from models.outcome import outcome
from models.principal import OPERATOR
from service import conditional, intake, store, write
from service.interaction import Answer, Interaction, Name, interpret
from service.kat.elements import text
from service.perform import perform
from service.store import LostRace
from service.write import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.context import Context

MAX_ENTRIES = 5_000
"""Entries of a client's bundle; ``kat-fhir load`` has no limit, because one file is one transaction."""

_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_CONDITIONS = ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist")
_LINKS = frozenset(
    {"reference", "url", "uri", "valueUri", "valueUrl", "valueCanonical", "valueOid", "valueUuid"}
)
"""Members whose whole text may be the ``fullUrl`` of another entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One planned entry. ``number`` is its place in the request; ``known`` an existing match."""

    number: int
    method: str
    full_url: str
    ask: Interaction
    known: Answer | None = None


async def execute(ctx: Context, ask: Interaction) -> Answer:
    """Execute a Bundle of type batch or transaction; answers the response Bundle.

    Raises:
        Malformed, BadRequest: the Bundle cannot be read, or two entries write the same resource.
        FhirError: a transaction's first refused entry; nothing is stored.
    """
    document = ask.document or {}
    kind = text(document, "type") or ""
    if document.get("resourceType") != "Bundle" or kind not in {"batch", "transaction"}:
        raise Malformed("Send a Bundle of type batch or transaction.", expression="Bundle.type")
    items = document.get("entry", [])
    if not isinstance(items, list) or (len(items) > MAX_ENTRIES and ctx.principal is not OPERATOR):
        raise Malformed(
            f"Bundle.entry is a list of at most {MAX_ENTRIES} entries.", expression="Bundle.entry"
        )
    if kind == "batch":
        return _response(
            ctx, kind, [await _batched(ctx, items, number, ask) for number in range(len(items))], ask
        )
    entries = [_entry(ctx, item, number, ask) for number, item in enumerate(items)]
    return _response(ctx, kind, await _transaction(ctx, entries), ask)


async def _batched(ctx: Context, items: list[Any], number: int, ask: Interaction) -> Answer | FhirError:
    try:
        entry = _entry(ctx, items[number], number, ask)
        _refuse_links_between(items, number)
        return await perform(ctx, entry.ask)
    except FhirError as refusal:
        return refusal


def _refuse_links_between(items: list[Any], number: int) -> None:
    others = {text(item, "fullUrl") for at, item in enumerate(items) if at != number}
    own = items[number].get("resource")
    if isinstance(own, dict) and any(
        link[key] in others and str(link[key]).startswith("urn:") for link, key in _links(own)
    ):
        raise BadRequest("Entries of a batch cannot refer to each other; send a transaction.")


async def _transaction(ctx: Context, entries: list[Entry]) -> list[Answer | FhirError]:
    noted = len(ctx.unaudited)
    for _ in range(ATTEMPTS):
        try:
            async with store.transaction(ctx, before_stamp=_lock(ctx, entries)):
                ctx.in_bundle = True
                return await _perform_all(ctx, await _identified(ctx, entries))
        except LostRace:
            del ctx.unaudited[noted:]
        finally:
            ctx.in_bundle = False
            ctx.pending.clear()
    raise Conflict("Other writers were quicker, several times. Send the transaction again.")


async def _lock(ctx: Context, entries: list[Entry]) -> None:
    criteria = {
        (entry.ask.resource_type, found)
        for entry in entries
        if (found := write.criteria(entry.ask)) is not None
    }
    for resource_type, pairs in sorted(criteria):
        await conditional.lock(ctx, resource_type, pairs)


async def _identified(ctx: Context, entries: list[Entry]) -> list[Entry]:
    """Give every creation its id, rewrite references, and note what will be stored."""
    entries = [await _with_id(ctx, entry) for entry in entries]
    _refuse_double_targets(entries)
    places = {
        entry.full_url: f"{entry.ask.resource_type}/{entry.ask.id}"
        for entry in entries
        if entry.full_url and entry.ask.id
    }
    identified = []
    for entry in entries:
        document = _rewritten(entry.ask.document, places)
        identified.append(replace(entry, ask=structs.replace(entry.ask, document=document)))
        if document is not None and entry.known is None:
            ctx.pending[f"{entry.ask.resource_type}/{entry.ask.id}"] = document
    return identified


async def _with_id(ctx: Context, entry: Entry) -> Entry:
    if entry.ask.name is not Name.CREATE:
        return await _with_matching_id(ctx, entry)
    known = await _known(ctx, entry.ask)
    if known is not None and known.version is not None:
        return replace(entry, known=known, ask=structs.replace(entry.ask, id=known.version.id))
    return replace(entry, ask=structs.replace(entry.ask, id=ctx.new_id()))


async def _with_matching_id(ctx: Context, entry: Entry) -> Entry:
    """Turn an entry that names its resource by criteria into one that names it by id."""
    if write.criteria(entry.ask) is None:
        return entry
    ask = await write.by_id(ctx, entry.ask)
    return replace(entry, ask=ask) if ask.id else replace(entry, known=Answer(204))


async def _known(ctx: Context, ask: Interaction) -> Answer | None:
    found = write.criteria(ask)
    if found is not None:
        match = await conditional.only_match(ctx, ask.resource_type, found)
        if match is not None:
            return Answer(200, match)
    claim = intake.claim_of(ask.resource_type, ask.document or {})
    return await intake.repeated(ctx, claim, {}, compares=False) if claim else None


async def _perform_all(ctx: Context, entries: list[Entry]) -> list[Answer | FhirError]:
    answers: dict[int, Answer | FhirError] = {}
    for entry in sorted(entries, key=lambda planned: _ORDER[planned.method]):
        try:
            answers[entry.number] = await _perform(ctx, entry)
        except FhirError as refusal:
            refusal.issues = tuple(_placed(issue, entry.number) for issue in refusal.issues)
            raise
    return [answers[number] for number in range(len(entries))]


async def _perform(ctx: Context, entry: Entry) -> Answer:
    if entry.known is None:
        return await perform(ctx, entry.ask)
    claim = intake.claim_of(entry.ask.resource_type, entry.ask.document or {})
    if claim and entry.ask.if_none_exist is None:
        await intake.repeated(ctx, claim, entry.ask.document or {})
    return entry.known


def _placed(issue: Issue, number: int) -> Issue:
    place = f"Bundle.entry[{number}]"
    inside = (issue.expression or "").partition(".")[2]
    return replace(issue, expression=f"{place}.resource.{inside}" if inside else place)


def _entry(ctx: Context, item: Any, number: int, bundle: Interaction) -> Entry:
    place = f"Bundle.entry[{number}]"
    request = item.get("request") if isinstance(item, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise Malformed("Every entry needs a request with method and url.", expression=f"{place}.request")
    resource = item.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise Malformed("The resource of an entry is an object.", expression=f"{place}.resource")
    if text(request, "method") not in _ORDER:
        raise Malformed(
            "The method is one of GET, HEAD, POST, PUT, DELETE.", expression=f"{place}.request.method"
        )
    path, _, query = request["url"].removeprefix(ctx.fhir_base).partition("?")
    try:
        target = interpret(request["method"], path)
        parameters = conditional.criteria_of(f"?{query}")
    except FhirError as refusal:
        refusal.issues = tuple(replace(issue, expression=f"{place}.request.url") for issue in refusal.issues)
        raise
    condition = {member: _text(request.get(member), f"{place}.request.{member}") for member in _CONDITIONS}
    ask = Interaction(
        *target,
        document=resource,
        query=parameters,
        strict=bundle.strict,
        if_match=condition["ifMatch"],
        if_none_match=condition["ifNoneMatch"],
        if_modified_since=condition["ifModifiedSince"],
        if_none_exist=condition["ifNoneExist"],
    )
    full_url = _text(item.get("fullUrl"), f"{place}.fullUrl") or ""
    return Entry(number, request["method"], full_url, ask)


def _text(value: Any, expression: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Malformed("This member is a string.", expression=expression)
    return value


def _refuse_double_targets(entries: list[Entry]) -> None:
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.method in {"GET", "HEAD"} or not entry.ask.id:
            continue
        target = (entry.ask.resource_type, entry.ask.id)
        if target in seen:
            raise BadRequest(
                "Two entries of a transaction write the same resource.",
                expression=f"Bundle.entry[{entry.number}]",
            )
        seen.add(target)


def _rewritten(document: dict[str, Any] | None, places: dict[str, str]) -> dict[str, Any] | None:
    """Return the document with every link to an entry's ``fullUrl`` naming the resource's place here.

    What does not change is shared with the original, which a second attempt needs as it came.
    """
    if document is None or not places:
        return document
    changed: dict[str, Any] = _relinked(document, places)
    narrative = changed.get("text")
    if isinstance(narrative, dict) and isinstance(narrative.get("div"), str):
        div = narrative["div"]
        for full_url, place in places.items():
            div = div.replace(f'"{full_url}"', f'"{place}"')
        changed = {**changed, "text": {**narrative, "div": div}}
    return changed


def _relinked(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, dict):
        changes = {key: new for key, item in value.items() if (new := _new(key, item, places)) is not item}
        return {**value, **changes} if changes else value
    items = [_new("", item, places) for item in value]
    return items if any(new is not item for new, item in zip(items, value, strict=True)) else value


def _new(key: str, item: Any, places: dict[str, str]) -> Any:
    if isinstance(item, str):
        return places.get(item, item) if key in _LINKS else item
    return _relinked(item, places) if isinstance(item, dict | list) else item


def _links(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                if key in _LINKS:
                    yield value, key
            else:
                yield from _links(item)
    elif isinstance(value, list):
        for item in value:
            yield from _links(item)


def _response(ctx: Context, kind: str, answers: list[Answer | FhirError], ask: Interaction) -> Answer:
    entries = ",".join(_response_entry(ctx, answer, ask) for answer in answers)
    members = f',"entry":[{entries}]' if answers else ""
    return Answer(
        200, document=f'{{"resourceType":"Bundle","type":"{kind}-response"{members}}}', audited=True
    )


def _response_entry(ctx: Context, answer: Answer | FhirError, ask: Interaction) -> str:
    response: dict[str, Any] = {"status": f"{answer.status} {HTTPStatus(answer.status).phrase}"}
    if isinstance(answer, FhirError):
        return f'{{"response":{_json(response)[:-1]},"outcome":{outcome(answer.issues).decode()}}}}}'
    body = answer.document
    if answer.version is not None:
        version = answer.version
        response["location"] = (
            f"{ctx.fhir_base}/{version.resource_type}/{version.id}/_history/{version.version}"
        )
        response["etag"] = f'W/"{version.version}"'
        response["lastModified"] = store.instant(version.last_updated)
        body = version.body if ask.prefer == "representation" or not answer.audited else None
    resource = f'"resource":{body},' if body else ""
    return f'{{{resource}"response":{_json(response)}}}'


def _json(value: Any) -> str:
    return serialize(value).decode()
