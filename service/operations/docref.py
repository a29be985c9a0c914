"""``DocumentReference/$docref``: a patient's documents for a time of care, newest first.

    stored      by their time of care (``context.period``, else ``date``), without dates the current ones
    on demand   a summary of the record, made for this answer (``summary.py``)

Source: http://hl7.org/fhir/us/core/OperationDefinition/docref
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service import paging, searchset
from service.access import decide
from service.interaction import Answer
from service.operations import summary
from service.search import cursors, query, run
from service.search.criteria import AllOf, AnyOf, Criterion, Missing
from service.search.registry import parameters

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Interaction
    from service.operations.arguments import Arguments

_TYPE = "DocumentReference"
_COMPARED = {"start": "ge", "end": "le"}


async def docref(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Return one page of the documents.

    Raises:
        BadRequest: a parameter cannot be read.
        TooCostly: a record is too large for a summary.
    """
    base_url = ctx.settings.base_url
    decide.authorize(ctx.principal, "s", _TYPE, base_url=base_url)
    if given.texts.get("on-demand") == "true":
        return await _on_demand(ctx, ask, given)
    asked = query.parse(_TYPE, _pairs(given), base_url=base_url, strict=True)
    asked.criteria += _care(given, base_url)
    asked.used = [(name, value) for name, value in given.texts.items() if name != cursors.PARAMETER]
    page = await run.search(
        ctx.connection, asked, decide.visible(ctx.principal, base_url=base_url), now=ctx.now()
    )
    return Answer(200, document=await searchset.searchset(ctx, asked, page, path=f"{_TYPE}/{ask.operation}"))


async def _on_demand(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Return the summary of the record, or nothing for a patient who is not there for this caller."""
    found = await summary.summarized(ctx, given) if summary.is_of_type(given.texts.get("type")) else None
    entries = [found] if found else []
    links = [("self", paging.url_of(ctx, f"{_TYPE}/{ask.operation}", [*given.texts.items()]))]
    return Answer(200, document=searchset.bundle("searchset", len(entries), links, entries))


def _pairs(given: Arguments) -> list[tuple[str, str]]:
    """Say what a search can say."""
    pairs = [("patient", f"Patient/{given.texts['patient'].removeprefix('Patient/')}"), ("_sort", "-date")]
    pairs += [(name, given.texts[name]) for name in ("type", "_count", "_page") if name in given.texts]
    return pairs if given.texts.keys() & _COMPARED.keys() else [*pairs, ("status", "current")]


def _care(given: Arguments, base_url: str) -> list[Criterion]:
    """Ask for the period of care, and for the date where there is no period."""
    asked = [(_COMPARED[name], given.texts[name]) for name in _COMPARED if name in given.texts]
    if not asked:
        return []
    by_period, by_date = (
        tuple(
            criterion
            for prefix, value in asked
            for criterion in query.parse(
                _TYPE, [(name, f"{prefix}{value}")], base_url=base_url, strict=True
            ).criteria
        )
        for name in ("period", "date")
    )
    without = Missing(parameters(_TYPE)["period"], absent=True)
    return [AnyOf((AllOf(by_period), AllOf((without, *by_date))))]
