"""``$meta``, ``$meta-add``, ``$meta-delete``: profiles, tags and security labels.

    instance    those of the resource
    type        those in use among the resources of the type that the caller may see
    system      those in use among all that the caller may see

Adding and deleting go through the ordinary update, so that rules, history and audit see a new version.
Source: https://hl7.org/fhir/R4/resource-operation-meta.html, -meta-add.html, -meta-delete.html
"""

# ruff: noqa: S608 - names of our own tables, every value is an argument

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
from msgspec import structs

from models.definitions import RESOURCE_TYPES
from models.document import parse, serialize
from models.errors import Conflict, Forbidden, Issue, Malformed, PreconditionFailed
from models.resource import table_name
from service import contents, read, validate, write
from service.access import decide
from service.interaction import Answer, Interaction, Name
from service.retries import ATTEMPTS
from service.search.predicates import Builder
from service.search.run import given_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.context import Context
    from service.operations.arguments import Arguments

Labels = dict[str, list[Any]]

MAX_COMBINATIONS = 1_000
"""Different sets of labels that are looked at in one type."""

_KINDS = ("profile", "security", "tag")
_NOTHING = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "not-applicable",
        }
    ]
}
"""What is returned where no labels are in use: the answer must have a Meta, and none may be empty."""


async def show(ctx: Context, ask: Interaction, _given: Arguments) -> Answer:
    """Return the labels of a resource, or those in use.

    Raises:
        NotFound, Gone: there is no such resource for this caller.
        Forbidden: no scope allows reading the type, or any type at all.
        TooCostly: the database gave up.
    """
    if not ask.id:
        return _answer(await _in_use(ctx, ask))
    permission = decide.authorize(ctx.principal, "r", ask.resource_type, base_url=ctx.settings.base_url)
    stored = read.present(await read.newest(ctx, ask.resource_type, ask.id, permission))
    return _answer(parse((stored.body or "").encode()).get("meta", {}))


async def add(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Add labels that the resource does not have yet.

    Raises:
        Malformed: the labels are not valid.
        NotFound, Gone, Forbidden, Unprocessable: see ``write.update``.
    """
    return await _relabelled(ctx, ask, given, with_added)


async def delete(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Take labels away; one that the resource does not have is no error.

    Raises:
        Malformed: the labels are not valid.
        NotFound, Gone, Forbidden, Unprocessable: see ``write.update``.
    """
    return await _relabelled(ctx, ask, given, with_deleted)


def with_added(own: Labels, sent: Labels) -> Labels:
    """Return the labels and those of the sent ones that are new."""
    together = {kind: {identity(label): label for label in sent[kind] + own[kind]} for kind in _KINDS}
    held = {kind: {identity(label) for label in own[kind]} for kind in _KINDS}
    return {
        kind: own[kind] + [label for key, label in together[kind].items() if key not in held[kind]]
        for kind in _KINDS
    }


def with_deleted(own: Labels, sent: Labels) -> Labels:
    """Return the labels that are not among the sent ones."""
    gone = {kind: {identity(label) for label in sent[kind]} for kind in _KINDS}
    return {kind: [label for label in own[kind] if identity(label) not in gone[kind]] for kind in _KINDS}


def identity(label: Any) -> tuple[Any, ...]:
    """Return what makes two labels the same: a profile's address, a coding's system and code."""
    return (label.get("system"), label.get("code")) if isinstance(label, dict) else (label,)


async def _relabelled(
    ctx: Context, ask: Interaction, given: Arguments, change: Callable[[Labels, Labels], Labels]
) -> Answer:
    """Store the resource with other labels, again where somebody was quicker."""
    permission = decide.authorize(ctx.principal, "u", ask.resource_type, base_url=ctx.settings.base_url)
    sent = given.meta or {}
    for _ in range(ATTEMPTS):
        stored = read.present(await read.newest(ctx, ask.resource_type, ask.id, permission))
        document = parse(((await contents.whole(ctx, stored)).body or "").encode())
        _require_valid(ask.resource_type, document, sent, given.place)
        meta = _meta(document["meta"], change(_labels(document["meta"]), _labels(sent)))
        named = structs.replace(
            ask,
            name=Name.UPDATE,
            document={**document, "meta": meta},
            if_match=ask.if_match or f'W/"{stored.version}"',
        )
        try:
            written = await write.update(ctx, named)
        except PreconditionFailed:
            if ask.if_match is not None:
                raise
            continue
        body = written.version.body if written.version else None
        return _answer(parse((body or "{}").encode()).get("meta", {}))
    raise Conflict("Other writers were quicker, several times. Send the request again.")


def _require_valid(resource_type: str, document: dict[str, Any], sent: dict[str, Any], place: str) -> None:
    """Refuse labels that would not be valid in the resource, with the place where they were sent."""
    start = f"{resource_type}.meta"
    issues = [
        Issue(issue.code, issue.text, place + str(issue.expression).removeprefix(start))
        for issue in validate.check({**document, "meta": sent}, resource_type, second_opinion=False)
        if str(issue.expression).startswith(start)
    ]
    if issues:
        raise Malformed(issues=issues)


def _labels(meta: dict[str, Any]) -> Labels:
    return {kind: list(meta.get(kind, [])) for kind in _KINDS}


def _meta(meta: dict[str, Any], labels: Labels) -> dict[str, Any]:
    rest = {name: value for name, value in meta.items() if name not in _KINDS}
    return {**rest, **{kind: held for kind, held in labels.items() if held}}


def _answer(meta: dict[str, Any]) -> Answer:
    told = {
        "resourceType": "Parameters",
        "parameter": [{"name": "return", "valueMeta": meta or _NOTHING}],
    }
    return Answer(200, document=serialize(told).decode())


async def _in_use(ctx: Context, ask: Interaction) -> dict[str, Any]:
    """Gather the labels of one resource for each set of labels that occurs."""
    base_url = ctx.settings.base_url
    narrow = decide.visible(ctx.principal, base_url=base_url)
    if ask.resource_type:
        decide.authorize(ctx.principal, "r", ask.resource_type, base_url=base_url)
    types = [ask.resource_type] if ask.resource_type else [t for t in RESOURCE_TYPES if narrow(t) is not None]
    if not types:
        raise Forbidden("The access token has no scope to read any type.")
    build = Builder(types[0], narrow, ctx.now())
    sql = " UNION ALL ".join(
        f"(SELECT body FROM {table_name(name)} WHERE id IN (SELECT min(id) FROM (SELECT r.id, "
        "ARRAY(SELECT t FROM unnest(r.terms) t WHERE starts_with(t, '_tag=') OR starts_with(t, '_security=') "
        f"OR starts_with(t, '_profile=')) AS labels FROM {table_name(name)} r "
        f"WHERE {build.visible(name, 'r')}) AS labelled WHERE labels <> '{{}}' GROUP BY labels "
        f"LIMIT {MAX_COMBINATIONS}))"
        for name in types
    )
    try:
        records = await ctx.connection.fetch(sql, *build.arguments)
    except asyncpg.QueryCanceledError as error:
        raise given_up() from error
    found: Labels = {kind: [] for kind in _KINDS}
    for record in records:
        found = with_added(found, _labels(parse(record["body"].encode()).get("meta", {})))
    return {kind: held for kind, held in found.items() if held}
