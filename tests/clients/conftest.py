"""A running server that holds the demonstration practice, and what a client needs to speak to it.

practice     one for all tests of a worker                       session
token        of somebody who may do everything                   function
operator     the same through plain HTTP, to see what is true    function
node         runs the clients from npm, see node_kit.py          session
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import harness
import httpx
import node_kit
import practice_kit
import pytest

SCOPE = "system/*.cruds"
RENEWED_AFTER_S = 120
"""A token of a backend service is valid for five minutes; a test takes less than the rest."""


@pytest.fixture(scope="session")
def server(databases: harness.Databases) -> Iterator[harness.Server]:
    """A server that holds only what clients and the demonstration stored."""
    with harness.serving(databases) as running:
        yield running


@pytest.fixture(scope="session")
def practice(server: harness.Server) -> practice_kit.Practice:
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture(scope="session")
def issue_token(practice: practice_kit.Practice) -> Callable[[], str]:
    credentials = practice.server.add_client("admin", SCOPE)
    issued = [(float("-inf"), "")]

    def issue() -> str:
        since, known = issued[-1]
        if time.monotonic() - since < RENEWED_AFTER_S:
            return known
        issued.append((time.monotonic(), practice.server.token(credentials, SCOPE)))
        return issued[-1][1]

    return issue


@pytest.fixture
def token(issue_token: Callable[[], str]) -> str:
    return issue_token()


@pytest.fixture(scope="session")
def connection_to_server(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=practice.server.fhir, timeout=30) as http:
        yield http


@pytest.fixture
def operator(connection_to_server: httpx.Client, token: str) -> httpx.Client:
    connection_to_server.headers["Authorization"] = f"Bearer {token}"
    return connection_to_server


@pytest.fixture(scope="session")
def node(run_directory: Path) -> node_kit.Node:
    return node_kit.installed(run_directory)
