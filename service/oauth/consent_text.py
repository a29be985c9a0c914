"""What a scope means, in a sentence that the person who grants it understands."""

from __future__ import annotations

import re
from urllib.parse import unquote

from models.principal import Scope
from service.access.scopes import INTERACTIONS, parse_one

_LAUNCH_SENTENCES = {
    "openid": "Know who you are",
    "fhirUser": "See which record describes you",
    "profile": "See which record describes you",
    "launch/patient": "Know which patient is chosen",
    "offline_access": "Stay connected when you are not using it, until you end this",
}
_VERBS = {"c": "add", "r": "read", "u": "change", "d": "delete", "s": "search"}
_WHOSE = {"patient": "of this patient", "user": "that you may see", "system": "of this practice"}
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


def sentence(word: str) -> str:
    """Return the sentence for one scope."""
    scope = parse_one(word)
    return _LAUNCH_SENTENCES.get(word, word) if scope is None else _resource_sentence(scope)


def _resource_sentence(scope: Scope) -> str:
    verbs = [_VERBS[letter] for letter in INTERACTIONS if letter in scope.interactions]
    listed = verbs[0] if len(verbs) == 1 else f"{', '.join(verbs[:-1])} and {verbs[-1]}"
    what = "all kinds of" if scope.resource_type == "*" else _WORD_START.sub(" ", scope.resource_type).lower()
    limit = f", only where {unquote(scope.query).replace('&', ' and ')}" if scope.query else ""
    return f"{listed.capitalize()} {what} records {_WHOSE[scope.context]}{limit}"
