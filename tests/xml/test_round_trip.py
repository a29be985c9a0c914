"""What is written as XML and read again is the same document; fhir.resources reads and writes it alike."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from importlib import import_module
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import Element, facts, structure
from models.document import canonical, differences, parse, serialize
from models.xml import from_xml, to_xml
from models.xml.shapes import shape
from service.demo.practice import bundle

BUNDLE = parse(serialize(bundle()))
RESOURCES = {f"{r['resourceType']}/{r['id']}": r for r in (entry["resource"] for entry in BUNDLE["entry"])}
ONE_OF_EACH = {r["resourceType"]: r for r in RESOURCES.values()}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">\n<p class="a>b">1 &lt; 2 &#160;<br/></p><!-- c --></div>'
PATIENT = {"resourceType": "Patient"}

TYPES = [*RESOURCE_TYPES, "Bundle", "Parameters", "OperationOutcome", "CapabilityStatement"]
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
TEXTS = st.text(CHARACTERS | st.sampled_from("\t\n\r&<>'\" \x85\u2028"), min_size=1, max_size=12)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3)
PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "unsignedInt": st.integers(0, 2**31 - 1),
    "positiveInt": st.integers(1, 2**31 - 1),
    "decimal": DECIMALS
    | st.integers(-(10**17), 10**17)
    | st.just(Decimal("1E-7"))
    | st.just(Decimal("-0.0")),
    "string": TEXTS,
    "markdown": TEXTS,
    "xhtml": st.just(DIV),
}
WORDS = st.sampled_from(["active", "2026-05-01", "http://a.example/b?c=1&d=2", "urn:uuid:x", "QUJD", "a b"])


def equal(left: Any, right: Any) -> bool:
    return canonical(left) == canonical(right)


@st.composite
def values(draw: st.DrawFn, element: Element, depth: int) -> Any:
    if element.check is not None:
        return draw(PRIMITIVES.get(element.type, WORDS))
    if element.type == "Resource":
        return draw(documents(depth - 1))
    return draw(objects(element.type, depth - 1))


@st.composite
def objects(draw: st.DrawFn, type_: str, depth: int) -> dict[str, Any]:
    shape = structure(type_)
    if depth <= 0:
        if "extension" not in shape.elements:  # Binary, Bundle and Parameters cannot be extended
            return {}
        return {"extension": [{"url": "http://a.example", "valueBoolean": draw(st.booleans())}]}
    names = draw(st.lists(st.sampled_from(sorted(shape.elements)), min_size=1, max_size=5, unique=True))
    made: dict[str, Any] = {}
    for element in (shape.elements[name] for name in names):
        primitive = element.check is not None and element.name not in {"div", "url"}
        if primitive and (element.name != "id" or shape.is_resource):
            made.update(draw(primitive_members(element)))
        elif element.repeats:
            made[element.name] = draw(st.lists(values(element, depth), min_size=1, max_size=3))
        else:
            made[element.name] = draw(values(element, depth))
    return made


@st.composite
def primitive_members(draw: st.DrawFn, element: Element) -> dict[str, Any]:
    """A value, its sibling, or both; in a list, null stands for the one that is missing."""
    sibling = st.fixed_dictionaries({"id": TEXTS}) | objects("Element", 0)
    value = values(element, 0)
    pairs = st.tuples(value, st.none() | sibling) | st.tuples(st.none(), sibling)
    if element.repeats:
        columns = list(zip(*draw(st.lists(pairs, min_size=1, max_size=3)), strict=True))
    else:
        columns = [(item,) for item in draw(pairs)]
    members = zip((element.name, f"_{element.name}"), columns, strict=True)
    return {
        name: list(column) if element.repeats else column[0]
        for name, column in members
        if any(item is not None for item in column)
    }


@st.composite
def documents(draw: st.DrawFn, depth: int = 3) -> dict[str, Any]:
    type_ = draw(st.sampled_from(TYPES))
    return {"resourceType": type_, **draw(objects(type_, depth))}


def model(resource: dict[str, Any]) -> Any:
    name = resource["resourceType"]
    return getattr(import_module(f"fhir.resources.R4B.{name.lower()}"), name)


def validated(resource: dict[str, Any]) -> Any:
    return model(resource).model_validate(json.loads(serialize(resource)))


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        names = chance.sample(list(value), len(value))
        return {name: shuffled(value[name], chance) for name in names}
    return [shuffled(item, chance) for item in value] if isinstance(value, list) else value


def tags(body: bytes | str) -> list[str]:
    return [element.tag for element in ET.fromstring(body).iter()]  # noqa: S314  (our own bytes)


@pytest.mark.parametrize("name", RESOURCES)
def test_a_resource_of_the_practice_comes_back_unchanged(name):
    resource = RESOURCES[name]
    assert differences(from_xml(to_xml(resource)), resource) == []


def test_the_bundle_of_the_practice_comes_back_unchanged():
    assert equal(from_xml(to_xml(BUNDLE)), BUNDLE)


def test_pretty_xml_has_a_line_for_each_element_and_the_same_content():
    lines = to_xml(BUNDLE, pretty=True).splitlines()
    assert lines[:3] == [
        b'<?xml version="1.0" encoding="UTF-8"?>',
        b'<Bundle xmlns="http://hl7.org/fhir">',
        b'  <type value="transaction"/>',
    ]
    assert equal(from_xml(b"\n".join(lines)), BUNDLE)


@settings(max_examples=300, deadline=None)
@given(document=documents(), pretty=st.booleans())
def test_any_document_comes_back_unchanged(document, pretty):
    assert equal(from_xml(to_xml(document, pretty=pretty)), document)


@pytest.mark.parametrize("resource", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_fhir_resources_reads_what_is_written(resource):
    read = model(resource).model_validate_xml(to_xml(resource))
    assert differences(parse(read.model_dump_json().encode()), resource) == []


@pytest.mark.parametrize("resource", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_what_fhir_resources_writes_is_read(resource):
    """It writes Z as +00:00, so the models are compared."""
    expected = validated(resource)
    assert validated(from_xml(expected.model_dump_xml())) == expected


@pytest.mark.parametrize("resource", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_elements_stand_in_the_order_of_r4_whatever_the_order_in_json(resource):
    expected = validated(resource).model_dump_xml()
    assert tags(to_xml(shuffled(resource, random.Random(7)))) == tags(expected)  # noqa: S311  (no secret)


def test_every_type_of_r4_has_a_shape():
    assert all(shape(name).order for name in facts().structures)


@pytest.mark.parametrize(
    "literal", ["1.50", "100", "100.0", "0.000", "-0.10", "1E+2", "1.0E-7", "3" * 17 + ".25"]
)
def test_a_decimal_keeps_its_digits(literal):
    json_body = b'{"resourceType":"Observation","valueQuantity":{"value":%s}}' % literal.encode()
    xml_body = to_xml(parse(json_body))
    assert f'<valueQuantity><value value="{literal}"/></valueQuantity>'.encode() in xml_body
    assert serialize(from_xml(xml_body)) == json_body


def test_an_id_of_an_element_and_the_url_of_an_extension_are_attributes():
    document = {
        **PATIENT,
        "id": "p1",
        "extension": [{"id": "e", "url": "http://a.example/?b=1&c", "valueString": 'say "a"\n'}],
        "contact": [{"id": "c", "gender": "other"}],
        "birthDate": "1980-01-01",
        "_birthDate": {"id": "b"},
    }
    assert to_xml(document).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir"><id value="p1"/>'
        '<extension id="e" url="http://a.example/?b=1&amp;c"><valueString value="say &quot;a&quot;&#10;"/>'
        '</extension><birthDate id="b" value="1980-01-01"/><contact id="c"><gender value="other"/></contact>'
        "</Patient>"
    )
    assert equal(from_xml(to_xml(document)), document)


def test_extensions_of_values_in_a_list_stay_beside_their_value():
    absent = {"extension": [{"url": "http://a.example", "valueCode": "unknown"}]}
    name = {"given": ["Ada", None, "Eve"], "_given": [None, absent, {"id": "x"}], "_family": absent}
    document = {**PATIENT, "name": [name, {"_given": [absent]}, {"given": ["A"], "_given": [absent]}]}
    assert equal(from_xml(to_xml(document)), document)


def test_the_narrative_is_kept_to_the_letter():
    document = {**PATIENT, "text": {"status": "generated", "div": DIV}}
    assert DIV.encode() in to_xml(document, pretty=True)
    assert from_xml(to_xml(document)) == document


def test_a_named_entity_of_a_narrative_becomes_a_number():
    div = '<div xmlns="http://www.w3.org/1999/xhtml">caf&eacute;&nbsp;&amp;</div>'
    written = to_xml({**PATIENT, "text": {"status": "generated", "div": div}})
    assert b"caf&#233;&#160;&amp;</div>" in written
    assert from_xml(written)["text"]["div"] == div.replace("&eacute;", "&#233;").replace("&nbsp;", "&#160;")


def test_a_code_point_that_xml_cannot_hold_becomes_a_replacement_character():
    written = to_xml({**PATIENT, "name": [{"text": "a\ufffeb\uffff"}]})
    assert from_xml(written)["name"] == [{"text": "a\ufffdb\ufffd"}]


def test_a_resource_inside_another_stands_in_an_element_of_its_own():
    document = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {**PATIENT, "contained": [{"resourceType": "Organization", "id": "o"}]}}],
    }
    written = to_xml(document)
    assert (
        b'<resource><Patient><contained><Organization><id value="o"/></Organization></contained></Patient>'
        b"</resource>" in written
    )
    assert from_xml(written) == document
