"""Clients, users, authorizations, refresh tokens, sessions, revocations and signing keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of the authorization server."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_parties()
    _create_authorizations()
    _create_short_lived()


def downgrade() -> None:
    """Drop them again, dependants first."""
    for table in (
        "oauth_signing_key",
        "oauth_revocation",
        "oauth_assertion",
        "oauth_throttle",
        "oauth_session",
        "oauth_refresh_token",
        "oauth_authorization",
        "oauth_user",
        "oauth_client",
    ):
        op.drop_table(table)


def _create_parties() -> None:
    op.create_table(
        "oauth_client",
        sa.Column("client_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("organization", sa.Text),
        sa.Column("authentication", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text),
        sa.Column("jwks", sa.Text),
        sa.Column("jwks_uri", sa.Text),
        sa.Column("grant_types", ARRAY(sa.Text), nullable=False),
        sa.Column("redirect_uris", ARRAY(sa.Text), nullable=False),
        sa.Column("launch_uri", sa.Text),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('prescriber', 'ehr', 'therapist-app', 'coach-app', 'patient-app', 'admin')",
            name="known_kind",
        ),
        sa.CheckConstraint(
            "authentication IN ('none', 'client_secret', 'private_key_jwt')", name="known_authentication"
        ),
        sa.CheckConstraint(
            "(authentication = 'client_secret') = (secret_hash IS NOT NULL)", name="secret_when_wanted"
        ),
        sa.CheckConstraint(
            "(authentication = 'private_key_jwt') = (num_nonnulls(jwks, jwks_uri) = 1)",
            name="keys_when_wanted",
        ),
    )
    op.create_table(
        "oauth_user",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("login", sa.Text, nullable=False, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("fhir_user", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "role IN ('therapist', 'prescriber', 'coach', 'patient', 'auditor', 'admin')", name="known_role"
        ),
    )


def _create_authorizations() -> None:
    op.create_table(
        "oauth_authorization",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("client_id", sa.Text, sa.ForeignKey("oauth_client.client_id"), nullable=False, index=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("oauth_user.id"), nullable=False, index=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("patient", sa.Text),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text),
        sa.Column("signed_in_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("code_hash", sa.Text, nullable=False, unique=True),
        sa.Column("code_challenge", sa.Text, nullable=False),
        sa.Column("code_expires_at", INSTANT, nullable=False),
        sa.Column("code_used_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
    )
    op.create_table(
        "oauth_refresh_token",
        sa.Column("token_hash", sa.Text, primary_key=True),
        sa.Column(
            "authorization_id", sa.Text, sa.ForeignKey("oauth_authorization.id"), nullable=False, index=True
        ),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
        sa.Column("used_at", INSTANT),
    )
    op.create_table(
        "oauth_session",
        sa.Column("token_hash", sa.Text, primary_key=True),
        sa.Column("user_id", sa.Text, sa.ForeignKey("oauth_user.id"), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
    )


def _create_short_lived() -> None:
    op.create_table(
        "oauth_throttle",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False, index=True),
    )
    op.create_table(
        "oauth_assertion",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("jti", sa.Text, primary_key=True),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
    )
    op.create_table(
        "oauth_revocation",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("expires_at", INSTANT, nullable=False, index=True),
    )
    op.create_table(
        "oauth_signing_key",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("private_jwk", sa.Text, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT),
    )
