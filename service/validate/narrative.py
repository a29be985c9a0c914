"""Narrative: XHTML for people to read, which runs nothing and fetches nothing.

The text of a chart is shown in other people's browsers. So the div must be well-formed XML of FHIR's own
subset of HTML: no script, no event handler, no external image or style, no link that runs code.

Source: https://hl7.org/fhir/R4/narrative.html#xhtml, https://hl7.org/fhir/R4/security.html#narrative
"""

from __future__ import annotations

import re
from html.entities import name2codepoint
from typing import Any
from xml.parsers import expat

_XHTML = "http://www.w3.org/1999/xhtml"
_ELEMENT_NAMES = """
a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em
h1 h2 h3 h4 h5 h6 hr i img ins del kbd li map ol p pre q s samp small span strike strong sub sup table
tbody td tfoot th thead tr tt u ul var
"""
_ATTRIBUTE_NAMES = """
abbr accesskey align alt axis border cellpadding cellspacing char charoff cite class colspan coords dir
frame headers height href hreflang id lang longdesc name nowrap rel rowspan rules scope shape span src
start style summary tabindex title type usemap valign value width xml:lang xml:space xmlns
"""
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_LINK = re.compile(r"(?:https?:|mailto:|tel:|urn:|#|\.{0,2}/|[A-Za-z0-9][^:]*$)", re.IGNORECASE)
_IMAGE = re.compile(r"(?:#|data:image/(?:png|gif|jpeg|webp|bmp);base64,)", re.IGNORECASE)
_ACTIVE_STYLE = re.compile(
    r"url\s*\(|expression\s*\(|@import|behaviou?r\s*:|-moz-binding|\\|/\*", re.IGNORECASE
)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,7});")
_NAMELESS = re.compile(r"\s*<div(?=[\s/>])(?![^>]*\sxmlns\s*=)")
_PARTS = frozenset({"contained", "section"})
"""Elements whose items have narratives of their own."""
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_SAFE_ATTRIBUTES = _ATTRIBUTES - {"href", "cite", "longdesc", "usemap", "src", "style"}


class _Refused(Exception):
    """Something stands in the div that may not."""


def is_plain_html(div: str) -> bool:
    """Whether this is one well-formed div of FHIR's subset of HTML."""
    try:
        _parse(div, _Content())
    except (_Refused, expat.ExpatError, ValueError):
        return False
    return True


def has_content(div: str) -> bool:
    """Whether the div shows anything; true for what is no HTML, which ``is_plain_html`` tells."""
    content = _Content()
    try:
        _parse(div, content)
    except (_Refused, expat.ExpatError, ValueError):
        return True
    return content.shown


def in_xhtml(document: dict[str, Any]) -> dict[str, Any]:
    """Name XHTML's namespace in each narrative that leaves it out, as many clients do.

    What is stored is then a narrative as FHIR has it. The document itself is not changed.
    """
    changed: dict[str, Any] = {}
    text = document.get("text")
    if (
        isinstance(text, dict)
        and isinstance(div := text.get("div"), str)
        and (opening := _NAMELESS.match(div))
    ):
        changed["text"] = {**text, "div": f'<div xmlns="{_XHTML}"{div[opening.end() :]}'}
    for name in _PARTS & document.keys():
        if isinstance(items := document[name], list):
            changed[name] = [in_xhtml(item) if isinstance(item, dict) else item for item in items]
    return {**document, **changed} if changed else document


class _Content:
    """What the parser has met so far."""

    def __init__(self) -> None:
        self.shown = False
        self.depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _ELEMENTS or (
            self.depth == 0 and (name != "div" or attributes.get("xmlns") != _XHTML)
        ):
            raise _Refused
        self.depth += 1
        self.shown = self.shown or name == "img"
        for attribute, value in attributes.items():
            if attribute not in _SAFE_ATTRIBUTES and not _is_harmless(attribute, value):
                raise _Refused

    def text(self, data: str) -> None:
        self.shown = self.shown or not data.isspace()

    def refuse(self, *_: object) -> None:
        raise _Refused


def _parse(div: str, content: _Content) -> None:
    parser = expat.ParserCreate()
    parser.StartElementHandler = content.start
    parser.CharacterDataHandler = content.text
    parser.StartDoctypeDeclHandler = content.refuse
    parser.ProcessingInstructionHandler = content.refuse
    parser.XmlDeclHandler = content.refuse
    parser.Parse(_ENTITY.sub(_character, div), True)  # noqa: FBT003  (expat's own signature)


def _character(entity: re.Match[str]) -> str:
    """Replace a named entity of HTML, which XML does not know, by its character."""
    name = entity[1]
    return entity[0] if name in _XML_ENTITIES or name not in name2codepoint else chr(name2codepoint[name])


def _is_harmless(attribute: str, value: str) -> bool:
    value = value.strip()
    if attribute == "src":
        return _IMAGE.match(value) is not None
    if attribute == "style":
        return _ACTIVE_STYLE.search(value) is None
    return attribute in _ATTRIBUTES and _LINK.match(value) is not None
