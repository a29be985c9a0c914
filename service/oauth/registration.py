"""How clients and users come to be: everything about them is checked here, once.

A client proves itself in exactly one way:

    jwks or jwks_uri   private_key_jwt     a platform's server; the best way
    secret             client_secret       Basic or in the form
    public             none                an app that can keep no secret; PKCE alone

Source: https://datatracker.ietf.org/doc/html/rfc7591, https://datatracker.ietf.org/doc/html/rfc8252
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest
from models.oauth import OAuthClient, OAuthUser
from models.principal import ClientKind, Role, Scope
from service.access import scopes
from service.context import random_id
from service.oauth import client_keys, credentials
from service.search import query

GRANTS = ("client_credentials", "authorization_code")
SERVER_KINDS = frozenset({ClientKind.PRESCRIBER, ClientKind.EHR, ClientKind.ADMIN})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
MIN_PASSWORD = 8
MAX_PASSWORD = 256
"""Characters. Source: NIST SP 800-63B-3, section 5.1.1.2, https://pages.nist.gov/800-63-3/sp800-63b.html"""

CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_ORGANIZATION = re.compile(r"Organization/[A-Za-z0-9.-]{1,64}")
# A private scheme of a native app is a reversed domain name: RFC 8252, section 7.1.
_NATIVE_URI = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/[\x21-\x7e]{0,500}")
_FHIR_USER = re.compile(r"(Patient|Practitioner|PractitionerRole|RelatedPerson)/[A-Za-z0-9.-]{1,64}")


class InvalidRegistration(ValueError):
    """What was said about the client or the user cannot be accepted."""


class ClientMetadata(TypedDict, total=False):
    """What may be said about a new client; the names are those of ``kat-fhir client add``."""

    organization: str | None
    grants: Sequence[str]
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    secret: bool
    public: bool
    redirect_uris: Sequence[str]
    launch_uri: str | None
    client_id: str | None


async def add_client(
    session: AsyncSession,
    *,
    name: str,
    kind: str,
    scope: str,
    now: datetime,
    **metadata: Unpack[ClientMetadata],
) -> dict[str, str]:
    """Store a client and return its ``client_id``, with its ``client_secret`` if it has one.

    The secret is shown this once. ``client_id`` may be chosen; otherwise it is drawn at random.

    Raises:
        InvalidRegistration: with a text that says what to change.
    """
    secret = credentials.new_secret() if metadata.get("secret") else None
    client = OAuthClient(
        client_id=_client_id(metadata.get("client_id")),
        name=_name(name),
        kind=_word(kind, ClientKind, "kind"),
        organization=_organization(metadata.get("organization")),
        authentication=_authentication(metadata),
        secret_hash=credentials.digest(secret) if secret else None,
        jwks=_jwks(metadata.get("jwks")),
        jwks_uri=_jwks_uri(metadata.get("jwks_uri")),
        grant_types=_grant_types(kind, metadata),
        redirect_uris=[_redirect_uri(uri) for uri in metadata.get("redirect_uris") or ()],
        launch_uri=_launch_uri(metadata.get("launch_uri")),
        scope=_scope(scope),
        created_at=now,
    )
    _check_together(client)
    session.add(client)
    await _flush(session, "There is already a client with this client_id.")
    answer = {"client_id": client.client_id}
    return answer | {"client_secret": secret} if secret else answer


async def add_user(
    session: AsyncSession, *, login: str, password: str, role: str, fhir_user: str | None, now: datetime
) -> dict[str, str]:
    """Store a user and return ``{"id", "login", "role", "fhir_user"}``.

    Raises:
        InvalidRegistration: with a text that says what to change.
    """
    login = login.strip().lower()
    if not _LOGIN.fullmatch(login):
        raise InvalidRegistration("A login is 1 to 100 letters, digits and . _ @ + -, without spaces.")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidRegistration(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    user = OAuthUser(
        id=random_id(),
        login=login,
        password_hash=credentials.hash_password(password),
        role=_word(role, Role, "role"),
        fhir_user=_fhir_user(role, fhir_user),
        created_at=now,
    )
    session.add(user)
    await _flush(session, "There is already a user with this login.")
    answer = {"id": user.id, "login": user.login, "role": user.role}
    return answer | {"fhir_user": user.fhir_user} if user.fhir_user else answer


async def _flush(session: AsyncSession, taken: str) -> None:
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        raise InvalidRegistration(taken) from error


def _client_id(wanted: str | None) -> str:
    if wanted is None:
        return random_id()
    if not CLIENT_ID.fullmatch(wanted):
        raise InvalidRegistration("A client_id is 1 to 64 letters, digits and . _ ~ -.")
    return wanted


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 200 or not name.isprintable():  # noqa: PLR2004 - said in the text below
        raise InvalidRegistration("A client's name is 1 to 200 printable characters.")
    return name


def _word(word: str, words: type[ClientKind | Role], what: str) -> str:
    try:
        return words(word).value
    except ValueError as error:
        listed = ", ".join(known.value for known in words)
        raise InvalidRegistration(f"The {what} must be one of {listed}.") from error


def _organization(reference: str | None) -> str | None:
    if reference is not None and not _ORGANIZATION.fullmatch(reference):
        raise InvalidRegistration("The organization must be a reference such as Organization/org-1.")
    return reference


def _fhir_user(role: str, reference: str | None) -> str | None:
    if reference is None and role in {Role.AUDITOR, Role.ADMIN}:
        return None
    if reference is None or not _FHIR_USER.fullmatch(reference):
        raise InvalidRegistration("The FHIR user must be a reference such as Practitioner/1 or Patient/1.")
    if (role == Role.PATIENT) != reference.startswith(("Patient/", "RelatedPerson/")):
        raise InvalidRegistration("A patient's FHIR user is a Patient; every other role's is a Practitioner.")
    return reference


def _authentication(metadata: ClientMetadata) -> str:
    ways = {
        "private_key_jwt by jwks": metadata.get("jwks") is not None,
        "private_key_jwt by jwks_uri": metadata.get("jwks_uri") is not None,
        "client_secret": bool(metadata.get("secret")),
        "none": bool(metadata.get("public")),
    }
    chosen = [way for way, wanted in ways.items() if wanted]
    if len(chosen) != 1:
        raise InvalidRegistration("Choose exactly one of a key set, its address, a secret and public.")
    return chosen[0].split()[0]


def _jwks(document: dict[str, Any] | None) -> str | None:
    if document is None:
        return None
    try:
        return client_keys.check(document)
    except client_keys.InvalidKeys as error:
        raise InvalidRegistration(str(error)) from error


def _jwks_uri(uri: str | None) -> str | None:
    if uri is not None and not _is_web_uri(uri):
        raise InvalidRegistration("The JWKS URL must be https (or http on a loopback address).")
    return uri


def _launch_uri(uri: str | None) -> str | None:
    if uri is not None and not _is_web_uri(uri):
        raise InvalidRegistration("The launch URL must be https (or http on a loopback address).")
    return uri


def _redirect_uri(uri: str) -> str:
    if not (_is_web_uri(uri) or _NATIVE_URI.fullmatch(uri)) or "#" in uri:
        raise InvalidRegistration(
            "A redirect URI must be https, http on a loopback address, or a private scheme such as "
            "com.example.app:/callback, without a fragment."
        )
    return uri


def _is_web_uri(uri: str) -> bool:
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK_HOSTS)


def _grant_types(kind: str, metadata: ClientMetadata) -> list[str]:
    grants = list(dict.fromkeys(metadata.get("grants") or ()))
    if any(grant not in GRANTS for grant in grants):
        raise InvalidRegistration("A grant is client_credentials or authorization_code.")
    if grants:
        return grants
    redirects = bool(metadata.get("redirect_uris"))
    if kind in SERVER_KINDS and not metadata.get("public"):
        grants.append("client_credentials")
    if redirects:
        grants.append("authorization_code")
    if not grants:
        raise InvalidRegistration("An app that users sign in with needs a redirect URI.")
    return grants


def _scope(text: str) -> str:
    try:
        text = scopes.check(text, RESOURCE_TYPES)
    except scopes.InvalidScope as error:
        raise InvalidRegistration(str(error)) from error
    for scope in scopes.parse(text):
        _check_query(scope)
    return text


def _check_query(scope: Scope) -> None:
    if scope.query and scope.resource_type == "*":
        raise InvalidRegistration("A scope with a query names one resource type.")
    try:
        query.clauses(scope.resource_type, scope.query, base_url="") if scope.query else ()
    except BadRequest as error:
        raise InvalidRegistration(f"The query of a scope cannot be searched with: {error}") from error


def _check_together(client: OAuthClient) -> None:
    by_itself = "client_credentials" in client.grant_types
    by_user = "authorization_code" in client.grant_types
    contexts = {scope.context for scope in scopes.parse(client.scope)}
    if by_itself and client.authentication == "none":
        raise InvalidRegistration("A public client cannot use client_credentials: it proves nothing.")
    if by_user != bool(client.redirect_uris):
        raise InvalidRegistration("The authorization_code grant and redirect URIs come together.")
    if "system" in contexts and not by_itself:
        raise InvalidRegistration("The scopes system/… need the client_credentials grant.")
    if contexts & {"patient", "user"} and not by_user:
        raise InvalidRegistration("The scopes patient/… and user/… need the authorization_code grant.")
    if by_itself and "system" not in contexts:
        raise InvalidRegistration("The client_credentials grant needs a scope system/….")
