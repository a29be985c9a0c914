"""Writes on a condition: which versions the newest must be one of, or none of.

    If-Match        *  or a list of tags    the newest version must be one of them      else 412
    If-None-Match   *  or a list of tags    the newest version must be none of them     else 412

``*`` stands for any version, so that ``If-None-Match: *`` only creates, and ``If-Match: *`` never does.
A weak tag of another make than ours names no version, and so it does not match: whoever sends it has read
the resource elsewhere. A strong one that cannot be ours is a mistake (400).

Source: https://hl7.org/fhir/R4/http.html#concurrency, https://www.rfc-editor.org/rfc/rfc9110#section-13.1
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.errors import BadRequest, PreconditionFailed

if TYPE_CHECKING:
    from service.interaction import Version

_TAG = re.compile(r'(?:(W/)?"([\x21\x23-\x7e]{0,128})")')
_VERSION = re.compile(r"[1-9][0-9]{0,9}")
_NO_VERSION = 0

Versions = frozenset[int]
"""Numbers of versions; none means any that is there."""


def versions(header: str | None, name: str) -> Versions | None:
    """Read the versions that a header names; None where it was not sent.

    Raises:
        BadRequest: it is neither ``*`` nor a list of entity tags.
    """
    if header is None:
        return None
    if header.strip() == "*":
        return frozenset()
    return frozenset(_version(tag.strip(), name) for tag in header.split(","))


def _version(tag: str, name: str) -> int:
    read = _TAG.fullmatch(tag)
    if read is not None and _VERSION.fullmatch(read[2]):
        return int(read[2])
    if read is None or not read[1]:
        raise BadRequest(f'{name} takes * or entity tags such as W/"3".')
    return _NO_VERSION


def require_one_of(previous: Version | None, expected: Versions | None) -> None:
    """Refuse a write against another version than the newest.

    Raises:
        PreconditionFailed: the newest version is not one of those expected, or there is none.
    """
    if expected is None:
        return
    if previous is None or (previous.version not in expected if expected else previous.body is None):
        raise PreconditionFailed("The resource has another version than If-Match names; read it again first.")


def require_none_of(previous: Version | None, unwanted: Versions | None) -> None:
    """Refuse to write over a version that the caller rules out.

    Raises:
        PreconditionFailed: the newest version is one of those.
    """
    if unwanted is None or previous is None or previous.body is None:
        return
    if not unwanted or previous.version in unwanted:
        raise PreconditionFailed("The resource is there in a version that If-None-Match rules out.")
