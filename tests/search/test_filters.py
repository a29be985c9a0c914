"""``_filter``: one expression for what many parameters say.

Source: https://hl7.org/fhir/R4/search_filter.html
"""

from __future__ import annotations

import pytest

from models.errors import BadRequest


@pytest.fixture
async def people(shelf):
    for key, family, born, active in (
        ("anna", "Adams", "1980-05-01", True),
        ("ben", "Brown (née Kim)", "1990", False),
        ("cleo", "Adamson", None, True),
    ):
        person = {"resourceType": "Patient", "id": key, "name": [{"family": family}], "active": active}
        await shelf.put(person | ({"birthDate": born} if born else {}))
    order = {"resourceType": "MedicationRequest", "intent": "order", "status": "active"}
    await shelf.put(order | {"id": "o", "subject": {"reference": "Patient/anna"}})
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('family eq "adams"', ["anna"]),
        ('family ne "Adams"', ["ben", "cleo"]),
        ('family co "dam"', ["anna", "cleo"]),
        ('family sw "adam"', ["anna", "cleo"]),
        ('family ew "son"', ["cleo"]),
        ('family eq "brown (née kim)"', ["ben"]),
        ('family eq "Adams, B"', []),
        ("birthdate ge 1990", ["ben"]),
        ("birthdate gt 1985 or birthdate lt 1985", ["anna", "ben"]),
        ("birthdate eq 1980-05", ["anna"]),
        ("birthdate ne 1980", ["ben"]),
        ("birthdate sa 1980-05-01", ["ben"]),
        ("birthdate eb 1990", ["anna"]),
        ("birthdate pr true", ["anna", "ben"]),
        ("birthdate pr false", ["cleo"]),
        ("not (birthdate pr true)", ["cleo"]),
        ("not(active eq true)", ["ben"]),
        ("active eq true and birthdate pr true", ["anna"]),
        ("_id eq ben or active eq true and birthdate pr true", ["anna", "ben"]),
        ("active eq true or _id eq ben and birthdate pr true", ["anna", "ben"]),
        ("_id eq ben or (active eq true and birthdate pr true)", ["anna", "ben"]),
        ("_id eq cleo or (active eq true and (birthdate ge 2000 or _id eq anna))", ["anna", "cleo"]),
        ("gender in http://hl7.org/fhir/ValueSet/administrative-gender", []),
        ("gender ni http://hl7.org/fhir/ValueSet/administrative-gender", ["anna", "ben", "cleo"]),
    ],
)
async def test_an_expression_chooses_what_it_says(people, text, expected):
    assert await people.matching("Patient", "_filter", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('subject.family co "dams"', ["o"]),
        ('patient.family ne "adams"', []),
        ("subject re Patient/anna", ["o"]),
        ("patient eq anna and status eq active", ["o"]),
        ("_lastUpdated gt 2025", ["o"]),
    ],
)
async def test_an_expression_follows_references(people, text, expected):
    assert await people.matching("MedicationRequest", "_filter", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "family",
        "family eq",
        'family eq "adams',
        'family eq "adams" and',
        '(family eq "adams"',
        'family eq "adams")',
        "not family eq adams",
        "family gt adams",
        "birthdate co 1980",
        "birthdate ge ge1980",
        "birthdate ge yesterday",
        "birthdate pr maybe",
        "active eq true active eq false",
        "name[use eq official].family eq x",
        "family:exact eq adams",
        "gender in http://elsewhere.test/ValueSet/x",
        "(" * 25 + "active eq true" + ")" * 25,
        " and ".join(["active eq true"] * 51),
        'family eq "\\ud800"',
    ],
)
async def test_an_expression_that_cannot_be_read_is_refused_and_not_repeated(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.matching("Patient", "_filter", text)
    assert "adams" not in refused.value.issues[0].text


async def test_an_expression_about_an_unknown_parameter_is_refused_when_strict(shelf):
    with pytest.raises(BadRequest) as refused:
        await shelf.matching("Patient", "_filter", "shoe-size eq 9")
    assert refused.value.issues[0].text == "Patient has no search parameter 'shoe-size'."


@pytest.mark.parametrize("text", ["family:equals=x", "family:ends=x", "birthdate:gt=2026", "family:co=x"])
async def test_an_operator_is_no_modifier(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Patient", text)
    assert refused.value.issues[0].code == "not-supported"


@pytest.fixture
async def cared_for(people):
    """Two patients of two practitioners each; of one, no practitioner has both names."""
    for key, family, given in (("ak", "Adler", "Kim"), ("bl", "Berg", "Lou"), ("al", "Adler", "Lou")):
        name = [{"family": family, "given": [given]}]
        await people.put({"resourceType": "Practitioner", "id": key, "name": name})
    for key, carers in (("one", ("ak", "bl")), ("two", ("al", "bl"))):
        refs = [{"reference": f"Practitioner/{carer}"} for carer in carers]
        await people.put({"resourceType": "Patient", "id": key, "generalPractitioner": refs})
    seen = {"resourceType": "Observation", "id": "seen", "subject": {"reference": "Patient/two"}}
    await people.put(seen | {"status": "final", "code": {"coding": [{"code": "x"}]}})
    told = {"resourceType": "Provenance", "id": "told", "target": [{"reference": "Observation/seen"}]}
    await people.put(told)
    return people


@pytest.mark.parametrize(
    ("resource_type", "text", "expected"),
    [
        (
            "Patient",
            "general-practitioner.family eq adler and general-practitioner.given eq lou",
            ["one", "two"],
        ),
        ("Patient", "general-practitioner[family eq adler].given eq lou", ["two"]),
        ("Patient", "general-practitioner[family eq adler and given eq kim]._id pr true", ["one"]),
        ("Patient", "general-practitioner[not (family eq adler)].given eq lou", ["one", "two"]),
        ("Patient", "not (general-practitioner[family eq adler].given eq lou) and _id eq one", ["one"]),
        ("Patient", "general-practitioner[ family eq nobody ].given eq lou", []),
        ("Observation", "subject.general-practitioner[family eq adler].given eq lou", ["seen"]),
        ("Observation", "subject[_id eq two].general-practitioner[family eq adler].given eq kim", []),
        (
            "Observation",
            "patient[_id eq two and general-practitioner[family eq adler].given eq lou]._id pr true",
            ["seen"],
        ),
        ("Provenance", "target[_id eq seen and status eq final].code eq x", ["told"]),
        ("Provenance", "target[_id eq seen and status eq amended].code eq x", []),
    ],
)
async def test_what_is_said_in_brackets_holds_for_the_same_resource(cared_for, resource_type, text, expected):
    assert await cared_for.matching(resource_type, "_filter", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "general-practitioner[family eq adler]",
        "general-practitioner[family eq adler].",
        "general-practitioner[family eq adler.given eq lou",
        "general-practitioner[].given eq lou",
        "family[given eq lou].given eq lou",
        "nothing[given eq lou].given eq lou",
        "general-practitioner[nothing eq lou].given eq lou",
        "a[" * 30,
        "link[" * 30 + "_id eq a" + "]._id eq a" * 30,
    ],
)
async def test_brackets_that_choose_from_nothing_are_refused(people, text):
    with pytest.raises(BadRequest):
        await people.matching("Patient", "_filter", text)
