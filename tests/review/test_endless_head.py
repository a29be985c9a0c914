"""A request whose headers do not end is cut off before it fills the memory."""

import socket
from urllib.parse import urlsplit


def test_a_head_that_does_not_end_is_cut_off(server):
    place = urlsplit(server.base_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Long: ")
        sent = 0
        try:
            while sent < 4 * 1024 * 1024:
                sent += connection.send(b"a" * 16_384)
        except OSError:
            pass
        try:
            answer = connection.recv(200)
        except OSError:
            answer = b""
    assert sent < 4 * 1024 * 1024 or answer.startswith(b"HTTP/1.1 431")


def test_a_long_search_still_passes(server):
    with server.client("admin", "system/Patient.rs") as client:
        ids = ",".join(f"{number:064d}" for number in range(500))
        assert client.get("/Patient", params={"_id": ids}).status_code == 200
