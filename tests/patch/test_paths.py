"""The part of FHIRPath that names elements. Source: http://hl7.org/fhirpath/N1/."""

from __future__ import annotations

import patch_kit
import pytest

UNREADABLE = (
    "Operation 1: The path is not understood. Use members, [n], first(), last(), where(), ofType(), as() and "
    "extension(), such as Patient.name.where(use = 'official').given[0]."
)


def delete(document, path):
    return patch_kit.patch(document, patch_kit.delete(path))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "   ",
        ".",
        "Patient.",
        ".name",
        "Patient..name",
        "Patient name",
        "Patient.name[",
        "Patient.name[0",
        "Patient.name[]",
        "Patient.name[-1]",
        "Patient.name[1.0]",
        "Patient.name[99999999999]",
        "Patient.name[x]",
        "[0]",
        "(Patient",
        "Patient)",
        "first()",
        "Patient.name.first",  # not a function: HumanName has no such element
        "Patient.name.first(1)",
        "Patient.name.where()",
        "Patient.name.where(use)",
        "Patient.name.where(use =)",
        "Patient.name.where(use = official)",
        "Patient.name.where(use = 'official'",
        "Patient.name.where(use = 'official)",
        "Patient.name.where(use ~ 'official')",
        "Patient.name.where(use = 'official' and)",
        "Patient.name.where(use = 'official' use = 'x')",
        "Patient.name.where(use.exists(1))",
        "Patient.name.exists()",
        "Patient.name.where($this)",
        "Patient.name.ofType('HumanName')",
        "Patient.extension(http)",
        "Patient.extension()",
        "Patient.name as",
        "Patient.name.tail()",
        "Patient.name.given.matches('(a+)+b')",
        "Patient.repeat(contained)",
        "Patient.managingOrganization.resolve().name",
        "Patient.name | Patient.contact",
        "%resource.name",
        "Patient.name; delete",
        "Patient.n\u00e4me",
        "Patient.name\x00",
    ],
)
def test_a_path_that_cannot_be_read_is_refused(patient, refused, path):
    issue = refused(lambda: delete(patient, path))
    assert issue.expression == "Parameters.parameter[0]"
    assert issue.text in {
        UNREADABLE,
        "Operation 1: HumanName has no such element in FHIR R4.",
        "Operation 1: The part path must be valueString.",
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Group.name", "The path must start with the type of the resource."),
        ("Observation", "The path must start with the type of the resource."),
        ("Patient." + "a" * 2000, "A path may have at most 2000 characters."),
        ("(" * 9 + "Patient" + ")" * 9, "A path may be nested at most 8 deep."),
        (
            "Patient.contact.where(" + "(" * 9 + "gender = 'x'" + ")" * 10,
            "A path may be nested at most 8 deep.",
        ),
        ("Patient.birthDate.value", "date has no such element in FHIR R4."),
        ("Patient.contact.where(nickname = 'x')", "Patient.contact has no such element in FHIR R4."),
        ("Patient.photo.where(nickname.exists())", "Attachment has no such element in FHIR R4."),
        ("Patient.deceased.ofType(Quantity)", "The element is never of the type that the path names."),
        ("Patient.name.text[0]._id", "string has no such element in FHIR R4."),
    ],
)
def test_a_path_that_names_nothing_of_the_type_is_refused(patient, refused, path, text):
    assert refused(lambda: delete(patient, path)).text == f"Operation 1: {text}"


def first_name(patient):
    del patient["name"][0]


def second_name(patient):
    del patient["name"][1]


def second_identifier(patient):
    del patient["identifier"][1]


def deceased(patient):
    del patient["deceasedBoolean"]


def nothing(_):
    pass


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("Patient.name[0]", first_name),
        ("name[0]", first_name),
        ("Resource.name[0]", first_name),
        (" Patient . name [ 0 ] ", first_name),
        ("Patient.`name`[0]", first_name),
        ("Patient.name.first()", first_name),
        ("Patient.name.last()", second_name),
        ("(Patient.name)[1]", second_name),
        ("Patient.name.where(use = 'usual')", second_name),
        ("Patient.name.where(use != 'official')", second_name),
        ("Patient.name.where(family.exists())", first_name),
        ("Patient.name.where(family.empty())", second_name),
        ("Patient.name.where(given = 'Addie')", second_name),
        ("Patient.name.where(given[1] = 'Bo')", first_name),
        ("Patient.name.where(given.where($this = 'Cy').exists())", first_name),
        ("Patient.name.where(use = 'official' and family = 'Muir')", first_name),
        ("Patient.name.where(use = 'usual' and family = 'Muir')", nothing),
        ("Patient.name.where(use = 'x' or use = 'usual' and family.empty())", second_name),
        ("Patient.name.where((use = 'x' or use = 'usual') and family.exists())", nothing),
        ("Patient.name.where(given = 'Ada')", nothing),
        ("Patient.name.where(text != 'x')", nothing),
        ("Patient.identifier.where(system = 'http://example.org/b' and value = 'B-2')", second_identifier),
        (r"Patient.identifier.where(value = 'B\u002d2')", second_identifier),
        (r"Patient.identifier.where(value = 'B\-2')", second_identifier),
        ("Patient.deceased", deceased),
        ("Patient.deceasedBoolean", deceased),
        ("Patient.deceased.ofType(boolean)", deceased),
        ("Patient.deceased.as(boolean)", deceased),
        ("Patient.deceased as boolean", deceased),
        ("(Patient.deceased as FHIR.boolean)", deceased),
        ("Patient.deceased.where($this = false)", deceased),
        ("Patient.deceased.where($this = true)", nothing),
        ("Patient.deceased.where($this = 0)", nothing),
        ("Patient.deceased.ofType(dateTime)", nothing),
        ("Patient.birthDate.where($this = @2000-01-01)", nothing),
        ("Patient.contained.whatever.more", nothing),
    ],
)
def test_a_path_names_what_fhirpath_says(patient, path, change):
    patched = delete(patient, path)
    change(patient)
    assert patched == patient


def test_a_date_is_compared_as_it_is_written(patient):
    patched = delete(patient, "Patient.birthDate.where($this = @1974-12-25)")
    assert {"birthDate", "_birthDate"}.isdisjoint(patched)


@pytest.mark.parametrize("number", ["1.5", "1.50", "1.500"])
def test_numbers_are_equal_by_value(observation, number):
    patched = delete(observation, f"Observation.value.where(value = {number})")
    assert "valueQuantity" not in patched


@pytest.mark.parametrize(
    "path", ["Observation.value.where(value = '1.50')", "Observation.value.where(value = 2)"]
)
def test_a_number_equals_no_other_number_and_no_string(observation, path):
    assert delete(observation, path) == observation


def test_a_cast_keeps_one_type_of_a_choice(observation):
    patched = delete(observation, "(Observation.component.value as Quantity).value")
    assert patched["component"] == [
        {"code": {"text": "left"}},
        {"code": {"text": "right"}, "valueString": "none"},
    ]


def test_an_extension_is_named_by_its_url(patient):
    patched = delete(patient, "Patient.birthDate.extension('http://example.org/time').value")
    assert patched["_birthDate"] == {"extension": [{"url": "http://example.org/time"}]}
