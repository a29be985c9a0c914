"""Content codings: bodies made smaller on the way out, and read on the way in.

    Accept-Encoding  ─▶ chosen ─▶ compressed      zstd, br, gzip: the one with the greatest weight
    Content-Encoding ─▶ decompressed              one coding; no more than the limit is ever unpacked

Between codings that the client likes equally, the cheapest is taken. The levels are the fast ones: of a
searchset with 58 kB (60 resources), CPU ms and the size that is left are

    zstd 1  0.05  12.6 %     br 1  0.07  13.4 %     gzip 1  0.10  14.6 %
    zstd 3  0.06  12.3 %     br 4  0.30  11.5 %     gzip 4  0.25  12.8 %
    zstd 6  0.25  11.2 %     br 5  0.47  10.7 %     gzip 6  0.65  11.7 %

while finding and sending that page takes about 1 ms: a better level would spend half of that again on
two percent. Answers of the OAuth endpoints are never compressed: the size of a body that holds both a
secret and something of an attacker's choice tells about the secret (BREACH). A FHIR answer holds no
secret of the kind, and nobody can make a browser ask for one, because the token is in no cookie.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-8.4, #section-12.5.3
"""

from __future__ import annotations

import threading
import zlib
from enum import StrEnum
from typing import NamedTuple

import brotli
import zstandard

from api.weights import weighed
from models.errors import BadRequest, NotAcceptable, TooLarge, UnsupportedMediaType

SMALLEST = 1024
"""Bytes below which a body is sent as it is: it fits into one packet anyway."""

_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib to write and read the frame of gzip."""
_STEP = 256
"""Bytes that are given to zstd at once: they unpack to 8 MiB at most."""
_MAX_WINDOW = 8 * 1024 * 1024
"""Bytes that zstd may look back, as RFC 9659 bounds them for HTTP."""

_ALIASES = {"x-gzip": "gzip"}
_UNREADABLE = "The body cannot be unpacked as its Content-Encoding says."


class Name(StrEnum):
    """The codings, in the order of our preference."""

    ZSTD = "zstd"
    BR = "br"
    GZIP = "gzip"


class Coding(NamedTuple):
    """How a body is to be coded; ``always`` when the client refuses bodies as they are."""

    name: Name
    always: bool = False

    def suits(self, content: bytes) -> bool:
        """Tell whether a body is coded."""
        return len(content) >= SMALLEST or (self.always and bool(content))


def chosen(accept_encoding: str | None) -> Coding | None:
    """Choose the coding that an ``Accept-Encoding`` header likes best; None for none.

    Raises:
        NotAcceptable: what is refused leaves nothing.
    """
    if not accept_encoding:
        return None
    weights = {_ALIASES.get(one.name, one.name): one.quality for one in weighed(accept_encoding)}
    other = weights.get("*", 0.0)
    best = max(Name, key=lambda name: weights.get(name, other))
    quality = weights.get(best, other)
    refused = weights.get("identity", weights.get("*", 1.0)) == 0
    if quality == 0 or weights.get("identity", 0.0) > quality:
        if refused:
            raise NotAcceptable("The content codings on offer are gzip, br and zstd.")
        return None
    return Coding(best, refused)


def compressed(content: bytes, name: Name) -> bytes:
    """Code a body."""
    if name is Name.ZSTD:
        return _zstd().compress(content)
    if name is Name.BR:
        coded: bytes = brotli.compress(content, quality=1)
        return coded
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packer.compress(content) + packer.flush()


_of_thread = threading.local()


def _zstd() -> zstandard.ZstdCompressor:
    """Return the compressor of this thread: making one costs more than a small body."""
    found: zstandard.ZstdCompressor | None = getattr(_of_thread, "zstd", None)
    if found is None:
        found = _of_thread.zstd = zstandard.ZstdCompressor(level=3)
    return found


def of_body(content_encoding: str) -> Name | None:
    """Tell the coding of a request body; None when it is not coded.

    Raises:
        UnsupportedMediaType: another coding, or several.
    """
    name = content_encoding.strip().lower()
    if name in {"", "identity"}:
        return None
    try:
        return Name(_ALIASES.get(name, name))
    except ValueError:
        raise UnsupportedMediaType(
            "The content coding is not accepted; send the body as it is, or in one of gzip, br and zstd.",
            headers={"Accept-Encoding": "gzip, br, zstd"},
        ) from None


def decompressed(content: bytes, name: Name, limit: int) -> bytes:
    """Unpack a request body of at most ``limit`` bytes.

    Raises:
        TooLarge: it unpacks to more.
        BadRequest: it is not coded as it says, ends too early, or goes on after its end.
    """
    try:
        unpacked, is_whole = _UNPACK[name](content, limit + 1)
    except (zlib.error, brotli.error, zstandard.ZstdError):
        raise BadRequest(_UNREADABLE) from None
    if len(unpacked) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes once it is unpacked; send less.")
    if not is_whole:
        raise BadRequest(_UNREADABLE)
    return unpacked


def _gunzipped(content: bytes, enough: int) -> tuple[bytes, bool]:
    unpacker = zlib.decompressobj(_GZIP)
    unpacked = unpacker.decompress(content, enough)
    return unpacked, unpacker.eof and not unpacker.unused_data


def _unbrotlied(content: bytes, enough: int) -> tuple[bytes, bool]:
    unpacker = brotli.Decompressor()
    unpacked: bytes = unpacker.process(content, output_buffer_limit=enough)
    return unpacked, unpacker.is_finished()


def _unzstded(content: bytes, enough: int) -> tuple[bytes, bool]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj()
    unpacked = bytearray()
    for start in range(0, len(content), _STEP):
        if unpacker.eof:
            return bytes(unpacked), False
        unpacked += unpacker.decompress(content[start : start + _STEP])
        if len(unpacked) >= enough:
            break
    return bytes(unpacked), unpacker.eof and not unpacker.unused_data


_UNPACK = {Name.ZSTD: _unzstded, Name.BR: _unbrotlied, Name.GZIP: _gunzipped}
