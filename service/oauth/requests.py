"""An OAuth request whose parameters were checked, and the answer to one; no web framework.

    bytes of query and form ── parameters ──▶ pairs ── OAuthRequest ──▶ Authlib ──▶ Answer

Refused before anything else: what is not UTF-8, control characters, a parameter that is repeated.
Source: https://datatracker.ietf.org/doc/html/rfc6749#section-3.1 and #appendix-B
"""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError

MAX_BODY_BYTES = 65_536
MAX_PARAMETERS = 50

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Answer:
    """What goes back: a dict is JSON, a str is text; for a redirect it is empty."""

    status: int
    body: dict[str, Any] | str
    headers: Headers = field(default_factory=list)

    @property
    def text(self) -> str:
        """The description of an error."""
        body = self.body
        return body if isinstance(body, str) else str(body.get("error_description", body.get("error", "")))


def parameters(encoded: bytes) -> dict[str, str]:
    """Read ``application/x-www-form-urlencoded`` content; parameters without a value count as absent.

    Raises:
        InvalidRequestError: it is not UTF-8, holds control characters, repeats a parameter or has too many.
    """
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except ValueError as error:
        raise InvalidRequestError("The parameters must be URL-encoded UTF-8, at most 50 of them.") from error
    if len({name for name, _ in pairs}) != len(pairs):
        raise InvalidRequestError("A parameter must not be repeated.")
    if any(not _is_clean(text) for pair in pairs for text in pair):
        raise InvalidRequestError("A parameter must not contain control characters.")
    # https://datatracker.ietf.org/doc/html/rfc6749#section-3.1: sent without a value means omitted.
    return {name: value for name, value in pairs if value}


def _is_clean(text: str) -> bool:
    return all(character >= " " and character != "\x7f" for character in text)


class _Payload(OAuth2Payload):  # type: ignore[misc] # Authlib ships no types
    def __init__(self, values: Mapping[str, str]) -> None:
        self._data = dict(values)

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class OAuthRequest(OAuth2Request):  # type: ignore[misc] # Authlib ships no types
    """A request as Authlib reads it. ``uri`` is made of the public origin, whatever a proxy sent."""

    def __init__(self, method: str, uri: str, values: Mapping[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers={name.title(): value for name, value in headers.items()})
        self.payload = _Payload(values)

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the token endpoint."""
        values: dict[str, str] = self.payload.data
        return values


def basic_credentials(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return client_id and client_secret of an HTTP Basic header, or None when there is no such header.

    Raises:
        InvalidClientError: there is one that cannot be read.
    """
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        name, secret = unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise InvalidClientError("The Authorization header cannot be read.", status_code=401) from error
    if not colon or not _is_clean(name) or not _is_clean(secret):
        raise InvalidClientError("The Authorization header cannot be read.", status_code=401)
    return name, secret
