"""Interactions that name their resource by search criteria instead of an id.

A lock on the criteria is held to the end of the transaction, so that two requests with the same
criteria take turns, and the second finds what the first has stored.

Source: https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/references.html#literal
"""

from __future__ import annotations

from copy import deepcopy
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest, Issue, PreconditionFailed, Unprocessable
from service.access import decide
from service.aside import aside, weight
from service.interaction import Name, Version
from service.references import links, literals, where
from service.search import query, run

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Target

ENOUGH = 2
"""Matches that are fetched: whether there are two or a thousand makes no difference."""


MAX_CONDITIONAL = 100
"""Conditional references of one resource; each costs a search."""

MAX_CRITERIA_TEXT = 64 * 1024
MAX_PARAMETERS = 500
"""Characters and parameters of a query, in a request line as in an entry or a header."""

Pairs = tuple[tuple[str, str], ...]


def criteria_of(text: str) -> Pairs:
    """Read criteria written as a query string, as in ``If-None-Exist`` and conditional references.

    Raises:
        BadRequest: they are not text, or too long.
    """
    if len(text) > MAX_CRITERIA_TEXT:
        raise BadRequest("The criteria are too long; ask in several requests.")
    path, mark, query = text.partition("?")
    try:
        # A question mark may also stand in a value.
        return tuple(
            parse_qsl(
                query if mark and "=" not in path else text,
                keep_blank_values=True,
                errors="strict",
                max_num_fields=MAX_PARAMETERS,
            )
        )
    except ValueError:
        raise BadRequest("The criteria are not valid UTF-8, or have too many parameters.") from None


def unless_exists(target: Target, header: str | None, query: Pairs) -> str | None:
    """Return the criteria under which a creation stores nothing, as ``If-None-Exist`` writes them.

    R4 has them in the header alone. Clients of servers that read the URL, such as fhirpy, send them there:
    to ignore them would store a duplicate at each retry.

    Raises:
        BadRequest: criteria are in both places.
    """
    if target.name is not Name.CREATE or not query:
        return header
    if header is not None:
        raise BadRequest("Send the criteria of a conditional creation once: in If-None-Exist, or in the URL.")
    return urlencode(query)


async def lock(ctx: Context, resource_type: str, criteria: Pairs) -> None:
    """Wait until no other transaction decides about the same criteria."""
    told = repr((resource_type, sorted(criteria))).encode("utf-8", "surrogatepass")
    key = int.from_bytes(blake2b(told, digest_size=8).digest(), signed=True)
    await ctx.connection.execute("SELECT pg_advisory_xact_lock($1)", key)


async def only_match(ctx: Context, resource_type: str, criteria: Pairs) -> Version | None:
    """Return the one resource that satisfies the criteria, or None.

    Raises:
        BadRequest: a criterion is not understood; ignoring it would widen the match.
        PreconditionFailed: there is no criterion, an empty one, or several resources match.
    """
    base_url = ctx.settings.base_url
    decide.authorize(ctx.principal, "s", resource_type, base_url=base_url)
    if not criteria or not all(value for _, value in criteria):
        raise PreconditionFailed("A conditional interaction needs criteria, each with a value.")
    found = query.clauses(resource_type, urlencode(criteria), base_url=base_url)
    asked = query.Query(resource_type, criteria=list(found), count=ENOUGH)
    narrow = decide.visible(ctx.principal, base_url=base_url)
    page = await run.search(ctx.connection, asked, narrow, now=ctx.now())
    if len(page.rows) > 1 or page.next:
        raise PreconditionFailed("The criteria match several resources; name one that is alone in matching.")
    for row in page.rows:
        return Version(resource_type, row.id, row.version, row.last_updated, row.body)
    return None


def sought_types(ctx: Context, document: dict[str, Any] | None) -> set[str]:
    """Tell which types the conditional references of a document seek."""
    return {resource_type for resource_type, _ in _conditional(ctx, document or {}).values()}


def _conditional(ctx: Context, document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Map the conditional references of a document to (type, criteria)."""
    return {
        reference: (resource_type, criteria)
        for reference in literals(document, containing=b"?")
        if "?" in reference
        for resource_type, _, criteria in [reference.removeprefix(f"{ctx.fhir_base}/").partition("?")]
        if resource_type in RESOURCE_TYPES
    }


async def _match(ctx: Context, resource_type: str, criteria: str) -> Version | None:
    try:
        return await only_match(ctx, resource_type, criteria_of(criteria))
    except PreconditionFailed:
        return None


async def resolve_references(ctx: Context, document: dict[str, Any]) -> None:
    """Replace every reference of the form ``Type?criteria`` by the one resource that matches.

    Raises:
        BadRequest: there are too many, or their criteria are not understood.
        Unprocessable: none or several match; every such reference is named.
    """
    wanted = await aside(weight(ctx, document), lambda: _conditional(ctx, document))
    if not wanted:
        return
    if len(wanted) > MAX_CONDITIONAL:
        raise BadRequest(f"More than {MAX_CONDITIONAL} conditional references in a resource are too many.")
    found = {
        reference: match.id if (match := await _match(ctx, *parts)) else None
        for reference, parts in wanted.items()
    }
    # The document as it was sent stays: another attempt may find other matches.
    document.update(deepcopy(document))
    for link in links(document):
        if (matched := found.get(link["reference"])) is not None:
            link["reference"] = f"{wanted[link['reference']][0]}/{matched}"
    unmatched = {reference for reference, matched in found.items() if matched is None}
    if unmatched:
        text = "The criteria of this reference do not match exactly one resource."
        paths = where(document, unmatched.__contains__)
        raise Unprocessable(issues=[Issue("not-found", text, path) for path in paths])
