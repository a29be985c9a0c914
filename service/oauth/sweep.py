"""What is expired and of no more use is deleted, by one worker at a time.

A used refresh token is kept until it would have expired: until then its second use is a sign of theft.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.oauth import (
    OAuthAssertion,
    OAuthRefreshToken,
    OAuthRevocation,
    OAuthSession,
    OAuthSigningKey,
    OAuthThrottle,
)
from service.oauth.keys import OVERLAP

THROTTLE_KEPT = timedelta(hours=1)
_LOCK = 0x6B61745F737770
"""Advisory lock of the one worker that sweeps."""


async def sweep(session: AsyncSession, now: datetime) -> None:
    """Delete expired rows, unless another worker is doing so."""
    if not (await session.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))).scalar():
        return
    for condition in (
        delete(OAuthAssertion).where(col(OAuthAssertion.expires_at) < now),
        delete(OAuthRevocation).where(col(OAuthRevocation.expires_at) < now),
        delete(OAuthRefreshToken).where(col(OAuthRefreshToken.expires_at) < now),
        delete(OAuthSession).where(col(OAuthSession.expires_at) < now),
        delete(OAuthThrottle).where(col(OAuthThrottle.started_at) < now - THROTTLE_KEPT),
        delete(OAuthSigningKey).where(col(OAuthSigningKey.retired_at) < now - OVERLAP),
    ):
        await session.execute(condition)
