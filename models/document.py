"""FHIR JSON in and out without loss: the client's own members and digits, or a refusal that says where.

    bytes ── parse ──> dict (numbers are int or Decimal) ── serialize ──> bytes
                         ├── canonical: equal contents give equal bytes
                         └── differences: the paths at which two contents differ

``1.50`` stays ``1.50``, because FHIR makes the precision of a decimal significant. Whatever two JSON
readers could understand differently is refused: duplicate members, lone surrogates, huge numbers.

Source: https://hl7.org/fhir/R4/json.html, https://www.rfc-editor.org/rfc/rfc8259
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from models.errors import Malformed

MAXIMUM_DEPTH = 64
MAXIMUM_NUMBER_LENGTH = 64
MAXIMUM_EXPONENT = 64
_INT64_DIGITS = 18

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_FORBIDDEN_ESCAPE = re.compile(rb"\\[bfu]")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER = b"0" * (_INT64_DIGITS + 1)
_MEMBER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_EXACT = Context(prec=4 * MAXIMUM_NUMBER_LENGTH)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_DUPLICATE = "A member appears twice in the same object. Send each member once."
_NUMBER = (
    f"A number has more than {MAXIMUM_NUMBER_LENGTH} characters or an exponent beyond "
    f"{MAXIMUM_EXPONENT}, or is not finite. Send an ordinary decimal number."
)
_CHARACTER = (
    "A string holds a control character or half of a surrogate pair. "
    "Send valid Unicode, with no control characters but tab and line ends."
)
_DEPTH = f"The content is nested more than {MAXIMUM_DEPTH} levels deep. Send a flatter resource."
_NOT_JSON = "The content is not valid JSON"


class _Refused(Exception):
    """A hook of the reader met something to refuse; where it is, only a second look can tell."""


class _Marked(dict[str, Any]):
    """An object that has a member twice, with the name of that member."""

    name = ""


class _BadNumber:
    """Stands where a refused number was."""


def parse(body: bytes) -> dict[str, Any]:
    """Read one JSON object strictly, or raise ``Malformed`` with a text that never repeats the input."""
    document = _quickly_read(body)
    if document is not None:
        return document
    text = _decode(body)
    try:
        document = _READER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"{_NOT_JSON} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise Malformed(_DEPTH) from None
    except _Refused:
        _refuse_with_location(text)
    if not isinstance(document, dict):
        raise Malformed("The content is not a JSON object. Send one FHIR resource.")
    if _is_too_deep(body):
        raise Malformed(_DEPTH)
    if b"\\" in body and _FORBIDDEN_ESCAPE.search(body):
        _refuse_forbidden_characters(document)
    return document


def _quickly_read(body: bytes) -> dict[str, Any] | None:
    """Read what is written as this module writes it, in half of the strict reader's time; else None.

    When writing a document gives back the bytes that were read, no member was lost and no digit changed.
    Escapes and long numbers are the strict reader's.
    """
    if b"\\" in body or _LONG_NUMBER in body.translate(_DIGITS):
        return None
    try:
        document = _QUICK_READER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError, _Refused):
        return None
    if type(document) is not dict or _ENCODER.encode(document) != body or _is_too_deep(body):
        return None
    return document


def serialize(document: Any) -> bytes:
    """Write JSON with the digits of every decimal as they were read."""
    return _ENCODER.encode(document)


def canonical(document: Any) -> bytes:
    """Write JSON in which neither the order of members nor the notation of numbers shows."""
    return _CANONICAL_ENCODER.encode(_normalize(document))


def differences(left: Any, right: Any) -> list[str]:
    """List the paths at which two contents differ, in the style of FHIRPath.

    >>> differences({"resourceType": "Flag", "status": "active"}, {"resourceType": "Flag"})
    ['Flag.status']
    """
    return list(_differences(left, right, root(left)))


def root(document: Any) -> str:
    """Name what every expression about this document starts with: its type, as far as it has one."""
    name = document.get("resourceType") if isinstance(document, dict) else None
    return name if isinstance(name, str) and _MEMBER_NAME.fullmatch(name) else "Resource"


def member(path: str, name: str) -> str:
    """Extend a path by a member, unless the name is not one: then it could be anybody's data."""
    return f"{path}.{name}" if _MEMBER_NAME.fullmatch(name) else path


def _decode(body: bytes) -> str:
    if body.startswith(_BYTE_ORDER_MARK):
        raise Malformed("The content starts with a byte order mark. Send UTF-8 without one.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"The content is not UTF-8 at byte {error.start}.") from None
    if not text or text.isspace():
        raise Malformed("The content is empty. Send one FHIR resource as JSON.")
    return text


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _Refused
    return document


def _integer(literal: str) -> int | Decimal:
    if len(literal) <= _INT64_DIGITS and literal != "-0":
        return int(literal)
    return _decimal(literal)


def _decimal(literal: str) -> Decimal:
    if len(literal) > MAXIMUM_NUMBER_LENGTH:
        raise _Refused
    try:
        number = Decimal(literal)
    except InvalidOperation:
        raise _Refused from None
    if abs(number.adjusted()) > MAXIMUM_EXPONENT:
        raise _Refused
    return number


def _constant(_: str) -> NoReturn:
    raise _Refused


_READER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant
)
_QUICK_READER = msgspec.json.Decoder(float_hook=_decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_CANONICAL_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def _marked_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = _Marked(pairs)
    if len(document) == len(pairs):
        return dict(document)
    names = [name for name, _ in pairs]
    document.name = next(name for name in names if names.count(name) > 1)
    return document


def _marked_number(literal: str) -> Decimal | _BadNumber:
    try:
        return _decimal(literal)
    except _Refused:
        return _BadNumber()


_LOCATING_READER = json.JSONDecoder(
    object_pairs_hook=_marked_object,
    parse_float=_marked_number,
    parse_int=_marked_number,
    parse_constant=lambda _: _BadNumber(),
)


def _refuse_with_location(text: str) -> NoReturn:
    """Read once more, marking what is refused, to say where it is."""
    if _is_too_deep(text.encode()):
        raise Malformed(_DEPTH)
    try:
        document = _LOCATING_READER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"{_NOT_JSON} at line {error.lineno}, column {error.colno}.") from None
    raise next(_refusals(document))


def _refusals(document: Any) -> Iterator[Malformed]:
    for path, value in _walk(document, root(document)):
        if isinstance(value, _Marked):
            yield Malformed(_DUPLICATE, expression=member(path, value.name))
        elif isinstance(value, _BadNumber):
            yield Malformed(_NUMBER, expression=path)


def _refuse_forbidden_characters(document: dict[str, Any]) -> None:
    for path, value in _walk(document, root(document)):
        if isinstance(value, str) and _FORBIDDEN.search(value):
            raise Malformed(_CHARACTER, expression=path)
        if isinstance(value, dict) and any(_FORBIDDEN.search(name) for name in value):
            raise Malformed(_CHARACTER, expression=path)


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _walk(child, member(path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _walk(child, f"{path}[{index}]")


def _is_too_deep(body: bytes) -> bool:
    """Tell whether brackets outside strings are nested too deeply, by removing the innermost in turn."""
    if body.count(b"{") + body.count(b"[") <= MAXIMUM_DEPTH:
        return False
    outside = _STRING.sub(b"", body) if b"\\" in body else b"".join(body.split(b'"')[::2])
    brackets = outside.translate(_ALIKE, _NO_BRACKET)
    for _ in range(MAXIMUM_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _normalize(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normalize(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_normalize(child) for child in value]
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = _EXACT.normalize(Decimal(value))
        return number or Decimal(0)
    return value


def _differences(left: Any, right: Any, path: str) -> Iterator[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        for name in (*left, *(name for name in right if name not in left)):
            yield from _member_differences(left, right, name, path)
    elif isinstance(left, list) and isinstance(right, list):
        for index in range(max(len(left), len(right))):
            place = f"{path}[{index}]"
            if index < min(len(left), len(right)):
                yield from _differences(left[index], right[index], place)
            else:
                yield place
    elif isinstance(left, bool) is not isinstance(right, bool) or left != right:
        yield path


def _member_differences(left: dict[str, Any], right: dict[str, Any], name: str, path: str) -> Iterator[str]:
    place = member(path, name)
    if name in left and name in right:
        yield from _differences(left[name], right[name], place)
    else:
        yield place
