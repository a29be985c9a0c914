"""Who may connect: clients, users, what users allowed clients, and the keys tokens are signed with.

    oauth_client ──┬── oauth_authorization ──── oauth_refresh_token
    oauth_user ────┘    (one consent: code,     (rotated; one unused at a time)
       │                 PKCE, launch context)
    oauth_session       sign-in of a browser
    oauth_throttle      failed sign-ins, counted
    oauth_assertion     client assertions already used
    oauth_revocation    what is no longer valid although its signature is
    oauth_signing_key   keys of access tokens and id tokens

Secrets and codes are stored as SHA-256 of 256 random bits, passwords as Argon2id.
Source: https://datatracker.ietf.org/doc/html/rfc6749, https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.principal import ClientKind, Role

INSTANT = DateTime(timezone=True)


def _one_of(column: str, words: list[str]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"known_{column}")


class OAuthClient(SQLModel, table=True):
    """An application that may ask for access tokens."""

    __tablename__ = "oauth_client"
    __table_args__ = (
        _one_of("kind", [kind.value for kind in ClientKind]),
        _one_of("authentication", ["none", "client_secret", "private_key_jwt"]),
        CheckConstraint(
            "(authentication = 'client_secret') = (secret_hash IS NOT NULL)", name="secret_when_wanted"
        ),
        CheckConstraint(
            "(authentication = 'private_key_jwt') = (num_nonnulls(jwks, jwks_uri) = 1)",
            name="keys_when_wanted",
        ),
    )

    client_id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    kind: str = Field(sa_type=Text)
    organization: str | None = Field(default=None, sa_type=Text)
    authentication: str = Field(sa_type=Text)
    secret_hash: str | None = Field(default=None, sa_type=Text)
    jwks: str | None = Field(default=None, sa_type=Text)
    jwks_uri: str | None = Field(default=None, sa_type=Text)
    grant_types: list[str] = Field(sa_type=ARRAY(Text))
    redirect_uris: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    launch_uri: str | None = Field(default=None, sa_type=Text)
    scope: str = Field(sa_type=Text)
    active: bool = Field(default=True)
    created_at: datetime = Field(sa_type=INSTANT)


class OAuthUser(SQLModel, table=True):
    """A person who signs in; ``fhir_user`` says which record describes them."""

    __tablename__ = "oauth_user"
    __table_args__ = (_one_of("role", [role.value for role in Role]),)

    id: str = Field(primary_key=True, sa_type=Text)
    login: str = Field(unique=True, sa_type=Text)
    password_hash: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    fhir_user: str | None = Field(default=None, sa_type=Text)
    active: bool = Field(default=True)
    created_at: datetime = Field(sa_type=INSTANT)


class OAuthAuthorization(SQLModel, table=True):
    """What one user allowed one client, once: its code, its launch context, its scopes."""

    __tablename__ = "oauth_authorization"

    id: str = Field(primary_key=True, sa_type=Text)
    client_id: str = Field(sa_type=Text, foreign_key="oauth_client.client_id", index=True)
    user_id: str = Field(sa_type=Text, foreign_key="oauth_user.id", index=True)
    scope: str = Field(sa_type=Text)
    patient: str | None = Field(default=None, sa_type=Text)
    redirect_uri: str = Field(sa_type=Text)
    nonce: str | None = Field(default=None, sa_type=Text)
    signed_in_at: datetime = Field(sa_type=INSTANT)
    created_at: datetime = Field(sa_type=INSTANT)
    code_hash: str = Field(unique=True, sa_type=Text)
    code_challenge: str = Field(sa_type=Text)
    code_expires_at: datetime = Field(sa_type=INSTANT)
    code_used_at: datetime | None = Field(default=None, sa_type=INSTANT)
    revoked_at: datetime | None = Field(default=None, sa_type=INSTANT)


class OAuthRefreshToken(SQLModel, table=True):
    """One link of the chain of refresh tokens; a second use of one revokes the whole authorization."""

    __tablename__ = "oauth_refresh_token"

    token_hash: str = Field(primary_key=True, sa_type=Text)
    authorization_id: str = Field(sa_type=Text, foreign_key="oauth_authorization.id", index=True)
    created_at: datetime = Field(sa_type=INSTANT)
    expires_at: datetime = Field(sa_type=INSTANT, index=True)
    used_at: datetime | None = Field(default=None, sa_type=INSTANT)


class OAuthSession(SQLModel, table=True):
    """A browser in which a user is signed in."""

    __tablename__ = "oauth_session"

    token_hash: str = Field(primary_key=True, sa_type=Text)
    user_id: str = Field(sa_type=Text, foreign_key="oauth_user.id")
    created_at: datetime = Field(sa_type=INSTANT)
    expires_at: datetime = Field(sa_type=INSTANT, index=True)


class OAuthThrottle(SQLModel, table=True):
    """Failed sign-ins of one login or one address since ``started_at``; the subject is a hash."""

    __tablename__ = "oauth_throttle"

    subject: str = Field(primary_key=True, sa_type=Text)
    failures: int
    started_at: datetime = Field(sa_type=INSTANT, index=True)


class OAuthAssertion(SQLModel, table=True):
    """A client assertion that was used; the key refuses its replay on every worker."""

    __tablename__ = "oauth_assertion"

    issuer: str = Field(primary_key=True, sa_type=Text)
    jti: str = Field(primary_key=True, sa_type=Text)
    expires_at: datetime = Field(sa_type=INSTANT, index=True)


class OAuthRevocation(SQLModel, table=True):
    """A token id or an authorization id whose access tokens are refused until the last has expired."""

    __tablename__ = "oauth_revocation"

    subject: str = Field(primary_key=True, sa_type=Text)
    expires_at: datetime = Field(sa_type=INSTANT, index=True)


class OAuthSigningKey(SQLModel, table=True):
    """A key pair of this server; the newest that is not retired signs, all that are stored verify."""

    __tablename__ = "oauth_signing_key"

    kid: str = Field(primary_key=True, sa_type=Text)
    private_jwk: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=INSTANT)
    retired_at: datetime | None = Field(default=None, sa_type=INSTANT)
