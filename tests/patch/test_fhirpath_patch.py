"""FHIRPath Patch on resources. Source: https://hl7.org/fhir/R4/fhirpatch.html."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest

from models.document import parse, serialize
from models.errors import BadRequest
from service.patch import apply_fhirpath_patch


def part(name, value=None, type_="String", **members):
    return {"name": name, **({} if value is None else {f"value{type_}": value}), **members}


def operation(type_, *parts, **members):
    return {"name": "operation", "part": [part("type", type_, "Code"), *parts], **members}


def path(text):
    return part("path", text)


def add(where, name, value):
    return operation("add", path(where), part("name", name), {"name": "value", **value})


def insert(where, index, value):
    return operation("insert", path(where), part("index", index, "Integer"), {"name": "value", **value})


def delete(where):
    return operation("delete", path(where))


def replace(where, value):
    return operation("replace", path(where), {"name": "value", **value})


def move(where, source, destination):
    numbers = part("source", source, "Integer"), part("destination", destination, "Integer")
    return operation("move", path(where), *numbers)


def patch(document, *operations):
    return apply_fhirpath_patch(document, {"resourceType": "Parameters", "parameter": list(operations)})


def identifiers(*values):
    items = [{"system": "http://example.org", "value": f"value {value}"} for value in values]
    return {"resourceType": "Patient", "identifier": items}


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
PATIENT = {"resourceType": "Patient"}
MARRIED = {"valueCodeableConcept": {"text": "married"}}


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


CONTACT = {"name": {"text": "a name"}, "gender": "male"}
WITH_CONTACT = {**PATIENT, "contact": [CONTACT]}
OFFICIAL = {**PATIENT, "maritalStatus": {"id": "1", "text": "married"}}
THIRD = {"valueIdentifier": {"system": "http://example.org", "value": "value 3"}}

HL7 = {
    "No Difference": ({**PATIENT, "birthDate": "1920-01-01"}, [], {**PATIENT, "birthDate": "1920-01-01"}),
    "Replace Primitive": (
        {**PATIENT, "birthDate": "1920-01-01"},
        [replace("Patient.birthDate", {"valueDate": "1930-01-01"})],
        {**PATIENT, "birthDate": "1930-01-01"},
    ),
    "Delete Primitive": ({**PATIENT, "birthDate": "1920-01-01"}, [delete("Patient.birthDate")], PATIENT),
    "Add Primitive": (
        PATIENT,
        [add("Patient", "birthDate", {"valueDate": "1930-01-01"})],
        {**PATIENT, "birthDate": "1930-01-01"},
    ),
    "Replace Nested Primitive #1": (
        WITH_CONTACT,
        [replace("Patient.contact[0].gender", {"valueCode": "female"})],
        {**PATIENT, "contact": [{**CONTACT, "gender": "female"}]},
    ),
    "Replace Nested Primitive #2": (
        WITH_CONTACT,
        [replace("Patient.contact[0].name.text", {"valueString": "the name"})],
        {**PATIENT, "contact": [{**CONTACT, "name": {"text": "the name"}}]},
    ),
    "Delete Nested Primitive #1": (
        WITH_CONTACT,
        [delete("Patient.contact[0].gender")],
        {**PATIENT, "contact": [{"name": {"text": "a name"}}]},
    ),
    "Delete Nested Primitive #2": (
        WITH_CONTACT,
        [delete("Patient.contact[0].name.text")],
        {**PATIENT, "contact": [{"gender": "male"}]},
    ),
    "Add Nested Primitive": (
        {**PATIENT, "contact": [{"name": {"text": "a name"}}]},
        [add("Patient.contact[0]", "gender", {"valueCode": "male"})],
        WITH_CONTACT,
    ),
    "Add Complex": (
        PATIENT,
        [add("Patient", "maritalStatus", MARRIED)],
        {**PATIENT, "maritalStatus": {"text": "married"}},
    ),
    "Replace Complex": (
        OFFICIAL,
        [replace("Patient.maritalStatus", {"valueCodeableConcept": {"id": "2", "text": "not married"}})],
        {**PATIENT, "maritalStatus": {"id": "2", "text": "not married"}},
    ),
    "Delete Complex": (OFFICIAL, [delete("Patient.maritalStatus")], PATIENT),
    "Add Anonymous Type": (
        PATIENT,
        [add("Patient", "contact", {"part": [part("name", {"text": "a name"}, "HumanName")]})],
        {**PATIENT, "contact": [{"name": {"text": "a name"}}]},
    ),
    "Delete Anonymous Type": (WITH_CONTACT, [delete("Patient.contact[0]")], PATIENT),
    "List unchanged": (identifiers(1, 2), [], identifiers(1, 2)),
    "List unchanged, contents changed": (
        identifiers(1, 2),
        [
            replace("Patient.identifier[0].value", {"valueString": "value 2"}),
            replace("Patient.identifier[1].value", {"valueString": "value 1"}),
        ],
        identifiers(2, 1),
    ),
    "Add to list": (identifiers(1, 2), [insert("Patient.identifier", 2, THIRD)], identifiers(1, 2, 3)),
    "Insert in list #1": (identifiers(1, 2), [insert("Patient.identifier", 1, THIRD)], identifiers(1, 3, 2)),
    "Insert in list #2": (identifiers(1, 2), [insert("Patient.identifier", 0, THIRD)], identifiers(3, 1, 2)),
    "Delete from List #1": (identifiers(1, 2, 3), [delete("Patient.identifier[0]")], identifiers(2, 3)),
    "Delete from List #2": (identifiers(1, 2, 3), [delete("Patient.identifier[1]")], identifiers(1, 3)),
    "Delete from List #3": (identifiers(1, 2, 3), [delete("Patient.identifier[2]")], identifiers(1, 2)),
    "Reorder List #1": (identifiers(1, 2, 3, 4), [move("Patient.identifier", 3, 1)], identifiers(1, 4, 2, 3)),
    "Reorder List #2": (identifiers(1, 2, 3, 4), [move("Patient.identifier", 3, 0)], identifiers(4, 1, 2, 3)),
    "Reorder List #3": (identifiers(1, 2, 3, 4), [move("Patient.identifier", 3, 2)], identifiers(1, 2, 4, 3)),
    "Reorder List #4": (identifiers(1, 2, 3, 4), [move("Patient.identifier", 0, 3)], identifiers(2, 3, 4, 1)),
    "Reorder List #5": (
        identifiers(1, 2, 3, 4),
        [move("Patient.identifier", 1, 0), move("Patient.identifier", 2, 1)],
        identifiers(2, 3, 1, 4),
    ),
    "Reorder List #6": (
        identifiers(1, 2, 3, 4),
        [move("Patient.identifier", 3, to) for to in (0, 1, 2)],
        identifiers(4, 3, 2, 1),
    ),
    "Operation on missing element #2": (PATIENT, [add("Patient", "identifier", THIRD)], identifiers(3)),
    "Full Resource": (
        {**PATIENT, "text": {"status": "generated", "div": "<div>a</div>"}},
        [replace("Patient.text.div", {"valueString": "<div>b</div>"})],
        {**PATIENT, "text": {"status": "generated", "div": "<div>b</div>"}},
    ),
}
"""HL7's test cases for R4 by their names; "Operation on missing element" is among the refusals."""


@pytest.mark.parametrize("name", HL7)
def test_the_cases_of_hl7_give_their_results(name):
    before, operations, after = HL7[name]
    assert patch(before, *operations) == after


def test_deleting_what_is_not_there_is_no_error(patient):
    operations = [delete("Patient.gender"), delete("Patient.photo[0].url"), delete("Patient.name[7]")]
    assert patch(patient, *operations) == patient


def test_a_primitive_moves_with_its_extensions(patient):
    patched = patch(patient, move("Patient.name[0].given", 1, 0), delete("Patient.name[0].given[2]"))
    assert patched["name"][0]["given"] == ["Bo", "Ada"]
    assert patched["name"][0]["_given"] == [{"id": "second"}, None]


def test_a_primitive_leaves_with_its_extensions(patient):
    patched = patch(patient, delete("Patient.name[0].given[1]"), delete("Patient.birthDate"))
    assert patched["name"][0] == {"use": "official", "family": "Muir", "given": ["Ada", "Cy"]}
    assert {"birthDate", "_birthDate"}.isdisjoint(patched)


def test_the_extensions_of_a_primitive_can_be_patched(patient):
    url = "http://example.org/time"
    patched = patch(
        patient,
        replace(
            f"Patient.birthDate.extension('{url}').value", {"valueDateTime": "1974-12-25T15:00:00-05:00"}
        ),
        add("Patient.name[0].family", "extension", {"part": [part("url", url, "Uri"), part("value", "VV")]}),
    )
    assert patched["_birthDate"]["extension"] == [{"url": url, "valueDateTime": "1974-12-25T15:00:00-05:00"}]
    assert patched["name"][0]["family"] == "Muir"
    assert patched["name"][0]["_family"] == {"extension": [{"url": url, "valueString": "VV"}]}


def test_a_primitive_without_its_last_extension_keeps_its_value(patient):
    patched = patch(patient, delete("Patient.birthDate.extension[0]"), delete("Patient.name.given[1].id"))
    assert patched["birthDate"] == "1974-12-25"
    assert "_birthDate" not in patched
    assert "_given" not in patched["name"][0]


def test_an_extension_alone_stands_for_a_primitive_value(patient):
    absent = {"extension": [{"url": "http://example.org/absent", "valueCode": "unknown"}]}
    patched = patch(
        patient,
        replace("Patient.birthDate", {"_valueDate": absent}),
        insert("Patient.name[1].given", 0, {"_valueString": absent}),
    )
    assert "birthDate" not in patched
    assert patched["_birthDate"] == absent
    assert patched["name"][1]["given"] == [None, "Addie"]
    assert patched["name"][1]["_given"] == [absent, None]
    assert "_birthDate" not in patch(patched, delete("Patient.birthDate.extension[0]"))


def test_a_choice_is_named_without_its_type(observation):
    patched = patch(
        observation,
        replace("Observation.value", {"valueString": "heavy"}),
        replace("Observation.effective", {"valueDate": "2026-05"}),
        delete("Observation.component[1].value"),
        add("Observation.component[1]", "value", {"valueBoolean": True}),
    )
    assert "valueQuantity" not in patched
    assert patched["valueString"] == "heavy"
    assert patched["effectiveDateTime"] == "2026-05"
    assert patched["component"][1] == {"code": {"text": "right"}, "valueBoolean": True}


def test_an_anonymous_type_is_built_from_nested_parts():
    item = {
        "part": [
            part("linkId", "1"),
            {
                "name": "item",
                "part": [
                    part("linkId", "1.1"),
                    part("type", "x", "Code"),
                    part("code", {"code": "a"}, "Coding"),
                ],
            },
            {
                "name": "item",
                "part": [
                    part("linkId", "1.2"),
                    part("code", {"code": "b"}, "Coding"),
                    part("code", {"code": "c"}, "Coding"),
                ],
            },
        ]
    }
    patched = patch({"resourceType": "Questionnaire", "status": "draft"}, add("Questionnaire", "item", item))
    assert patched["item"] == [
        {
            "linkId": "1",
            "item": [
                {"linkId": "1.1", "type": "x", "code": [{"code": "a"}]},
                {"linkId": "1.2", "code": [{"code": "b"}, {"code": "c"}]},
            ],
        }
    ]


def test_a_contained_resource_can_be_added_and_patched(patient):
    patched = patch(
        patient,
        add(
            "Patient", "contained", {"resource": {"resourceType": "Organization", "id": "org", "name": "Old"}}
        ),
        replace("Patient.contained.where(id = 'org').ofType(Organization).name", {"valueString": "New"}),
    )
    assert patched["contained"] == [{"resourceType": "Organization", "id": "org", "name": "New"}]


def test_other_meta_may_be_changed(patient):
    patched = patch(
        patient,
        add("Patient.meta", "profile", {"valueCanonical": "http://example.org/p"}),
        delete("Patient.meta.tag.where(code = 'demo')"),
    )
    assert patched["meta"] == {
        **{key: patient["meta"][key] for key in ("versionId", "lastUpdated")},
        "profile": ["http://example.org/p"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gender", {"valueString": "male"}),
        ("gender", {"valueCode": "male"}),
        ("language", {"valueString": "en"}),
        ("implicitRules", {"valueUrl": "http://example.org"}),
        ("implicitRules", {"valueString": "http://example.org"}),
        ("multipleBirth", {"valuePositiveInt": 2}),
    ],
)
def test_a_value_of_a_type_that_json_writes_alike_is_accepted(patient, name, value):
    (given,) = value.values()
    assert given in patch(patient, add("Patient", name, value)).values()


def test_an_age_is_given_as_a_quantity():
    condition = {"resourceType": "Condition", "id": "c1"}
    age = {"value": Decimal("42.0"), "unit": "a"}
    patched = patch(condition, add("Condition", "onset", {"valueQuantity": age}))
    assert patched["onsetAge"] == age


def test_the_type_may_be_sent_as_a_string(patient):
    parts = [part("type", "delete"), path("Patient.active")]
    assert "active" not in patch(patient, {"name": "operation", "part": parts})


def test_digits_offsets_and_precision_stay_as_sent(observation):
    body = parse(
        b"""{"resourceType": "Parameters", "parameter": [
        {"name": "operation", "part": [
          {"name": "type", "valueCode": "replace"},
          {"name": "path", "valueString": "Observation.value.value"},
          {"name": "value", "valueDecimal": 0.50}]},
        {"name": "operation", "part": [
          {"name": "type", "valueCode": "add"},
          {"name": "path", "valueString": "Observation"},
          {"name": "name", "valueString": "component"},
          {"name": "value", "part": [
            {"name": "value", "valueQuantity": {"value": 10.0}}]}]},
        {"name": "operation", "part": [
          {"name": "type", "valueCode": "replace"},
          {"name": "path", "valueString": "Observation.effective"},
          {"name": "value", "valueDateTime": "2026-05-01T23:30:00-07:00"}]}]}"""
    )
    text = serialize(apply_fhirpath_patch(observation, body))
    assert b'"value":0.50,' in text
    assert b'"value":0.70' in text
    assert b'"value":10.0' in text
    assert b'"effectiveDateTime":"2026-05-01T23:30:00-07:00"' in text
