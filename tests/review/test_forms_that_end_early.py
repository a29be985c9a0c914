"""Whoever hangs up within a form makes a mistake of their own: no failure is logged or counted."""

from __future__ import annotations

import json
import socket
import time
from urllib.parse import urlsplit
from uuid import uuid4

import pytest


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_a_form_that_ends_early_is_no_failure(server, path):
    request_id = f"early-{uuid4()}"
    address = urlsplit(server.base_url)
    with socket.create_connection((address.hostname, address.port)) as opened:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {request_id}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant"
        )
        opened.sendall(head.encode())
    deadline = time.monotonic() + 20
    while request_id not in server.log and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = [json.loads(line) for line in server.log.splitlines() if request_id in line]
    assert [(line["event"], line["status"]) for line in lines] == [("request answered", 400)]
