"""SMART scopes: the grammar, and how much of what was asked for may be granted.

    text ── parse ──▶ Scope, Scope, …          what an access token allows
    requested, allowed ── granted ──▶ text     what a token may carry, in the form it was asked for

    v1   patient/Observation.read   .write   .*          read = rs, write = cud, * = cruds
    v2   patient/Observation.rs?category=survey          letters in the order c, r, u, d, s

Several parameters of one scope must all hold; several scopes of one type add up.

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from models.principal import Scope

INTERACTIONS = "cruds"
CONTEXTS = frozenset({"patient", "user", "system"})
LAUNCH_SCOPES = frozenset({"openid", "fhirUser", "profile", "launch/patient", "offline_access"})
"""The scopes that name no resource type and that this server honours."""

UNGRANTED_SCOPES = frozenset({"launch", "launch/encounter", "online_access"})
"""Scopes of SMART that a client may be registered with although they are never granted here."""

MAX_SCOPE_TEXT = 16_384
"""Characters of one ``scope`` parameter that are read; all of US Core in granular form is below 4,000."""

# https://datatracker.ietf.org/doc/html/rfc6749#section-3.3
_SCOPE_TOKEN = r"[\x21\x23-\x5b\x5d-\x7e]"  # noqa: S105 - the grammar's word, not a password
_PARAMETER = r"[^=&\s\"\\]+=[^&\s\"\\]+"
_RESOURCE_SCOPE = re.compile(
    r"(?P<context>patient|user|system)/(?P<resource_type>[A-Z][A-Za-z]{1,63}|\*)\."
    r"(?:(?P<v1>read|write|\*)|(?=[cruds])(?P<v2>c?r?u?d?s?)"
    rf"(?:\?(?P<query>{_PARAMETER}(?:&{_PARAMETER})*))?)"
)
_WELL_FORMED = re.compile(rf"{_SCOPE_TOKEN}+")

_V1_MEANING = {"read": "rs", "write": "cud", "*": "cruds"}
_V1_WORD = {frozenset(letters): word for word, letters in _V1_MEANING.items()}


class InvalidScope(ValueError):
    """The scope text does not follow the grammar of SMART App Launch."""


def parse(text: str) -> tuple[Scope, ...]:
    """Read the resource scopes of ``text``; launch scopes and words of other grammars are left out."""
    found = (parse_one(word) for word in text.split())
    return tuple(scope for scope in found if scope is not None)


def parse_one(word: str) -> Scope | None:
    """Read one resource scope, v1 or v2, or answer None when the word is none."""
    match = _RESOURCE_SCOPE.fullmatch(word)
    if match is None or not _WELL_FORMED.fullmatch(word):
        return None
    v1 = match["v1"]
    letters = _V1_MEANING[v1] if v1 else match["v2"]
    return Scope(match["context"], match["resource_type"], frozenset(letters), match["query"] or "")


def is_v1(word: str) -> bool:
    """Tell whether a resource scope is written the SMART v1 way."""
    return "?" not in word and word.endswith((".read", ".write", ".*"))


def render(scope: Scope, *, v1: bool = False) -> str:
    """Write a scope; the v1 way where that is wanted and possible."""
    word = _V1_WORD.get(scope.interactions) if v1 and not scope.query else None
    letters = word or "".join(letter for letter in INTERACTIONS if letter in scope.interactions)
    query = f"?{scope.query}" if scope.query else ""
    return f"{scope.context}/{scope.resource_type}.{letters}{query}"


def check(text: str, resource_types: Collection[str]) -> str:
    """Return the scopes a client may be registered with, one space apart.

    Raises:
        InvalidScope: a word is not a scope of this server, or names a type it does not serve.
    """
    words = list(dict.fromkeys(text.split()))
    if not words or len(text) > MAX_SCOPE_TEXT:
        raise InvalidScope(f"Name at least one scope, in at most {MAX_SCOPE_TEXT} characters.")
    for position, word in enumerate(words, start=1):
        if word in LAUNCH_SCOPES or word in UNGRANTED_SCOPES:
            continue
        scope = parse_one(word)
        if scope is None:
            raise InvalidScope(
                f"Scope number {position} is not understood; write for example "
                "system/MedicationRequest.cruds, letters in the order c, r, u, d, s."
            )
        if scope.resource_type != "*" and scope.resource_type not in resource_types:
            raise InvalidScope(f"Scope number {position} names a resource type that is not served here.")
    return " ".join(words)


def granted(requested: str, allowed: str, *, contexts: Collection[str] = CONTEXTS) -> tuple[str, ...]:
    """Return what of ``requested`` may be granted, each scope in the form in which it was asked for.

    A scope that is allowed in part comes back narrowed; one that is not allowed at all is left out.

    Args:
        requested: the scopes asked for.
        allowed: the scopes the client is registered with, or was granted before.
        contexts: which of patient, user and system the grant can give; launch scopes need a user.
    """
    allowance = parse(allowed)
    launches = LAUNCH_SCOPES & set(allowed.split()) if set(contexts) - {"system"} else frozenset()
    words: dict[str, None] = {}
    for word in requested.split():
        scope = parse_one(word)
        if word in launches:
            words[word] = None
        elif scope is not None and scope.context in contexts:
            words.update(dict.fromkeys(_narrowed(word, scope, allowance)))
    return tuple(words)


def _narrowed(word: str, scope: Scope, allowance: Iterable[Scope]) -> Iterator[str]:
    shares = [share for limit in allowance if (share := _intersection(scope, limit)) is not None]
    whole = frozenset[str]().union(
        *(s.interactions for s in shares if (s.resource_type, s.query) == (scope.resource_type, scope.query))
    )
    if whole == scope.interactions:
        yield word
        return
    for share in _merged(shares):
        yield render(share, v1=is_v1(word))


def _intersection(scope: Scope, limit: Scope) -> Scope | None:
    resource_type = _common_type(scope.resource_type, limit.resource_type)
    interactions = scope.interactions & limit.interactions
    if scope.context != limit.context or resource_type is None or not interactions:
        return None
    return Scope(scope.context, resource_type, interactions, _both(scope.query, limit.query))


def _common_type(one: str, other: str) -> str | None:
    if other in (one, "*"):
        return one
    return other if one == "*" else None


def _both(query: str, limit: str) -> str:
    parameters = dict.fromkeys(part for part in (*query.split("&"), *limit.split("&")) if part)
    return "&".join(parameters)


def _merged(shares: Iterable[Scope]) -> Iterator[Scope]:
    interactions: dict[tuple[str, str, str], frozenset[str]] = {}
    for share in shares:
        key = (share.context, share.resource_type, share.query)
        interactions[key] = interactions.get(key, frozenset()) | share.interactions
    for (context, resource_type, query), letters in interactions.items():
        yield Scope(context, resource_type, letters, query)
