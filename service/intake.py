"""Prescription intake, exactly once: what becomes of an order that arrives again (rule RX-16).

    claim free                         the order is stored                        201
    claim taken, same content          the stored order is the answer             200
    claim taken, other content         refused, naming the paths that differ      409
    claim taken, order deleted since   refused                                    410
    claim taken, not the caller's      refused, and nothing else is told          409

The claim is the order's identifier at its issuing system, held by a unique key in the database, so
two posts at the same instant cannot both be first. "Same content" compares with the version that made
the claim, member order and notation of numbers aside, so that a retry is recognized after updates too.

Source: project rule RX-16; https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.document import canonical, differences, parse
from models.errors import Conflict, Forbidden, Gone, Issue
from models.principal import ClientKind
from service import contents, read, store
from service.access import decide
from service.access.organization import require_own
from service.interaction import Answer, Interaction, Version
from service.kat.elements import Document, child, children, codings, text
from service.search.values import term
from service.store import Claim

if TYPE_CHECKING:
    from service.context import Context

_PLACER = "PLAC"
"""Identifier type of the ordering system, http://terminology.hl7.org/CodeSystem/v2-0203."""


def claim_of(resource_type: str, document: dict[str, Any]) -> Claim | None:
    """Find the identifier that makes an order recognizable: official, else placer, else the first."""
    if resource_type != "MedicationRequest":
        return None
    identifiers = [item for _, item in children(document, "identifier") if text(item, "system")]
    for identifier in sorted(identifiers, key=_rank):
        system, value = text(identifier, "system"), text(identifier, "value")
        if system and value:
            return _claim(system, value)
    return None


def _claim(system: str, value: str) -> Claim:
    """Bound both parts: an entry of a unique key holds about 2,700 bytes; a digest keeps them distinct."""
    return Claim(term(system), term(value))


def _rank(identifier: Document) -> int:
    if identifier.get("use") == "official":
        return 0
    return 1 if _PLACER in {code for _, code in codings(child(identifier, "type"))} else 2


def is_claimed_by(version: Version, claim: Claim) -> bool:
    """Tell whether a stored version made or kept this claim, which then is its resource's."""
    return version.body is not None and claim_of(version.resource_type, parse(version.body.encode())) == claim


def is_by_claim(criteria: tuple[tuple[str, str], ...], claim: Claim | None) -> bool:
    """Tell whether ``If-None-Exist`` asks for just what the unique key decides anyway."""
    if claim is None or len(criteria) != 1 or criteria[0][0] != "identifier":
        return False
    system, _, value = criteria[0][1].partition("|")
    return _claim(system, value) == claim


def unrecognizable(ctx: Context, resource_type: str, document: dict[str, Any]) -> list[Issue]:
    """Find that an outside prescriber's order could not be recognized when it is sent again."""
    if (
        resource_type != "MedicationRequest"
        or ctx.principal.client_kind is not ClientKind.PRESCRIBER
        or claim_of(resource_type, document) is not None
    ):
        return []
    advice = "RX-16: Give the prescription an identifier with system and value: it shows a retry."
    return [Issue("required", advice, "MedicationRequest.identifier", rule="RX-16")]


class HeldByAnother(Conflict):
    """RX-16: This identifier is taken by a prescription that is not yours to see."""


async def held(ctx: Context, claim: Claim) -> Version | None:
    """Return the order that holds a claim, for whatever caller; None when the claim is free.

    Raises:
        Gone: the order was deleted.
        HeldByAnother: it was, and the caller could not have seen it.
    """
    holder = await store.holder(ctx, "MedicationRequest", claim)
    return holder and await _present(ctx, holder)


async def _present(ctx: Context, holder: store.Holder) -> Version:
    """Return the order as it is now.

    Raises:
        Gone: it was deleted.
        HeldByAnother: it was, and the caller could not have seen it.
    """
    if holder.current is None or holder.current.body is None:
        claimed = await store.version(ctx, "MedicationRequest", holder.id, holder.claimed)
        if claimed is not None:
            await _require_told(ctx, claimed, "c")
        raise Gone("RX-16: This prescription was deleted here; it is not stored again.")
    return holder.current


async def repeated(ctx: Context, ask: Interaction, claim: Claim, document: dict[str, Any]) -> Answer | None:
    """Answer an order whose claim is taken, or return None when it is free.

    Plain FHIR conditional create answers with the holder whatever was sent, but not to a prescriber.

    Raises:
        Forbidden: no scope allows what was asked.
        HeldByAnother: the order is outside of what the caller may create, or search.
        Conflict: the stored order has other content.
        Gone: the order was deleted.
    """
    holder = await store.holder(ctx, "MedicationRequest", claim)
    if holder is None:
        return None
    current = await _present(ctx, holder)
    compares = ask.if_none_exist is None or ctx.principal.client_kind is ClientKind.PRESCRIBER
    await _require_told(ctx, current, "c" if compares else "s")
    if compares:
        claimed = await store.version(ctx, current.resource_type, holder.id, holder.claimed)
        known = await contents.whole(ctx, claimed if claimed and claimed.body else current)
        _require_same_content(known.body or "", document)
    return Answer(200, current)


async def _require_told(ctx: Context, version: Version, interaction: str) -> None:
    """Refuse to tell anything about an order that is not the caller's, not even how it differs."""
    place = version.resource_type, version.id
    permission = decide.authorize(
        ctx.principal, interaction, version.resource_type, base_url=ctx.settings.base_url
    )
    if not permission.unrestricted and await read.newest(ctx, *place, permission) is None:
        raise HeldByAnother
    try:
        await require_own(ctx, *place, [parse((version.body or "").encode())], creates=False)
    except Forbidden:
        raise HeldByAnother from None


def _require_same_content(stored: str, sent: dict[str, Any]) -> None:
    known = _content(parse(stored.encode()))
    new = _content(sent)
    if canonical(known) == canonical(new):
        return
    paths = differences(known, new)
    raise Conflict(
        issues=[
            Issue(
                "conflict",
                "RX-16: Another content is stored under this identifier; nothing was changed.",
                path,
                rule="RX-16",
            )
            for path in paths[:MAX_PATHS]
        ]
    )


MAX_PATHS = 50
"""Differing paths that are named; a document that differs in more is another document."""


def _content(document: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in document.items() if name not in {"id", "meta"}}
    meta = {k: v for k, v in child(document, "meta").items() if k not in {"versionId", "lastUpdated"}}
    return {**content, "meta": meta} if meta else content
