"""HTTP/1.1 with a bound on what comes before the body: request line and headers together.

httptools reads headers of any length into memory, before anybody is asked who they are.

Source: https://datatracker.ietf.org/doc/html/rfc6585#section-5
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 128 * 1024
"""Room for a long search in the URL (64 KiB) and a token with many scopes."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol, which ends a connection whose headers do not end."""

    head_bytes = 0
    in_head = False

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
