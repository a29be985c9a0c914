"""The front of the authorization server: one method an endpoint, each one database transaction.

    token       ─▶ a client's keys are fetched first where that is needed, outside of any transaction
    revoke      ─▶ the presented token's signature is checked first
    introspect  ─▶ the same
    authorize   ─▶ see launch.py, which shows the pages

A refusal is committed too: a used code, a used assertion and a reused refresh token leave their mark.
Source: https://datatracker.ietf.org/doc/html/rfc6749#section-3
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import InvalidClientError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from models.errors import Unauthenticated
from service.context import utc_now
from service.database import Database
from service.oauth import endpoints, grants
from service.oauth.registration import LOOPBACK_HOSTS
from service.oauth.remote_keys import KeysNeeded, KeysUnreachable, RemoteKeys
from service.oauth.requests import Answer, OAuthRequest, parameters
from service.oauth.server import TOKEN_PATH, Presented, Server, Surroundings, error_answer
from service.oauth.sweep import sweep
from service.oauth.tokens import AccessTokens
from service.oauth.transactions import transaction
from service.settings import Settings

SWEEP_EVERY_S = 60.0
T = TypeVar("T")


@dataclass(slots=True)
class Authorization:
    """The authorization server of this process."""

    database: Database
    settings: Settings
    tokens: AccessTokens
    clock: Callable[[], datetime] = utc_now
    remote_keys: RemoteKeys = field(init=False)
    _swept_at: float = float("-inf")

    def __post_init__(self) -> None:
        is_local = urlsplit(self.settings.base_url).hostname in LOOPBACK_HOSTS
        self.remote_keys = RemoteKeys(allow_loopback=is_local)

    async def token(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer the token endpoint."""
        try:
            request = self.request("POST", TOKEN_PATH, body, headers)
            answer = await self._with_keys(lambda server: server.create_token_response(request))
        except OAuth2Error as error:
            return error_answer(error)
        await self._sweep()
        return answer

    async def revoke(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer the revocation endpoint."""
        return await self._about_a_token("revocation", "/oauth/revoke", body, headers)

    async def introspect(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Answer the introspection endpoint."""
        return await self._about_a_token("introspection", "/oauth/introspect", body, headers)

    def request(self, method: str, path: str, encoded: bytes, headers: Mapping[str, str]) -> OAuthRequest:
        """Read a request.

        Raises:
            OAuth2Error: its parameters cannot be read, or this server is reached without TLS.
        """
        return OAuthRequest(method, self.settings.base_url + path, parameters(encoded), headers)

    async def run(
        self, session: AsyncSession, work: Callable[[Server], T], presented: Presented | None = None
    ) -> T:
        """Run Authlib's synchronous server on the session."""
        surroundings = Surroundings(
            self.settings.base_url, await self.tokens.keys.current(), self.remote_keys, self.clock()
        )

        def run(sync_session: Session) -> T:
            server = Server(sync_session, surroundings, presented)
            grants.register_all(server)
            server.register_endpoint(endpoints.Revocation)
            server.register_endpoint(endpoints.Introspection)
            return work(server)

        return await session.run_sync(run)

    def transaction(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Lend a session that is committed at the end of the block."""
        return transaction(self.database)

    async def _with_keys(
        self, work: Callable[[Server], Answer], presented: Presented | None = None
    ) -> Answer:
        try:
            async with self.transaction() as session:
                return await self.run(session, work, presented)
        except KeysNeeded as needed:
            try:
                await self.remote_keys.fetch(needed.uri)
            except KeysUnreachable as error:
                raise InvalidClientError(str(error)) from error
        try:
            async with self.transaction() as session:
                return await self.run(session, work, presented)
        except KeysNeeded as error:
            raise InvalidClientError("The client has no registered key with this kid.") from error

    async def _about_a_token(
        self, endpoint: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        try:
            request = self.request("POST", path, body, headers)
            presented = await self._presented(request)
            return await self._with_keys(
                lambda server: server.create_endpoint_response(endpoint, request), presented
            )
        except OAuth2Error as error:
            return error_answer(error)

    async def _presented(self, request: OAuthRequest) -> Presented:
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        bearer, claims = None, None
        try:
            if scheme.lower() == "bearer":
                bearer = (await self.tokens.verify(credential.strip())).client_id
        except Unauthenticated as error:
            raise InvalidClientError("The access token is not valid.", status_code=401) from error
        try:
            claims = await self.tokens.claims(request.form.get("token", ""))
        except Unauthenticated:
            claims = None
        return Presented(claims, bearer)

    async def _sweep(self) -> None:
        if time.monotonic() - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = time.monotonic()
        async with self.transaction() as session:
            await sweep(session, self.clock())
