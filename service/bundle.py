"""Batch and transaction: several interactions in one request.

    batch         each entry for itself; refusals stand in that entry's response
    transaction   all or nothing, in the order DELETE, POST, PUT, GET, whatever order they came in:

        plan ─▶ lock criteria ─▶ stamp ─▶ identify (existing or new id) ─▶ rewrite references ─▶ perform

Ids are given before anything is stored, so entries may refer to each other in any order and in rings.
Whoever loses a race starts the whole transaction again; nothing of the first attempt is left.

Source: https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from msgspec import structs

from models.document import serialize
from models.errors import BadRequest, Conflict, FhirError, Malformed
from models.outcome import STORED, outcome
from models.principal import OPERATOR
from service import conditional, freshness, intake, integrity, provenance, store, write
from service import entries as reading
from service.access import decide
from service.aside import LARGE, aside
from service.entries import placed
from service.interaction import Answer, Interaction, Name
from service.kat.elements import text
from service.operations.catalogue import OPERATIONS
from service.perform import noted, perform
from service.relinking import Places, links, rewritten
from service.retries import ATTEMPTS, pause
from service.store import LostRace
from service.turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.context import Context
    from service.entries import Entry

MAX_ENTRIES = 5_000
"""Entries of a client's bundle; ``kat-fhir load`` has no limit, because one file is one transaction."""

_STORES = frozenset({Name.CREATE, Name.UPDATE})
_READS = frozenset({Name.READ, Name.VREAD})
_WRITES = frozenset({Name.CREATE, Name.UPDATE, Name.PATCH, Name.DELETE})


_STORED = outcome((STORED,)).decode()


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
    reading.require_known(document, "Bundle", "Bundle")
    items = document.get("entry", [])
    if not isinstance(items, list) or (len(items) > MAX_ENTRIES and ctx.principal is not OPERATOR):
        raise Malformed(
            f"Bundle.entry is a list of at most {MAX_ENTRIES} entries.", expression="Bundle.entry"
        )
    if kind == "batch":
        _refuse_provenance(ask)
        urls = Counter(text(item, "fullUrl") for item in items)
        answers = [await _batched(ctx, item, number, ask, urls) for number, item in enumerate(items)]
        return _response(ctx, kind, answers)
    entries = await aside(
        ctx.size, lambda: [reading.read(ctx, item, number, ask) for number, item in enumerate(items)]
    )
    return _response(ctx, kind, await _transaction(ctx, entries, ask))


def _refuse_provenance(ask: Interaction) -> None:
    if ask.provenance is not None:
        raise BadRequest(
            f"{provenance.HEADER} goes with a transaction, not with a batch; send it as an entry."
        )


async def _batched(
    ctx: Context, item: Any, number: int, ask: Interaction, urls: Counter[str | None]
) -> Answer | FhirError:
    try:
        entry = reading.read(ctx, item, number, ask)
        _refuse_links_between(entry, urls)
        return _told(entry, await perform(ctx, entry.ask), ask.prefer)
    except FhirError as refusal:
        return refusal


def _refuse_links_between(entry: Entry, urls: Counter[str | None]) -> None:
    linked = {link[key] for link, key in links(entry.ask.document) if link[key].startswith("urn:")}
    if any(urls[url] > (url == entry.full_url) for url in linked):
        raise BadRequest("Entries of a batch cannot refer to each other; send a transaction.")


async def _transaction(ctx: Context, entries: list[Entry], ask: Interaction) -> list[Answer]:
    noted = len(ctx.unaudited)
    for number in range(ATTEMPTS):
        try:
            async with store.transaction(ctx, before_stamp=_lock(ctx, entries)):
                ctx.in_bundle = True
                answers = await _perform_all(ctx, await _identified(ctx, entries))
                await provenance.record(ctx, ask, answers)
                return [
                    _told(entry, answer, ask.prefer) for entry, answer in zip(entries, answers, strict=True)
                ]
        except LostRace:
            del ctx.unaudited[noted:]
            ctx.held = 0
        finally:
            ctx.in_bundle = False
            ctx.pending.clear()
            ctx.gathered.clear()
            ctx.deleted.clear()
        await pause(number)
    raise Conflict("Other writers were quicker, several times. Send the transaction again.")


async def _lock(ctx: Context, entries: list[Entry]) -> None:
    criteria = {
        (entry.ask.resource_type, found) for entry in entries if (found := _criteria(entry)) is not None
    }
    for resource_type, pairs in sorted(criteria):
        await conditional.lock(ctx, resource_type, pairs)


def _criteria(entry: Entry) -> conditional.Pairs | None:
    """Return the criteria by which an entry names its resource, or say which entry has none."""
    try:
        return write.criteria(entry.ask)
    except FhirError as refusal:
        refusal.issues = tuple(placed(issue, entry.number) for issue in refusal.issues)
        raise


async def _identified(ctx: Context, entries: list[Entry]) -> list[Entry]:
    """Give every creation its id, rewrite references, and note what will be stored."""
    _refuse_double_criteria(entries)
    entries = [await _with_id(ctx, entry) for entry in entries]
    _refuse_double_targets(entries)
    places = _places(entries)
    identified = []
    documents = await aside(ctx.size, lambda: _relinked(entries, places))
    for entry, document in zip(entries, documents, strict=True):
        identified.append(replace(entry, ask=structs.replace(entry.ask, document=document)))
        # What an entry carries that stores nothing must not stand in for a resource.
        if document is not None and entry.known is None and entry.ask.name in _STORES:
            ctx.pending[f"{entry.ask.resource_type}/{entry.ask.id}"] = document
    return identified


def _relinked(entries: list[Entry], places: dict[str, str]) -> list[dict[str, Any] | None]:
    return [rewritten(entry.ask.document, Places(places, entry.root)) for entry in entries]


def _places(entries: list[Entry]) -> dict[str, str]:
    """Map the ``fullUrl`` of every entry that stores something to its place here.

    A creation without one is named by the id that its sender knows it by, unless others have that name too.

    Raises:
        BadRequest: two entries have the same ``fullUrl``, so that a link to it could mean either.
    """
    places: dict[str, str] = {}
    for entry in entries:
        if not entry.full_url or not entry.ask.id or entry.ask.name not in _STORES:
            continue
        if entry.full_url in places:
            raise BadRequest(
                "Two entries have the same fullUrl; give each its own.",
                expression=f"{entry.place}.fullUrl",
            )
        places[entry.full_url] = f"{entry.ask.resource_type}/{entry.ask.id}"
    return {**_unnamed(entries), **places}


def _unnamed(entries: list[Entry]) -> dict[str, str]:
    """Map ``Type/id``, as its sender wrote it, to the place of each creation that has no ``fullUrl``."""
    known = {
        (entry.ask.resource_type, text(entry.ask.document, "id")): entry.ask.id
        for entry in entries
        if entry.ask.name is Name.CREATE and not entry.full_url
    }
    names = Counter((entry.ask.resource_type, text(entry.ask.document, "id")) for entry in entries)
    return {
        f"{kind}/{sent}": f"{kind}/{id_}"
        for (kind, sent), id_ in known.items()
        if sent and names[kind, sent] == 1
    }


async def _with_id(ctx: Context, entry: Entry) -> Entry:
    try:
        return await _identify(ctx, entry)
    except FhirError as refusal:
        refusal.issues = tuple(placed(issue, entry.number) for issue in refusal.issues)
        raise


async def _identify(ctx: Context, entry: Entry) -> Entry:
    if entry.ask.name is not Name.CREATE:
        return await _with_matching_id(ctx, entry)
    known = await _known(ctx, entry.ask)
    if known is not None and known.version is not None:
        return replace(entry, known=known, ask=structs.replace(entry.ask, id=known.version.id))
    # Its criteria have been asked, before any entry stores what they might match: links lead to the new id.
    return replace(entry, ask=structs.replace(entry.ask, id=ctx.new_id(), if_none_exist=None))


async def _with_matching_id(ctx: Context, entry: Entry) -> Entry:
    """Turn an entry that names its resource by criteria into one that names it by id."""
    if write.criteria(entry.ask) is None:
        return entry
    ask = await write.by_id(ctx, entry.ask)
    return replace(entry, ask=ask) if ask.id else replace(entry, known=Answer(204))


async def _known(ctx: Context, ask: Interaction) -> Answer | None:
    """Find what a creation would repeat; whether its sender may be told is asked when it is performed."""
    decide.authorize(ctx.principal, "c", ask.resource_type, base_url=ctx.settings.base_url)
    claim, found = _claimed(ask)
    if found is not None:
        match = await conditional.only_match(ctx, ask.resource_type, found)
        if match is not None:
            return Answer(200, match)
    known = claim and await intake.held(ctx, claim)
    return Answer(200, known) if known else None


def _claimed(ask: Interaction) -> tuple[store.Claim | None, conditional.Pairs | None]:
    """Return the identifier that a creation claims, and the criteria that ask for anything else."""
    claim, found = intake.claim_of(ask.resource_type, ask.document or {}), write.criteria(ask)
    return claim, None if found is not None and intake.is_by_claim(found, claim) else found


async def _perform_all(ctx: Context, entries: list[Entry]) -> list[Answer]:
    answers: dict[int, Answer] = {}
    turns = await aside(ctx.size, lambda: in_turn(ctx, entries))
    for entry in turns:
        if ctx.size >= LARGE:
            # Creations that wait to be sent together would hold up other requests.
            await asyncio.sleep(0)
        if not _only_creates(ctx, entry):
            await store.flush(ctx)
        try:
            answers[entry.number] = await _perform(ctx, entry)
        except FhirError as refusal:
            refusal.issues = tuple(placed(issue, entry.number) for issue in refusal.issues)
            raise
    await store.flush(ctx)
    await _require_integrity(ctx, entries)
    return [answers[number] for number in range(len(entries))]


def _only_creates(ctx: Context, entry: Entry) -> bool:
    """Tell whether an entry is performed without a look at what the others have stored.

    Rules judge what is pending before what is stored.
    """
    ask = entry.ask
    return ask.name is Name.CREATE and not conditional.sought_types(ctx, ask.document)


async def _require_integrity(ctx: Context, entries: list[Entry]) -> None:
    """Refuse a transaction after which something would still refer to what it has deleted."""
    try:
        await integrity.require_unreferred(ctx, ctx.deleted)
    except integrity.Referred as refusal:
        at = {f"{entry.ask.resource_type}/{entry.ask.id}": entry.number for entry in entries}
        refusal.issues = tuple(placed(issue, at[refusal.target]) for issue in refusal.issues)
        raise


async def _perform(ctx: Context, entry: Entry) -> Answer:
    known = entry.known
    if known is None:
        answer = await perform(ctx, entry.ask)
        _require_given_id(entry, answer)
        return answer

    async def recognize(ctx: Context, ask: Interaction) -> Answer:
        claim, found = _claimed(ask)
        repeats = claim and found is None and await intake.repeated(ctx, ask, claim, ask.document or {})
        return repeats or known

    return await noted(ctx, entry.ask, recognize)


def _require_given_id(entry: Entry, answer: Answer) -> None:
    """Refuse a creation that found a match after all: links to it lead to the id that it was given.

    Raises:
        LostRace: somebody else has stored it meanwhile; another attempt finds it in time.
    """
    if entry.ask.name is Name.CREATE and answer.version and answer.version.id != entry.ask.id:
        raise LostRace


def _told(entry: Entry, answer: Answer, prefer: str) -> Answer:
    """Leave the resource out where it is not wanted: HEAD, a version that the reader knows, or a write.

    What a write stored or found is shown only to who prefers its representation.
    """
    ask, version = entry.ask, answer.version
    if ask.name in _WRITES and version is not None and prefer != "representation":
        stored = prefer == "OperationOutcome" and version.body is not None
        return structs.replace(
            answer,
            version=structs.replace(version, body=None),
            document=_STORED if stored else None,
        )
    is_known = (
        version is not None
        and ask.name in _READS
        and freshness.is_known(version, ask.if_none_match, freshness.after_instant(ask.if_modified_since))
    )
    if not is_known and entry.method != "HEAD":
        return answer
    status = freshness.NOT_MODIFIED if is_known else answer.status
    return Answer(status, version and structs.replace(version, body=None))


def _only_reads(ask: Interaction) -> bool:
    return ask.name is Name.OPERATION and not OPERATIONS[ask.operation].affects_state


def _refuse_double_criteria(entries: list[Entry]) -> None:
    """Refuse two entries that name one resource by the same criteria: neither could find the other's."""
    seen: set[object] = set()
    for entry in entries:
        found = write.criteria(entry.ask)
        if not found:
            continue
        if (named := (entry.ask.resource_type, *sorted(found))) in seen:
            raise BadRequest(
                "Two entries of a transaction have the same criteria; send one and refer to it.",
                expression=entry.place,
            )
        seen.add(named)


def _refuse_double_targets(entries: list[Entry]) -> None:
    seen: set[object] = set()
    for entry in entries:
        if entry.method in {"GET", "HEAD"} or not entry.ask.id or _only_reads(entry.ask):
            continue
        claim = intake.claim_of(entry.ask.resource_type, entry.ask.document or {})
        targets = {(entry.ask.resource_type, entry.ask.id), *([claim] if claim else [])}
        if targets & seen:
            raise BadRequest(
                "Two entries of a transaction write the same resource.",
                expression=entry.place,
            )
        seen |= targets


def _response(ctx: Context, kind: str, answers: Sequence[Answer | FhirError]) -> Answer:
    entries = ",".join(_response_entry(ctx, answer) for answer in answers)
    members = f',"entry":[{entries}]' if answers else ""
    return Answer(
        200, document=f'{{"resourceType":"Bundle","type":"{kind}-response"{members}}}', audited=True
    )


def _response_entry(ctx: Context, answer: Answer | FhirError) -> str:
    response: dict[str, Any] = {"status": f"{answer.status} {HTTPStatus(answer.status).phrase}"}
    if isinstance(answer, FhirError):
        return f'{{"response":{_json(response)[:-1]},"outcome":{outcome(answer.issues).decode()}}}}}'
    version, told = answer.version, ""
    shown = f'"resource":{answer.document},' if answer.document else ""
    if version is not None:
        address = f"{ctx.fhir_base}/{version.resource_type}/{version.id}"
        response["location"] = f"{address}/_history/{version.version}"
        response["etag"] = f'W/"{version.version}"'
        response["lastModified"] = store.instant(version.last_updated)
        told = f',"outcome":{answer.document}' if answer.document else ""
        shown = f'"fullUrl":"{address}","resource":{version.body},' if version.body else ""
    return f'{{{shown}"response":{_json(response)[:-1]}{told}}}}}'


def _json(value: Any) -> str:
    return serialize(value).decode()
