"""Fixtures of the OAuth tests: the application in process, on a real database, with a browser and clients.

Only the pieces of OAuth are served, so that these tests need nothing else of the service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace

import httpx
import oauth_kit
import pytest
from starlette.applications import Starlette

from api import smart
from service.database import Database
from service.oauth.tokens import AccessTokens
from service.settings import Settings


@pytest.fixture
def local_settings(settings: Settings) -> Settings:
    """Settings of a service on this machine: OAuth refuses plain http anywhere else."""
    return replace(settings, base_url=oauth_kit.BASE_URL)


@pytest.fixture
def tokens(database: Database, local_settings: Settings) -> AccessTokens:
    return AccessTokens(database, local_settings)


@pytest.fixture
async def http(
    database: Database, local_settings: Settings, tokens: AccessTokens
) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette(routes=smart.ROUTES)
    app.state.services = SimpleNamespace(database=database, settings=local_settings, tokens=tokens)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=oauth_kit.BASE_URL) as client:
        yield client


@pytest.fixture
def registry(database: Database) -> oauth_kit.Registry:
    return oauth_kit.Registry(database)


@pytest.fixture
def browser(http: httpx.AsyncClient) -> oauth_kit.Browser:
    return oauth_kit.Browser(http)
