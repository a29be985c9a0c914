"""Which format is spoken: JSON or XML, for what comes in and what goes out.

    _format            json xml, any of the media types below      overrides Accept
    Accept             by weight; among equals the one that is named, then the one named first, then JSON
    Content-Type       what a body is; UTF-8 only

``_format=application/fhir+xml`` arrives with a space, because a plus means one in a query. The media
types with the parts swapped are those of DSTU 2, which clients still send.

Source: https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/http.html#version-parameter
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from api.weights import Choice, weighed
from models.document import parse
from models.errors import NotAcceptable, UnsupportedMediaType
from models.xml import from_xml, to_xml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Format(StrEnum):
    """A way to write resources; the value is its media type, the order is that of our preference."""

    JSON = "application/fhir+json"
    XML = "application/fhir+xml"


FHIR_TYPES = {
    "application/fhir+json": Format.JSON,
    "application/json+fhir": Format.JSON,
    "application/fhir+xml": Format.XML,
    "application/xml+fhir": Format.XML,
}
"""Media types that mean FHIR and nothing else."""

GENERIC_TYPES = {
    "application/json": Format.JSON,
    "text/json": Format.JSON,
    "application/xml": Format.XML,
    "text/xml": Format.XML,
}
"""Media types that mean FHIR because of where they are sent."""

MEDIA_TYPES = FHIR_TYPES | GENERIC_TYPES
SHORT_NAMES = {"json": Format.JSON, "json+fhir": Format.JSON, "xml": Format.XML, "xml+fhir": Format.XML}
_NAMES = MEDIA_TYPES | SHORT_NAMES

CONTENT_TYPES = {format_: f"{format_.value}; charset=utf-8" for format_ in Format}

USUAL = frozenset({None, "*/*", "application/fhir+json", "application/json"})
"""What most clients send as ``Accept``, or do not send: it means JSON without reading."""

_OWN_READER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
"""Reads what this server wrote: a page is nested deeper than anybody may send a resource."""

_MINUS_ZERO = re.compile(rb":-0[,}\]]")
"""An integer of which that reader would lose the sign."""

_WILDCARDS = ("*/*", "application/*")
"""From the least specific."""


def named(format_: str) -> Format:
    """Read ``_format``.

    Raises:
        NotAcceptable: it names no format on offer.
    """
    name, mark, parameters = format_.partition(";")
    asked = next(iter(weighed(name.strip().replace(" ", "+") + mark + parameters)), None)
    if asked is None or asked.name not in _NAMES or not _is_ours(asked.parameters):
        raise NotAcceptable
    return _NAMES[asked.name]


def accepted(accept: str | None) -> Format:
    """Choose the format that an ``Accept`` header likes best.

    Raises:
        NotAcceptable: neither format is acceptable.
    """
    if not accept or accept in USUAL:
        return Format.JSON
    choices = weighed(accept)
    weights = {format_: _weight(format_, choices) for format_ in Format}
    best = max(weights, key=weights.__getitem__)
    if choices and weights[best][0] == 0:
        raise NotAcceptable
    return best


def of_refusal(accept: str | None, format_: str | None) -> Format:
    """Choose the format of a failure, which must be told even where nothing is acceptable: then in JSON."""
    try:
        return accepted(accept) if format_ is None else named(format_)
    except NotAcceptable:
        return Format.JSON


def _weight(format_: Format, choices: Sequence[Choice]) -> tuple[float, int, int]:
    """Weigh a format by the most specific choice that matches it: its quality, specificity and place."""
    matches = [
        (specificity, choice.quality, -place)
        for place, choice in enumerate(choices)
        if (specificity := _specificity(format_, choice)) is not None
    ]
    specificity, quality, place = max(matches, default=(0, 0.0, 0))
    return quality, specificity, place


def _specificity(format_: Format, choice: Choice) -> int | None:
    if choice.name in _WILDCARDS:
        return _WILDCARDS.index(choice.name)
    matches = MEDIA_TYPES.get(choice.name) is format_ and _is_ours(choice.parameters)
    return len(_WILDCARDS) if matches else None


def _is_ours(parameters: dict[str, str]) -> bool:
    """Tell whether a media type asks for this version of FHIR, or for none."""
    version = parameters.get("fhirversion", "4.0")
    return version == "4.0" or version.startswith("4.0.")


def of_body(content_type: str | None, offered: Iterable[str] = MEDIA_TYPES) -> Format:
    """Tell the format of a request body by its ``Content-Type``.

    Raises:
        UnsupportedMediaType: another content type, character set or version of FHIR, or none.
    """
    choices = weighed(content_type or "")
    if len(choices) != 1 or choices[0].name not in offered:
        raise UnsupportedMediaType
    parameters = choices[0].parameters
    if parameters.get("charset", "utf-8") not in {"utf-8", "utf8"} or not _is_ours(parameters):
        raise UnsupportedMediaType
    return MEDIA_TYPES[choices[0].name]


def read(body: bytes, format_: Format) -> dict[str, Any]:
    """Read a resource.

    Raises:
        Malformed: it is not well-formed, or in XML not a resource of R4.
    """
    return from_xml(body) if format_ is Format.XML else parse(body)


def written(content: bytes, format_: Format, *, pretty: bool) -> bytes:
    """Write what is JSON text in the format that is asked for.

    Raises:
        NotAcceptable: it holds something for which FHIR has no XML.
    """
    if format_ is Format.XML:
        return to_xml(_reread(content), pretty=pretty)
    return msgspec.json.format(content, indent=2) if pretty else content


def _reread(content: bytes) -> dict[str, Any]:
    """Read JSON text of our own with every digit, without the limits that are for clients."""
    if _MINUS_ZERO.search(content):
        document: dict[str, Any] = json.loads(content, parse_float=Decimal, parse_int=Decimal)
        return document
    return _OWN_READER.decode(content)
