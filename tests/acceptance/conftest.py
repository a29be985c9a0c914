"""Running servers that hold the demonstration practice.

practice           one for all tests of a worker; nobody may stop it     session
start_practice     makes further ones: start_practice(workers=2)         function
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import harness
import httpx
import practice_kit
import pytest


@pytest.fixture(scope="session")
def practice(server: harness.Server) -> practice_kit.Practice:
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture
def start_practice(start_server: harness.ServerFactory) -> practice_kit.PracticeFactory:
    def start(**options: Any) -> practice_kit.Practice:
        running = start_server(**options)
        practice_kit.load(running)
        return practice_kit.Practice(running)

    return start


@pytest.fixture(scope="session")
def prescriber(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    """The platform of the first prescribing organization."""
    with practice.prescriber() as client:
        yield client


@pytest.fixture(scope="session")
def operator(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    """A tool that may do everything its scopes say, which is everything."""
    with practice.operator() as client:
        yield client
