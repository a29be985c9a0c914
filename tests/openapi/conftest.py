"""A server with the demonstration practice, and an operator who may do everything there."""

from __future__ import annotations

import base64

import harness
import httpx
import pytest

from models.document import serialize
from service.demo import practice


@pytest.fixture(scope="session")
def operator(server: harness.Server) -> dict[str, str]:
    """The headers of an operator's client; the practice is loaded."""
    token = server.token(server.add_client("admin", "system/*.cruds"), "system/*.cruds")
    headers = {"Authorization": f"Bearer {token}"}
    loaded = httpx.post(
        server.fhir,
        content=serialize(practice.bundle()),
        headers={**headers, "Content-Type": "application/fhir+json"},
        timeout=60,
    )
    assert loaded.status_code == 200, loaded.text
    return headers


@pytest.fixture(scope="session")
def credentials(server: harness.Server) -> dict[str, str]:
    """The headers of a client that authenticates itself to the authorization server."""
    client = server.add_client("ehr", "system/*.rs")
    pair = f"{client['client_id']}:{client['client_secret']}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
