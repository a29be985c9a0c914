"""Access tokens and id_tokens: issued as signed JWTs, verified once per token and process.

    issue    scope, client, user, launch context ──▶ JWT, at most one hour
    verify   known token ──▶ Principal              no SQL, some microseconds
             new token   ──▶ signature, issuer, audience, expiry, client, user ──▶ Principal
             every second ──▶ the revocations are read again

Source: https://datatracker.ietf.org/doc/html/rfc9068, https://datatracker.ietf.org/doc/html/rfc6750
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from sqlalchemy import select
from sqlmodel import col

from models.errors import Unauthenticated
from models.oauth import OAuthAuthorization, OAuthClient, OAuthUser
from models.principal import ClientKind, Principal, Role
from service.access import scopes
from service.context import random_id
from service.database import Database
from service.oauth.keys import ALGORITHM, SigningKeys
from service.oauth.revocations import Revocations, of_client, of_user
from service.oauth.transactions import transaction
from service.settings import Settings

BACKEND_LIFETIME_S = 300
"""Life of a backend service's token. Source: SMART App Launch 2.2, Backend Services, "Issue Access Token"."""

APP_LIFETIME_S = 3600
"""Life of a user's token. Source: SMART App Launch 2.2, App Launch, "Obtain access token"."""

MAX_TOKEN_CHARACTERS = 16_384
MAX_REMEMBERED = 20_000
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068, not a secret


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a token is to say."""

    client_id: str
    scope: str
    user: OAuthUser | None = None
    authorization: OAuthAuthorization | None = None

    @property
    def lifetime_s(self) -> int:
        """How long the token may live."""
        return BACKEND_LIFETIME_S if self.user is None else APP_LIFETIME_S


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    expires_at: float
    subjects: frozenset[str]


def issue_access_token(key: RSAKey, allowance: Allowance, base_url: str, now: datetime) -> str:
    """Return a signed access token for this server's FHIR base."""
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": base_url,
        "aud": f"{base_url}/fhir",
        "sub": allowance.user.id if allowance.user else allowance.client_id,
        "client_id": allowance.client_id,
        "scope": allowance.scope,
        "iat": issued_at,
        "exp": issued_at + allowance.lifetime_s,
        "jti": random_id(),
    }
    if allowance.authorization:
        claims["grant_id"] = allowance.authorization.id
        claims |= {"patient": allowance.authorization.patient} if allowance.authorization.patient else {}
    header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM])


def issue_id_token(key: RSAKey, allowance: Allowance, base_url: str, now: datetime) -> str:
    """Return the id_token of the signed-in user; ``fhirUser`` only where that scope was granted."""
    user, authorization = allowance.user, allowance.authorization
    if user is None or authorization is None:
        raise ValueError("An id_token needs a user.")
    issued_at = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": base_url,
        "aud": allowance.client_id,
        "sub": user.id,
        "iat": issued_at,
        "exp": issued_at + APP_LIFETIME_S,
        "auth_time": int(authorization.signed_in_at.timestamp()),
    }
    if authorization.nonce:
        claims["nonce"] = authorization.nonce
    if user.fhir_user and {"fhirUser", "profile"} & set(allowance.scope.split()):
        claims["fhirUser"] = f"{base_url}/fhir/{user.fhir_user}"
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


def _refusal(text: str) -> Unauthenticated:
    return Unauthenticated(text, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


@dataclass(slots=True)
class AccessTokens:
    """The verifier of bearer tokens; one for each process."""

    database: Database
    settings: Settings
    clock: Callable[[], float] = time.time
    keys: SigningKeys = field(init=False)
    revocations: Revocations = field(init=False)
    _remembered: OrderedDict[bytes, _Remembered] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.keys = SigningKeys(self.database)
        self.revocations = Revocations(self.database)

    async def verify(self, token: str) -> Principal:
        """Return who bears this token.

        Raises:
            Unauthenticated: the token is not ours, expired, revoked, or its client or user is gone.
        """
        fingerprint = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        remembered = self._remembered.get(fingerprint)
        if remembered is None:
            remembered = await self._remember(fingerprint, token)
        if not self.revocations.is_fresh:
            await self.revocations.refresh()
        if remembered.expires_at <= self.clock():
            self._remembered.pop(fingerprint, None)
            raise _refusal("The access token has expired; ask for a new one.")
        if not remembered.subjects.isdisjoint(self.revocations.subjects):
            raise _refusal("The access token was revoked.")
        return remembered.principal

    async def claims(self, token: str) -> dict[str, Any]:
        """Return the claims of an access token that this server signed and that has not expired.

        Raises:
            Unauthenticated: it is not such a token.
        """
        claims = await self._signed_claims(token)
        expected = {"iss": self.settings.base_url, "aud": f"{self.settings.base_url}/fhir"}
        if any(claims.get(name) != value for name, value in expected.items()):
            raise _refusal("The access token was issued for another server.")
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= self.clock():
            raise _refusal("The access token has expired; ask for a new one.")
        return claims

    async def _signed_claims(self, token: str) -> dict[str, Any]:
        try:
            if len(token) > MAX_TOKEN_CHARACTERS:
                raise _refusal("The access token is not valid.")
            header = jws.extract_compact(token.encode("ascii")).headers()
            key = await self.keys.find(str(header.get("kid")))
            if key is None or header.get("typ") != TOKEN_TYPE:
                raise _refusal("The access token is not valid.")
            return dict(jwt.decode(token, key, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise _refusal("The access token is not valid.") from error

    async def _remember(self, fingerprint: bytes, token: str) -> _Remembered:
        claims = await self.claims(token)
        client, user = await self._parties(claims)
        subjects = {claims["jti"], of_client(client.client_id), claims.get("grant_id", "")}
        subjects |= {of_user(user.id)} if user else set()
        principal = _principal(claims, client, user)
        remembered = _Remembered(principal, claims["exp"], frozenset(subjects - {""}))
        self._remembered[fingerprint] = remembered
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return remembered

    async def _parties(self, claims: dict[str, Any]) -> tuple[OAuthClient, OAuthUser | None]:
        statement = select(OAuthClient, OAuthUser).where(col(OAuthClient.client_id) == claims["client_id"])
        statement = statement.outerjoin(OAuthUser, col(OAuthUser.id) == claims["sub"])
        async with transaction(self.database) as session:
            row = (await session.execute(statement)).one_or_none()
        is_users = claims["sub"] != claims["client_id"]
        if row is None or not row[0].active or (is_users and (row[1] is None or not row[1].active)):
            raise _refusal("The client or the user of this access token is no longer active.")
        return row[0], row[1] if is_users else None


def _principal(claims: dict[str, Any], client: OAuthClient, user: OAuthUser | None) -> Principal:
    return Principal(
        client_id=client.client_id,
        client_kind=ClientKind(client.kind),
        scopes=scopes.parse(claims["scope"]),
        scope_text=claims["scope"],
        organization=client.organization,
        user=user.login if user else None,
        role=Role(user.role) if user else None,
        fhir_user=user.fhir_user if user else None,
        patient=claims.get("patient"),
        token_id=claims["jti"],
    )
