"""Callers of a running server: a tool that may do everything, and one that may do little."""

from __future__ import annotations

from collections.abc import Iterator

import conformance_kit
import harness
import httpx
import pytest


@pytest.fixture(scope="module")
def client(server: harness.Server) -> Iterator[httpx.Client]:
    """A tool of the operator; its token outlives any module of tests."""
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture(scope="module")
def narrow(server: harness.Server) -> Iterator[httpx.Client]:
    """A tool that may read patients, and do anything with observations."""
    with server.client("admin", "system/Patient.rs system/Observation.cruds") as client:
        yield client


@pytest.fixture
def value() -> str:
    return conformance_kit.fresh()
