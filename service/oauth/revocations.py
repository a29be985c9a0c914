"""What is no longer valid although its signature is: a small set, at most one second old.

    oauth_revocation        token ids and authorization ids
    oauth_client inactive   client:<client_id>
    oauth_user inactive     user:<id>

Source: https://datatracker.ietf.org/doc/html/rfc7009
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import literal, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlmodel import col

from models.oauth import OAuthClient, OAuthRevocation, OAuthUser
from service.context import utc_now
from service.database import Database
from service.oauth.transactions import transaction

MAX_AGE_S = 1.0
KEPT = timedelta(hours=2)
"""How long a revocation is remembered: longer than any access token lives."""


def of_client(client_id: str) -> str:
    """Return the subject under which every token of a client is refused."""
    return f"client:{client_id}"


def of_user(user_id: str) -> str:
    """Return the subject under which every token of a user is refused."""
    return f"user:{user_id}"


def revoke(session: Session, subject: str, now: datetime) -> None:
    """Refuse, from now on, the access tokens with this token id or of this authorization."""
    row = {"subject": subject, "expires_at": now + KEPT}
    session.execute(insert(OAuthRevocation).values(row).on_conflict_do_nothing())


@dataclass(slots=True)
class Revocations:
    """The subjects whose tokens are refused, as this process last read them."""

    database: Database
    clock: Callable[[], datetime] = utc_now
    subjects: frozenset[str] = frozenset()
    _read_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_fresh(self) -> bool:
        """Whether the set may still be trusted."""
        return time.monotonic() - self._read_at < MAX_AGE_S

    async def refresh(self) -> None:
        """Read the set again, once for all who wait."""
        async with self._reading:
            if self.is_fresh:
                return
            started_at = time.monotonic()
            self.subjects = await self._read()
            self._read_at = started_at

    async def _read(self) -> frozenset[str]:
        revoked = select(col(OAuthRevocation.subject)).where(col(OAuthRevocation.expires_at) > self.clock())
        clients = select(literal("client:") + col(OAuthClient.client_id)).where(~col(OAuthClient.active))
        users = select(literal("user:") + col(OAuthUser.id)).where(~col(OAuthUser.active))
        async with transaction(self.database) as session:
            return frozenset((await session.execute(union_all(revoked, clients, users))).scalars())
