"""Responses on one connection, as they arrive byte for byte: with a body, without one, and cut short."""

import socket
from urllib.parse import urlsplit

import pytest


@pytest.fixture
def connection(server):
    place = urlsplit(server.base_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as opened:
        yield opened


def exchanged(connection, method, path="/health/live"):
    """Send a request and read what comes until it pauses; (status, headers, body)."""
    connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    connection.settimeout(5)
    received = connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = dict(entry.lower().split(": ", 1) for entry in lines)
    while method != "HEAD" and len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return int(line.split()[1]), headers, body


def test_a_head_without_a_body_is_sent_and_the_connection_stays_usable(connection):
    for _ in range(3):
        status, headers, body = exchanged(connection, "HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 0
    status, headers, body = exchanged(connection, "GET")
    assert (status, len(body)) == (200, int(headers["content-length"]))


def test_head_and_body_come_together(connection):
    connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.settimeout(5)
    received = connection.recv(65_536)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.partition(b"\r\n\r\n")[2]


def test_requests_sent_together_are_answered_one_after_the_other(connection):
    connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    connection.settimeout(5)
    received = b""
    while received.count(b"HTTP/1.1 200 ") < 5 or not received.endswith(b"}"):
        received += connection.recv(65_536)
    assert received.count(b"HTTP/1.1 ") == 5


def test_a_request_that_is_no_http_is_answered_and_the_connection_ends(connection):
    connection.sendall(b"no http at all\r\n\r\n")
    connection.settimeout(5)
    received = b""
    while chunk := connection.recv(65_536):
        received += chunk
    assert received.startswith(b"HTTP/1.1 400 ")


def test_a_refusal_with_a_body_is_whole(connection):
    status, headers, body = exchanged(connection, "GET", "/fhir/Patient/1")
    assert status == 401
    assert headers["content-type"].startswith("application/fhir+json")
    assert len(body) == int(headers["content-length"])
