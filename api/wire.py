"""Bytes, headers and negotiation: how an Answer leaves as HTTP, and how a request's headers are read.

    Accept, _format, _pretty, Accept-Encoding ─▶ Manner
    Answer, FhirError ─▶ JSON text ─▶ format ─▶ coding ─▶ Response       (api/formats.py, api/compression.py)
                    └──▶ content of a Binary ─▶ coding ─▶ Response       (api/binary.py)

JSON that is wanted as it is stored takes none of these steps.

Source: https://hl7.org/fhir/R4/http.html#general
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from starlette.responses import Response

from api import binary, compression, formats
from api.formats import Format
from models.errors import BadRequest, FhirError, NotAcceptable
from models.outcome import GONE, STORED, outcome
from service import conditional, freshness

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import Scope

    from service.interaction import Answer, Version
    from service.settings import Settings

NOT_MODIFIED = freshness.NOT_MODIFIED

DELETED = outcome((GONE,)).decode()
"""What a deletion answers to who prefers an OperationOutcome."""

MAX_PARAMETERS = conditional.MAX_PARAMETERS
"""Of a query string or a form."""

VARY = "Accept, Accept-Encoding"
CACHE_CONTROL = "private, no-cache"
"""Kept for one person, asked about before each use: ``no-store`` would make ETags useless to browsers."""

_ALWAYS = {"Vary": VARY, "Cache-Control": CACHE_CONTROL, "X-Content-Type-Options": "nosniff"}
"""What every FHIR answer says, whatever it is: a cache must know before it has seen the other kinds, and
a browser must not take a narrative for a page."""

_RETURNS = frozenset({"minimal", "representation", "OperationOutcome"})
_HANDLINGS = frozenset({"strict", "lenient"})


class Manner(NamedTuple):
    """How an answer is to be written."""

    format: Format = Format.JSON
    pretty: bool = False
    coding: compression.Coding | None = None
    raw: str = ""
    """The media type, or ``*/*``, of which a Binary's content is answered instead of the resource."""


AS_STORED = Manner()
"""JSON as it is, which most clients want."""

_HEADERS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"authorization",
        b"content-length",
        b"content-type",
        b"if-match",
        b"if-modified-since",
        b"if-none-exist",
        b"if-none-match",
        b"prefer",
        b"x-provenance",
        b"x-security-context",
    }
)
"""Those that mean something to FHIR."""

_LISTS = ("accept", "accept-encoding", "if-none-match", "prefer")
"""Those that may come in several lines, which are one list (RFC 9110 section 5.2)."""

_SHAPERS = {"_format", "_pretty"}
_JSON_HEADERS = {**_ALWAYS, "Content-Type": formats.CONTENT_TYPES[Format.JSON]}


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request that mean something to FHIR; of one that is no list, the last line."""
    lines = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
    headers = {name.decode(): value.decode("latin-1") for name, value in lines}
    if len(headers) < len(lines):
        for name in headers.keys() & _LISTS:
            found = [value.decode("latin-1") for key, value in lines if key == name.encode()]
            headers[name] = ", ".join(found)
    return headers


def negotiated(headers: Mapping[str, str], shown: Mapping[str, str], *, of_binary: bool = False) -> Manner:
    """Settle how to answer; ``_format`` overrides ``Accept``, and always means FHIR.

    Args:
        headers: of the request.
        shown: the parameters of the request, of which ``_format`` and ``_pretty`` are read.
        of_binary: whether the answer is a Binary that may be answered raw.

    Raises:
        NotAcceptable: no format or no content coding on offer is acceptable.
        BadRequest: ``_pretty`` cannot be read.
    """
    accept, raw = headers.get("accept"), ""
    if accept in formats.USUAL and not (of_binary or "accept-encoding" in headers or _SHAPERS & shown.keys()):
        return AS_STORED
    if "_format" in shown:
        format_ = formats.named(shown["_format"])
    elif of_binary:
        raw, format_ = binary.raw_type(accept)
    else:
        format_ = formats.accepted(accept)
    coding = compression.chosen(headers.get("accept-encoding"))
    pretty = shown.get("_pretty", "false")
    if pretty not in {"true", "false"}:
        raise BadRequest("_pretty is true or false.")
    manner = Manner(format_, pretty == "true", coding, raw)
    return AS_STORED if manner == AS_STORED else manner


def _of_refusal(scope: Scope) -> Manner:
    """Settle how to answer a request that failed before that was settled, or because of it."""
    headers = headers_of(scope)
    try:
        shown = dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=MAX_PARAMETERS))
    except ValueError:
        shown = {}
    format_ = formats.of_refusal(headers.get("accept"), shown.get("_format"))
    try:
        coding = compression.chosen(headers.get("accept-encoding"))
    except NotAcceptable:
        coding = None
    return Manner(format_, shown.get("_pretty") == "true", coding)


def preferences(prefer: str | None) -> tuple[str, bool]:
    """Read the ``Prefer`` header: (return preference or "", whether unknown parameters are refused).

    A preference that is not known is ignored, as RFC 7240 section 2 demands: the most used client of SMART
    apps sends ``return=presentation`` with every patch. Another handling than FHIR's two is refused, because
    whoever misspells ``strict`` would get the opposite.

    Raises:
        BadRequest: handling is neither strict nor lenient.
    """
    wanted, strict = "", False
    for item in (prefer or "").replace(";", ",").split(","):
        name, _, value = item.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "return" and value in _RETURNS:
            wanted = value
        elif name == "handling":
            if value not in _HANDLINGS:
                raise BadRequest("Prefer: handling is strict or lenient.")
            strict = value == "strict"
    return wanted, strict


def failure(error: FhirError, scope: Scope) -> Response:
    """Answer an error: its status, its headers and an OperationOutcome, in the format that was asked for."""
    manner = scope["state"].get("manner") or _of_refusal(scope)
    body, headers = _shaped(outcome(error.issues), manner)
    return Response(body, error.status, {**error.headers, **headers})


def etag(version: Version) -> str:
    """Return the weak entity tag of a version."""
    return f'W/"{version.version}"'


def http_date(moment: datetime) -> str:
    """Write a UTC moment for ``Last-Modified``."""
    return format_datetime(moment, usegmt=True)


def version_headers(version: Version, fhir_base: str, *, created: bool) -> dict[str, str]:
    """Return ETag and Last-Modified, and for a creation the versioned Location."""
    headers = {"ETag": etag(version), "Last-Modified": http_date(version.last_updated)}
    if created:
        headers["Location"] = f"{fhir_base}/{version.resource_type}/{version.id}/_history/{version.version}"
    return headers


def success(
    answer: Answer, settings: Settings, manner: Manner, *, prefer: str = "", writes: bool = False
) -> Response:
    """Answer an interaction that went well; ``prefer`` is the return preference of a write.

    Raises:
        NotAcceptable: what is read cannot be written in the format that was asked for.
    """
    headers: dict[str, str] = {}
    body = answer.document
    if answer.version is not None:
        headers = version_headers(answer.version, settings.fhir_base, created=writes)
        body = body or answer.version.body
    if body is None or prefer == "minimal" or answer.status == NOT_MODIFIED:
        return Response(status_code=answer.status, headers={**headers, **_ALWAYS})
    if manner.raw and answer.version is not None:
        content = binary.content_of(answer.version, manner.raw)
        if content is not None:
            return _raw(content, headers, manner)
    text = body.encode()
    if prefer == "OperationOutcome":
        text = outcome((STORED,))
    shaped, more = _shaped(text, manner)
    return Response(shaped, answer.status, {**headers, **more})


def _raw(content: binary.Content, headers: dict[str, str], manner: Manner) -> Response:
    coding = manner.coding
    if coding and not coding.always and not content.is_textual:
        coding = None
    body, more = _coded(content.data, coding)
    return Response(body, 200, {**headers, **content.headers, **more})


def options(offered: Sequence[str]) -> Response:
    """Answer what a path offers; a page's question whether it may ask at all is answered before (CORS)."""
    head = ("HEAD",) if "GET" in offered else ()
    return Response(status_code=204, headers={"Allow": ", ".join((*offered, *head, "OPTIONS")), **_ALWAYS})


def static(text: str, manner: Manner, headers: Mapping[str, str]) -> Response:
    """Answer what never changes while the process lives: formatted and coded once in each manner.

    Args:
        text: JSON.
        manner: how to write it.
        headers: of the request, of which ``If-None-Match`` is read.
    """
    body, described = _shaped_once(text, manner)
    known = headers.get("if-none-match", "")
    if known and freshness.names(known, described["ETag"]):
        return Response(status_code=NOT_MODIFIED, headers={"ETag": described["ETag"], **_ALWAYS})
    return Response(body, 200, described)


def _shaped(text: bytes, manner: Manner) -> tuple[bytes, dict[str, str]]:
    """Write JSON text in a manner; give the body and the headers that describe it."""
    if manner is AS_STORED:
        return text, _JSON_HEADERS
    format_ = manner.format
    body, headers = _coded(formats.written(text, format_, pretty=manner.pretty), manner.coding)
    return body, {**headers, "Content-Type": formats.CONTENT_TYPES[format_]}


@lru_cache(maxsize=32)
def _shaped_once(text: str, manner: Manner) -> tuple[bytes, dict[str, str]]:
    body, headers = _shaped(text.encode(), manner)
    return body, {**headers, "ETag": f'W/"{blake2b(text.encode(), digest_size=12).hexdigest()}"'}


def _coded(body: bytes, coding: compression.Coding | None) -> tuple[bytes, dict[str, str]]:
    if coding is None or not coding.suits(body):
        return body, _ALWAYS
    return compression.compressed(body, coding.name), {**_ALWAYS, "Content-Encoding": coding.name.value}


def not_modified(version: Version, headers: Mapping[str, str]) -> bool:
    """Tell whether a conditional read needs no body (If-None-Match before If-Modified-Since)."""
    since = freshness.after_http_date(headers.get("if-modified-since"))
    return freshness.is_known(version, headers.get("if-none-match"), since)
