"""JSON Patch on resources. Source: https://www.rfc-editor.org/rfc/rfc6902, appendix A."""

from __future__ import annotations

import copy
import json
from decimal import Decimal

import pytest

from models.document import parse, serialize
from models.errors import BadRequest
from service.patch import apply_json_patch


def op(name, path, **members):
    return {"op": name, "path": path, **{key.rstrip("_"): value for key, value in members.items()}}


UNKNOWN = "op must be one of add, remove, replace, move, copy, test."
NOWHERE = "A pointer of {} leads to nothing, or to a place outside its array."
POINTER = "{} must be a JSON Pointer such as /status: empty or starting with '/', with ~ written as ~0."
FIXED = "A patch cannot change resourceType, id, meta.versionId or meta.lastUpdated."
DEEP = "/a" * 65


@pytest.mark.parametrize("body", [None, {}, "", "[]", 1, {"resourceType": "Parameters"}])
def test_a_body_that_is_no_list_is_refused(patient, refused, body):
    issue = refused(lambda: apply_json_patch(patient, body))
    assert issue.text == "A JSON Patch is a JSON array of operations."


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (None, "An operation is a JSON object."),
        ([], "An operation is a JSON object."),
        ({}, UNKNOWN),
        ({"op": ["add"], "path": "/active"}, UNKNOWN),
        (op("Add", "/active", value=True), UNKNOWN),
        (op("append", "/birthDate", value="x"), UNKNOWN),
        ({"op": "remove"}, "remove must have the member path."),
        (op("add", "/active"), "add must have the member value."),
        (op("replace", "/active"), "replace must have the member value."),
        (op("test", "/active"), "test must have the member value."),
        (op("move", "/active"), "move must have the member from."),
        (op("copy", "/active"), "copy must have the member from."),
        (op("remove", 1), POINTER.format("path")),
        (op("remove", "active"), POINTER.format("path")),
        (op("remove", "Patient/active"), POINTER.format("path")),
        (op("remove", "/~2"), POINTER.format("path")),
        (op("copy", "/active", from_=None), POINTER.format("from")),
        (op("remove", DEEP), "A pointer may have at most 64 steps."),
        (op("move", "/name", from_=DEEP), "A pointer may have at most 64 steps."),
        (op("remove", "/gender"), NOWHERE.format("remove")),
        (op("remove", "/name/2"), NOWHERE.format("remove")),
        (op("remove", "/name/-"), NOWHERE.format("remove")),
        (op("remove", "/name/-1"), NOWHERE.format("remove")),
        (op("remove", "/name/01"), NOWHERE.format("remove")),
        (op("remove", "/name/" + "9" * 5000), NOWHERE.format("remove")),
        (op("remove", "/active/x"), NOWHERE.format("remove")),
        (op("remove", "/birthDate/0"), NOWHERE.format("remove")),
        (op("replace", "/gender", value="male"), NOWHERE.format("replace")),
        (op("replace", "/name/-", value={}), NOWHERE.format("replace")),
        (op("add", "/telecom/-", value={}), NOWHERE.format("add")),
        (op("add", "/name/3", value={}), NOWHERE.format("add")),
        (op("add", "/name/-/x", value={}), NOWHERE.format("add")),
        (op("add", "/contact/0/address/city", value="x"), NOWHERE.format("add")),
        (op("copy", "/name/0", from_="/nickname"), NOWHERE.format("copy")),
        (op("copy", "/name/0", from_="/name/-"), NOWHERE.format("copy")),
        (op("move", "/name/0", from_="/name/9"), NOWHERE.format("move")),
        (op("move", "/contact/0/name/x", from_="/contact/0"), "A value cannot be moved into itself."),
        (op("test", "/birthDate", value="1974-12-26"), "The value tested for is not there."),
        (op("test", "/active", value=1), "The value tested for is not there."),
        (op("test", "/gender", value=None), "The value tested for is not there."),
        (op("test", "/name/-", value=None), "The value tested for is not there."),
    ],
)
def test_an_operation_that_cannot_be_applied_is_refused_by_its_number(patient, refused, operation, text):
    good = op("test", "/birthDate", value="1974-12-25")
    issue = refused(lambda: apply_json_patch(patient, [good, operation, good]))
    assert issue.text == f"Operation 2: {text}"
    assert issue.expression is None


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "/id", value="p2"),
        op("remove", "/id"),
        op("add", "/id", value="p2"),
        op("move", "/language", from_="/id"),
        op("copy", "/id", from_="/birthDate"),
        op("replace", "/resourceType", value="Group"),
        op("remove", "/resourceType"),
        op("replace", "/meta/versionId", value="9"),
        op("remove", "/meta/versionId"),
        op("replace", "/meta/lastUpdated", value="2020-01-01T00:00:00Z"),
        op("remove", "/meta"),
        op("replace", "/meta", value={"tag": []}),
        op("move", "/meta", from_="/name/0"),
        op("remove", ""),
        op("replace", "", value={"resourceType": "Patient"}),
        op("replace", "", value=[]),
        op("copy", "", from_="/name/0"),
    ],
)
def test_what_the_server_sets_cannot_be_changed(patient, refused, operation):
    text = refused(lambda: apply_json_patch(patient, [operation])).text
    assert text in {f"Operation 1: {FIXED}", f"Operation 1: {NOWHERE.format('remove')}"}


def test_meta_cannot_bring_a_version_of_its_own(refused):
    bare = {"resourceType": "Patient", "id": "p1"}
    operation = op("add", "/meta", value={"versionId": "9"})
    assert refused(lambda: apply_json_patch(bare, [operation])).text == f"Operation 1: {FIXED}"


def test_too_many_operations_are_refused(patient, refused):
    operations = [op("test", "/active", value=True)] * 1001
    issue = refused(lambda: apply_json_patch(patient, operations))
    assert issue.text == "A patch may have at most 1000 operations."


def test_copies_that_double_are_refused_before_they_take_memory(patient, refused):
    doubling = [op("add", "/extension", value=["x" * 1000])] + [
        op("copy", f"/extension/{number}", from_="/extension") for number in range(1, 900)
    ]
    issue = refused(lambda: apply_json_patch(patient, doubling))
    assert issue.text.endswith("The resource would become larger than 16 MiB.")


def test_copying_over_the_same_place_again_and_again_is_bounded(patient, refused):
    operations = [op("add", "/text", value="x" * 100_000)] + [op("copy", "/language", from_="/text")] * 900
    issue = refused(lambda: apply_json_patch(patient, operations))
    assert issue.text == "Operation 168: The resource would become larger than 16 MiB."


def wrapped(times):
    """Move a value into ever deeper objects; each round adds four levels and takes three operations."""
    operations = [op("add", "/a", value={})]
    for _ in range(times):
        operations += [
            op("add", "/b", value={"x": {"x": {"x": {}}}}),
            op("move", "/b/x/x/x/y", from_="/a"),
            op("move", "/a", from_="/b"),
        ]
    return operations


@pytest.mark.parametrize("times", [16, 330])
def test_a_value_that_is_moved_into_ever_deeper_objects_is_refused(patient, refused, times):
    issue = refused(lambda: apply_json_patch(patient, wrapped(times)))
    assert issue.text == "The resource would be nested more than 64 levels deep."


def test_a_value_that_is_too_deep_to_be_copied_is_refused(patient, refused):
    operations = [*wrapped(330), op("copy", "/c", from_="/a")]
    issue = refused(lambda: apply_json_patch(patient, operations))
    assert issue.text == "Operation 992: The resource would be nested too deeply."


def test_a_refusal_repeats_neither_the_request_nor_the_resource(patient):
    for operation in (
        op("test", "/name/0/family", value="Secret"),
        op("remove", "/Secret"),
        op("Secret", "/name"),
        op("remove", "Secret"),
    ):
        with pytest.raises(BadRequest) as caught:
            apply_json_patch(patient, [operation])
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert "Secret" not in str(caught.value)
        assert "Muir" not in str(caught.value)


def test_a_refused_patch_leaves_the_resource_as_it_was(patient):
    before = copy.deepcopy(patient)
    with pytest.raises(BadRequest):
        apply_json_patch(patient, [op("remove", "/name/0/given/0"), op("remove", "/nothing")])
    assert patient == before


def test_what_the_client_itself_sends_empty_is_kept_for_validation_to_refuse(patient):
    assert apply_json_patch(patient, [op("add", "/telecom", value=[])])["telecom"] == []


def test_an_empty_patch_changes_nothing(patient):
    assert apply_json_patch(patient, []) == patient


def test_the_resource_and_the_patch_given_are_never_changed(patient):
    operations = [
        op("add", "/contact/-", value={"name": {"text": "Ed"}}),
        op("replace", "/contact/1/name/text", value="Flo"),
        op("remove", "/name/0"),
    ]
    before = copy.deepcopy((patient, operations))
    patched = apply_json_patch(patient, operations)
    assert (patient, operations) == before
    assert patched["contact"][1] == {"name": {"text": "Flo"}}


def test_what_a_patch_empties_leaves_the_resource(patient):
    operations = [
        op("remove", "/contact/0/gender"),
        op("remove", "/contact/0/name/text"),
        op("remove", "/name/1/given/0"),
        op("remove", "/meta/tag/0"),
    ]
    patched = apply_json_patch(patient, operations)
    assert "contact" not in patched
    assert patched["name"][1] == {"use": "usual"}
    assert patched["meta"] == {"versionId": "3", "lastUpdated": "2026-05-01T10:00:00Z"}


def test_a_list_that_was_emptied_can_be_filled_again(patient):
    operations = [op("remove", "/contact/0"), op("add", "/contact/-", value={"gender": "male"})]
    assert apply_json_patch(patient, operations)["contact"] == [{"gender": "male"}]


def test_other_meta_may_be_changed(patient):
    operation = op("add", "/meta/tag/-", value={"code": "new"})
    assert apply_json_patch(patient, [operation])["meta"]["tag"] == [{"code": "demo"}, {"code": "new"}]


def test_meta_without_a_version_may_be_added():
    bare = {"resourceType": "Patient", "id": "p1"}
    value = {"tag": [{"code": "new"}]}
    assert apply_json_patch(bare, [op("add", "/meta", value=value)]) == {**bare, "meta": value}


def test_digits_offsets_and_precision_stay_as_sent(observation):
    body = b"""[{"op": "replace", "path": "/valueQuantity/value", "value": 0.50},
                {"op": "replace", "path": "/effectiveDateTime", "value": "2026-05-01T23:30:00-07:00"},
                {"op": "test", "path": "/component/0/valueQuantity/value", "value": 0.7},
                {"op": "add", "path": "/issued", "value": "2026-05-02T08:00:00.120+02:00"}]"""
    patched = apply_json_patch(observation, parse(b'{"patch":' + body + b"}")["patch"])
    assert b'"value":0.50,' in serialize(patched)
    assert b'"value":0.70' in serialize(patched)
    assert patched["effectiveDateTime"] == "2026-05-01T23:30:00-07:00"
    assert patched["issued"] == "2026-05-02T08:00:00.120+02:00"


RFC_6902 = {
    "A.1 adding an object member": (
        {"foo": "bar"},
        [op("add", "/baz", value="qux")],
        {"foo": "bar", "baz": "qux"},
    ),
    "A.2 adding an array element": (
        {"foo": ["bar", "baz"]},
        [op("add", "/foo/1", value="qux")],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A.3 removing an object member": ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
    "A.4 removing an array element": (
        {"foo": ["bar", "qux", "baz"]},
        [op("remove", "/foo/1")],
        {"foo": ["bar", "baz"]},
    ),
    "A.5 replacing a value": (
        {"baz": "qux", "foo": "bar"},
        [op("replace", "/baz", value="boo")],
        {"baz": "boo", "foo": "bar"},
    ),
    "A.6 moving a value": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [op("move", "/qux/thud", from_="/foo/waldo")],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7 moving an array element": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [op("move", "/foo/3", from_="/foo/1")],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8 testing a value, success": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [op("test", "/baz", value="qux"), op("test", "/foo/1", value=2)],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.10 adding a nested member object": (
        {"foo": "bar"},
        [op("add", "/child", value={"grandchild": {}})],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A.11 ignoring unrecognized elements": (
        {"foo": "bar"},
        [op("add", "/baz", value="qux", xyz=123)],
        {"foo": "bar", "baz": "qux"},
    ),
    "A.14 escape ordering": ({"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}),
    "A.16 adding an array value": (
        {"foo": ["bar"]},
        [op("add", "/foo/-", value=["abc", "def"])],
        {"foo": ["bar", ["abc", "def"]]},
    ),
    "4.6 numbers are equal by value": (
        {"n": Decimal("1.0")},
        [op("test", "/n", value=1)],
        {"n": Decimal("1.0")},
    ),
}


@pytest.mark.parametrize("name", RFC_6902)
def test_the_examples_of_rfc_6902_give_their_results(name):
    before, operations, after = RFC_6902[name]
    assert apply_json_patch(before, operations) == after


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        pytest.param({"baz": "qux"}, op("test", "/baz", value="bar"), id="A.9 testing a value, error"),
        pytest.param({"foo": "bar"}, op("add", "/baz/bat", value="qux"), id="A.12 nonexistent target"),
        pytest.param({"/": 9, "~1": 10}, op("test", "/~01", value="10"), id="A.15 strings and numbers"),
    ],
)
def test_the_failing_examples_of_rfc_6902_are_refused(refused, document, operation):
    assert refused(lambda: apply_json_patch(document, [operation])).text.startswith("Operation 1: ")


def test_an_operation_is_a_plain_value_of_json(patient):
    operations = json.loads('[{"op": "add", "path": "/gender", "value": "unknown"}]')
    assert apply_json_patch(patient, operations)["gender"] == "unknown"
