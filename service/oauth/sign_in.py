"""Signing in with login and password: counted before it is checked, remembered by a random cookie.

    attempt ─▶ count for login+address, login, address ─▶ too many: wait
                                                        └▶ password ─▶ session of twelve hours

An unknown login takes as long as a wrong password and is counted the same way.
Source: https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.oauth import OAuthSession, OAuthThrottle, OAuthUser
from service.oauth import credentials
from service.oauth.registration import MAX_PASSWORD

SESSION_LIFETIME = timedelta(hours=12)
WINDOW = timedelta(minutes=15)
MAX_BY_LOGIN_AND_ADDRESS = 5
MAX_BY_LOGIN = 20
MAX_BY_ADDRESS = 100


class SignInRefused(Exception):
    """The login or the password is wrong."""


class TooManySignIns(Exception):
    """There were too many failed attempts; wait before the next one."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in, and since when."""

    user: OAuthUser
    since: datetime


async def count_attempt(session: AsyncSession, login: str, address: str, now: datetime) -> None:
    """Count an attempt before it is checked; commit this by itself.

    Raises:
        TooManySignIns: the attempt must not even be checked.
    """
    too_many = False
    for subject, limit in _subjects(login, address).items():
        row = {"subject": subject, "failures": 1, "started_at": now}
        is_over = col(OAuthThrottle.started_at) < now - WINDOW
        statement = insert(OAuthThrottle).values(row)
        again = {
            "failures": case((is_over, 1), else_=OAuthThrottle.failures + 1),
            "started_at": case((is_over, now), else_=OAuthThrottle.started_at),
        }
        upsert = statement.on_conflict_do_update(index_elements=["subject"], set_=again)
        failures = (await session.execute(upsert.returning(col(OAuthThrottle.failures)))).scalar_one()
        too_many = too_many or failures > limit
    if too_many:
        raise TooManySignIns


async def sign_in(session: AsyncSession, login: str, password: str, address: str, now: datetime) -> str:
    """Check a password and return the secret of the browser's new session.

    Raises:
        SignInRefused: login or password is wrong, or the user is not active.
    """
    found = select(OAuthUser).where(col(OAuthUser.login) == login.strip().lower())
    user = (await session.execute(found)).scalar()
    stored = user.password_hash if user else None
    matches = await asyncio.to_thread(credentials.password_matches, password[: MAX_PASSWORD + 1], stored)
    if user is None or not matches or not user.active:
        raise SignInRefused
    forgiven = list(_subjects(login, address))[:2]
    await session.execute(delete(OAuthThrottle).where(col(OAuthThrottle.subject).in_(forgiven)))
    secret = credentials.new_secret()
    session.add(
        OAuthSession(
            token_hash=credentials.digest(secret),
            user_id=user.id,
            created_at=now,
            expires_at=now + SESSION_LIFETIME,
        )
    )
    return secret


async def signed_in(session: AsyncSession, secret: str | None, now: datetime) -> SignedIn | None:
    """Return who is signed in in the browser that holds this secret."""
    if not secret:
        return None
    statement = (
        select(OAuthUser, OAuthSession)
        .join(OAuthSession, col(OAuthSession.user_id) == col(OAuthUser.id))
        .where(col(OAuthSession.token_hash) == credentials.digest(secret))
        .where(col(OAuthSession.expires_at) > now, col(OAuthUser.active))
    )
    row = (await session.execute(statement)).one_or_none()
    return SignedIn(row[0], row[1].created_at) if row else None


async def sign_out(session: AsyncSession, secret: str) -> None:
    """End the session of the browser that holds this secret."""
    await session.execute(
        delete(OAuthSession).where(col(OAuthSession.token_hash) == credentials.digest(secret))
    )


def _subjects(login: str, address: str) -> dict[str, int]:
    login = login.strip().lower()
    named = {
        f"both {login} {address}": MAX_BY_LOGIN_AND_ADDRESS,
        f"login {login}": MAX_BY_LOGIN,
        f"address {address}": MAX_BY_ADDRESS,
    }
    return {credentials.digest(subject): limit for subject, limit in named.items()}
