"""A running server that holds the demonstration practice, and who may write there.

practice      one for all tests of a worker          session
operator      a tool that may do everything           session
prescriber    the first prescribing organization      session
competitor    the second prescribing organization     session
"""

from __future__ import annotations

from collections.abc import Iterator

import harness
import httpx
import practice_kit
import pytest


@pytest.fixture(scope="session")
def practice(server: harness.Server) -> practice_kit.Practice:
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture(scope="session")
def operator(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    with practice.operator() as client:
        yield client


@pytest.fixture(scope="session")
def prescriber(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    with practice.prescriber() as client:
        yield client


@pytest.fixture(scope="session")
def competitor(practice: practice_kit.Practice) -> Iterator[httpx.Client]:
    with practice.prescriber("org-rx-b") as client:
        yield client
