"""The one way to data: every request, and every entry of a bundle, is performed here.

    api ─┐
         ├─▶ perform ─▶ read · write · search ─▶ large contents ─▶ Answer
  bundle ┘       └─▶ what was asked and what became of it, for the audit trail

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from msgspec import structs

from models.errors import FhirError, MethodNotAllowed, TooCostly
from service import capability, contents, history, provenance, read, write
from service.audit import AuditEntry
from service.context import utc_now
from service.database import translated
from service.interaction import Answer, Interaction, Name, Target
from service.operations import deeds
from service.search.compile import MAX_BYTES
from service.search.query import known_names

if TYPE_CHECKING:
    from models.principal import Principal
    from service.context import Context

MAX_HELD = MAX_BYTES
"""Characters of answers after which the entries of a bundle get no more of them."""

_WRITES = frozenset({Name.CREATE, Name.UPDATE, Name.PATCH, Name.DELETE})

Deed = Callable[["Context", Interaction], Awaitable[Answer]]

_DEEDS: dict[Name, Deed] = {
    Name.CAPABILITIES: capability.tell,
    Name.SEARCH: read.search,
    Name.SEARCH_SYSTEM: read.search_system,
    Name.CREATE: write.create,
    Name.READ: read.read,
    Name.VREAD: read.vread,
    Name.UPDATE: write.update,
    Name.PATCH: write.patch,
    Name.DELETE: write.delete,
    Name.HISTORY: history.history,
    Name.HISTORY_TYPE: history.history,
    Name.HISTORY_SYSTEM: history.history,
    Name.OPERATION: deeds.operate,
}


async def perform(ctx: Context, ask: Interaction) -> Answer:
    """Perform one interaction on resources, and leave what the audit trail must hold in ``ctx``.

    Raises:
        FhirError: the interaction was refused; the refusal is in ``ctx.unaudited``.
    """
    deed = _DEEDS.get(ask.name)
    if deed is None:
        raise MethodNotAllowed("This interaction is not offered inside a bundle.")
    return await noted(ctx, ask, deed)


async def noted(ctx: Context, ask: Interaction, deed: Deed) -> Answer:
    """Do a deed, complete its answer, and note who asked for it and how it ended.

    What the database has refused becomes an answer only where its connection is given back.
    """
    ctx.told = ()
    try:
        answer = await _bounded(ctx, ask, deed)
    except Exception as error:
        refusal = error if isinstance(error, FhirError) else translated(error)
        if refusal is not None:
            ctx.unaudited.append(_entry(ctx, ask, refusal.status))
            if refusal.status == TooCostly.status:
                refusal.parameters = known_names(ctx.told or ask.query)
        raise
    if not answer.audited:
        ctx.unaudited.append(_entry(ctx, ask, answer.status))
    return answer


async def _bounded(ctx: Context, ask: Interaction, deed: Deed) -> Answer:
    """Do a deed, unless a bundle's answer is too large by now; a write is done, and not shown any more.

    Raises:
        TooCostly: there is no room for what is asked for.
    """
    is_full = ctx.held > MAX_HELD
    if is_full and ask.name not in _WRITES:
        raise TooCostly("The answer to this bundle is too large; ask in several requests.")
    if ask.provenance is None or ask.name is Name.BUNDLE:
        answer = await deed(ctx, ask)
    else:
        answer = await provenance.accompanied(ctx, ask, deed)
    if is_full and answer.version is not None and answer.version.body:
        return structs.replace(answer, version=structs.replace(answer.version, body=""))
    answer = await contents.completed(ctx, answer)
    ctx.held += len(answer.document or (answer.version and answer.version.body) or "")
    return answer


def unread(principal: Principal | None, target: Target, request_id: str, status: int) -> AuditEntry:
    """Make the audit entry of a request that was refused before it was read; nobody's client id is empty."""
    return AuditEntry(
        recorded=utc_now(),
        request_id=request_id,
        client_id=principal.client_id if principal else "",
        login=principal.user if principal else None,
        interaction=target.title,
        resource_type=target.resource_type or None,
        resource_id=target.id or target.compartment or None,
        query=None,
        status=status,
    )


def _entry(ctx: Context, ask: Interaction, status: int) -> AuditEntry:
    principal = ctx.principal
    asked = ctx.told or ask.query
    return AuditEntry(
        recorded=ctx.now(),
        request_id=ctx.request_id,
        client_id=principal.client_id,
        login=principal.user,
        interaction=ask.title,
        resource_type=ask.resource_type or None,
        resource_id=ask.id or ask.compartment or None,
        query=urlencode(asked) if asked else None,
        status=status,
    )
