"""Reads FHIR XML strictly, or tells all that is wrong with it at once, never repeating the input.

    root ── frames, one an open element ── a primitive value: its text becomes a JSON string, number, boolean
                                        ├─ a complex value, a resource: a dict
                                        ├─ a division: kept as it stands between its tags
                                        └─ an unknown element: noted, with everything inside skipped

The parser has no document types and so no entities; it opens nothing. Comments and processing
instructions are passed over. The order of elements is not checked: their names tell all.

Source: https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/security.html#xml
"""

from __future__ import annotations

from typing import Any, NoReturn
from xml.parsers import expat

from models.document import MAXIMUM_DEPTH
from models.document import member as extended
from models.errors import Issue, Malformed
from models.xml.shapes import FHIR, SEPARATOR, TAG, XHTML, Kind, Member, resource_tags, shape
from models.xml.values import SPACE, NotThisType, division_end, is_plain_division

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DIVISION_TAG = f"{XHTML}{SEPARATOR}div"
_SCHEMA_LOCATION = f"http://www.w3.org/2001/XMLSchema-instance{SEPARATOR}schemaLocation"
_MAXIMUM_ISSUES = 100

_EMPTY_BODY = "The content is empty. Send one FHIR resource as XML."
_NOT_XML = "The content is not well-formed XML in UTF-8 at line {}, column {}."
_NUL = "The content holds NUL bytes, which XML does not allow. Send UTF-8."
_DOCTYPE = "The content has a document type declaration. Send XML without one: no entities are read."
_ENCODING = "The content declares another encoding. Send UTF-8."
_DEPTH = f"The content is nested more than {MAXIMUM_DEPTH} levels deep. Send a flatter resource."
_ROOT = f"The root element must be a resource type of FHIR R4 in the namespace {FHIR}."
_NAMESPACE = f"Elements must be in the namespace {FHIR}, and the div of a narrative in {XHTML}."
_UNKNOWN = "{} has no such element in FHIR R4."
_UNKNOWN_TYPE = "Exactly one resource of a type of FHIR R4 must stand here."
_TWICE = "This element does not repeat: send it once."
_ATTRIBUTE = "This element has an attribute that FHIR R4 does not give it. Values stand in value, ids in id."
_NO_CONTENT = "An element needs a value attribute or elements inside. Leave the element out."
_TEXT = "Text stands between the tags. Write a value as the value attribute."
_DIVISION = f'Write the narrative as <div xmlns="{XHTML}">, without a prefix.'


class _Frame:
    """An open element, with what was read inside."""

    __slots__ = ("content", "depth", "member", "parent", "sparse", "tags", "text", "type")

    def __init__(self, parent: _Frame | None, member: Member | None, type_: str, depth: int) -> None:
        self.parent = parent
        self.member = member
        """None for a resource: its place is that of the element around it."""
        self.type = type_
        self.tags: dict[str, Member] = shape(type_).tags if type_ else {}
        self.content: dict[str, Any] = {}
        self.text: str | None = None
        self.sparse: list[Member] = []
        """Lists of primitive values of which some have no value."""
        self.depth = depth
        """How deep the JSON object is nested, lists included."""


def from_xml(body: bytes) -> dict[str, Any]:
    """Read one FHIR resource strictly, or raise ``Malformed`` with a text that never repeats the input."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if not body.strip():
        raise Malformed(_EMPTY_BODY)
    if b"\x00" in body:
        # Also every UTF-16: the parser would understand it, whatever encoding it was told.
        raise Malformed(_NUL)
    return _Reader(body).read()


class _Reader:
    """The state of one reading; ``inside`` counts the open tags of what is not read tag by tag."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.document: dict[str, Any] = {}
        self.frame: _Frame | None = None
        self.inside = 0
        self.division_start = -1
        self.issues: list[Issue] = []
        self.parser = parser = expat.ParserCreate("utf-8", SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _refuse_document_type
        parser.XmlDeclHandler = _check_declaration

    def read(self) -> dict[str, Any]:
        """Parse the whole body and give the document."""
        try:
            self.parser.Parse(self.body, True)  # noqa: FBT003  (expat's own signature)
        except expat.ExpatError as error:
            text = _NOT_XML.format(error.lineno, error.offset + 1)
            raise Malformed(text, expression=_path(self.frame) if self.frame else None) from None
        if self.issues:
            raise Malformed(issues=self.issues)
        return self.document

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        frame = self.frame
        if self.inside:
            self.inside += 1
        elif frame is None:
            self._open_root(tag, attributes)
        elif (member := frame.tags.get(tag)) is not None:
            self._open(frame, member, attributes)
        elif tag == _DIVISION_TAG and frame.type == "Narrative":
            self._open_division(frame)
        elif not frame.type:
            self._open_resource(frame, tag, attributes)
        else:
            self._skip_unknown(frame, tag)

    def _open_root(self, tag: str, attributes: dict[str, str]) -> None:
        type_ = resource_tags().get(tag)
        if type_ is None:
            raise Malformed(_ROOT)
        self.frame = _Frame(None, None, type_, 1)
        self.frame.content["resourceType"] = type_
        attributes.pop(_SCHEMA_LOCATION, None)
        if attributes:
            self._note(_ATTRIBUTE, type_)

    def _open_resource(self, frame: _Frame, tag: str, attributes: dict[str, str]) -> None:
        """Open a resource inside another; ``frame`` is the element around it."""
        type_ = resource_tags().get(tag)
        if type_ is None or frame.content:
            self._skip(_UNKNOWN_TYPE, _path(frame))
            return
        self.frame = _Frame(frame, None, type_, frame.depth)
        self.frame.content["resourceType"] = type_
        frame.content = self.frame.content
        if attributes:
            self._note(_ATTRIBUTE, _path(frame))

    def _open(self, frame: _Frame, member: Member, attributes: dict[str, str]) -> None:
        name, content, kind = member.name, frame.content, member.kind
        if not member.repeats and (name in content or member.sibling in content):
            self._skip(_TWICE, f"{_path(frame)}.{name}")
            return
        if kind is Kind.DIVISION:
            self._skip(_DIVISION, f"{_path(frame)}.{name}")
            return
        depth = frame.depth + 1 + member.repeats
        if depth - (kind is Kind.PRIMITIVE) > MAXIMUM_DEPTH:
            raise Malformed(_DEPTH, expression=_path(frame))
        self.frame = opened = _Frame(frame, member, member.content, depth)
        if kind is Kind.PRIMITIVE:
            opened.text = attributes.pop("value", None)
        if attributes:
            self._read_attributes(opened, attributes)

    def _read_attributes(self, frame: _Frame, attributes: dict[str, str]) -> None:
        allowed = shape(frame.type).attributes if frame.type else frozenset()
        if attributes.keys() <= allowed:
            frame.content.update(attributes)
        else:
            self._note(_ATTRIBUTE, _path(frame))

    def _open_division(self, frame: _Frame) -> None:
        path = f"{_path(frame)}.div"
        if "div" in frame.content:
            self._skip(_TWICE, path)
        elif not is_plain_division(self.body, self.parser.CurrentByteIndex):
            self._skip(_DIVISION, path)
        else:
            self.inside, self.division_start = 1, self.parser.CurrentByteIndex

    def _end(self, _: str) -> None:
        if self.inside:
            self.inside -= 1
            if not self.inside and self.division_start >= 0:
                self._close_division()
            return
        frame = self.frame
        assert frame is not None  # noqa: S101  (the parser pairs the tags)
        self.frame = parent = frame.parent
        if frame.sparse:
            _drop_empty_lists(frame)
        if parent is None:
            self.document = frame.content
        elif frame.member is not None:
            self._close(frame, parent, frame.member)

    def _close(self, frame: _Frame, parent: _Frame, member: Member) -> None:
        """Put what was read into the object around it."""
        if frame.text is None and not frame.content:
            self._note(_UNKNOWN_TYPE if member.kind is Kind.RESOURCE else _NO_CONTENT, _path(frame))
        if member.kind is Kind.PRIMITIVE:
            self._close_primitive(frame, parent, member)
        elif member.repeats:
            parent.content.setdefault(member.name, []).append(frame.content)
        else:
            parent.content[member.name] = frame.content

    def _close_primitive(self, frame: _Frame, parent: _Frame, member: Member) -> None:
        value = None
        if frame.text is not None:
            try:
                value = member.convert(frame.text)
            except NotThisType as error:
                self._note(str(error), _path(frame), "value")
        if frame.content and frame.depth > MAXIMUM_DEPTH:
            raise Malformed(_DEPTH, expression=_path(frame))
        if member.repeats:
            _append(parent, member, value, frame.content)
            return
        if frame.text is not None:
            parent.content[member.name] = value
        if frame.content:
            parent.content[member.sibling] = frame.content

    def _close_division(self) -> None:
        assert self.frame is not None  # noqa: S101  (a division stands in a Narrative)
        end = division_end(self.body, self.parser.CurrentByteIndex)
        self.frame.content["div"] = self.body[self.division_start : end].decode()
        self.division_start = -1

    def _characters(self, text: str) -> None:
        if not self.inside and self.frame is not None and text.strip(SPACE):
            self._note(_TEXT, _path(self.frame))

    def _skip_unknown(self, frame: _Frame, tag: str) -> None:
        if tag.startswith(TAG):
            self._skip(_UNKNOWN.format(frame.type), extended(_path(frame), tag.removeprefix(TAG)))
        else:
            self._skip(_NAMESPACE, _path(frame))

    def _skip(self, text: str, path: str) -> None:
        """Note what is wrong with the element that has just been opened, and pass over it."""
        self._note(text, path)
        self.inside = 1

    def _note(self, text: str, path: str, code: str = Malformed.code) -> None:
        self.issues.append(Issue(code, text, path))
        if len(self.issues) == _MAXIMUM_ISSUES:
            raise Malformed(issues=self.issues)


def _append(parent: _Frame, member: Member, value: Any, sibling: dict[str, Any]) -> None:
    """Extend a list of primitive values, and the list of their siblings as soon as one has any."""
    values = parent.content.setdefault(member.name, [])
    if sibling or member.sibling in parent.content:
        siblings = parent.content.setdefault(member.sibling, [])
        siblings.extend([None] * (len(values) - len(siblings)))
        siblings.append(sibling or None)
    if value is None:
        parent.sparse.append(member)
    values.append(value)


def _drop_empty_lists(frame: _Frame) -> None:
    for member in frame.sparse:
        if not any(value is not None for value in frame.content.get(member.name, ())):
            frame.content.pop(member.name, None)


def _path(frame: _Frame) -> str:
    """Say where an open element stands, in the style of FHIRPath."""
    if frame.parent is None:
        return frame.type
    path = _path(frame.parent)
    if frame.member is None:
        return path
    path = f"{path}.{frame.member.name}"
    if not frame.member.repeats:
        return path
    return f"{path}[{len(frame.parent.content.get(frame.member.name, ()))}]"


def _refuse_document_type(*_: object) -> NoReturn:
    raise Malformed(_DOCTYPE)


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise Malformed(_ENCODING)
