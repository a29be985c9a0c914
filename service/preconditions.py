"""Writes on a condition: the version that must be the newest, or must not be.

    If-Match         one entity tag                  update, patch and delete
    If-None-Match    entity tags, or * for any       update

Source: https://hl7.org/fhir/R4/http.html#concurrency, https://www.rfc-editor.org/rfc/rfc9110#section-13.1
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.errors import BadRequest, PreconditionFailed

if TYPE_CHECKING:
    from service.interaction import Version

_ETAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,9})"')


def expected_version(if_match: str | None) -> int | None:
    """Read ``If-Match``; None when there is no such condition.

    Raises:
        BadRequest: it is not one entity tag.
    """
    if if_match is None:
        return None
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise BadRequest('If-Match takes one entity tag such as W/"3".')
    return int(match[1])


def unwanted_versions(if_none_match: str | None) -> frozenset[int] | None:
    """Read ``If-None-Match``: versions that must not be the newest; an empty set means any.

    Raises:
        BadRequest: it is neither ``*`` nor entity tags.
    """
    if if_none_match is None:
        return None
    if if_none_match.strip() == "*":
        return frozenset()
    tags = [_ETAG.fullmatch(tag.strip()) for tag in if_none_match.split(",")]
    if not all(tags):
        raise BadRequest('If-None-Match takes * or entity tags such as W/"3".')
    return frozenset(int(tag[1]) for tag in tags if tag)


def require_none_of(previous: Version | None, unwanted: frozenset[int] | None) -> None:
    """Refuse a write whose resource is there in an unwanted version.

    Raises:
        PreconditionFailed: it is.
    """
    if unwanted is None or previous is None or previous.body is None:
        return
    if not unwanted or previous.version in unwanted:
        raise PreconditionFailed("The resource is there in a version that If-None-Match rules out.")


def require_version(previous: Version | None, expected: int | None) -> None:
    """Refuse a write whose resource is there in another version than expected.

    Raises:
        PreconditionFailed: it is.
    """
    if expected is not None and (previous is None or previous.version != expected):
        raise PreconditionFailed("The resource has another version than If-Match names; read it again first.")
