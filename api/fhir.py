"""FHIR over HTTP: one endpoint, because the grammar of URLs is ``service/interaction.py``'s.

    request ─▶ interpret ─▶ negotiate ─▶ who asks ─▶ perform ─▶ audit durable ─▶ format, coding ─▶ bytes

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from asyncio import to_thread
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from msgspec import structs
from starlette.requests import Request
from starlette.routing import Route

from api import binary, deps, formats, wire
from api.formats import Format
from models.errors import BadRequest, FhirError, InternalError, NotAcceptable, UnsupportedMediaType
from service import bundle, capability, conditional, logs, provenance
from service.aside import aside
from service.context import Context, Pools
from service.interaction import SEARCHES, Answer, Interaction, Name, Target, interpret, methods
from service.patching import MEMBERS, carried
from service.perform import noted, perform, unread
from service.read import shown

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from models.principal import Principal
    from service.audit import AuditEntry
    from service.database import Connection
    from service.interaction import Version
    from service.settings import Settings

PREFIX = "/fhir"
_BELOW = PREFIX + "/"
_WELL_KNOWN = _BELOW + ".well-known/"
MAX_QUERY = conditional.MAX_CRITERIA_TEXT
"""Characters of a query string or a form; longer lists belong into several requests."""

LARGE = 64 * 1024
"""Bytes whose conversion, at some 10 MB a second, would keep other requests waiting noticeably."""

SLOWER_THAN_JSON = 4
"""How much longer it takes to read XML."""

_WITH_BODY = frozenset({Name.CREATE, Name.UPDATE, Name.PATCH, Name.BUNDLE, Name.OPERATION})
_FORM = "application/x-www-form-urlencoded"
_FOR_THE_WIRE = frozenset({"_format", "_pretty"})


async def fhir(request: Request) -> Response:
    """Answer any request below the FHIR base."""
    try:
        return await _answered(request)
    except FhirError as refusal:
        if refusal.status >= InternalError.status:
            _tell(refusal, request.scope["state"]["request_id"])
        raise
    finally:
        deps.finished(request)


def _tell(refusal: FhirError, request_id: str) -> None:
    """Tell the log why nothing could be answered: by which error, of what, and by names of parameters."""
    logs.logger().warning(
        "request not answered",
        request_id=request_id,
        issue_code=refusal.code,
        error=type(refusal).__name__,
        cause=type(refusal.__cause__).__name__,
        parameters=list(refusal.parameters),
    )


async def _answered(request: Request) -> Response:
    scope = request.scope
    known = deps.services(request)
    headers = wire.headers_of(scope)
    if scope["method"] == "OPTIONS":
        return wire.options(methods(scope["path"][len(PREFIX) :]))
    target = interpret(scope["method"], scope["path"][len(PREFIX) :])
    state = scope["state"]
    state["route"] = f"{target.title} {target.resource_type}".rstrip()
    query = _pairs(scope["query_string"])
    named = dict(query)
    state["manner"] = _manner(target, request.method, headers, named)
    if target.name is Name.CAPABILITIES:
        return wire.static(capability.shown(known.capabilities, query), state["manner"], headers)
    caller = None
    try:
        caller = await deps.principal(known, headers.get("authorization", ""))
        state["client_id"] = caller.client_id
        ask = await _asked(request, target, query, headers)
    except FhirError as refusal:
        await known.audit.record([unread(caller, target, state["request_id"], refusal.status)])
        raise
    raw = state["manner"].raw
    # Raw content has no parts that _summary or _elements could leave out.
    answer = await _performed(known, caller, state, structs.replace(ask, query=()) if raw else ask)
    if answer.version is not None and ask.name in binary.READS:
        answer = _read(answer, answer.version, ask, raw, headers)
    reads = request.method in {"GET", "HEAD"} or target.name in SEARCHES
    return await written(answer, known.settings, state["manner"], ask, reads=reads)


def _read(answer: Answer, version: Version, ask: Interaction, raw: str, headers: dict[str, str]) -> Answer:
    """Leave out what the reader knows already, or has not asked for of a Binary that is not answered raw."""
    if wire.not_modified(version, headers):
        return Answer(wire.NOT_MODIFIED, version)
    return shown(ask, version) if raw and ask.query and not binary.is_of(version, raw) else answer


def _manner(target: Target, method: str, headers: dict[str, str], shown: dict[str, str]) -> wire.Manner:
    """Settle how to answer, as far as the head of the request tells: a form may still say otherwise."""
    of_binary = target.resource_type == binary.TYPE and target.name in binary.READS
    try:
        return wire.negotiated(headers, shown, of_binary=of_binary)
    except NotAcceptable:
        if target.name in SEARCHES and method == "POST" and "_format" not in shown:
            return wire.AS_STORED
        raise


async def written(
    answer: Answer, settings: Settings, manner: wire.Manner, ask: Interaction, *, reads: bool
) -> Response:
    """Write an answer; a large one that takes work in a thread, so that other requests go on meanwhile.

    What has changed something is never refused afterwards: if XML cannot hold it, it is answered in JSON.
    """
    writes = ask.name in {Name.CREATE, Name.UPDATE, Name.PATCH}
    if ask.name is Name.DELETE and ask.prefer == "OperationOutcome":
        answer = Answer(200, answer.version, document=wire.DELETED)
    write = partial(wire.success, answer, settings, prefer=ask.prefer if writes else "", writes=writes)
    text = answer.version.body if answer.version else answer.document
    if manner is wire.AS_STORED:
        return write(manner)
    try:
        return write(manner) if len(text or "") < LARGE else await to_thread(write, manner)
    except NotAcceptable:
        if reads:
            raise
        return write(manner._replace(format=Format.JSON))


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


async def _performed(
    known: deps.Services, caller: Principal, state: dict[str, Any], ask: Interaction
) -> Answer:
    """Perform an interaction; the answer is returned only after its audit entries are durable.

    The connection goes back first, so that waiting for a commit to reach the disk holds up nobody else.
    """
    unaudited: list[AuditEntry] = []
    ctx = Context(caller, cast("Connection", None), known.settings, state["request_id"], unaudited=unaudited)
    ctx.kept, ctx.seals, ctx.hides = state["kept"], known.seals, state["hides"]
    ctx.size = state.get("size", 0)
    try:
        if ask.name is Name.SEARCH:
            ctx.pools = Pools(known.database, known.searches)
            return await perform(ctx, ask)
        ctx.capabilities = known.capabilities
        async with known.database.acquire() as ctx.connection:
            return await (noted(ctx, ask, bundle.execute) if ask.name is Name.BUNDLE else perform(ctx, ask))
    finally:
        await known.audit.record(unaudited)


def _pairs(text: bytes) -> tuple[tuple[str, str], ...]:
    if not text:
        return ()
    if len(text) > MAX_QUERY:
        raise BadRequest("The query is too long; ask in several requests.")
    try:
        return tuple(
            parse_qsl(
                text.decode(), keep_blank_values=True, errors="strict", max_num_fields=wire.MAX_PARAMETERS
            )
        )
    except ValueError:
        raise BadRequest("The query is not valid UTF-8, or has too many parameters.") from None


async def _parameters(
    request: Request, target: Target, query: tuple[tuple[str, str], ...], headers: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return the search parameters: of the URL, and for ``POST _search`` also of the form."""
    state = request.scope["state"]
    if target.name in SEARCHES and request.method == "POST":
        form = await deps.body(request, MAX_QUERY)
        if form and headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise UnsupportedMediaType(f"Send the parameters of _search as {_FORM}.")
        query += _pairs(form)
        state["manner"] = wire.negotiated(headers, dict(query))
    state["hides"] = request.method == "POST"
    state["kept"] = tuple(pair for pair in query if pair[0] in _FOR_THE_WIRE)
    return tuple(pair for pair in query if pair[0] not in _FOR_THE_WIRE)


async def _document(request: Request, target: Target, headers: dict[str, str]) -> dict[str, Any] | None:
    if target.name not in _WITH_BODY or request.method in {"GET", "HEAD"}:
        return None
    content_type = headers.get("content-type", "")
    limit = deps.services(request).settings.max_body_bytes
    sent = await deps.body(request, limit)
    media_type = content_type.partition(";")[0].strip().lower()
    size = request.scope["state"]["size"] = len(sent)
    if target.name is Name.PATCH and media_type in MEMBERS:
        return await aside(size, lambda: carried(media_type, sent))
    if target.name is Name.OPERATION and not sent:
        return None
    if binary.is_raw(target, content_type, sent):
        return binary.document(target, content_type, sent, headers.get("x-security-context"))
    format_ = formats.of_body(content_type)
    if format_ is Format.XML:
        size *= SLOWER_THAN_JSON
    return await aside(size, lambda: formats.read(sent, format_))


def serves(path: str) -> bool:
    """Tell whether a path belongs to FHIR's own routes (discovery below the base does not)."""
    return (path.startswith(_BELOW) and not path.startswith(_WELL_KNOWN)) or path == PREFIX


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request without the framework: for callers that need no CORS headers."""
    request = Request(scope, receive)
    try:
        response = await fhir(request)
    except FhirError as error:
        response = wire.failure(error, scope)
    await response(scope, receive, send)


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

ROUTES = [
    Route(PREFIX, fhir, methods=_METHODS),
    Route(PREFIX + "/{path:path}", fhir, methods=_METHODS),
]
