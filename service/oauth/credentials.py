"""Secrets: drawn at random, kept as digests.

A secret of 256 random bits needs no slow hash, since nobody can guess it; a password does.
Source: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

_PASSWORDS = PasswordHash((Argon2Hasher(),))


@cache
def _nobody() -> str:
    """Make what is verified when a login is unknown, which so takes as long as a wrong password."""
    return _PASSWORDS.hash(secrets.token_urlsafe(32))


def new_secret() -> str:
    """Draw 256 random bits, written so that they pass unchanged through URLs and forms."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored instead of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, stored: str) -> bool:
    """Tell whether ``secret`` has the stored digest, in constant time."""
    return hmac.compare_digest(digest(secret), stored)


def form_token(browser: str, purpose: str) -> str:
    """Return the value a form must carry to prove that it was made for this browser (CSRF)."""
    return hmac.new(browser.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password; takes tens of milliseconds."""
    return _PASSWORDS.hash(password)


def password_matches(password: str, stored: str | None) -> bool:
    """Tell whether the password is right; equally slow for a login that does not exist (None)."""
    nobody = _nobody()  # for every login, so that the first unknown one takes no longer either
    return _PASSWORDS.verify(password, stored or nobody) and stored is not None
