"""A running server that holds the demonstration practice, and what a client needs to speak to it.

practice     one for all tests of a worker                       session
token        of somebody who may do everything                   function
operator     the same through plain HTTP, to see what is true    function
node         runs the clients from npm, see node_kit.py          session
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import harness
import httpx
import node_kit
import practice_kit
import pytest

SCOPE = "system/*.cruds"


@pytest.fixture(scope="session")
def practice(server: harness.Server) -> practice_kit.Practice:
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture
def token(practice: practice_kit.Practice, credentials: dict[str, str]) -> str:
    """A fresh one for each test: it is valid for five minutes only."""
    return practice.server.token(credentials, SCOPE)


@pytest.fixture(scope="session")
def credentials(practice: practice_kit.Practice) -> dict[str, str]:
    return practice.server.add_client("admin", SCOPE)


@pytest.fixture
def operator(practice: practice_kit.Practice, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=practice.server.fhir, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def node(run_directory: Path) -> node_kit.Node:
    return node_kit.installed(run_directory)
