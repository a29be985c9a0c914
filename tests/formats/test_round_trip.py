"""A document keeps every member and every digit on its way JSON → XML → JSON through a running server."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import harness
import httpx
import msgspec
import practice_kit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.document import parse, serialize
from models.xml import to_xml
from service.demo.practice import bundle

RESOURCES = [entry["resource"] for entry in parse(serialize(bundle()))["entry"]]
ONE_OF_EACH = {resource["resourceType"]: resource for resource in RESOURCES}
XML = "application/fhir+xml"
JSON = "application/fhir+json"

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">\n<p class="a">1 &lt; 2 &#160;<b>x</b><br/></p></div>'
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Cn"])
TEXTS = st.text(LETTERS | st.sampled_from("\t\n&<>'\" \u2028"), min_size=1, max_size=12).filter(
    lambda text: text.strip()
)
DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=3
) | (st.sampled_from([Decimal("1.50"), Decimal("0.0"), Decimal("-0.00"), Decimal("1E-7")]))
VALUES = st.one_of(
    st.builds(lambda value: {"valueString": value}, TEXTS),
    st.builds(lambda value: {"valueDecimal": value}, DECIMALS),
    st.builds(lambda value: {"valueBoolean": value}, st.booleans()),
    st.builds(lambda value: {"valueInteger": value}, st.integers(-(2**31), 2**31 - 1)),
    st.builds(lambda value, unit: {"valueQuantity": {"value": value, "unit": unit}}, DECIMALS, TEXTS),
    st.builds(lambda text: {"valueCodeableConcept": {"text": text}}, TEXTS),
    st.just({"valueDateTime": "2026-05-01T09:00:00.120+02:00"}),
)
EXTENSIONS = st.lists(
    st.builds(lambda value: {"url": "http://a.example/extension", **value}, VALUES), min_size=1, max_size=3
)


@st.composite
def ornaments(draw: st.DrawFn) -> dict[str, Any]:
    """Members that every type of resource may have."""
    return {
        "extension": draw(EXTENSIONS),
        "language": "en",
        "_language": {"id": "l", "extension": draw(EXTENSIONS)},
        "text": {"status": "additional", "div": DIV},
        "meta": {"tag": [{"system": "urn:wire", "code": "x", "display": draw(TEXTS)}]},
    }


def told(text: bytes) -> bytes:
    """Write what a document says apart from who and when it is, with its digits, in one order."""
    document = parse(text)
    kept = {name: value for name, value in document.items() if name != "id"}
    kept["meta"] = {
        name: kept["meta"][name] for name in kept["meta"] if name not in {"versionId", "lastUpdated"}
    }
    return msgspec.json.Encoder(decimal_format="number", order="sorted").encode(kept)


@pytest.fixture(scope="module")
def client(server: harness.Server) -> Iterator[httpx.Client]:
    practice_kit.load(server)
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.mark.parametrize("resource_type", sorted(ONE_OF_EACH))
@given(more=ornaments())
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_document_survives_both_formats(
    resource_type: str, more: dict[str, Any], client: httpx.Client
) -> None:
    document = {name: value for name, value in ONE_OF_EACH[resource_type].items() if name != "id"} | more
    if resource_type == "MedicationRequest":
        document["identifier"] = [{"system": "urn:wire", "value": uuid4().hex}]
    made = client.post(f"/{resource_type}", content=serialize(document), headers={"Accept": JSON})
    assert made.status_code == 201, made.text
    assert told(made.content) == told(serialize(document))
    old, new = made.json()["id"], uuid4().hex
    as_xml = client.get(f"/{resource_type}/{old}", headers={"Accept": XML})
    assert as_xml.headers["content-type"].startswith(XML)
    if resource_type == "MedicationRequest":
        new = old
    moved = as_xml.text.replace(f'<id value="{old}"/>', f'<id value="{new}"/>', 1)
    put = client.put(
        f"/{resource_type}/{new}", content=moved.encode(), headers={"Content-Type": XML, "Accept": XML}
    )
    assert put.status_code == (200 if new == old else 201), put.text
    back = client.get(f"/{resource_type}/{new}", headers={"Accept": JSON})
    assert told(back.content) == told(serialize(document))
    assert to_xml(parse(back.content)) == client.get(f"/{resource_type}/{new}?_format=xml").content
