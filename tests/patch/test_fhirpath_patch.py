"""FHIRPath Patch on resources. Source: https://hl7.org/fhir/R4/fhirpatch.html."""

from __future__ import annotations

from decimal import Decimal

import pytest
from patch_kit import (
    MARRIED,
    PATIENT,
    add,
    delete,
    identifiers,
    insert,
    move,
    operation,
    part,
    patch,
    path,
    replace,
)

from models.document import parse, serialize
from service.patch import apply_fhirpath_patch

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


def test_a_path_may_be_written_as_a_code(patient):
    assert "active" in patient
    patched = patch(patient, operation("delete", part("path", "Patient.active", "Code")))
    assert patched == {key: value for key, value in patient.items() if key != "active"}


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
