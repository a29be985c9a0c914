"""``X-Provenance``: a Provenance that comes with a write, and is stored with it or not at all.

    create, update, patch   target: the version that was stored
    transaction             target: every version that it stored, in one Provenance
    nothing was stored      no Provenance: a match of If-None-Exist, a repeated order, the same content again

The header holds the resource as JSON, in UTF-8 or percent-encoded, without a target. It is stored by the same
path as any creation, so the token needs a scope to create Provenance, and every rule applies.

Source: https://hl7.org/fhir/R4/provenance.html#header
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from models.document import parse
from models.errors import BadRequest, FhirError, Malformed
from service import conditional, store, write
from service.interaction import Answer, Interaction, Name
from service.retries import persistently

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from service.context import Context

    Deed = Callable[[Context, Interaction], Awaitable[Answer]]

TYPE = "Provenance"
HEADER = "X-Provenance"
_CARRY = frozenset({Name.CREATE, Name.UPDATE, Name.PATCH, Name.BUNDLE})
_CHANGE = frozenset({Name.DELETE, Name.OPERATION})


def sent(name: Name, header: str | None) -> dict[str, Any] | None:
    """Read the header of a request, as HTTP gives it (latin-1); None when there is none to keep.

    Raises:
        BadRequest: this interaction stores no Provenance, or the header has a target already.
        Malformed: the header is not one resource of type Provenance.
    """
    if header is None or (name not in _CARRY and name not in _CHANGE):
        return None
    if name not in _CARRY:
        raise BadRequest(f"{HEADER} goes with create, update, patch and transaction; store one apart.")
    document = _parsed(header.strip())
    target = document.pop("target", None)
    if target and target != [{}]:
        raise BadRequest(
            f"Leave the target out of {HEADER}: the server enters what was stored.",
            expression=f"{TYPE}.target",
        )
    return document


def _parsed(header: str) -> dict[str, Any]:
    body = unquote_to_bytes(header) if header[:3].upper() == "%7B" else header.encode("latin-1")
    try:
        document = parse(body)
    except Malformed as refusal:
        refusal.issues = tuple(
            replace(issue, text=f"{HEADER}: {issue.text}", expression=TYPE) for issue in refusal.issues
        )
        raise
    if document.get("resourceType") != TYPE:
        raise Malformed(f"{HEADER} holds one Provenance as JSON.", expression=f"{TYPE}.resourceType")
    return document


async def accompanied(ctx: Context, ask: Interaction, deed: Deed) -> Answer:
    """Write a resource and the Provenance that came with it in one transaction.

    Raises:
        FhirError: one of them was refused; nothing is stored.
    """

    async def attempt() -> Answer:
        async with store.transaction(ctx, before_stamp=_lock(ctx, ask)):
            answer = await deed(ctx, ask)
            await record(ctx, ask, [answer])
            return answer

    return await persistently(ctx, attempt)


async def _lock(ctx: Context, ask: Interaction) -> None:
    found = write.criteria(ask)
    if found is not None:
        await conditional.lock(ctx, ask.resource_type, found)


async def record(ctx: Context, ask: Interaction, answers: Iterable[Answer | FhirError]) -> None:
    """Store the Provenance of a request for the versions that it stored, if there are any.

    Raises:
        FhirError: the Provenance is refused.
    """
    targets = [_target(answer) for answer in answers if isinstance(answer, Answer) and _is_stored(answer)]
    if ask.provenance is None or not targets:
        return
    document = {**ask.provenance, "target": targets}
    await write.create(ctx, Interaction(Name.CREATE, TYPE, document=document))
    await store.flush(ctx)


def _is_stored(answer: Answer) -> bool:
    return answer.audited and answer.version is not None and answer.version.body is not None


def _target(answer: Answer) -> dict[str, str]:
    version = answer.version
    assert version is not None  # noqa: S101 - only stored versions are asked for
    return {"reference": f"{version.resource_type}/{version.id}/_history/{version.version}"}
