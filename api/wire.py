"""Bytes, headers and negotiation: how an Answer leaves as HTTP, and how a request's headers are read.

Source: https://hl7.org/fhir/R4/http.html#general
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import format_datetime
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from models.errors import FhirError, Issue, NotAcceptable, UnsupportedMediaType
from models.outcome import outcome
from service import freshness

if TYPE_CHECKING:
    from datetime import datetime

    from service.interaction import Answer, Version
    from service.settings import Settings

FHIR_JSON = "application/fhir+json"
NOT_MODIFIED = freshness.NOT_MODIFIED
CONTENT_TYPE = f"{FHIR_JSON}; charset=utf-8"

_JSON_TYPES = frozenset({FHIR_JSON, "application/json", "text/json"})
_FORMATS = _JSON_TYPES | {"json"}
_RETURNS = frozenset({"minimal", "representation", "OperationOutcome"})


def accepted(accept: str | None, format_: str | None) -> None:
    """Refuse a response format that is not offered; ``_format`` overrides ``Accept``.

    Raises:
        NotAcceptable: neither JSON nor a wildcard is asked for.
    """
    if format_ is not None:
        if format_.split(";")[0].strip().replace(" ", "+").lower() not in _FORMATS:
            raise NotAcceptable
        return
    if not accept or accept == FHIR_JSON:
        return
    for item in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        if "q=0" in parameters or "q=0.0" in parameters:
            continue
        if media_type in _JSON_TYPES or media_type in {"*/*", "application/*"}:
            return
    raise NotAcceptable


def require_json(content_type: str | None) -> None:
    """Refuse a request body that is not declared as FHIR JSON in UTF-8.

    Raises:
        UnsupportedMediaType: another content type or character set, or none.
    """
    media_type, _, parameters = (content_type or "").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip().strip('"')
    if media_type.strip() not in _JSON_TYPES or charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType


def preferences(prefer: str | None) -> tuple[str, bool]:
    """Read the ``Prefer`` header: (return preference or "", whether unknown parameters are refused).

    A preference that is not known, or its value, is ignored, as RFC 7240 section 2 demands: the most used
    client of SMART apps sends ``return=presentation`` with every patch.
    """
    wanted, strict = "", False
    for item in (prefer or "").replace(";", ",").split(","):
        name, _, value = item.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "return" and value in _RETURNS:
            wanted = value
        elif name == "handling":
            strict = value == "strict"
    return wanted, strict


def failure(error: FhirError) -> Response:
    """Answer an error: its status, its headers and an OperationOutcome."""
    return Response(outcome(error.issues), error.status, {**error.headers, "Content-Type": CONTENT_TYPE})


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
    answer: Answer, settings: Settings, *, prefer: str = "", pretty: bool = False, writes: bool = False
) -> Response:
    """Answer an interaction that went well; ``prefer`` is the return preference of a write."""
    headers: dict[str, str] = {}
    body = answer.document
    if answer.version is not None:
        headers = version_headers(answer.version, settings.fhir_base, created=writes)
        body = answer.version.body
    if body is None or prefer == "minimal" or answer.status == NOT_MODIFIED:
        return Response(status_code=answer.status, headers=headers)
    content = body.encode()
    if prefer == "OperationOutcome":
        content = outcome((Issue("informational", "The resource was stored.", severity="information"),))
    if pretty:
        content = msgspec.json.format(content, indent=2)
    return Response(content, answer.status, {**headers, "Content-Type": CONTENT_TYPE})


def not_modified(version: Version, headers: Mapping[str, str]) -> bool:
    """Tell whether a conditional read needs no body (If-None-Match before If-Modified-Since)."""
    since = freshness.after_http_date(headers.get("if-modified-since"))
    return freshness.is_known(version, headers.get("if-none-match"), since)
