"""A server with the demonstration practice, and records of patients that only one test knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import harness
import httpx
import practice_kit
import pytest

Document = dict[str, Any]


@pytest.fixture(scope="session")
def practice(server: harness.Server) -> practice_kit.Practice:
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture(scope="session")
def client(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    """Somebody who may do everything."""
    with practice.operator() as client:
        yield client


@pytest.fixture
def store(client: httpx.Client) -> Callable[..., Document]:
    """Store a resource under an id of its own, and give it as stored."""

    def put(resource_type: str, **members: Any) -> Document:
        key = members.pop("id", str(uuid4()))
        answer = client.put(
            f"/{resource_type}/{key}", json={"resourceType": resource_type, "id": key, **members}
        )
        assert answer.status_code in {200, 201}, answer.text
        stored: Document = answer.json()
        return stored

    return put
