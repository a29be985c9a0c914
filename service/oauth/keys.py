"""The keys this server signs with, kept in Postgres and shared by every worker.

    newest not retired   signs
    retired ≤ 2 h ago    still verifies, still published
    older                gone

One RSA key serves access tokens and id_tokens: clients of SMART must find RS256 in the key set.
Source: https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from joserfc.jwk import RSAKey
from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.oauth import OAuthSigningKey
from service.context import utc_now
from service.database import Database
from service.oauth.transactions import transaction

ALGORITHM = "RS256"
RSA_BITS = 2048
OVERLAP = timedelta(hours=2)
"""How long a retired key verifies: twice the longest life of an access token."""

RELOAD_AFTER_S = 60.0
RELOAD_AT_MOST_EVERY_S = 1.0
_LOCK = 0x6B61745F6B6579
"""Advisory lock under which keys are made: of workers that start together, one makes the first key."""


@dataclass(slots=True)
class SigningKeys:
    """The key pairs of this server, read again once a minute or when an unknown one is met."""

    database: Database
    clock: Callable[[], datetime] = utc_now
    _keys: list[RSAKey] = field(default_factory=list)
    _read_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def current(self) -> RSAKey:
        """Return the key that signs now; the first caller of a new database makes it."""
        await self._reload(RELOAD_AFTER_S)
        return self._keys[0]

    async def find(self, kid: str) -> RSAKey | None:
        """Return the key with this id, or None when this server has, or no longer has, such a key."""
        await self._reload(RELOAD_AFTER_S)
        if all(key.kid != kid for key in self._keys):
            await self._reload(RELOAD_AT_MOST_EVERY_S)
        return next((key for key in self._keys if key.kid == kid), None)

    async def valid(self, *, anew: bool = False) -> list[RSAKey]:
        """Return the key that signs and those that still verify; ``anew`` looks for one made just now."""
        await self._reload(RELOAD_AT_MOST_EVERY_S if anew else RELOAD_AFTER_S)
        return self._keys

    async def public_key_set(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that clients verify with; public members only."""
        await self._reload(RELOAD_AFTER_S)
        published = {"use": "sig", "alg": ALGORITHM}
        return {"keys": [key.as_dict(private=False) | published for key in self._keys]}

    async def _reload(self, older_than_s: float) -> None:
        async with self._reading:
            if time.monotonic() - self._read_at < older_than_s:
                return
            async with transaction(self.database) as session:
                self._keys = await _read(session, self.clock())
            self._read_at = time.monotonic()


async def rotate(session: AsyncSession, now: datetime) -> str:
    """Make a new signing key, retire the others and return the new key's id.

    Workers sign with it within a minute; tokens of the old key stay valid to their end.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    retire = update(OAuthSigningKey).where(col(OAuthSigningKey.retired_at).is_(None)).values(retired_at=now)
    await session.execute(retire)
    return await _make(session, now)


async def _read(session: AsyncSession, now: datetime) -> list[RSAKey]:
    rows = await _stored(session, now)
    if not rows or rows[0].retired_at is not None:
        await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        rows = await _stored(session, now)
        if not rows or rows[0].retired_at is not None:
            await _make(session, now)
            rows = await _stored(session, now)
    return [RSAKey.import_key(msgspec.json.decode(row.private_jwk)) for row in rows]


async def _stored(session: AsyncSession, now: datetime) -> list[OAuthSigningKey]:
    retired_at, created_at = col(OAuthSigningKey.retired_at), col(OAuthSigningKey.created_at)
    statement = (
        select(OAuthSigningKey)
        .where(or_(retired_at.is_(None), retired_at > now - OVERLAP))
        .order_by(retired_at.is_not(None), created_at.desc())
    )
    return list((await session.execute(statement)).scalars())


async def _make(session: AsyncSession, now: datetime) -> str:
    key = await asyncio.to_thread(RSAKey.generate_key, RSA_BITS, auto_kid=True)
    kid = str(key.kid)
    private_jwk = msgspec.json.encode(key.as_dict(private=True)).decode()
    session.add(OAuthSigningKey(kid=kid, private_jwk=private_jwk, created_at=now))
    await session.flush()
    return kid
