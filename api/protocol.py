"""HTTP/1.1 as uvicorn speaks it, with a bound on the head of a request and one write for a response.

    request    line and headers together have a limit, or the connection ends: httptools reads headers of any
               length into memory, before anybody is asked who they are
    response   the head waits for the beginning of the body, so that both leave in one system call: 3 % of the
               CPU of a read by id

Source: https://datatracker.ietf.org/doc/html/rfc6585#section-5
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

MAX_HEAD_BYTES = 128 * 1024
"""Room for a long search in the URL (64 KiB) and a token with many scopes."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_STATUS_LINE = b"HTTP/1.1 "
_CONTINUE = b"HTTP/1.1 100 "


class _Joining:
    """A transport that keeps a head back until the next write, the end of the response, or the close."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_STATUS_LINE) and not data.startswith(_CONTINUE):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which ends a connection whose headers do not end."""

    head_bytes = 0
    in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Answer through a transport that joins head and body."""
        super().connection_made(transport)
        self.joining = _Joining(transport)
        self.transport = cast("asyncio.Transport", self.joining)

    def on_response_complete(self) -> None:
        """Send a head that no body has followed, as for HEAD."""
        self.joining.flush()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """Read on; refuse a head that is too long."""
        super().data_received(data)
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Count anew."""
        self.in_head, self.head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The body has its own limit."""
        self.in_head = False
        super().on_headers_complete()
