"""The public keys a client signs its assertions with: what is accepted as one.

RS384 with RSA of 2048 bits or more, ES384 with P-384; each key has its own ``kid``.
Source: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

SIGNING_ALGORITHMS = ("RS384", "ES384")
MIN_RSA_BITS = 2048
"""Smallest RSA key. Source: NIST SP 800-131A Rev. 2, section 3, https://doi.org/10.6028/NIST.SP.800-131Ar2"""

MAX_KEYS = 100
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

Key = RSAKey | ECKey


class InvalidKeys(ValueError):
    """The JSON Web Key Set cannot be used."""


def decode(body: bytes | str) -> dict[str, Any]:
    """Read the JSON of a key set.

    Raises:
        InvalidKeys: the text is not a JSON object with a list of keys.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidKeys("The key set is not JSON.") from error
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise InvalidKeys('The key set must be a JSON object with a list "keys".')
    return document


def usable(document: dict[str, Any]) -> dict[str, Key]:
    """Return the keys that can verify an assertion, by ``kid``; all others are passed over."""
    found: dict[str, Key] = {}
    for member in document["keys"][:MAX_KEYS]:
        key = _import(member)
        if key is not None and key.kid:
            found.setdefault(key.kid, key)
    return found


def check(document: dict[str, Any]) -> str:
    """Return the key set as it is stored for a client that registers its keys inline.

    Raises:
        InvalidKeys: a private key is in it, a ``kid`` is missing or repeated, or no key can be used.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise InvalidKeys('The key set must be a JSON object with a list "keys".')
    members = [member for member in document["keys"] if isinstance(member, dict)]
    if any(_PRIVATE_MEMBERS & set(member) for member in members):
        raise InvalidKeys("The key set holds a private or secret key; register the public half only.")
    names = [member.get("kid") for member in members]
    if len(members) != len(document["keys"]) or not all(names) or len(set(map(str, names))) != len(names):
        raise InvalidKeys('Every key needs a "kid" of its own.')
    if not usable(document):
        raise InvalidKeys("The key set needs an RSA key of at least 2048 bits or an EC key on P-384.")
    return msgspec.json.encode({"keys": members}).decode()


def _import(member: Any) -> Key | None:
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in member.items() if name not in _PRIVATE_MEMBERS}
    # Operations of a private half ("sign") contradict a key stripped to its public half.
    public.pop("key_ops", None)
    try:
        if public.get("kty") == "RSA" and public.get("alg", "RS384") == "RS384":
            return RSAKey.import_key(public) if _bits(public["n"]) >= MIN_RSA_BITS else None
        if (
            public.get("kty") == "EC"
            and public.get("crv") == "P-384"
            and public.get("alg", "ES384") == "ES384"
        ):
            return ECKey.import_key(public)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None


def _bits(modulus: str) -> int:
    """Return the size of an RSA modulus, before joserfc warns about a small one."""
    padded = modulus + "=" * (-len(modulus) % 4)
    return int.from_bytes(base64.urlsafe_b64decode(padded)).bit_length()
