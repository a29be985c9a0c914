"""A merge patch replaces, merges and takes away members, and can do no more than the other patches."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadRequest
from service.patch import apply_merge_patch


@pytest.mark.parametrize("changes", [None, [], [{"op": "remove"}], "text", 1, True])
def test_what_is_no_object_is_refused(patient, refused, changes):
    assert "JSON Merge Patch" in refused(lambda: apply_merge_patch(patient, changes)).text


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "other"},
        {"id": None},
        {"resourceType": "Person"},
        {"meta": {"versionId": "9"}},
        {"meta": None},
        {"meta": {"lastUpdated": None}},
    ],
)
def test_the_fixed_members_stay(patient, refused, changes):
    assert "cannot change" in refused(lambda: apply_merge_patch(patient, changes)).text


def test_a_result_nested_too_deeply_is_refused(patient):
    deep: dict = {}
    for _ in range(200):
        deep = {"extension": [deep]}
    with pytest.raises(BadRequest, match="levels deep"):
        apply_merge_patch(patient, deep)


def test_members_are_replaced_and_taken_away(patient):
    changed = apply_merge_patch(
        patient, {"active": False, "birthDate": None, "_birthDate": None, "gender": "other"}
    )
    expected = {k: v for k, v in patient.items() if k not in {"birthDate", "_birthDate"}}
    assert changed == {**expected, "active": False, "gender": "other"}


def test_objects_are_merged_and_arrays_replaced(patient):
    changed = apply_merge_patch(patient, {"meta": {"tag": [{"code": "new"}]}, "name": [{"family": "Noe"}]})
    assert changed["meta"] == {**patient["meta"], "tag": [{"code": "new"}]}
    assert changed["name"] == [{"family": "Noe"}]


def test_an_object_that_is_left_empty_goes(observation):
    changed = apply_merge_patch(observation, {"code": {"text": None}, "method": {"coding": None}})
    assert "code" not in changed
    assert "method" not in changed


def test_decimals_keep_their_digits(observation):
    changed = apply_merge_patch(observation, {"valueQuantity": {"value": Decimal("2.50")}})
    assert str(changed["valueQuantity"]["value"]) == "2.50"
    assert changed["valueQuantity"]["unit"] == "kg"


values = st.recursive(
    st.integers() | st.text(min_size=1) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", max_size=2), values | st.none(), max_size=4))
def test_it_changes_neither_the_document_nor_anything_twice(changes):
    document = {"resourceType": "Patient", "id": "p", "a": {"b": 1, "c": {"d": 2}}}
    before, sent = deepcopy(document), deepcopy(changes)
    once = apply_merge_patch(document, changes)
    assert (document, changes) == (before, sent)
    assert apply_merge_patch(once, changes) == once
