"""Whose prescription it is (RX-7)."""

from __future__ import annotations

import pytest

from models.principal import OPERATOR
from service.kat.facts import Facts
from service.kat.subject import patient_of

MRN = "https://kat.example/mrn"
SUBJECT = "MedicationRequest.subject"
UNKNOWN = "The patient is not known here. Register the patient first, or correct the reference."


def described(**changes):
    return {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"system": MRN, "value": "KAT-0001"}],
        "name": [{"family": "Synthetica", "given": ["Pat"]}],
        "birthDate": "1984-02-29",
        **changes,
    }


@pytest.fixture
def with_contained(found, sound):
    def run(**changes):
        contained = [*sound["contained"], described(**changes)]
        return found({"contained": contained, "subject": {"reference": "#p"}})

    return run


@pytest.mark.parametrize(
    ("subject", "element"),
    [
        ({"reference": "Patient/nope"}, "reference"),
        ({"reference": "Group/pat-1"}, "reference"),
        ({"reference": "#nobody"}, "reference"),
        ({"reference": "#m"}, "reference"),
        ({"reference": "https://elsewhere.example/fhir/Patient/pat-1"}, "reference"),
        ({"identifier": {"system": MRN, "value": "KAT-9999"}}, "identifier"),
        ({"identifier": {"value": "KAT-0001"}}, "identifier"),
    ],
)
def test_an_unknown_patient_is_refused(find, subject, element):
    (finding,) = find({"subject": subject})
    assert (finding.rule.id, finding.status, finding.issue.code) == ("RX-7", 422, "business-rule")
    assert (finding.expression, finding.text) == (f"{SUBJECT}.{element}", UNKNOWN)


def test_a_subject_in_words_only_is_refused(found):
    assert found({"subject": {"display": "Pat Synthetica"}}) == [("RX-7", SUBJECT)]


def test_an_identifier_of_two_patients_is_refused(find, resources):
    stored = {"Patient/twin": resources["Patient/pat-1"]}
    (finding,) = find({"subject": {"identifier": {"system": MRN, "value": "KAT-0001"}}}, stored=stored)
    assert finding.text == "Several patients have this identifier (KEY206). Refer to one by its id."


def test_a_wrong_birth_date_is_refused(find, sound):
    contained = [*sound["contained"], described(birthDate="1984-02-28")]
    (finding,) = find({"contained": contained, "subject": {"reference": "#p"}})
    assert (finding.status, finding.expression) == (422, "MedicationRequest.contained[1].birthDate")
    assert "KEY206" in finding.text
    assert "1984" not in finding.text


@pytest.mark.parametrize(
    ("changes", "element"),
    [
        ({"name": [{"family": "Placeholder"}]}, ".name"),
        ({"birthDate": "1984-02"}, ".birthDate"),
        ({"name": None}, ""),
        ({"birthDate": None}, ""),
    ],
)
def test_a_description_that_does_not_match_is_refused(with_contained, changes, element):
    assert with_contained(**changes) == [("RX-7", f"MedicationRequest.contained[1]{element}")]


def test_a_contained_patient_with_an_unknown_identifier_is_refused(with_contained):
    assert with_contained(identifier=[{"system": MRN, "value": "KAT-9999"}]) == [
        ("RX-7", f"{SUBJECT}.reference")
    ]


@pytest.mark.parametrize(
    ("element", "value"),
    [("identifier", {"system": MRN, "value": "KAT-0002"}), ("display", "Max Placeholder")],
)
def test_a_reference_whose_words_name_somebody_else_is_refused(find, element, value):
    (finding,) = find({f"subject.{element}": value})
    assert (finding.rule.id, finding.expression) == ("RX-7", f"{SUBJECT}.{element}")
    assert "KEY206" in finding.text


def test_a_contained_order_for_a_second_patient_is_refused(found, sound):
    smuggled = {"resourceType": "MedicationRequest", "id": "x", "subject": {"reference": "Patient/pat-2"}}
    assert found({"contained": [*sound["contained"], smuggled]}) == [
        ("RX-7", "MedicationRequest.contained[1].subject")
    ]


def test_an_absent_subject_is_left_to_validation(found):
    assert found({"subject": None}) == []


def test_given_names_of_a_wrong_shape_are_not_compared(found, resources):
    odd = {**resources["Patient/pat-1"], "name": [{"family": "Synthetica", "given": "Pat"}]}
    assert found({"subject.display": "Pat"}, stored={"Patient/pat-1": odd}) == [
        ("RX-7", f"{SUBJECT}.display")
    ]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/pat-1"},
        {"reference": "Patient/pat-1/_history/2"},
        {"reference": "https://kat.example/fhir/Patient/pat-1"},
        {"reference": "Patient/pat-1", "display": "SYNTHETICA, Pat"},
        {"reference": "Patient/pat-1", "display": "KAT-0001"},
        {"reference": "Patient/pat-1", "identifier": {"system": MRN, "value": "kat-0001"}},
        {"identifier": {"system": MRN, "value": "KAT-0001"}},
    ],
)
def test_a_known_patient_passes(found, subject):
    assert found({"subject": subject}) == []


def test_a_matching_description_passes_whatever_its_accents(with_contained):
    assert with_contained() == []
    assert with_contained(name=[{"family": "SYNTHETICÁ"}]) == []


@pytest.mark.parametrize(
    ("subject", "patient"),
    [
        ({"reference": "Patient/pat-1"}, "pat-1"),
        ({"identifier": {"system": MRN, "value": "KAT-0001"}}, "pat-1"),
        ({"identifier": {"system": MRN, "value": "KAT-9999"}}, None),
    ],
)
def test_the_patient_is_told_however_the_subject_names_them(resources, sound, subject, patient):
    assert patient_of({**sound, "subject": subject}, Facts(OPERATOR, resources)) == patient
