"""Writes a document as XML: elements in the order of R4, every digit as it was read.

    resource ── members ── <status value="…"/>         a primitive value, its id and extensions inside
                        ├─ <dosageInstruction>…        a complex value, its id and url as attributes
                        ├─ <contained><Patient>…       a resource
                        └─ <div xmlns="…">…            the narrative, as it was sent

XML 1.0 has no notation for a few code points that JSON allows; they become U+FFFD. Nor has FHIR any for the
id and the extensions of what is an attribute, or a narrative: a resource with such is not written by itself,
but in a page those members are left out, so that one resource does not keep all others from being read.

Source: https://hl7.org/fhir/R4/xml.html, https://www.w3.org/TR/xml/#charsets
"""

from __future__ import annotations

import re
from decimal import Decimal
from html.entities import name2codepoint
from typing import Any, NoReturn
from xml.parsers import expat

from models.definitions.structures import resource_names
from models.document import root
from models.errors import NotAcceptable
from models.xml.shapes import FHIR, SEPARATOR, XHTML, Kind, Member, Shape, shape

_PAGE = "Bundle"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_INEXPRESSIBLE = "This resource holds something for which FHIR has no XML. Ask for application/fhir+json."
_NOT_IN_XML = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_FORBIDDEN = re.compile(f"[{_NOT_IN_XML}]")
_SPECIAL = re.compile(f'[&<>"\t\n\r{_NOT_IN_XML}]')
_ESCAPES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}
_REPLACEMENT = "\ufffd"
_ENTITY = re.compile("&([A-Za-z][A-Za-z0-9]{1,7});")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


class _Inexpressible(Exception):
    """Something does not have the shape that R4 gives it."""


def to_xml(document: dict[str, Any], *, pretty: bool = False) -> bytes:
    """Write a valid resource as FHIR XML; raises ``NotAcceptable`` for what XML cannot hold."""
    writer = _Writer("  " if pretty else "", lenient=document.get("resourceType") == _PAGE)
    try:
        writer.resource(document, "\n" if pretty else "", f' xmlns="{FHIR}"')
    except _Inexpressible:
        raise NotAcceptable(_INEXPRESSIBLE, expression=root(document)) from None
    return "".join([_DECLARATION, *writer.parts]).encode()


class _Writer:
    """Collects the text; ``line`` is the line end and the indentation in front of a tag, or nothing.

    A lenient writer leaves out the siblings of members that have none in XML.
    """

    def __init__(self, indentation: str, *, lenient: bool) -> None:
        self.parts: list[str] = []
        self.indentation = indentation
        self.lenient = lenient

    def resource(self, value: Any, line: str, namespace: str = "") -> None:
        """Write a resource as the element that is named like its type."""
        name = value.get("resourceType") if type(value) is dict else None
        if type(name) is not str or name not in resource_names():
            raise _Inexpressible
        self.element(name, namespace, value, shape(name), line)

    def element(self, name: str, attributes: str, value: dict[str, Any], content: Shape, line: str) -> None:
        """Write a tag with the members of an object inside."""
        if not (value.keys() <= content.order.keys()):
            value = self._expressible(value, content)
        parts = self.parts
        start = len(parts)
        parts.append(f"{line}<{name}{attributes}>")
        self._members(value, content, line + self.indentation)
        if len(parts) == start + 1:
            parts[start] = f"{line}<{name}{attributes}/>"
        else:
            parts.append(f"{line}</{name}>")

    def _expressible(self, value: dict[str, Any], content: Shape) -> dict[str, Any]:
        """Leave out the siblings of attributes and of a narrative, if that is all that cannot be written."""
        unknown = value.keys() - content.order.keys()
        if not self.lenient or not all(_is_only_in_json(name, content) for name in unknown):
            raise _Inexpressible
        return {name: member for name, member in value.items() if name not in unknown}

    def _members(self, value: dict[str, Any], content: Shape, line: str) -> None:
        members = content.members
        for name in sorted(value, key=content.order.__getitem__):
            member = members.get(name)
            if member is None:
                if name[0] == "_" and name[1:] not in value:
                    self._primitive(members[name[1:]], None, value[name], line)
            elif member.kind is Kind.PRIMITIVE:
                self._primitive(member, value[name], value.get(member.sibling), line)
            elif not member.repeats:
                self._value(member, value[name], line)
            else:
                for item in _list(value[name]):
                    self._value(member, item, line)

    def _primitive(self, member: Member, value: Any, sibling: Any, line: str) -> None:
        """Write a primitive value or a list of them; either the value or its sibling may be missing."""
        if not member.repeats:
            self._one(member.name, value, sibling, line)
            return
        values = [] if value is None else _list(value)
        siblings = [] if sibling is None else _list(sibling)
        for index in range(max(len(values), len(siblings))):
            self._one(
                member.name,
                values[index] if index < len(values) else None,
                siblings[index] if index < len(siblings) else None,
                line,
            )

    def _one(self, name: str, value: Any, sibling: Any, line: str) -> None:
        attributes = "" if value is None else f' value="{_text(value)}"'
        if sibling is None:
            self.parts.append(f"{line}<{name}{attributes}/>")
        elif type(sibling) is dict:
            content = shape("Element")
            self.element(name, _attributes(sibling, content) + attributes, sibling, content, line)
        else:
            raise _Inexpressible

    def _value(self, member: Member, value: Any, line: str) -> None:
        if member.kind is Kind.DIVISION:
            self.parts.append(line + _division(value))
        elif member.kind is Kind.RESOURCE:
            self.parts.append(f"{line}<{member.name}>")
            self.resource(value, line + self.indentation)
            self.parts.append(f"{line}</{member.name}>")
        elif type(value) is dict:
            content = shape(member.content)
            self.element(member.name, _attributes(value, content), value, content, line)
        else:
            raise _Inexpressible


def _is_only_in_json(sibling: str, content: Shape) -> bool:
    """Tell whether a member is the sibling of an attribute or of a narrative."""
    name = sibling.removeprefix("_")
    member = content.members.get(name)
    is_division = member is not None and member.kind is Kind.DIVISION
    return name != sibling and (name in content.attributes or is_division)


def _attributes(value: dict[str, Any], content: Shape) -> str:
    attributes = f' id="{_text(value["id"])}"' if "id" in value else ""
    if "url" in content.attributes and "url" in value:
        return f'{attributes} url="{_text(value["url"])}"'
    return attributes


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _Inexpressible
    return value


def _text(value: Any) -> str:
    if type(value) is str:
        return _SPECIAL.sub(_escape, value) if _SPECIAL.search(value) else value
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) in {int, Decimal, float}:
        return str(value)
    raise _Inexpressible


def _escape(character: re.Match[str]) -> str:
    return _ESCAPES.get(character[0], _REPLACEMENT)


def _division(value: Any) -> str:
    """Check that the narrative is one XHTML element, so that no markup of its can leave its place."""
    if type(value) is not str:
        raise _Inexpressible
    text = _ENTITY.sub(_numeric, _FORBIDDEN.sub(_REPLACEMENT, value)).strip()
    names: list[str] = []
    parser = expat.ParserCreate(namespace_separator=SEPARATOR)
    parser.StartElementHandler = lambda name, _: names.append(name)
    parser.StartDoctypeDeclHandler = _refuse
    parser.XmlDeclHandler = _refuse
    try:
        parser.Parse(text, True)  # noqa: FBT003  (expat's own signature)
    except expat.ExpatError:
        raise _Inexpressible from None
    if names[0] != f"{XHTML}{SEPARATOR}div":
        raise _Inexpressible
    return text


def _refuse(*_: object) -> NoReturn:
    raise _Inexpressible


def _numeric(entity: re.Match[str]) -> str:
    """Write a named entity of HTML as a number, since XML knows five names only."""
    name = entity[1]
    known = name in name2codepoint and name not in _XML_ENTITIES
    return f"&#{name2codepoint[name]};" if known else entity[0]
