"""The prose of a resource: its narrative, and every note, answer and text attachment in it.

    structures of R4 ──► for each type, the members that lead to prose ──► one walk over those only

    Narrative.div · markdown · Annotation.text · valueString · Attachment.data (plain, markdown, HTML)

A contained resource has a prose of its own, and extensions are not searched.
Source: https://hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import html
import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from functools import cache
from typing import Any

from models.definitions.structures import structure
from service.search.words import MAX_BYTES, bounded

SKIPPED = frozenset({"contained", "extension", "modifierExtension"})
STRINGS = frozenset({"valueString", "comment", "description", "conclusion", "summary"})
"""Members of type string that people write sentences into."""

READABLE = frozenset({"text/plain", "text/markdown", "text/html", "application/xhtml+xml"})
MARKED_UP = frozenset({"text/html", "application/xhtml+xml"})

HIDDEN = re.compile(r"<(script|style)\b|<!--", re.IGNORECASE)
TAG = re.compile(r"<[^<>]*>")


def texts(resource_type: str, document: dict[str, Any]) -> list[tuple[str, str]]:
    """The prose of a document as (parameter, text); nothing for most resources."""
    ways = members(resource_type)
    if resource_type not in WHOLE and not any(name in ways for name in document):
        return []
    narrative = document.get("text")
    shown = narrated(narrative) if isinstance(narrative, dict) else ""
    rest = [WHOLE[resource_type](document)] if resource_type in WHOLE else inside(document, ways)
    content = " ".join(filter(str.strip, (shown, *rest)))
    found = (("_text", shown), ("_content", content))
    return [(parameter, bounded(text).replace("\0", " ")) for parameter, text in found if text.strip()]


def inside(document: dict[str, Any], ways: dict[str, str]) -> list[str]:
    """Every text of a document but its narrative."""
    return [
        text
        for name in document
        if name != "text" and name in ways
        for text in below(ways[name], document[name])
    ]


def below(home: str, value: Any) -> Iterator[str]:
    """Every text at or below a member; ``home`` names the type of its values."""
    if isinstance(value, list):
        for item in value:
            yield from below(home, item)
    elif isinstance(value, str):
        yield value
    elif not isinstance(value, dict):
        return
    elif home in WHOLE:
        yield WHOLE[home](value)
    else:
        ways = members(home)
        for name, inner in value.items():
            if name in ways:
                yield from below(ways[name], inner)


@cache
def members(home: str) -> dict[str, str]:
    """The members of a type that hold prose or lead to it, each with the type of its values."""
    return {name: kind for name, kind in children(home) if holds(name, kind) or leads(kind, frozenset())}


@cache
def children(home: str) -> tuple[tuple[str, str], ...]:
    """The members of a type and the types of their values."""
    elements = structure(home).elements.values()
    return tuple((one.name, one.type) for one in elements if one.name not in SKIPPED)


def holds(name: str, kind: str) -> bool:
    """Whether a member itself is prose."""
    return kind in {"markdown", "Narrative", "Attachment"} or (kind == "string" and name in STRINGS)


def leads(kind: str, seen: frozenset[str]) -> bool:
    """Whether prose may be found below a value of a type."""
    if kind in seen or not (kind == "Annotation" or "." in kind):
        return False
    inner = seen | {kind}
    return any(holds(name, child) or leads(child, inner) for name, child in children(kind))


def attached(attachment: dict[str, Any]) -> str:
    """The text that an attachment holds; nothing when it is elsewhere, or is no text."""
    kind = str(attachment.get("contentType", "")).partition(";")[0].strip().lower()
    if kind not in READABLE:
        return ""
    try:
        text = b64decode(str(attachment.get("data", ""))).decode(errors="replace")
    except (Error, ValueError):
        return ""
    return stripped(text) if kind in MARKED_UP else text[:MAX_BYTES]


def narrated(narrative: dict[str, Any]) -> str:
    """The text of a narrative."""
    return stripped(narrative.get("div", ""))


WHOLE = {"Attachment": attached, "Binary": attached, "Narrative": narrated}
"""Types that are read as one text; a Binary names its content as an attachment does."""


def stripped(markup: str) -> str:
    """The text of XHTML or HTML."""
    return html.unescape(TAG.sub(" ", " ".join(visible(markup[: 4 * MAX_BYTES]))))


def visible(markup: str) -> Iterator[str]:
    """What lies outside scripts, styles and comments; one that does not end hides the rest."""
    lowered, at = markup.lower(), 0
    while found := HIDDEN.search(markup, at):
        yield markup[at : found.start()]
        end = f"</{found[1].lower()}" if found[1] else "-->"
        at = lowered.find(end, found.end())
        if at < 0:
            return
        at += 0 if found[1] else len(end)
    yield markup[at:]
