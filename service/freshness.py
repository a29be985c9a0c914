"""Reads on a condition: whether the caller has the newest version already (304, without a body).

    If-None-Match      entity tags, or *           decides alone where it is sent
    If-Modified-Since  an HTTP date; in an entry of a bundle an instant

A time that cannot be read is passed over, as RFC 9110 has it: the answer is only longer.

Source: https://hl7.org/fhir/R4/http.html#cread, https://www.rfc-editor.org/rfc/rfc9110#section-13.1
"""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from service.search.values import interval, rank, shifted

if TYPE_CHECKING:
    from datetime import datetime

    from service.interaction import Version

NOT_MODIFIED = 304
_SECOND = timedelta(seconds=1)


def is_known(version: Version, if_none_match: str | None, known_before: datetime | None) -> bool:
    """Tell whether the caller knows a version: by its tag, or because it is older than what they know."""
    if if_none_match:
        return names(if_none_match, f'"{version.version}"')
    return known_before is not None and rank(version.last_updated) < rank(known_before)


def names(if_none_match: str, tag: str) -> bool:
    """Tell whether ``If-None-Match`` names a tag, weakly compared, or any."""
    tags = [one.strip().removeprefix("W/").strip('"') for one in if_none_match.split(",")]
    return "*" in tags or tag.removeprefix("W/").strip('"') in tags


def after_http_date(text: str | None) -> datetime | None:
    """Return the end of the second that ``If-Modified-Since`` names."""
    if not text:
        return None
    try:
        read = parsedate_to_datetime(text)
        return shifted(read, _SECOND) if read.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def after_instant(text: str | None) -> datetime | None:
    """Return the end of the moment that ``ifModifiedSince`` names."""
    covered = interval(text) if text else None
    return covered[1] if covered else None
