"""Revocation and introspection of tokens.

    revoke       an access token ends its authorization, or itself when it has none; so does a refresh token
    introspect   only the client it was issued to, or an operator's client, learns anything but "inactive"

Source: https://datatracker.ietf.org/doc/html/rfc7009, https://datatracker.ietf.org/doc/html/rfc7662
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from sqlalchemy import select
from sqlmodel import col

from models.oauth import OAuthAuthorization, OAuthRevocation
from models.principal import ClientKind
from service.oauth.grants import active_user, find_refresh_token, revoke_authorization
from service.oauth.requests import OAuthRequest
from service.oauth.revocations import revoke
from service.oauth.server import RegisteredClient, Server


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that this server issued: ``authorization`` is None for a backend service's access token."""

    client_id: str
    authorization: OAuthAuthorization | None
    claims: dict[str, Any]
    expired: bool = False
    revoked: bool = False

    def check_client(self, client: RegisteredClient) -> bool:
        """Tell whether the token was given to this client."""
        return self.client_id == client.client_id

    def is_expired(self) -> bool:
        """Tell whether its time is over."""
        return self.expired

    def is_revoked(self) -> bool:
        """Tell whether it, its authorization, its client or its user was ended."""
        return self.revoked


def find(server: Server, token: str) -> KnownToken | None:
    """Return what is known about the token that was presented, access token or refresh token."""
    if server.presented.claims is not None:
        return _access_token(server, server.presented.claims)
    issued = find_refresh_token(server, token)
    if issued is None:
        return None
    authorization = issued.authorization
    claims = {
        "scope": authorization.scope,
        "exp": int(issued.row.expires_at.timestamp()),
        "iat": int(issued.row.created_at.timestamp()),
        "sub": authorization.user_id,
        "iss": server.base_url,
        "token_type": "refresh_token",
    }
    return KnownToken(
        authorization.client_id,
        authorization,
        claims,
        expired=issued.row.expires_at <= server.now,
        revoked=issued.row.used_at is not None or _has_ended(server, authorization),
    )


def _access_token(server: Server, claims: dict[str, Any]) -> KnownToken:
    grant_id = claims.get("grant_id")
    authorization = server.session.get(OAuthAuthorization, grant_id) if grant_id else None
    denied = select(col(OAuthRevocation.subject)).where(col(OAuthRevocation.subject) == claims["jti"])
    revoked = server.session.execute(denied).first() is not None or (
        authorization is not None and _has_ended(server, authorization)
    )
    shown = {name: claims[name] for name in ("scope", "exp", "iat", "sub", "iss", "aud", "jti")}
    return KnownToken(claims["client_id"], authorization, shown | {"token_type": "Bearer"}, revoked=revoked)


def _has_ended(server: Server, authorization: OAuthAuthorization) -> bool:
    return authorization.revoked_at is not None or active_user(server, authorization.user_id) is None


class Revocation(RevocationEndpoint):  # type: ignore[misc] # Authlib ships no types
    """A client gives a token back."""

    server: Server

    def check_params(self, request: OAuthRequest, _client: RegisteredClient) -> None:
        """Demand a token; the hint is not needed to find it."""
        _demand_token(request)

    def query_token(self, token_string: str, _token_type_hint: str | None) -> KnownToken | None:
        """Return the token if this server issued it."""
        return find(self.server, token_string)

    def revoke_token(self, token: KnownToken, _request: OAuthRequest) -> None:
        """End it."""
        if token.authorization is not None:
            revoke_authorization(self.server, token.authorization)
        else:
            revoke(self.server.session, token.claims["jti"], self.server.now)


class Introspection(IntrospectionEndpoint):  # type: ignore[misc] # Authlib ships no types
    """A client asks what a token is good for."""

    server: Server

    def authenticate_endpoint_client(self, request: OAuthRequest) -> RegisteredClient:
        """Return the client: by its credentials, or by its own access token as a bearer."""
        if request.headers.get("Authorization", "").lower().startswith("bearer "):
            client = self.server.query_client(self.server.presented.bearer or "")
        else:
            client = self.server.authenticate_client(request, [])
        if client is None or request.auth_method == "none":
            raise InvalidClientError("Authenticate to ask about a token.", status_code=401)
        request.client = client
        return client

    def check_params(self, request: OAuthRequest, _client: RegisteredClient) -> None:
        """Demand a token; the hint is not needed to find it."""
        _demand_token(request)

    def query_token(self, token_string: str, _token_type_hint: str | None) -> KnownToken | None:
        """Return the token if this server issued it and its client is active."""
        token = find(self.server, token_string)
        return token if token and self.server.query_client(token.client_id) else None

    def check_permission(self, token: KnownToken, client: RegisteredClient, _request: OAuthRequest) -> bool:
        """Tell whether this client may learn about the token."""
        return token.check_client(client) or client.row.kind == ClientKind.ADMIN

    def introspect_token(self, token: KnownToken) -> dict[str, Any]:
        """Return what the token is good for."""
        body = {"active": True, "client_id": token.client_id} | token.claims
        if token.authorization is None:
            return body
        user = active_user(self.server, token.authorization.user_id)
        if user is not None and user.fhir_user:
            body["fhirUser"] = f"{self.server.base_url}/fhir/{user.fhir_user}"
        if token.authorization.patient:
            body["patient"] = token.authorization.patient
        return body


def _demand_token(request: OAuthRequest) -> None:
    if "token" not in request.form:
        raise InvalidRequestError("The parameter token is missing.")
