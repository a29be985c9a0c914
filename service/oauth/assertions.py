"""private_key_jwt: a client proves who it is with a JWT that it signed for this token endpoint.

    header   alg RS384 or ES384, kid, jku only if it is the registered URL
    claims   iss = sub = client_id, aud = the token URL, exp at most 5 minutes ahead, jti never used before

Whatever is wrong, the answer is invalid_client with a text that says what.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from authlib.oauth2.rfc6749.errors import InvalidClientError
from joserfc import jws, jwt
from joserfc.errors import JoseError
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session
from sqlmodel import col

from models.oauth import OAuthAssertion, OAuthClient
from service.oauth import client_keys
from service.oauth.client_keys import SIGNING_ALGORITHMS, Key
from service.oauth.remote_keys import RemoteKeys

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFETIME = timedelta(minutes=5)
CLOCK_SKEW = timedelta(seconds=30)
"""How far a client's clock may be off: a client that means "in five minutes" must not be refused."""

MAX_JTI_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Unverified:
    """What an assertion claims before its signature is checked: enough to find the client and the key."""

    issuer: str
    kid: str
    algorithm: str
    jku: str | None


def read_unverified(assertion: str) -> Unverified:
    """Return who an assertion claims to be from, and which key to check that with.

    Raises:
        InvalidClientError: it is no JWT of the required form.
    """
    try:
        parts = jws.extract_compact(assertion.encode("ascii"))
        header, claims = parts.headers(), msgspec.json.decode(parts.payload)
    except (JoseError, ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise InvalidClientError("The client assertion is not a signed JWT.") from error
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    kid, jku = header.get("kid"), header.get("jku")
    if not isinstance(issuer, str) or issuer != claims.get("sub"):
        raise InvalidClientError("The claims iss and sub must both be the client_id.")
    if header.get("alg") not in SIGNING_ALGORITHMS:
        raise InvalidClientError("The client assertion must be signed with RS384 or ES384.")
    if not isinstance(kid, str) or not kid or not isinstance(jku, str | None):
        raise InvalidClientError("The header of the client assertion needs a kid.")
    return Unverified(issuer, kid, str(header["alg"]), jku)


def key_of(client: OAuthClient, unverified: Unverified, remote_keys: RemoteKeys) -> Key:
    """Return the registered key that must have signed the assertion.

    Raises:
        InvalidClientError: the client has no such key.
        KeysNeeded: its key set must be fetched first.
    """
    if unverified.jku is not None and unverified.jku != client.jwks_uri:
        raise InvalidClientError("The jku of the client assertion is not the registered URL.")
    if client.jwks_uri is not None:
        key = remote_keys.look_up(client.jwks_uri, unverified.kid)
    else:
        key = client_keys.usable(client_keys.decode(client.jwks or '{"keys": []}')).get(unverified.kid)
    if key is None or (key.key_type == "RSA") != (unverified.algorithm == "RS384"):
        raise InvalidClientError("The client has no registered key with this kid and algorithm.")
    return key


def verify(assertion: str, key: Key, *, audience: str, now: datetime) -> tuple[str, datetime]:
    """Check signature and claims; return the assertion's ``jti`` and when it expires.

    Raises:
        InvalidClientError: something does not hold.
    """
    try:
        claims = jwt.decode(assertion, key, algorithms=list(SIGNING_ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError) as error:
        raise InvalidClientError("The signature of the client assertion is wrong.") from error
    if audience not in _as_list(claims.get("aud")):
        raise InvalidClientError("The claim aud of the client assertion must be the token endpoint.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS or not jti.isprintable():
        raise InvalidClientError("The client assertion needs a jti of at most 256 printable characters.")
    return jti, _expiry(claims, now)


def use_once(session: Session, issuer: str, jti: str, expires_at: datetime) -> None:
    """Remember that an assertion was used.

    Raises:
        InvalidClientError: it was used before, on whatever worker.
    """
    row = {"issuer": issuer, "jti": jti, "expires_at": expires_at}
    statement = insert(OAuthAssertion).values(row).on_conflict_do_nothing()
    if session.execute(statement.returning(col(OAuthAssertion.jti))).first() is None:
        raise InvalidClientError("The client assertion was used before; sign a new one.")


def _as_list(audience: Any) -> list[Any]:
    return audience if isinstance(audience, list) else [audience]


def _expiry(claims: dict[str, Any], now: datetime) -> datetime:
    expires_at = _instant(claims, "exp")
    if expires_at is None or expires_at <= now:
        raise InvalidClientError("The client assertion has expired or has no exp.")
    if expires_at > now + MAX_LIFETIME + CLOCK_SKEW:
        raise InvalidClientError("The client assertion may expire at most five minutes ahead.")
    not_before = _instant(claims, "nbf")
    if not_before is not None and not_before > now + CLOCK_SKEW:
        raise InvalidClientError("The client assertion is not valid yet.")
    return expires_at


def _instant(claims: dict[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**40:
        raise InvalidClientError(f"The claim {name} of the client assertion must be a number of seconds.")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidClientError(f"The claim {name} of the client assertion is out of range.") from error
