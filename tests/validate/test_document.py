"""The reader of FHIR JSON: https://hl7.org/fhir/R4/json.html, https://www.rfc-editor.org/rfc/rfc8259."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.document import canonical, differences, parse, serialize
from models.errors import Malformed

CONTROL = "A string holds a control character or half of a surrogate pair."
DUPLICATE = "A member appears twice in the same object."
NUMBER = "A number has more than 64 characters or an exponent beyond 64"
DEPTH = "The content is nested more than 64 levels deep."


def refusal(body: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        parse(body)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "The content is empty."),
        (b" \n", "The content is empty."),
        (b"[]", "The content is not a JSON object."),
        (b'"Patient"', "The content is not a JSON object."),
        (b"\xef\xbb\xbf{}", "The content starts with a byte order mark."),
        (b'{"a":"\xff"}', "The content is not UTF-8 at byte 6."),
        (b'{"a":"\xed\xa0\x80"}', "The content is not UTF-8 at byte 6."),
        (b'{"a":1,}', "The content is not valid JSON at line 1, column 8."),
        (b'{"a":\n[1,]}', "The content is not valid JSON at line 2, column 4."),
        (b"{'a':1}", "The content is not valid JSON at line 1, column 2."),
        (b'{"a":01}', "The content is not valid JSON at line 1, column 7."),
        (b'{"a":"\x01"}', "The content is not valid JSON at line 1, column 7."),
        (b'{"x":{"a":1,"a":2},', "The content is not valid JSON at line 1, column 20."),
        (b'{"x":[1e999,}', "The content is not valid JSON at line 1, column 13."),
        (b'{"x":NaN,"y":' + b"[" * 70, "The content is nested more than 64 levels deep."),
        (b'{"a":1} {"b":2}', "The content is not valid JSON at line 1, column 9."),
    ],
)
def test_what_is_not_one_json_object_is_refused(body: bytes, text: str) -> None:
    issue = refusal(body).issues[0]
    assert (issue.code, issue.expression) == ("structure", None)
    assert issue.text.startswith(text)


@pytest.mark.parametrize(
    ("body", "expression", "text"),
    [
        (
            b'{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
            "Patient.name[0].family",
            DUPLICATE,
        ),
        (b'{"resourceType":"Patient","resourceType":"Patient"}', "Patient.resourceType", DUPLICATE),
        (b'{"a":{"b":1,"b":2},"a":1}', "Resource.a", DUPLICATE),
        (b'{"a b":1,"a b":1}', "Resource", DUPLICATE),
        (b'{"resourceType":"Patient","a":1e999}', "Patient.a", NUMBER),
        (b'{"resourceType":"Patient","a":[1,-1e-999]}', "Patient.a[1]", NUMBER),
        (b'{"a":NaN}', "Resource.a", NUMBER),
        (b'{"a":-Infinity}', "Resource.a", NUMBER),
        (b'{"a":0e99999999999999999999}', "Resource.a", NUMBER),
        (b'{"a":' + b"9" * 65 + b"}", "Resource.a", NUMBER),
        (b'{"a":' + b"9" * 9999 + b"}", "Resource.a", NUMBER),
        (b'{"resourceType":"Patient","a":[{"b":"x\\u0000"}]}', "Patient.a[0].b", CONTROL),
        (b'{"a":"\\b"}', "Resource.a", CONTROL),
        (b'{"a":"\\ud83d"}', "Resource.a", CONTROL),
        (b'{"a":"\\ude00\\ud83d"}', "Resource.a", CONTROL),
        (b'{"a":{"\\ud83d":1}}', "Resource.a", CONTROL),
    ],
)
def test_what_two_readers_could_read_differently_is_refused_with_its_place(
    body: bytes, expression: str, text: str
) -> None:
    issue = refusal(body).issues[0]
    assert (issue.code, issue.expression) == ("structure", expression)
    assert issue.text.startswith(text)


@pytest.mark.parametrize("depth", [65, 1_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_deep_nesting_is_refused(opening: bytes, closing: bytes, depth: int) -> None:
    body = b'{"x":' + opening * depth + b"1" + closing * depth + b"}"
    assert refusal(body).issues[0].text.startswith(DEPTH)


def test_brackets_within_strings_are_no_nesting() -> None:
    assert parse(b'{"a":"' + b"[{" * 100 + b'\\""}') == {"a": "[{" * 100 + '"'}


def test_no_value_of_the_content_is_repeated_in_a_refusal() -> None:
    for body in (
        b'{"a":"CANARY","a":"CANARY"}',
        b'{"a":"CANARY\\u0000"}',
        b'{"a":CANARY}',
        b'{"CANARY x":1,"CANARY x":1}',
    ):
        assert "CANARY" not in str(refusal(body).issues)


def test_digits_of_decimals_survive() -> None:
    body = b'{"a":1.50,"b":0.0,"c":-0,"d":12345678901234567890.10,"e":100,"f":9223372036854775808}'
    assert parse(body)["a"] == Decimal("1.50")
    assert type(parse(body)["e"]) is int
    assert serialize(parse(body)) == body


def test_escapes_and_pairs_of_surrogates_are_read() -> None:
    assert parse(b'{"a":"\\ud83d\\ude00 \\u00e9 \\n \\\\b"}') == {"a": "\U0001f600 é \n \\b"}


def test_canonical_form_shows_neither_order_nor_notation() -> None:
    one = parse(b'{"b":[1.50,{"y":1e2,"x":true}],"a":"1.50","c":-0.0}')
    other = parse(b'{"c":0,"a":"1.50","b":[1.5,{"x":true,"y":100}]}')
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    "other",
    [b'{"a":1}', b'{"a":"1.0"}', b'{"a":[1.0,2.0]}', b'{"a":1.00000000000000000000000000000000000001}'],
)
def test_canonical_form_shows_every_other_difference(other: bytes) -> None:
    assert canonical(parse(b'{"a":"1"}')) != canonical(parse(other))


def test_differences_name_the_paths() -> None:
    left = {
        "resourceType": "Flag",
        "status": "active",
        "note": [1, {"text": "a"}],
        "on": True,
        "n": Decimal("1.0"),
    }
    right = {"resourceType": "Flag", "note": [1, {"text": "b"}, 3], "on": 1, "n": 1, "code": {}}
    assert differences(left, right) == [
        "Flag.status",
        "Flag.note[1].text",
        "Flag.note[2]",
        "Flag.on",
        "Flag.code",
    ]


def test_seven_megabytes_are_read_in_a_fraction_of_a_second() -> None:
    body = b'{"resourceType":"Binary","data":"' + b"QUJD" * 1_750_000 + b'"}'
    start = time.process_time()
    parse(body)
    assert time.process_time() - start < 0.5


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
NUMBERS = st.integers(-(10**30), 10**30) | st.decimals(-(10**9), 10**9, places=3)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def as_sent(value: Any) -> Any:
    """What a client would have sent: integers beyond 64 bits are decimals here."""
    if isinstance(value, dict):
        return {name: as_sent(child) for name, child in value.items()}
    if isinstance(value, list):
        return [as_sent(child) for child in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(st.dictionaries(TEXT, VALUES))
def test_what_is_written_is_read_the_same(document: dict[str, Any]) -> None:
    read = parse(serialize(as_sent(document)))
    assert read == document
    assert differences(read, document) == []
    assert canonical(read) == canonical(as_sent(document))


@given(st.dictionaries(TEXT, VALUES), st.dictionaries(TEXT, VALUES))
def test_contents_are_canonically_equal_exactly_if_no_path_differs(
    left: dict[str, Any], right: dict[str, Any]
) -> None:
    left, right = as_sent(left), as_sent(right)
    assert (canonical(left) == canonical(right)) == (differences(left, right) == [])


NUMBERS = st.one_of(
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,70})(\.[0-9]{1,70})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
TEXTS = st.one_of(NUMBERS, st.just("true"), st.text(max_size=6).map(lambda text: serialize(text).decode()))
MEMBERS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), TEXTS), max_size=4)


@given(MEMBERS)
def test_spaces_between_members_change_nothing_of_what_is_read(members: list[tuple[str, str]]) -> None:
    def read(comma: str, colon: str) -> Any:
        body = "{" + comma.join(f'"{name}"{colon}{text}' for name, text in members) + "}"
        try:
            document = parse(body.encode())
        except Malformed as refusal:
            return [(issue.text, issue.expression) for issue in refusal.issues]
        return [(name, type(value), repr(value)) for name, value in document.items()]

    assert read(",", ":") == read(" , ", " : ")
