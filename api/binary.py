"""Binary as what it holds: raw content in and out, or wrapped in a resource as any other type.

    GET Binary/id    _format, or Accept likes FHIR's own type best   the resource
                     Accept: application/json (or XML)               raw if the content is of that type,
                                                                     else the resource in that format
                     anything else, */* and nothing too              raw
    POST, PUT        FHIR's own type, or a body that is a Binary     the resource
                     anything else                                   raw

The specification wants the resource to be returned only where it is asked for, and lets the generic
types mean FHIR in ``_format`` alone. Medplum and HAPI do so for ``*/*``; HAPI has been blamed for content
that is FHIR itself, which hid the resource from who asked for it, so here a FHIR type always means the
resource. Clients that send ``application/json`` for everything get JSON from us all the same, unless the
content is JSON: then HTTP and the specification agree that it is what was asked for.

What is stored may be anything, and a browser must not run it: raw content is an attachment, of the type
it says and no other, in a sandbox.

Source: https://hl7.org/fhir/R4/binary.html#rest
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from api.formats import FHIR_TYPES, GENERIC_TYPES, Format, accepted, of_refusal
from api.weights import weighed
from models.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from service.interaction import Name

if TYPE_CHECKING:
    from service.interaction import Target, Version

TYPE = "Binary"
READS = frozenset({Name.READ, Name.VREAD})
WRITES = frozenset({Name.CREATE, Name.UPDATE})
ANY_TYPE = "*/*"
"""Stands for content of whatever type."""

FALLBACK_TYPE = "application/octet-stream"
_SAFE = {
    "Content-Disposition": "attachment",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}

_LONGEST_TYPE = 512
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,127}"  # noqa: S105 - the grammar of media types
_PARAMETER = rf"{_TOKEN}=(?:{_TOKEN}|\"[ !#-\[\]-~]{{0,127}}\")"
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}(?:; ?{_PARAMETER})*")
_BETWEEN = re.compile(r"\s*(?:;\s*)+")
"""Between parameters, of which some may be empty."""
_REFERENCE = re.compile(r"[!-~]{1,1024}")
_TEXTUAL = re.compile(r"text/|application/(?:[a-z0-9.-]+\+)?(?:json|xml)\b", re.IGNORECASE)
_XML_BINARY = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--(?:(?!-->).){0,4000}-->\s*)*<Binary[\s/>]",
    re.DOTALL,
)
_HEAD = 8192
"""Bytes among which the root of a Binary in XML is looked for."""
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_FORM = "A form is not a document; send the bytes alone, and their own type as Content-Type."


class _Typed(msgspec.Struct):
    """What tells a resource."""

    resourceType: str = ""  # noqa: N815 - the member's name


class _Stored(msgspec.Struct):
    """What a raw answer needs of a stored Binary."""

    contentType: str = ""  # noqa: N815 - the member's name
    data: str = ""
    securityContext: dict[str, Any] = {}  # noqa: N815 - msgspec copies it


class Content(NamedTuple):
    """Raw content on its way out."""

    data: bytes
    headers: dict[str, str]

    @property
    def is_textual(self) -> bool:
        """Whether it gets smaller when it is coded; images and archives are small already."""
        return _TEXTUAL.match(self.headers["Content-Type"]) is not None


def raw_type(accept: str | None) -> tuple[str, Format]:
    """Read ``Accept`` for a Binary: which type of content is answered raw, and in which format others are.

    The type is empty where the resource is wanted, whatever it holds.

    Raises:
        NotAcceptable: nothing is acceptable.
    """
    choices = weighed(accept or ANY_TYPE) or weighed(ANY_TYPE)
    best = max(choices, key=lambda choice: (choice.quality, "*" not in choice.name))
    if best.quality == 0:
        raise NotAcceptable
    if best.name in FHIR_TYPES:
        return "", accepted(accept)
    if best.name in GENERIC_TYPES:
        return best.name, GENERIC_TYPES[best.name]
    return ANY_TYPE, of_refusal(accept, None)


def is_of(version: Version, wanted: str) -> bool:
    """Tell whether a Binary is answered raw to who wants content of this type."""
    return wanted == ANY_TYPE or content_of(version, wanted) is not None


def content_of(version: Version, wanted: str) -> Content | None:
    """Give the content of a Binary if it is of the type that is wanted; else None."""
    found = msgspec.json.decode(version.body or "{}", type=_Stored)
    if wanted not in {ANY_TYPE, found.contentType.partition(";")[0].strip().lower()}:
        return None
    headers = {**_SAFE, "Content-Type": _sound_type(found.contentType) or FALLBACK_TYPE}
    reference = found.securityContext.get("reference")
    if isinstance(reference, str) and _REFERENCE.fullmatch(reference):
        headers["X-Security-Context"] = reference
    return Content(binascii.a2b_base64(found.data), headers)


def _sound_type(content_type: str) -> str:
    """Return a media type as a header can hold it; nothing if it is none."""
    if len(content_type) > _LONGEST_TYPE:
        return ""
    spaced = _BETWEEN.sub("; ", content_type.strip()).removesuffix("; ")
    return spaced if _MEDIA_TYPE.fullmatch(spaced) else ""


def is_raw(target: Target, content_type: str, body: bytes) -> bool:
    """Tell whether a body is the content of a Binary, not a Binary."""
    if target.resource_type != TYPE or target.name not in WRITES:
        return False
    name = content_type.partition(";")[0].strip().lower()
    if GENERIC_TYPES.get(name) is Format.JSON:
        return _is_other_json(body)
    if GENERIC_TYPES.get(name) is Format.XML:
        return _XML_BINARY.match(body, 0, _HEAD) is None
    return name not in FHIR_TYPES


def _is_other_json(body: bytes) -> bool:
    """Tell whether this is JSON but no Binary; what is not even JSON is better refused than kept."""
    try:
        return msgspec.json.decode(body, type=_Typed).resourceType != TYPE
    except msgspec.ValidationError:
        return True
    except msgspec.DecodeError:
        return False


def document(target: Target, content_type: str, body: bytes, security_context: str | None) -> dict[str, Any]:
    """Make a Binary of raw content.

    Args:
        target: what is written.
        content_type: the type of the content.
        body: the content.
        security_context: the ``X-Security-Context`` header, a reference.

    Raises:
        UnsupportedMediaType: there is no type, it is malformed, or it is that of a form.
        BadRequest: there is no content, or the security context is no reference.
    """
    type_ = _sound_type(content_type)
    if not type_:
        raise UnsupportedMediaType("Send the type of the content as Content-Type.")
    if type_.partition(";")[0].lower() in _FORMS:
        raise UnsupportedMediaType(_FORM)
    if not body:
        raise BadRequest("The content is empty.", expression="Binary.data")
    made: dict[str, Any] = {"resourceType": TYPE, "contentType": type_}
    if target.id:
        made["id"] = target.id
    if security_context is not None:
        if not _REFERENCE.fullmatch(security_context):
            raise BadRequest(
                "X-Security-Context is a reference such as Patient/1.", expression="Binary.securityContext"
            )
        made["securityContext"] = {"reference": security_context}
    return {**made, "data": b64encode(body).decode()}
