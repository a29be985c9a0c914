"""The place between two rows of an ordered result, as an opaque text in a link.

    {forwards or backwards, the sort keys of the row next to it, its id}  ⇄  _page=<base64url of JSON>

The place is given by values, not by a count of rows: rows written meanwhile move nobody else's place, so a
sequence of pages shows no row twice and leaves none out.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

import msgspec

from service.search.values import ALWAYS, NEVER

PARAMETER = "_page"

GREATEST_EXPONENT = 200
"""Beyond every number that a document may hold; Postgres refuses some that Python reads."""

Key: TypeAlias = datetime | Decimal | str | None


class Cursor(msgspec.Struct, frozen=True):
    """``keys`` are spelled as text; ``read_key`` gives them their types back."""

    backwards: bool
    keys: list[str | None]
    id: str


def write(*, backwards: bool, keys: list[Any], row_id: str) -> str:
    """Spell a place."""
    cursor = Cursor(backwards, [write_key(key) for key in keys], row_id)
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def read(text: str) -> Cursor:
    """Read a place; ``ValueError`` when it was not written by ``write``."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(raw, type=Cursor)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise ValueError(PARAMETER) from error
    if any("\0" in key for key in (*cursor.keys, cursor.id) if key):
        raise ValueError(PARAMETER)
    return cursor


def write_key(key: Any) -> str | None:
    """Spell a sort key without loss."""
    return key.isoformat() if isinstance(key, datetime) else None if key is None else str(key)


def read_key(text: str | None, data_type: str) -> Key:
    """Read a sort key of a column type; ``ValueError`` when it is none."""
    if text is None or data_type == "text":
        return text
    if data_type == "timestamptz":
        return _moment(text)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(PARAMETER) from error
    if not number.is_finite() or abs(number.adjusted()) > GREATEST_EXPONENT:
        raise ValueError(PARAMETER)
    return number


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment in (ALWAYS, NEVER):
        return moment
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(PARAMETER) from error
