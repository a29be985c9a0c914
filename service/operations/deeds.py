"""Which function performs each operation of the catalogue.

Source: https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec import structs

from service import paging
from service.operations import arguments, docref, everything, labels, lastn, match, validating
from service.operations.arguments import Arguments
from service.operations.catalogue import OPERATIONS
from service.search.cursors import PARAMETER

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Answer, Interaction

Deed = Callable[["Context", "Interaction", Arguments], Awaitable["Answer"]]

DEEDS: dict[str, Deed] = {
    "$validate": validating.validate,
    "$everything": everything.everything,
    "$match": match.match,
    "$docref": docref.docref,
    "$lastn": lastn.lastn,
    "$meta": labels.show,
    "$meta-add": labels.add,
    "$meta-delete": labels.delete,
}


async def operate(ctx: Context, ask: Interaction) -> Answer:
    """Perform an operation.

    Raises:
        BadRequest: a parameter is unknown, missing, or cannot be read.
    """
    path = "/".join(filter(None, (ask.resource_type, ask.id, ask.operation)))
    opened = await paging.opened(ctx, path, ask.query)
    given = arguments.read(structs.replace(ask, query=opened.pairs), OPERATIONS[ask.operation])
    place = given.texts.pop(PARAMETER, None)
    if place is not None and PARAMETER not in dict(ask.query):
        # It came in the body.
        opened = await paging.opened(ctx, path, ((PARAMETER, place),))
        place = dict(opened.pairs).get(PARAMETER)
    opened.require(given.texts.items())
    if place is not None:
        given.texts[PARAMETER] = place
    ctx.told = (*given.texts.items(), *given.criteria)
    return await DEEDS[ask.operation](ctx, ask, given)
