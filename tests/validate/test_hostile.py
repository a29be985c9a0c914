"""Whatever is sent, the answer is a resource, ``Malformed`` or a list of issues, and never another error."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.definitions.structures import structure
from models.document import parse
from models.errors import Issue, Malformed
from service.validate import check

TYPES = [
    "Patient",
    "MedicationRequest",
    "Observation",
    "Questionnaire",
    "Consent",
    "Binary",
    "Bundle",
    "Parameters",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(max_size=8)
WORDS = st.sampled_from(
    [
        "active",
        "Patient/1",
        "#a",
        "#",
        "2026-02-30",
        "2026-05-01T10:00:00Z",
        "Patient",
        "http://a",
        "urn:uuid:x",
        "<div",
    ]
)
NAMES = st.sampled_from(
    sorted(
        {"resourceType", "contained", "fhir_comments", "_status", "_given", "self"}.union(
            *(
                structure(name).elements
                for name in (*TYPES, "Extension", "Reference", "Timing.repeat", "Narrative")
            )
        )
    )
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=30,
)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with suppress(Malformed):
        assert isinstance(parse(body), dict)


@given(VALUES, st.data())
def test_no_json_breaks_the_reader(value: Any, data: st.DataObject) -> None:
    body = bytearray(json.dumps({"resourceType": "Patient", "x": value}, default=str).encode())
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Malformed):
        assert isinstance(parse(bytes(body)), dict)


@given(VALUES, st.sampled_from(TYPES))
def test_no_json_value_breaks_the_check(value: Any, resource_type: str) -> None:
    assert all(isinstance(issue, Issue) for issue in check(value, resource_type))


@given(st.dictionaries(NAMES, VALUES, max_size=8), st.sampled_from(TYPES))
def test_no_members_break_the_check(members: dict[str, Any], resource_type: str) -> None:
    document = {**members, "resourceType": resource_type}
    before = copy.deepcopy(document)
    for issue in check(document, resource_type):
        assert issue.expression is None or issue.expression.startswith(resource_type)
    assert repr(document) == repr(before)


def test_endless_findings_end() -> None:
    document = {"resourceType": "Patient", **{f"x{number}": 1 for number in range(5_000)}}
    issues = check(document, "Patient")
    assert len(issues) == 101
    assert issues[-1].text == "There are more findings than these. Mend these first."


def test_nesting_beyond_what_the_reader_lets_pass_is_a_finding() -> None:
    extension: dict[str, Any] = {"url": "http://a"}
    for _ in range(5_000):
        extension = {"url": "http://a", "extension": [extension]}
    issues = check({"resourceType": "Patient", "extension": [extension]}, "Patient")
    assert [issue.text for issue in issues] == ["The content is nested too deeply."]


@pytest.mark.parametrize("name", ["status", "authoredOn", "intent", "priority"])
def test_no_value_is_repeated_in_a_finding(prescription: dict[str, Any], name: str) -> None:
    issues = check(
        {**prescription, name: "CANARY\u00a0x ", "note": "CANARY", "CANARY x": 1}, "MedicationRequest"
    )
    assert issues
    assert "CANARY" not in str(issues)
