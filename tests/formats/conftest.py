"""Clients of a running server, for tests of what is on the wire.

operator     may do everything; speaks JSON unless told otherwise
anybody      carries no token
patient      the id of a patient of the test's own
"""

from __future__ import annotations

from collections.abc import Iterator

import harness
import httpx
import pytest


@pytest.fixture(scope="session")
def operator(server: harness.Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture(scope="session")
def anybody(server: harness.Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.fhir, timeout=30) as client:
        yield client


@pytest.fixture
def patient(operator: httpx.Client) -> str:
    document = {"resourceType": "Patient", "name": [{"family": "Wire"}], "active": True}
    made: str = operator.post("/Patient", json=document).json()["id"]
    return made
