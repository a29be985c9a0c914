"""What this server says to itself through its clients, sealed: nobody else can read it, write it or move it.

    bytes ─▶ packed if long ─▶ filled up ─▶ AES-SIV, bound to a context ─▶ base64url

The keys come from those that sign access tokens: all workers and replicas have them, and whoever rotates
those rotates these. What a retired key has sealed is opened for two hours more.

Source: https://datatracker.ietf.org/doc/html/rfc5297
"""

from __future__ import annotations

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joserfc.jwk import RSAKey

    from service.oauth.keys import SigningKeys

BLOCK = 32
"""Bytes to a multiple of which a text is filled up: its length must not tell that of a name."""

LONG = 1024
"""Bytes from which a text is packed, because a link has to fit into a request line."""

KEY_BYTES = 64
PURPOSE = b"kat-fhir places of pages"

_PLAIN, _PACKED = b"0", b"1"


class Seals:
    """The ciphers of this server; one object for each process."""

    def __init__(self, keys: SigningKeys | None = None) -> None:
        self._keys = keys
        self._ciphers: dict[str, AESSIV] = {} if keys else {"": AESSIV(AESSIV.generate_key(KEY_BYTES * 8))}

    async def seal(self, text: bytes, context: Sequence[str]) -> str:
        """Seal a text; the same text in the same context is sealed the same."""
        (cipher, *_) = await self._valid()
        body = _PACKED + zlib.compress(text, 1) if len(text) >= LONG else _PLAIN + text
        filled = body + b"\0" * (-len(body) % BLOCK)
        return urlsafe_b64encode(cipher.encrypt(filled, _encoded(context))).decode().rstrip("=")

    async def open(self, sealed: str, context: Sequence[str]) -> bytes | None:
        """Open what was sealed in this context; None when it was not, or by a key that is gone."""
        try:
            raw = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        except (binascii.Error, ValueError):
            return None
        told = _encoded(context)
        body = _opened(await self._valid(), raw, told)
        if body is None:
            # Another worker may have met a new key first.
            body = _opened(await self._valid(anew=True), raw, told)
        if body is None:
            return None
        return zlib.decompressobj().decompress(body[1:]) if body[:1] == _PACKED else body[1:].rstrip(b"\0")

    async def _valid(self, *, anew: bool = False) -> list[AESSIV]:
        if self._keys is None:
            return list(self._ciphers.values())
        found = await self._keys.valid(anew=anew)
        self._ciphers = {
            kid: self._ciphers.get(kid) or _derived(key) for key in found for kid in [str(key.kid)]
        }
        return list(self._ciphers.values())


OWN = Seals()
"""Those of a command of the operator's, whose links nobody follows."""


def _derived(key: RSAKey) -> AESSIV:
    secret = str(key.as_dict(private=True)["d"]).encode()
    return AESSIV(HKDF(SHA512(), KEY_BYTES, salt=None, info=PURPOSE).derive(secret))


def _encoded(context: Sequence[str]) -> list[bytes]:
    return [part.encode() for part in context]


def _opened(ciphers: Iterable[AESSIV], raw: bytes, context: list[bytes]) -> bytes | None:
    for cipher in ciphers:
        try:
            return cipher.decrypt(raw, context)
        except (InvalidTag, ValueError):
            continue
    return None
