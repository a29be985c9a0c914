"""What a FHIRPath Patch is refused for. Source: https://hl7.org/fhir/R4/fhirpatch.html."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest
from patch_kit import MARRIED, add, delete, identifiers, insert, move, operation, part, patch, path, replace

from models.errors import BadRequest
from service.patch import apply_fhirpath_patch

TYPES = "The part type must be add, insert, delete, replace or move."
PARTS = "Parts must be a JSON array of JSON objects, each with a name and one value[x], part or resource."
NAMED = "Every parameter of a FHIRPath Patch is named operation and has parts."
NOTHING = "The path leads to nothing in the resource."
SEVERAL = "The path leads to several elements; name one, for instance with [0] or where()."
EXISTS = "The element is there already and does not repeat; replace it."
TYPE = "The value is not of the type of the element."
LIST = "The path must end with the name of an element that repeats, without an index or where()."
ROOT = "The resource itself cannot be the target; name one of its elements."
FIXED = "A patch cannot change resourceType, id, meta.versionId or meta.lastUpdated."
DATE_TIME = (
    "This is not a dateTime. Write a date, or YYYY-MM-DDThh:mm:ss with a time zone (Z or +hh:mm), "
    "with a day that exists."
)
STRING = {"valueString": "x"}


@pytest.mark.parametrize("body", [None, [], "", {}, {"resourceType": "Patient"}])
def test_a_body_that_is_no_parameters_is_refused(patient, refused, body):
    issue = refused(lambda: apply_fhirpath_patch(patient, body))
    assert issue.text == "A FHIRPath Patch is a Parameters resource with a parameter for each operation."


def test_a_parameter_that_is_no_list_is_refused(patient, refused):
    body = {"resourceType": "Parameters", "parameter": {}}
    assert refused(lambda: apply_fhirpath_patch(patient, body)).expression == "Parameters.parameter"


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (None, NAMED),
        ({"part": []}, NAMED),
        ({"name": "Operation", "part": []}, NAMED),
        ({"name": "operation"}, TYPES),
        ({"name": "operation", "part": {}}, PARTS),
        ({"name": "operation", "part": [None]}, PARTS),
        ({"name": "operation", "part": [{"valueCode": "add"}]}, PARTS),
        (operation("upsert", path("Patient.active")), TYPES),
        (operation("delete"), "delete takes the parts type, path, each of them once."),
        (
            operation("delete", path("Patient.active"), part("index", 0, "Integer")),
            "delete takes the parts type, path, each of them once.",
        ),
        (
            operation("delete", path("Patient.active"), path("Patient.name[0]")),
            "delete takes the parts type, path, each of them once.",
        ),
        (operation("delete", part("path", 1, "Integer")), "The part path must be valueString."),
        (operation("delete", part("path", 1)), "The part path must be valueString."),
        (operation("delete", {"name": "path"}), PARTS),
        (operation("delete", {"name": "path", "valueString": "x", "valueCode": "x"}), PARTS),
        (operation("delete", {"name": "path", "valueFancy": "x"}), PARTS),
        (add("Patient.name", "text", STRING), SEVERAL),
        (add("Patient.maritalStatus", "text", STRING), NOTHING),
        (
            add("Patient.identifier.where(use = 'official').period", "end", {"valueDate": "2021-12-01"}),
            NOTHING,
        ),
        (add("Patient", "nickname", STRING), "Patient has no such element in FHIR R4."),
        (add("Patient", "birthDate", {"valueDate": "1930-01-01"}), EXISTS),
        (add("Patient", "deceased", {"valueDateTime": "2020"}), EXISTS),
        (add("Patient", "maritalStatus", STRING), TYPE),
        (add("Patient", "maritalStatus", {"valueCodeableConcept": "x"}), TYPE),
        (add("Patient", "maritalStatus", {"valueCodeableConcept": {}}), TYPE),
        (add("Patient", "gender", {"valueBoolean": True}), TYPE),
        (add("Patient", "gender", {"valueCode": 1}), "This must be a JSON string."),
        (
            add("Patient", "gender", {"valueCode": "a  b"}),
            "A code has no leading, trailing or double spaces.",
        ),
        (add("Patient", "multipleBirth", {"valueString": "1"}), TYPE),
        (add("Patient", "contact", STRING), TYPE),
        (add("Patient", "contact", {"part": []}), PARTS),
        (
            add("Patient", "contact", {"part": [part("nickname", "x")]}),
            "Patient.contact has no such element in FHIR R4.",
        ),
        (
            add("Patient", "contact", {"part": [part("gender", "male", "Code")] * 2}),
            "A part that does not repeat was given twice.",
        ),
        (add("Patient", "contact", {"part": [part("gender", "male", "Code")], **STRING}), PARTS),
        (add("Patient", "gender", {"part": [part("id", "x")]}), TYPE),
        (add("Patient", "contained", {"valueString": "x"}), TYPE),
        (add("Patient", "contained", {"resource": {"id": "x"}}), TYPE),
        (add("Patient", "name", {"resource": {"resourceType": "Group"}}), TYPE),
        (add("Patient", "contained", {"resource": {"resourceType": "Group"}, **STRING}), PARTS),
        (add("Patient", "gender", {"valueCode": "male", "_valueCode": []}), PARTS),
        (add("Patient", "gender", {"valueCode": None}), PARTS),
        (add("Patient", "maritalStatus", {**MARRIED, "_valueCodeableConcept": {"id": "x"}}), PARTS),
        (insert("Patient", 0, STRING), LIST),
        (insert("Patient.name[0]", 0, {"valueHumanName": {"text": "x"}}), LIST),
        (insert("Patient.birthDate", 0, {"valueDate": "2020"}), LIST),
        (insert("Patient.name.given", 0, STRING), SEVERAL),
        (insert("Patient.name", 3, {"valueHumanName": {"text": "x"}}), "The part index must be from 0 to 2."),
        (
            insert("Patient.name", -1, {"valueHumanName": {"text": "x"}}),
            "The part index must be from 0 to 2.",
        ),
        (
            insert("Patient.name", "1", {"valueHumanName": {"text": "x"}}),
            "The part index must be valueInteger.",
        ),
        (delete("Patient"), ROOT),
        (delete("Patient.name"), SEVERAL),
        (delete("Patient.nickname"), "Patient has no such element in FHIR R4."),
        (delete("Patient.photo.nickname"), "Attachment has no such element in FHIR R4."),
        (delete("Patient.resourceType"), "Patient has no such element in FHIR R4."),
        (replace("Patient", STRING), ROOT),
        (replace("Patient.gender", {"valueCode": "male"}), NOTHING),
        (replace("Patient.name[9]", {"valueHumanName": {"text": "x"}}), NOTHING),
        (replace("Patient.name.family", {"valueInteger": 1}), TYPE),
        (replace("Patient.name", {"valueHumanName": {"text": "x"}}), SEVERAL),
        (
            replace("Patient.deceased", STRING),
            DATE_TIME,
        ),
        (move("Patient.name", 2, 0), "The part source must be from 0 to 1."),
        (move("Patient.name", 0, 2), "The part destination must be from 0 to 1."),
        (move("Patient.photo", 0, 0), "There is nothing in the list to move."),
        (delete("Patient.id"), FIXED),
        (replace("Patient.id", {"valueId": "p2"}), FIXED),
        (delete("Patient.meta"), FIXED),
        (replace("Patient.meta", {"valueMeta": {"tag": [{"code": "x"}]}}), FIXED),
        (replace("Patient.meta.versionId", {"valueId": "9"}), FIXED),
        (delete("Patient.meta.lastUpdated"), FIXED),
    ],
)
def test_an_operation_that_cannot_be_applied_is_refused_by_its_number(patient, refused, parameter, text):
    harmless = replace("Patient.active", {"valueBoolean": False})
    issue = refused(lambda: patch(patient, harmless, parameter, harmless))
    assert issue.text == f"Operation 2: {text}"
    assert issue.expression == "Parameters.parameter[1]"


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"valueCodeableConcept": {"coding": "x"}}, "Patient.maritalStatus.coding"),
        ({"valueCodeableConcept": {"coding": ["x"]}}, "Patient.maritalStatus.coding.code"),
        ({"valueCodeableConcept": {"text": "x", "_text": ["y"]}}, "Patient.maritalStatus.text.id"),
    ],
)
def test_a_path_through_content_of_a_wrong_type_is_refused(patient, refused, value, where):
    issue = refused(lambda: patch(patient, add("Patient", "maritalStatus", value), delete(where)))
    assert issue.text == "Operation 2: The path leads through content that is not of its type in FHIR R4."


def test_a_contained_resource_without_a_type_has_no_elements(patient, refused):
    patient["contained"] = [{"id": "x"}]
    issue = refused(lambda: patch(patient, delete("Patient.contained.name")))
    assert issue.text == "Operation 1: The path leads through content that is not of its type in FHIR R4."


def test_parts_cannot_say_which_type_of_a_choice_they_are(observation, refused):
    value = {"part": [part("value", Decimal("1.0"), "Decimal")]}
    del observation["valueQuantity"]
    issue = refused(lambda: patch(observation, add("Observation", "value", value)))
    assert issue.text == (
        "Operation 1: Name the element with its type, such as valueQuantity, "
        "when its value is given in parts."
    )
    patched = patch(observation, add("Observation", "valueQuantity", value))
    assert patched["valueQuantity"] == {"value": Decimal("1.0")}


def test_too_many_operations_are_refused(patient, refused):
    operations = [delete("Patient.photo")] * 1001
    assert refused(lambda: patch(patient, *operations)).text == "A patch may have at most 1000 operations."


def test_a_patch_that_takes_too_much_work_is_refused(refused):
    crowd = identifiers(*range(2_000))
    operations = [delete("Patient.identifier.where(value = 'none' or system = 'none')")] * 1_000
    issue = refused(lambda: patch(crowd, *operations))
    assert issue.text.endswith(
        "The patch takes too much work. Send shorter paths, or fewer operations at a time."
    )


def test_a_value_that_makes_the_resource_too_large_is_refused(patient, refused):
    crowd = [{"name": "value", "valueHumanName": {"text": "x" * 1_000_000}}] * 17
    operations = [operation("add", path("Patient"), part("name", "name"), value) for value in crowd]
    issue = refused(lambda: patch(patient, *operations))
    assert issue.text == "The resource would become larger than 16 MiB."


def test_values_that_nest_too_deeply_are_refused(patient, refused):
    value = {"part": [part("url", "http://example.org/x", "Uri")]}
    for _ in range(70):
        value = {"part": [part("url", "http://example.org/x", "Uri"), {"name": "extension", **value}]}
    issue = refused(lambda: patch(patient, add("Patient", "extension", value)))
    assert issue.text == "The resource would be nested more than 64 levels deep."


def test_a_refusal_repeats_neither_the_request_nor_the_resource(patient):
    for parameter in (
        replace("Patient.name.where(family = 'Secret')", {"valueHumanName": {"text": "x"}}),
        delete("Secret.name"),
        delete("Patient.Secret"),
        add("Patient", "Secret", STRING),
        operation("Secret"),
        replace("Patient.birthDate", {"valueDate": "Secret"}),
        operation("delete", path("Patient.name"), part("Secret", "x")),
        add("Patient", "contained", {"resource": {"resourceType": "Secret"}}),
    ):
        with pytest.raises(BadRequest) as caught:
            patch(patient, parameter)
        assert "Secret" not in str(caught.value)
        assert "Muir" not in str(caught.value)


def test_a_refused_patch_leaves_the_resource_as_it_was(patient):
    before = copy.deepcopy(patient)
    with pytest.raises(BadRequest):
        patch(patient, delete("Patient.name[0]"), delete("Patient.birthDate.extension"), delete("Patient.x"))
    assert patient == before


def test_the_resource_and_the_patch_given_are_never_changed(patient):
    value = {"valueIdentifier": {"value": "C-3", "period": {"start": "2020"}}}
    body = {
        "resourceType": "Parameters",
        "parameter": [
            add("Patient", "identifier", value),
            replace("Patient.identifier.last().period.start", {"valueDateTime": "2021"}),
        ],
    }
    before = copy.deepcopy((patient, body))
    patched = apply_fhirpath_patch(patient, body)
    assert (patient, body) == before
    assert patched["identifier"][2] == {"value": "C-3", "period": {"start": "2021"}}
