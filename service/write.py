"""Create, update, patch and delete: the one path by which a resource changes.

    authorize ─▶ validate (shape, then references and rules: all findings at once) ─▶ extract ─▶ store

A creation and an update differ only in the version they follow. Whoever loses a race without having
named a version (``If-Match``) reads again and tries once more; who named one gets 412.

Sources: https://hl7.org/fhir/R4/http.html#create, #update, #patch, #delete, #concurrency
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from models.document import parse
from models.errors import BadRequest, Conflict, FhirError, Malformed, NotFound
from models.principal import OPERATOR
from service import (
    conditional,
    contents,
    intake,
    integrity,
    preconditions,
    read,
    references,
    rules,
    store,
    validate,
)
from service.access import decide
from service.aside import aside, weight
from service.interaction import Answer, Name
from service.patching import patched
from service.retries import persistently
from service.search.extract import extract
from service.store import Change, Claim, Deadlocked, LostRace
from service.validate.narrative import in_xhtml

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from service.access.decide import Permission
    from service.context import Context
    from service.interaction import Interaction, Version

_BY_CRITERIA = frozenset({Name.UPDATE, Name.PATCH, Name.DELETE})

HIDDEN = (
    "There is no such resource for this access token, which may not choose the id of a new one; use POST."
)


async def create(ctx: Context, ask: Interaction) -> Answer:
    """Store a new resource under an id of ours: 201, or 200 when it is known already.

    Raises:
        Malformed, Unprocessable, Forbidden: see ``_prepared``.
        Conflict, Gone: a prescription's identifier is known with other content, or was deleted.
        PreconditionFailed: ``If-None-Exist`` matches several resources.
    """
    document = _document(ask)
    permission = decide.authorize(ctx.principal, "c", ask.resource_type, base_url=ctx.settings.base_url)
    await conditional.resolve_references(ctx, document)
    claim = intake.claim_of(ask.resource_type, document)
    found = criteria(ask)
    if found is None or intake.is_by_claim(found, claim):
        return await persistently(ctx, lambda: _create_known(ctx, ask, document, permission, claim))

    async def unless_it_exists() -> Answer:
        async with store.transaction(ctx, before_stamp=conditional.lock(ctx, ask.resource_type, found)):
            known = await conditional.only_match(ctx, ask.resource_type, found)
            return Answer(200, known) if known else await _create_once(ctx, ask, document, permission, claim)

    return await persistently(ctx, unless_it_exists)


async def _create_known(
    ctx: Context, ask: Interaction, document: dict[str, Any], permission: Permission, claim: Claim | None
) -> Answer:
    """Answer what is known already, where the sender expects that it may be; else create it.

    Whether it is known is asked first only because that is quicker: the unique key decides.
    """
    if ask.if_none_exist is not None and claim is not None:
        # Whoever may not know who holds the identifier learns first what is wrong with the document.
        with suppress(intake.HeldByAnother):
            known = await intake.repeated(ctx, ask, claim, document)
            if known is not None:
                return known
    return await _create_once(ctx, ask, document, permission, claim)


async def _create_once(
    ctx: Context, ask: Interaction, document: dict[str, Any], permission: Permission, claim: Claim | None
) -> Answer:
    try:
        change = await _prepared(ctx, ask.resource_type, ask.id or ctx.new_id(), document, method="POST")
        return Answer(201, await _write(ctx, replace(change, claim=claim), permission, None), audited=True)
    except (FhirError, LostRace) as refused:
        if isinstance(refused, Deadlocked) or (ctx.in_bundle and isinstance(refused, LostRace)):
            raise
        # A retry of a stored order succeeds even if a rule has come to refuse new ones like it.
        try:
            known = claim and await intake.repeated(ctx, ask, claim, document)
        except intake.HeldByAnother:
            if isinstance(refused, FhirError):
                raise refused from None
            raise
        if not known:
            raise
        return known


def criteria(ask: Interaction) -> conditional.Pairs | None:
    """Return the criteria by which an interaction names its resource; None when it does not.

    Raises:
        BadRequest: ``If-None-Exist`` is empty, or about another type.
    """
    if ask.name is Name.CREATE:
        if ask.if_none_exist is None:
            return None
        found = conditional.criteria_of(ask.if_none_exist)
        if not found:
            raise BadRequest("If-None-Exist needs search criteria.")
        path, mark, _ = ask.if_none_exist.partition("?")
        if mark and "=" not in path and path.rpartition("/")[2] not in {"", ask.resource_type}:
            raise BadRequest("If-None-Exist is about the type that is created; send the criteria alone.")
        return found
    return ask.query if ask.name in _BY_CRITERIA and not ask.id else None


async def by_id(ctx: Context, ask: Interaction) -> Interaction:
    """Name by id what was named by criteria; the id stays empty where a deletion has nothing to delete.

    Raises:
        BadRequest: the body has another id than the resource that matches, or one of another shape.
        Conflict: none matches, but there is a resource with the body's id, which would be lost.
        NotFound: there is nothing to patch.
        PreconditionFailed: several resources match, or there are no criteria.
    """
    match = await conditional.only_match(ctx, ask.resource_type, ask.query)
    if ask.name is Name.DELETE:
        return structs.replace(ask, id=match.id if match else "", query=())
    if ask.name is Name.PATCH:
        if match is None:
            raise NotFound("No resource matches the criteria.")
        return structs.replace(ask, id=match.id, query=())
    document = _document(ask)
    own = document.get("id")
    if own is not None and not isinstance(own, str):
        raise Malformed("The id is a string.", expression=f"{ask.resource_type}.id")
    if match is not None and own not in {None, match.id}:
        raise BadRequest(
            "The resource that matches has another id than the body.", expression=f"{ask.resource_type}.id"
        )
    if match is None and own is not None:
        await _require_free(ctx, ask.resource_type, own)
    chosen = match.id if match else own or ctx.new_id()
    drawn = match is None and own is None
    return structs.replace(ask, id=chosen, query=(), document={**document, "id": chosen}, drawn=drawn)


async def _require_free(ctx: Context, resource_type: str, resource_id: str) -> None:
    """Refuse to overwrite a resource that the criteria of an update do not match.

    R4 leaves it open; R5 asks for it: https://hl7.org/fhir/R5/http.html#cond-update
    """
    permission = decide.authorize(ctx.principal, "u", resource_type, base_url=ctx.settings.base_url)
    there = await read.newest(ctx, resource_type, resource_id, permission)
    if there is not None and there.body is not None:
        raise Conflict(
            "The criteria match nothing, but there is a resource with the body's id; update it by that id.",
            expression=f"{resource_type}.id",
        )


async def _by_criteria(
    ctx: Context, ask: Interaction, deed: Callable[[Context, Interaction], Awaitable[Answer]]
) -> Answer:
    """Find the one resource and change it in one transaction, in turn with others of the same criteria."""

    async def attempt() -> Answer:
        async with store.transaction(ctx, before_stamp=conditional.lock(ctx, ask.resource_type, ask.query)):
            named = await by_id(ctx, ask)
            return await deed(ctx, named) if named.id else Answer(204)

    return await persistently(ctx, attempt)


async def update(ctx: Context, ask: Interaction) -> Answer:
    """Store a new version: 200; or the first one under the client's own id: 201.

    Raises:
        BadRequest: the body's id is not the URL's; ``If-Match`` or ``If-None-Match`` is no entity tag.
        PreconditionFailed: ``If-Match`` names another version than the newest, or ``If-None-Match`` that one
            (``*`` any, so that the update can only create).
        NotFound: there is none, and the caller may see only a part of the type: such a one chooses no id.
    """
    if not ask.id:
        return await _by_criteria(ctx, ask, update)
    document = _document(ask)
    if document.get("id") != ask.id:
        raise BadRequest("The resource's id must be the id in the URL.", expression=f"{ask.resource_type}.id")
    expected = preconditions.versions(ask.if_match, "If-Match")
    unwanted = preconditions.versions(ask.if_none_match, "If-None-Match")
    permission = decide.authorize(ctx.principal, "u", ask.resource_type, base_url=ctx.settings.base_url)
    await conditional.resolve_references(ctx, document)

    async def attempt() -> Answer:
        previous = await read.newest(ctx, ask.resource_type, ask.id, permission)
        preconditions.require_one_of(previous, expected)
        preconditions.require_none_of(previous, unwanted)
        if previous is None and not (permission.unrestricted or ask.drawn):
            # Whether the id is free would tell whether there is a resource that this caller may not see.
            raise NotFound(HIDDEN)
        return await _replace(ctx, ask, document, previous, permission)

    return await persistently(ctx, attempt)


async def patch(ctx: Context, ask: Interaction) -> Answer:
    """Change parts of a resource by JSON Patch or FHIRPath Patch: 200.

    Raises:
        NotFound, Gone: there is nothing to patch.
        BadRequest: the patch cannot be applied, or its result is not a valid resource.
        PreconditionFailed: ``If-Match`` names another version than the newest.
    """
    if ask.document is None:
        raise Malformed("The request has no body; send a patch.")
    if not ask.id:
        return await _by_criteria(ctx, ask, patch)
    sent = ask.document
    expected = preconditions.versions(ask.if_match, "If-Match")
    permission = decide.authorize(ctx.principal, "u", ask.resource_type, base_url=ctx.settings.base_url)

    async def attempt() -> Answer:
        previous = read.present(await read.newest(ctx, ask.resource_type, ask.id, permission))
        preconditions.require_one_of(previous, expected)
        whole = await contents.whole(ctx, previous)
        text = (whole.body or "").encode()
        ctx.size = max(ctx.size, len(text))
        document = in_xhtml(await aside(ctx.size, lambda: patched(parse(text), sent)))
        await conditional.resolve_references(ctx, document)
        return await _replace(ctx, ask, document, previous, permission)

    return await persistently(ctx, attempt)


async def _replace(
    ctx: Context, ask: Interaction, document: dict[str, Any], previous: Version | None, permission: Permission
) -> Answer:
    """Store the version that follows ``previous``; nothing when the content is the same."""
    method = "PATCH" if ask.name is Name.PATCH else "PUT"
    change = await _prepared(ctx, ask.resource_type, ask.id, document, method=method, previous=previous)
    if previous is not None and store.repeats(previous, change):
        if ctx.stamp is not None:
            await store.hold(ctx, previous)
        return Answer(200, previous)
    claim, contained = await _new_claim(ctx, change, previous), store.contains(previous)
    change = replace(change, claim=claim, contained=contained)
    created = previous is None or previous.body is None
    return Answer(201 if created else 200, await _write(ctx, change, permission, previous), audited=True)


async def _new_claim(ctx: Context, change: Change, previous: Version | None) -> Claim | None:
    """Return the identifier that an update must claim: None when it holds it already."""
    claim = intake.claim_of(change.resource_type, change.document or {})
    if claim is None or (previous is not None and intake.is_claimed_by(previous, claim)):
        return None
    held = await store.holder(ctx, change.resource_type, claim)
    if held and held.id != change.id:
        raise Conflict(
            "RX-16: Another prescription has this identifier; use that one.",
            expression=f"{change.resource_type}.identifier",
        )
    return None if held else claim


async def delete(ctx: Context, ask: Interaction) -> Answer:
    """Delete a resource: its next version is a tombstone. Deleting what is not there is no error.

    Raises:
        Referred: another resource refers to it; in a bundle that is asked at the end.
        PreconditionFailed: ``If-Match`` names another version than the newest.
    """
    if not ask.id:
        return await _by_criteria(ctx, ask, delete)
    expected = preconditions.versions(ask.if_match, "If-Match")
    permission = decide.authorize(ctx.principal, "d", ask.resource_type, base_url=ctx.settings.base_url)

    async def attempt() -> Answer:
        previous = await read.newest(ctx, ask.resource_type, ask.id, permission)
        preconditions.require_one_of(previous, expected)
        if previous is None or previous.body is None:
            return Answer(204)
        await rules.may_delete(ctx, ask.resource_type, previous)
        change = Change(
            ask.resource_type, ask.id, previous.version + 1, "DELETE", contained=store.contains(previous)
        )
        async with store.transaction(ctx):
            stored = await store.write(ctx, change)
            await integrity.after_deletion(ctx, ask.resource_type, ask.id)
        return Answer(204, stored, audited=True)

    return await persistently(ctx, attempt)


async def _prepared(
    ctx: Context,
    resource_type: str,
    resource_id: str,
    document: dict[str, Any],
    *,
    method: str,
    previous: Version | None = None,
) -> Change:
    """Check a document completely and make it ready for the store.

    Raises:
        Malformed: it is not a valid R4 resource (400, every finding).
        Unprocessable: a reference points at nothing, or a rule is broken (422, every finding).
        Forbidden: this client may not write this resource.
    """
    size = weight(ctx, document)
    by_model = ctx.principal is OPERATOR
    findings = await aside(size, lambda: validate.check(document, resource_type, second_opinion=by_model))
    if findings:
        raise Malformed(issues=findings)
    named = await aside(size, lambda: references.literals(document))
    draft = rules.Draft(resource_type, resource_id, document, named, previous)
    # A creation that waits until the end of its bundle would start the whole bundle again.
    patient = await rules.require(ctx, draft, trusting=not ctx.in_bundle)
    identified = {**document, "id": resource_id}
    extracted = await aside(size, lambda: extract(resource_type, identified, base_url=ctx.settings.base_url))
    if patient and extracted.columns["patient"] is None:
        extracted.columns["patient"] = patient
    extracted.columns["terms"] += integrity.terms(named, extracted.columns["patient"], ctx.fhir_base)
    version = previous.version + 1 if previous else 1
    refers = integrity.refers(ctx, resource_type, resource_id, extracted.columns)
    return Change(resource_type, resource_id, version, method, identified, extracted, refers=refers)


async def _write(ctx: Context, change: Change, permission: Permission, previous: Version | None) -> Version:
    """Store a change.

    Raises:
        LostRace: somebody else was quicker.
        Unprocessable: what it refers to, which was taken for granted, is not there.
        Forbidden: it is outside of the granular scope that allowed it.
    """
    try:
        return await _inside(ctx, change, permission)
    except LostRace as lost:
        if not ctx.in_bundle and not isinstance(lost, Deadlocked):
            document = change.document or {}
            named = references.literals(document)
            draft = rules.Draft(change.resource_type, change.id, document, named, previous)
            await rules.require(ctx, draft, trusting=False)
        raise


async def _inside(ctx: Context, change: Change, permission: Permission) -> Version:
    """Store a change; under a granular scope only when the new version is inside that scope too.

    An identifier is claimed before it is known whether the version is stale: in a transaction, so that who
    loses the race leaves no claim behind. A creation under a new id cannot be stale.
    """
    if permission.unrestricted and (change.claim is None or change.method == "POST"):
        return await store.write(ctx, change)
    async with store.transaction(ctx):
        stored = await store.write(ctx, change)
        if not permission.unrestricted:
            await store.flush(ctx)
            await read.require_inside(ctx, change.resource_type, change.id, permission)
        return stored


def _document(ask: Interaction) -> dict[str, Any]:
    if ask.document is None:
        raise Malformed("The request has no body; send one FHIR resource.")
    if ask.document.get("resourceType") != ask.resource_type:
        raise Malformed(
            "The resourceType must be the type in the URL.", expression=f"{ask.resource_type}.resourceType"
        )
    return in_xhtml(dict(ask.document))
