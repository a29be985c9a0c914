"""FHIR over HTTP: one endpoint, because the grammar of URLs is ``service/interaction.py``'s.

    request ─▶ negotiate ─▶ interpret ─▶ who asks ─▶ perform ─▶ audit durable ─▶ bytes

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.routing import Route

from api import deps, wire
from models.document import parse
from models.errors import BadRequest, FhirError, UnsupportedMediaType
from service import bundle, capability, conditional, provenance
from service.context import Context, Pools
from service.interaction import SEARCHES, Answer, Interaction, Name, Target, interpret
from service.patching import MEMBERS, carried
from service.perform import noted, perform, unread

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from models.principal import Principal
    from service.audit import AuditEntry
    from service.database import Connection

PREFIX = "/fhir"
_BELOW = PREFIX + "/"
_WELL_KNOWN = _BELOW + ".well-known/"
MAX_QUERY = 64 * 1024
"""Characters of a query string or a form; longer lists belong into several requests."""

_WITH_BODY = frozenset({Name.CREATE, Name.UPDATE, Name.PATCH, Name.BUNDLE, Name.OPERATION})
_FORM = "application/x-www-form-urlencoded"
_FOR_THE_WIRE = frozenset({"_format", "_pretty"})


async def fhir(request: Request) -> Response:
    """Answer any request below the FHIR base."""
    scope = request.scope
    known = deps.services(request)
    headers = _headers(scope)
    target = interpret(scope["method"], scope["path"][len(PREFIX) :])
    state = scope["state"]
    state["route"] = f"{target.title} {target.resource_type}"
    query = _pairs(scope["query_string"])
    shown = dict(query)
    wire.accepted(headers.get("accept"), shown.get("_format"))
    pretty = _is_pretty(shown.get("_pretty"))
    if target.name is Name.CAPABILITIES:
        text = capability.shown(known.capabilities, query)
        return wire.success(Answer(200, document=text), known.settings, pretty=pretty)
    caller = None
    try:
        caller = await deps.principal(known, headers.get("authorization", ""))
        state["client_id"] = caller.client_id
        ask = await _asked(request, target, query, headers)
    except FhirError as refusal:
        await known.audit.record([unread(caller, target, state["request_id"], refusal.status)])
        raise
    answer = await _performed(known, caller, state["request_id"], ask)
    writes = ask.name in {Name.CREATE, Name.UPDATE, Name.PATCH}
    if answer.version and not writes and wire.not_modified(answer.version, headers):
        answer = Answer(wire.NOT_MODIFIED, answer.version)
    return wire.success(
        answer, known.settings, prefer=ask.prefer if writes else "", pretty=pretty, writes=writes
    )


async def _asked(
    request: Request, target: Target, query: tuple[tuple[str, str], ...], headers: dict[str, str]
) -> Interaction:
    """Read what is asked for: parameters, body and conditions."""
    prefer, strict = wire.preferences(headers["prefer"]) if "prefer" in headers else ("", False)
    parameters = await _parameters(request, target, query, headers)
    return Interaction(
        *target,
        query=parameters,
        document=await _document(request, target, headers),
        if_match=headers.get("if-match"),
        if_none_match=headers.get("if-none-match"),
        if_none_exist=conditional.unless_exists(target, headers.get("if-none-exist"), parameters),
        strict=strict,
        prefer=prefer,
        provenance=provenance.sent(target.name, headers.get("x-provenance")),
    )


async def _performed(known: deps.Services, caller: Principal, request_id: str, ask: Interaction) -> Answer:
    """Perform an interaction; the answer is returned only after its audit entries are durable.

    The connection goes back first, so that waiting for a commit to reach the disk holds up nobody else.
    """
    unaudited: list[AuditEntry] = []
    ctx = Context(caller, cast("Connection", None), known.settings, request_id, unaudited=unaudited)
    try:
        if ask.name is Name.SEARCH:
            ctx.pools = Pools(known.database, known.searches)
            return await perform(ctx, ask)
        async with known.database.acquire() as ctx.connection:
            return await (noted(ctx, ask, bundle.execute) if ask.name is Name.BUNDLE else perform(ctx, ask))
    finally:
        await known.audit.record(unaudited)


_HEADERS = frozenset(
    {
        b"accept",
        b"authorization",
        b"content-length",
        b"content-type",
        b"if-match",
        b"if-modified-since",
        b"if-none-exist",
        b"if-none-match",
        b"prefer",
        b"x-provenance",
    }
)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _HEADERS}


def _pairs(text: bytes) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    if len(text) > MAX_QUERY:
        raise BadRequest("The query is too long; ask in several requests.")
    try:
        return tuple(parse_qsl(text.decode(), keep_blank_values=True, errors="strict", max_num_fields=500))
    except ValueError:
        raise BadRequest("The query is not valid UTF-8, or has too many parameters.") from None


async def _parameters(
    request: Request, target: Target, query: tuple[tuple[str, str], ...], headers: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return the search parameters: of the URL, and for ``POST _search`` also of the form."""
    if target.name in SEARCHES and request.method == "POST":
        if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise UnsupportedMediaType(f"Send the parameters of _search as {_FORM}.")
        query += _pairs(await deps.body(request, MAX_QUERY))
    return tuple(pair for pair in query if pair[0] not in _FOR_THE_WIRE)


async def _document(request: Request, target: Target, headers: dict[str, str]) -> dict[str, Any] | None:
    if target.name not in _WITH_BODY or request.method in {"GET", "HEAD"}:
        return None
    content_type = headers.get("content-type", "")
    limit = deps.services(request).settings.max_body_bytes
    sent = await deps.body(request, limit)
    media_type = content_type.partition(";")[0].strip().lower()
    if target.name is Name.PATCH and media_type in MEMBERS:
        return carried(media_type, sent)
    if target.name is Name.OPERATION and not sent:
        return None
    wire.require_json(content_type)
    return parse(sent)


def _is_pretty(text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise BadRequest("_pretty is true or false.")
    return text == "true"


def serves(path: str) -> bool:
    """Tell whether a path belongs to FHIR's own routes (discovery below the base does not)."""
    return (path.startswith(_BELOW) and not path.startswith(_WELL_KNOWN)) or path == PREFIX


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request without the framework: for callers that need no CORS headers."""
    request = Request(scope, receive)
    try:
        response = await fhir(request)
    except FhirError as error:
        response = wire.failure(error)
    await response(scope, receive, send)


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

ROUTES = [
    Route(PREFIX, fhir, methods=_METHODS),
    Route(PREFIX + "/{path:path}", fhir, methods=_METHODS),
]
