"""The demonstration practice on a server of its own, and an EHR system that may read everything.

practice   the running server; nothing writes to it                          session
ehr        a client with ``system/*.rs``                                     session
kept       what the server holds of a type, pulled once over HTTP            session
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import harness
import httpx
import practice_kit
import pytest


@pytest.fixture(scope="session")
def practice(databases: harness.Databases) -> Iterator[practice_kit.Practice]:
    dsn = databases.create()
    running = harness.Server(dsn)
    running.start()
    practice_kit.load(running)
    yield practice_kit.Practice(running)
    running.dispose()
    databases.drop(dsn)


@pytest.fixture(scope="session")
def ehr(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    with practice.server.client("ehr", "system/*.rs", organization="Organization/org-ehr") as client:
        yield client


@pytest.fixture(scope="session")
def kept(ehr: httpx.Client) -> Callable[[str], list[dict[str, Any]]]:
    @cache
    def pull(resource_type: str) -> list[dict[str, Any]]:
        bundle = ehr.get(f"/{resource_type}", params={"_count": "1000"}).raise_for_status().json()
        assert all(link["relation"] != "next" for link in bundle["link"])
        return [entry["resource"] for entry in bundle["entry"]]

    return pull
