"""Tokens, references, strings and uris, slowly: whether a node of a document is what was asked for.

    token       code · system|code · |code · system|      codes without case, systems exactly
    reference   id · Type/id · URL · :identifier          of this server: with its base or not, any version
    string      begins with · :exact · :contains          without case, accents, punctuation, spaces
    uri         the very same · :below · :above           by segments of the path

Readings: the system of a ContactPoint (phone, email) stands for a code system, as in HAPI, or is none, as in
R4. Each word of a name or an address that is asked for may begin another part of it. A ``code`` has the
systems that its required value set takes it from. A canonical is found with and without its version. Every
part of a name or an address is a string of its own. A literal to another server is found by its whole URL
only, and a contained resource by nothing.

Source: https://hl7.org/fhir/R4/search.html#token, #reference, #string, #uri
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from properties.documents import BASE
from properties.expressions import Node

from models.definitions.structures import facts

PARTS = {
    "HumanName": ("family", "given", "prefix", "suffix", "text"),
    "Address": ("line", "city", "district", "state", "postalCode", "country", "text"),
}


class Token(NamedTuple):
    """A code and the systems that it may be asked for with: an empty one is none, no set is not known."""

    systems: frozenset[str] | None
    code: str | None


def tokens(node: Node) -> Iterator[Token]:
    """Every code of a node."""
    value = node.value
    if node.type == "boolean":
        yield Token(frozenset({""}), "true" if value else "false")
    elif isinstance(value, str):
        systems = frozenset(bound(node)) or (None if node.type == "code" else frozenset({""}))
        yield Token(systems, value)
    elif node.type == "CodeableConcept":
        for coding in value.get("coding", ()):
            yield Token(frozenset({coding.get("system", "")}), coding.get("code"))
    else:
        systems = {value.get("system", "")} | ({""} if node.type == "ContactPoint" else set())
        yield Token(frozenset(systems), value.get("code", value.get("value")))


def bound(node: Node) -> Iterator[str]:
    """The systems from which the required value set of a code takes it."""
    for system, codes in facts().value_sets.get(node.value_set, {}).items():
        if node.value in codes:
            yield system


def is_token(token: Token, system: str | None, code: str) -> bool:
    """Whether a token is meant; no system asked for means any, no code means any."""
    if system is not None and system not in (token.systems or ()):
        return False
    return not code or (token.code is not None and token.code.casefold() == code.casefold())


def is_typed(node: Node, system: str, code: str, value: str) -> bool:
    """Whether an identifier of a type is meant (``:of-type``)."""
    if not same(node.value.get("value"), value):
        return False
    kinds = node.value.get("type", {}).get("coding", ())
    return any(kind.get("system", "") == system and same(kind.get("code"), code) for kind in kinds)


def same(text: str | None, asked: str) -> bool:
    return text is not None and text.casefold() == asked.casefold()


def literal(node: Node) -> str | None:
    """What a reference says, without this server's base, a version or a contained resource."""
    text = node.value.get("reference") if isinstance(node.value, dict) else node.value
    if not text or text.startswith("#"):
        return None
    local = text.removeprefix(BASE)
    return local if "://" in local else local.partition("/_history/")[0]


def folded(text: str) -> str:
    """Without case, accents and repeated spaces."""
    bare = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(bare.casefold().split())


STROKES = str.maketrans({"\u0131": "i", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t"})
LIGATURES = str.maketrans({"æ": "ae", "œ": "oe", "þ": "th"})
WITHIN_WORDS = re.compile("[.'`\u2018\u2019\u02bc\u2032\u00ad]")
BETWEEN_WORDS = re.compile('[-,;:!?()\\[\\]{}/"\u201c\u201d\u00ab\u00bb\u00bf\u00a1\u00b7\u2010\u2013\u2014]')


def normalized(text: str) -> str:
    """Without punctuation too, where there is anything else."""
    bare = folded(text).translate(STROKES).translate(LIGATURES)
    bare = BETWEEN_WORDS.sub(" ", WITHIN_WORDS.sub("", bare))
    return " ".join(bare.split()) or folded(text) or " ".join(text.casefold().split())


def strings(node: Node) -> Iterator[str]:
    """Every string of a node."""
    if isinstance(node.value, str):
        yield node.value
    for part in PARTS.get(node.type, ()):
        held: Any = node.value.get(part)
        yield from held if isinstance(held, list) else [held] if held else []


def unversioned(uri: str) -> set[str]:
    """A canonical with and without its version."""
    return {uri, uri.partition("|")[0]}


def is_below(uri: str, place: str) -> bool:
    """Whether a uri is a place or lies below it; a slash at the end makes no difference."""
    uri, place = uri.rstrip("/"), place.rstrip("/")
    return uri == place or ("://" in place and uri.startswith(f"{place}/"))
