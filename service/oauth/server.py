"""Authlib's authorization server on one database session, for one request.

    authenticate_client   exactly one of: HTTP Basic, secret in the form, signed assertion, public
    generate_token        what a successful grant answers
    handle_error_response RFC 6749 errors, in fixed words: nothing of the request comes back

Authlib is synchronous: ``AsyncSession.run_sync`` gives it a Session on the same asyncpg connection.
Source: https://docs.authlib.org/en/latest/flask/2/authorization-server.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2 import AuthorizationServer, OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    UnsupportedResponseTypeError,
)
from joserfc.jwk import RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlmodel import col

from models.oauth import OAuthAuthorization, OAuthClient, OAuthRefreshToken, OAuthUser
from service.access import scopes
from service.oauth import assertions, credentials
from service.oauth.registration import CLIENT_ID
from service.oauth.remote_keys import RemoteKeys
from service.oauth.requests import Answer, Headers, OAuthRequest, basic_credentials
from service.oauth.tokens import Allowance, issue_access_token, issue_id_token

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
REFRESH_LIFETIME = timedelta(days=30)
"""How long an unused refresh token stays valid; each use gives a new one."""

USER_CONTEXTS = frozenset({"patient", "user"})
_TEXTS = {
    "unsupported_grant_type": "Use client_credentials, authorization_code or refresh_token.",
    "invalid_scope": "None of the requested scopes may be granted to this client.",
    "invalid_grant": "The code or the refresh token is not valid, expired, used or revoked.",
    "invalid_request": "The request lacks a parameter or has one that is not understood.",
}


@dataclass(frozen=True, slots=True)
class RegisteredClient(ClientMixin):  # type: ignore[misc] # Authlib ships no types
    """A client, as Authlib asks about it."""

    row: OAuthClient

    @property
    def client_id(self) -> str:
        """The client's identifier."""
        return self.row.client_id

    def get_default_redirect_uri(self) -> None:
        """Name none: SMART requires every request to name its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return what a user may grant of the requested scopes, or None when that is nothing."""
        return " ".join(scopes.granted(scope or "", self.row.scope, contexts=USER_CONTEXTS)) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Tell whether the redirect URI is registered, character by character."""
        return redirect_uri in self.row.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Tell whether the secret is the registered one."""
        stored = self.row.secret_hash
        return stored is not None and credentials.matches(client_secret, stored)

    def check_response_type(self, response_type: str) -> bool:
        """Tell whether the client may use the authorization endpoint."""
        return response_type == "code" and "authorization_code" in self.row.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Tell whether the client may use the grant; refreshing comes with ``offline_access``."""
        if grant_type == "refresh_token":
            return "authorization_code" in self.row.grant_types
        return grant_type in self.row.grant_types


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the server needs besides the database."""

    base_url: str
    signing_key: RSAKey
    remote_keys: RemoteKeys
    now: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What the signed-in user decided on the consent page."""

    user: OAuthUser
    signed_in_at: datetime
    scope: str
    patient: str | None


@dataclass(frozen=True, slots=True)
class Presented:
    """The token given to introspection or revocation, checked before the session was opened.

    ``claims`` are those of a valid access token; ``bearer`` is the client whose access token came in
    the Authorization header.
    """

    claims: dict[str, Any] | None = None
    bearer: str | None = None


class Server(AuthorizationServer):  # type: ignore[misc] # Authlib ships no types
    """The authorization server, for one request."""

    def __init__(
        self, session: Session, surroundings: Surroundings, presented: Presented | None = None
    ) -> None:
        super().__init__()
        self.session = session
        self.base_url = surroundings.base_url
        self.now = surroundings.now
        self.presented = presented or Presented()
        self.decision: Decision | None = None
        self.authorization: OAuthAuthorization | None = None
        self._signing_key = surroundings.signing_key
        self._remote_keys = surroundings.remote_keys

    def query_client(self, client_id: str) -> RegisteredClient | None:
        """Return the active client with this id."""
        if not CLIENT_ID.fullmatch(client_id):
            return None
        row = self.session.get(OAuthClient, client_id)
        return RegisteredClient(row) if row is not None and row.active else None

    def authenticate_client(
        self, request: OAuthRequest, _methods: list[str], _endpoint: str = "token"
    ) -> RegisteredClient:
        """Return the client that proved who it is, in the way it is registered with."""
        form, basic = request.form, basic_credentials(request.headers)
        by_assertion = "client_assertion" in form or "client_assertion_type" in form
        if (basic is not None) + ("client_secret" in form) + by_assertion > 1:
            raise InvalidRequestError("Authenticate in one way only.")
        if by_assertion:
            request.auth_method = "private_key_jwt"
            client = self._by_assertion(form)
        elif basic is not None:
            request.auth_method = "client_secret_basic"
            client = self._by_secret(*basic, status_code=401)
        elif "client_secret" in form:
            request.auth_method = "client_secret_post"
            client = self._by_secret(form.get("client_id", ""), form["client_secret"], status_code=400)
        else:
            request.auth_method = "none"
            client = self._public(form.get("client_id") or self._holder(form))
        if form.get("client_id", client.client_id) != client.client_id:
            raise InvalidClientError("The client_id is not that of the authenticated client.")
        return client

    def _by_secret(self, client_id: str, secret: str, *, status_code: int) -> RegisteredClient:
        client = self.query_client(client_id)
        if client is None or not client.check_client_secret(secret):
            raise InvalidClientError("The client_id or the client_secret is wrong.", status_code=status_code)
        return client

    def _public(self, client_id: str) -> RegisteredClient:
        client = self.query_client(client_id)
        if client is None or client.row.authentication != "none":
            raise InvalidClientError("The client is not known or did not authenticate.")
        return client

    def _holder(self, form: dict[str, str]) -> str:
        """Return whose refresh token is presented; SMART's JavaScript client names itself in no other way."""
        if form.get("grant_type") != "refresh_token":
            return ""
        statement = (
            select(col(OAuthAuthorization.client_id))
            .join(OAuthRefreshToken, col(OAuthRefreshToken.authorization_id) == col(OAuthAuthorization.id))
            .where(col(OAuthRefreshToken.token_hash) == credentials.digest(form.get("refresh_token", "")))
        )
        holder: str | None = self.session.execute(statement).scalar_one_or_none()
        if holder is None:
            raise InvalidGrantError("The refresh token is not valid, or not any more.")
        return holder

    def _by_assertion(self, form: dict[str, str]) -> RegisteredClient:
        if form.get("client_assertion_type") != assertions.ASSERTION_TYPE:
            raise InvalidClientError(f"The client_assertion_type must be {assertions.ASSERTION_TYPE}.")
        assertion = form.get("client_assertion", "")
        unverified = assertions.read_unverified(assertion)
        client = self.query_client(unverified.issuer)
        if client is None or client.row.authentication != "private_key_jwt":
            raise InvalidClientError("The client is not known or has no keys registered.")
        key = assertions.key_of(client.row, unverified, self._remote_keys)
        audience = self.base_url + TOKEN_PATH
        jti, expires_at = assertions.verify(assertion, key, audience=audience, now=self.now)
        assertions.use_once(self.session, client.client_id, jti, expires_at)
        return client

    def get_authorization_grant(self, request: OAuthRequest) -> Any:
        """Return the grant of an authorization request; only the code flow exists."""
        if request.payload.response_type == "code":
            return super().get_authorization_grant(request)
        error = UnsupportedResponseTypeError("code")
        error.description = "The response_type must be code."
        client = self.query_client(request.payload.client_id or "")
        if client is not None and client.check_redirect_uri(request.payload.redirect_uri or ""):
            error.redirect_uri = request.payload.redirect_uri
        raise error

    def generate_token(
        self,
        grant_type: str,  # noqa: ARG002 - Authlib's signature
        client: RegisteredClient,
        user: OAuthUser | None = None,
        scope: str | None = None,
        expires_in: int | None = None,  # noqa: ARG002 - Authlib's signature
        include_refresh_token: bool = True,  # noqa: FBT001, FBT002 - Authlib's signature
    ) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        allowance = Allowance(client.client_id, scope or "", user, self.authorization)
        answer: dict[str, Any] = {
            "access_token": issue_access_token(self._signing_key, allowance, self.base_url, self.now),
            "token_type": "Bearer",
            "expires_in": allowance.lifetime_s,
            "scope": allowance.scope,
        }
        if self.authorization is None:
            return answer
        if self.authorization.patient:
            answer["patient"] = self.authorization.patient
        granted = set(allowance.scope.split())
        if "openid" in granted:
            answer["id_token"] = issue_id_token(self._signing_key, allowance, self.base_url, self.now)
        if include_refresh_token and "offline_access" in self.authorization.scope.split():
            answer["refresh_token"] = self.new_refresh_token(self.authorization)
        return answer

    def new_refresh_token(self, authorization: OAuthAuthorization) -> str:
        """Store and return a refresh token of this authorization."""
        token = credentials.new_secret()
        row = OAuthRefreshToken(
            token_hash=credentials.digest(token),
            authorization_id=authorization.id,
            created_at=self.now,
            expires_at=self.now + REFRESH_LIFETIME,
        )
        self.session.add(row)
        return token

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Store nothing: an access token is a signed statement, a refresh token is stored when made."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Send nothing: nobody listens."""

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request: it was made before the session was opened."""
        return request

    def handle_response(self, status: int, body: dict[str, Any] | str, headers: Headers) -> Answer:
        """Return the answer for the transport to send."""
        return Answer(status, body, list(headers))

    def handle_error_response(self, request: OAuthRequest | None, error: OAuth2Error) -> Answer:  # noqa: ARG002
        """Return the error in the form of RFC 6749, section 5.2, or as a redirect to the client."""
        return error_answer(error)


def error_answer(error: OAuth2Error) -> Answer:
    """Return an OAuth error as an answer; its text is ours, never the caller's."""
    if not error.description:
        error.description = _TEXTS.get(error.error, "")
    status, body, headers = error()
    if status == 401:  # noqa: PLR2004 - HTTP status
        headers = [pair for pair in headers if pair[0] != "WWW-Authenticate"]
        headers.append(("WWW-Authenticate", 'Basic realm="kat-fhir"'))
    return Answer(status, body, list(headers))
