"""The three grants of the token endpoint, and PKCE.

    client_credentials    a backend service, scopes system/… only, five minutes, no refresh token
    authorization_code    a signed-in user's app; the code is used once, within a minute
    refresh_token         each use gives a new one; a second use of one revokes everything

Source: https://datatracker.ietf.org/doc/html/rfc6749#section-4, https://datatracker.ietf.org/doc/html/rfc7636
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import InvalidRequestError, InvalidScopeError, OAuth2Error
from authlib.oauth2.rfc7636 import CodeChallenge
from sqlalchemy import select
from sqlmodel import col

from models.oauth import OAuthAuthorization, OAuthRefreshToken, OAuthUser
from service.access import scopes
from service.context import random_id
from service.oauth import credentials
from service.oauth.requests import OAuthRequest
from service.oauth.revocations import revoke
from service.oauth.server import RegisteredClient, Server

CODE_LIFETIME = timedelta(seconds=60)
SYSTEM_CONTEXT = frozenset({"system"})
MAX_NONCE_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """An authorization code, as Authlib asks about it."""

    row: OAuthAuthorization
    code_challenge_method: str = "S256"

    @property
    def code_challenge(self) -> str:
        """The challenge that the code was asked for with."""
        return self.row.code_challenge

    def get_redirect_uri(self) -> str:
        """Return the redirect URI that the code was sent to."""
        return self.row.redirect_uri

    def get_scope(self) -> str:
        """Return the scopes that the user granted."""
        return self.row.scope


@dataclass(frozen=True, slots=True)
class IssuedRefreshToken:
    """A refresh token, as Authlib asks about it."""

    row: OAuthRefreshToken
    authorization: OAuthAuthorization

    def check_client(self, client: RegisteredClient) -> bool:
        """Tell whether the token was given to this client."""
        return self.authorization.client_id == client.client_id

    def get_scope(self) -> str:
        """Return the scopes that the user granted."""
        return self.authorization.scope


class S256Only(CodeChallenge):  # type: ignore[misc] # Authlib ships no types
    """PKCE for every client; ``plain`` is refused, as SMART demands."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Refuse an authorization request without a challenge of the method S256."""
        values = grant.request.payload.data
        if "code_challenge" not in values or values.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: send code_challenge and code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc] # Authlib ships no types
    """A backend service asks for itself."""

    server: Server
    request: OAuthRequest

    def validate_token_request(self) -> None:
        """Authenticate the client and settle the scopes."""
        super().validate_token_request()
        requested = self.request.payload.scope or ""
        granted = scopes.granted(requested, self.request.client.row.scope, contexts=SYSTEM_CONTEXT)
        if not granted:
            raise InvalidScopeError
        self.request.scope = " ".join(granted)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Answer with an access token for the granted scopes."""
        token = self.generate_token(scope=self.request.scope, include_refresh_token=False)
        return 200, token, self.TOKEN_RESPONSE_HEADER


class AuthorizationCode(grants.AuthorizationCodeGrant):  # type: ignore[misc] # Authlib ships no types
    """A user allows an app."""

    server: Server
    request: OAuthRequest

    @staticmethod
    def validate_authorization_redirect_uri(request: OAuthRequest, client: RegisteredClient) -> str:
        """Return the redirect URI if it is registered; nothing is ever sent to another one."""
        redirect_uri: str = request.payload.redirect_uri or ""
        if not client.check_redirect_uri(redirect_uri):
            raise InvalidRequestError("The redirect_uri is not registered for this client.")
        return redirect_uri

    def validate_authorization_request(self) -> str:
        """Check the request; ``aud`` must name this server's FHIR base."""
        redirect_uri: str = super().validate_authorization_request()
        data = self.request.payload.data
        try:
            if data.get("aud", "").removesuffix("/") != f"{self.server.base_url}/fhir":
                raise InvalidRequestError("The aud must be the FHIR base of this server.")
            if "launch" in data:
                raise InvalidRequestError("The launch value is not known here.")
            if len(data.get("nonce", "")) > MAX_NONCE_CHARACTERS:
                raise InvalidRequestError("The nonce is too long.")
        except OAuth2Error as error:
            error.redirect_uri = redirect_uri
            raise
        return redirect_uri

    def generate_authorization_code(self) -> str:
        """Draw the code."""
        return credentials.new_secret()

    def save_authorization_code(self, code: str, request: OAuthRequest) -> None:
        """Store what the user decided, with the digest of the code."""
        decision = self.server.decision
        if decision is None:
            raise InvalidRequestError("The user has not decided yet.")
        row = OAuthAuthorization(
            id=random_id(),
            client_id=request.client.client_id,
            user_id=decision.user.id,
            scope=decision.scope,
            patient=decision.patient,
            redirect_uri=request.payload.redirect_uri,
            nonce=request.payload.data.get("nonce"),
            signed_in_at=decision.signed_in_at,
            created_at=self.server.now,
            code_hash=credentials.digest(code),
            code_challenge=request.payload.data["code_challenge"],
            code_expires_at=self.server.now + CODE_LIFETIME,
        )
        self.server.session.add(row)

    def query_authorization_code(self, code: str, client: RegisteredClient) -> IssuedCode | None:
        """Return the unused code of this client; a used one revokes what was issued for it."""
        found = col(OAuthAuthorization.code_hash) == credentials.digest(code)
        row = self.server.session.execute(select(OAuthAuthorization).where(found).with_for_update()).scalar()
        if row is None or row.client_id != client.client_id:
            return None
        if row.code_used_at is not None:
            revoke_authorization(self.server, row)
        if row.revoked_at is not None or row.code_expires_at <= self.server.now:
            return None
        self.server.authorization = row
        return IssuedCode(row)

    def delete_authorization_code(self, authorization_code: IssuedCode) -> None:
        """Mark the code as used."""
        authorization_code.row.code_used_at = self.server.now

    def authenticate_user(self, authorization_code: IssuedCode) -> OAuthUser | None:
        """Return the user who granted the code."""
        return active_user(self.server, authorization_code.row.user_id)


class RefreshToken(grants.RefreshTokenGrant):  # type: ignore[misc] # Authlib ships no types
    """An app goes on where it was."""

    server: Server
    request: OAuthRequest
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> IssuedRefreshToken | None:
        """Return the unused refresh token; a used one revokes the whole authorization."""
        issued = find_refresh_token(self.server, refresh_token)
        if issued is None:
            return None
        if issued.row.used_at is not None:
            revoke_authorization(self.server, issued.authorization)
        if issued.authorization.revoked_at is not None or issued.row.expires_at <= self.server.now:
            return None
        self.server.authorization = issued.authorization
        return issued

    def _validate_token_scope(self, token: IssuedRefreshToken) -> None:
        registered = self.request.client.row.scope
        still = " ".join(scopes.granted(token.get_scope(), registered))
        requested = (self.request.payload.scope or still).split()
        if not requested or set(scopes.granted(" ".join(requested), still)) != set(requested):
            raise InvalidScopeError("The scopes must be among those that were granted.")
        self.request.scope = " ".join(requested)

    def issue_token(self, user: OAuthUser, _refresh_token: IssuedRefreshToken) -> dict[str, Any]:
        """Return the new tokens, for the scopes asked for or else all that were granted."""
        token: dict[str, Any] = self.generate_token(
            user=user, scope=self.request.scope, include_refresh_token=self.INCLUDE_NEW_REFRESH_TOKEN
        )
        return token

    def authenticate_user(self, refresh_token: IssuedRefreshToken) -> OAuthUser | None:
        """Return the user who granted the authorization."""
        return active_user(self.server, refresh_token.authorization.user_id)

    def revoke_old_credential(self, refresh_token: IssuedRefreshToken) -> None:
        """Mark the refresh token as used."""
        refresh_token.row.used_at = self.server.now


def register_all(server: Server) -> None:
    """Offer the grants on this server."""
    server.register_grant(ClientCredentials)
    server.register_grant(AuthorizationCode, [S256Only(required=True)])
    server.register_grant(RefreshToken)


def find_refresh_token(server: Server, token: str) -> IssuedRefreshToken | None:
    """Return a refresh token and its authorization, both locked until the transaction ends."""
    statement = (
        select(OAuthRefreshToken, OAuthAuthorization)
        .join(OAuthAuthorization, col(OAuthAuthorization.id) == col(OAuthRefreshToken.authorization_id))
        .where(col(OAuthRefreshToken.token_hash) == credentials.digest(token))
        .with_for_update()
    )
    row = server.session.execute(statement).one_or_none()
    return IssuedRefreshToken(row[0], row[1]) if row else None


def revoke_authorization(server: Server, authorization: OAuthAuthorization) -> None:
    """End an authorization: its code, its refresh tokens and its access tokens."""
    authorization.revoked_at = authorization.revoked_at or server.now
    revoke(server.session, authorization.id, server.now)


def active_user(server: Server, user_id: str) -> OAuthUser | None:
    """Return the user unless they were deactivated."""
    user = server.session.get(OAuthUser, user_id)
    return user if user is not None and user.active else None
