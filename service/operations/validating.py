"""``$validate``: what a write would find wrong, told without storing anything.

    the write itself, undone before anybody sees it ─▶ the second opinion of the model, if it went well

Because the write is the real one, references, rules, who may write what, identifiers that are taken and
granular scopes are judged by the code that judges them when it counts.

    mode       create at a type, update at an instance, unless said otherwise; delete
    profile    only the shape, for whoever may read the type

Source: https://hl7.org/fhir/R4/resource-operation-validate.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from models.document import parse
from models.errors import BadRequest, FhirError, InternalError, Issue
from models.outcome import outcome
from service import contents, read, store, write
from service import validate as shape
from service.access import decide
from service.interaction import Answer, Interaction, Name
from service.retries import persistently
from service.validate.narrative import in_xhtml

if TYPE_CHECKING:
    from service.context import Context
    from service.operations.arguments import Arguments

_SCOPES = {"create": "c", "update": "u", "delete": "d", "profile": "r"}
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_VALID = Issue("informational", "Nothing is wrong with it.", severity="information")
_UNKNOWN_PROFILE = Issue(
    "not-supported",
    "This server does not know the profile, so nothing is validated against it.",
    "Parameters.parameter.where(name='profile')",
)


class _Undo(Exception):
    """Nothing was wrong; the transaction ends without effect."""


async def validate(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Answer an OperationOutcome with everything that a write would be refused for.

    Raises:
        BadRequest: there is nothing to validate, or the mode is unknown.
        Forbidden: no scope allows such a write.
        NotFound, Gone: the instance to be validated is not there.
    """
    mode = given.texts.get("mode", "update" if ask.id else "create")
    if mode not in _SCOPES or (mode == "create" and ask.id) or (mode == "delete" and not ask.id):
        raise BadRequest("The mode is create at a type, delete at an instance, or update or profile.")
    decide.authorize(ctx.principal, _SCOPES[mode], ask.resource_type, base_url=ctx.settings.base_url)
    document = None if mode == "delete" else await _subject(ctx, ask, given)
    issues = [] if mode == "profile" else await _findings(ctx, _written(ask, mode, document))
    if not issues and document is not None:
        issues = shape.check(document, ask.resource_type)
    if not _is_known(given.texts.get("profile"), ask.resource_type):
        issues.append(_UNKNOWN_PROFILE)
    return Answer(200, document=outcome(issues or [_VALID]).decode())


async def _subject(ctx: Context, ask: Interaction, given: Arguments) -> dict[str, Any]:
    """Return what was sent, or at an instance what is stored."""
    if given.resource is not None:
        return in_xhtml(given.resource)
    if not ask.id:
        raise BadRequest(
            issues=[Issue("required", "Send the resource that is to be validated.", "Parameters.parameter")]
        )
    permission = decide.authorize(ctx.principal, "r", ask.resource_type, base_url=ctx.settings.base_url)
    stored = read.present(await read.newest(ctx, ask.resource_type, ask.id, permission))
    return parse(((await contents.whole(ctx, stored)).body or "").encode())


def _written(ask: Interaction, mode: str, document: dict[str, Any] | None) -> Interaction:
    """Name the write that is tried."""
    resource_id = ask.id
    if mode == "update" and document is not None and not ask.id:
        resource_id = str(document.get("id", ""))
        if not resource_id:
            text = "An update needs the resource's id."
            raise BadRequest(issues=[Issue("required", text, f"{ask.resource_type}.id")])
    return Interaction(Name(mode), ask.resource_type, resource_id, document=document)


async def _findings(ctx: Context, tried: Interaction) -> list[Issue]:
    """Try a write, undo it, and list what it was refused for; again where somebody was quicker."""
    found: list[Issue] = []

    async def attempt() -> Answer:
        found[:] = await _refusals(ctx, tried)
        return Answer(200)

    await persistently(ctx, attempt)
    return found


async def _refusals(ctx: Context, tried: Interaction) -> list[Issue]:
    deeds = {Name.CREATE: write.create, Name.UPDATE: write.update, Name.DELETE: write.delete}
    try:
        # The inner one is a savepoint, which alone is undone when the outer one is a client's transaction.
        async with store.transaction(ctx), ctx.connection.transaction():
            await deeds[tried.name](ctx, tried)
            await store.flush(ctx)
            raise _Undo  # noqa: TRY301 - so that the transaction ends without effect
    except _Undo:
        return []
    except FhirError as refusal:
        if refusal.status >= InternalError.status:
            raise
        return [replace(issue, severity="error") for issue in refusal.issues]
    finally:
        ctx.gathered.clear()


def _is_known(profile: str | None, resource_type: str) -> bool:
    return profile is None or profile.partition("|")[0] == f"{_BASE}{resource_type}"
