"""FHIR over HTTP: one endpoint, because the grammar of URLs is ``service/interaction.py``'s.

    request ─▶ negotiate ─▶ interpret ─▶ who asks ─▶ perform ─▶ audit durable ─▶ bytes

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.routing import Route

from api import deps, wire
from models.document import parse
from models.errors import BadRequest, UnsupportedMediaType
from service import bundle, capability
from service.interaction import Answer, Interaction, Name, interpret
from service.perform import noted, perform

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PREFIX = "/fhir"
MAX_QUERY = 64 * 1024
"""Characters of a query string or a form; longer lists belong into several requests."""

_FORM = "application/x-www-form-urlencoded"
_FOR_THE_WIRE = frozenset({"_format", "_pretty"})


async def fhir(request: Request) -> Response:
    """Answer any request below the FHIR base."""
    ask = interpret(request.method, request.url.path.removeprefix(PREFIX))
    request.state.route = f"{ask.name.value} {ask.resource_type}".strip()
    query = _pairs(request.url.query)
    ask = await _with_parameters(request, ask, query)
    shown = dict(query)
    wire.accepted(request.headers.get("accept"), shown.get("_format"))
    pretty = _is_pretty(shown.get("_pretty"))
    settings = deps.services(request).settings
    if ask.name is Name.CAPABILITIES:
        return wire.success(Answer(200, document=capability.text(settings)), settings, pretty=pretty)
    caller = await deps.principal(request)
    request.state.client_id = caller.client_id
    ask, prefer = await _with_body_and_headers(request, ask)
    async with deps.context(request, caller) as ctx:
        answer = await (noted(ctx, ask, bundle.execute) if ask.name is Name.BUNDLE else perform(ctx, ask))
    if (
        ask.name in {Name.READ, Name.VREAD}
        and answer.version
        and wire.not_modified(answer.version, request.headers)
    ):
        return wire.success(replace(answer, status=304), settings, pretty=pretty)
    writes = ask.name in {Name.CREATE, Name.UPDATE}
    return wire.success(answer, settings, prefer=prefer if writes else "", pretty=pretty, writes=writes)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    if len(text) > MAX_QUERY:
        raise BadRequest("The query is too long; ask in several requests.")
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=500))
    except ValueError:
        raise BadRequest("The query is not valid UTF-8, or has too many parameters.") from None


async def _with_parameters(
    request: Request, ask: Interaction, query: tuple[tuple[str, str], ...]
) -> Interaction:
    """Take search parameters from the URL, and for ``_search`` also from the form."""
    if ask.name is Name.SEARCH and request.method == "POST":
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise UnsupportedMediaType(f"Send the parameters of _search as {_FORM}.")
        form = await deps.body(request)
        query += _pairs(form.decode("utf-8", "surrogateescape"))
    return replace(ask, query=tuple(pair for pair in query if pair[0] not in _FOR_THE_WIRE))


async def _with_body_and_headers(request: Request, ask: Interaction) -> tuple[Interaction, str]:
    headers = request.headers
    prefer, strict = wire.preferences(headers.get("prefer"))
    document = None
    if ask.name in {Name.CREATE, Name.UPDATE, Name.BUNDLE}:
        wire.require_json(headers.get("content-type"))
        document = parse(await deps.body(request))
    ask = replace(
        ask,
        document=document,
        if_match=headers.get("if-match"),
        if_none_exist=headers.get("if-none-exist"),
        strict=strict,
        prefer=prefer if "return=" in headers.get("prefer", "") else "",
    )
    return ask, prefer


def _is_pretty(text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise BadRequest("_pretty is true or false.")
    return text == "true"


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

ROUTES = [
    Route(PREFIX, fhir, methods=_METHODS),
    Route(PREFIX + "/{path:path}", fhir, methods=_METHODS),
]
