"""``$match`` finds who a described person may be, says how sure it is, and merges nobody."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operations_kit import issue, parameters, resources

from service.operations.likeness import GRADES, grade, likeness, person

SYSTEM = "https://match.example/mrn"


@pytest.fixture
def known(store):
    """Somebody whose name nobody else has."""
    unique, phone = uuid4().hex, str(uuid4().int)[:10]
    return store(
        "Patient",
        identifier=[{"system": SYSTEM, "value": unique}],
        name=[{"family": f"Müller{unique}", "given": [f"Anna{unique}"]}],
        birthDate="1980-05-17",
        gender="female",
        telecom=[
            {"system": "phone", "value": f"+1 {phone[:3]} {phone[3:]}"},
            {"system": "email", "value": f"{unique}@a.ex"},
        ],
        address=[{"line": ["1 Main St"], "city": "Boston", "postalCode": "02101"}],
    )


def described(known, *names, **changes):
    return {"resourceType": "Patient", **{name: known[name] for name in names}, **changes}


def ask(client, patient, **options):
    answer = client.post("/Patient/$match", json=parameters(resource=patient, **options))
    assert answer.status_code == 200, answer.text
    return answer


def graded(answer):
    return [
        (entry["resource"]["id"], entry["search"]["extension"][0]["valueCode"])
        for entry in answer.json().get("entry", [])
    ]


def test_a_description_that_is_no_valid_patient_is_refused(client):
    found = issue(client.post("/Patient/$match", json={"resourceType": "Patient", "gender": "x"}), 400)
    assert found["expression"] == ["Patient.gender"]
    assert issue(client.post("/Patient/$match", json={"resourceType": "Goal"}), 400)["code"] == "structure"


@pytest.mark.parametrize(
    "members", [{}, {"gender": "male"}, {"birthDate": "1980-01-01"}, {"name": [{"family": "Smith"}]}]
)
def test_a_description_that_could_be_of_anybody_is_refused(client, members):
    answer = client.post("/Patient/$match", json={"resourceType": "Patient", **members})
    assert issue(answer, 400)["code"] == "required"


def test_nobody_alike_is_an_empty_answer(client):
    nobody = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": uuid4().hex}]}
    bundle = ask(client, nobody).json()
    assert (bundle["type"], bundle["total"]) == ("searchset", 0)


def test_an_identifier_with_a_name_is_certain_and_alone_probable(client, known):
    assert graded(ask(client, described(known, "identifier", "name"))) == [(known["id"], "certain")]
    assert graded(ask(client, described(known, "identifier"))) == [(known["id"], "probable")]


def test_name_and_birth_date_are_probable_and_a_telephone_number_makes_them_certain(client, known):
    assert graded(ask(client, described(known, "name", "birthDate", "gender"))) == [(known["id"], "probable")]
    sms = {"system": "sms", "value": known["telecom"][0]["value"].replace(" ", "").removeprefix("+1")}
    answer = ask(client, described(known, "name", "birthDate", telecom=[sms]))
    assert graded(answer) == [(known["id"], "certain")]
    entry = answer.json()["entry"][0]["search"]
    assert entry["mode"] == "match"
    assert entry["score"] == 1
    assert entry["extension"][0]["url"] == "http://hl7.org/fhir/StructureDefinition/match-grade"


def test_case_accents_and_another_family_name_do_not_hide_anybody(client, known):
    folded = [
        {
            "family": known["name"][0]["family"].replace("ü", "u").upper(),
            "given": [known["name"][0]["given"][0].upper()],
        }
    ]
    assert graded(ask(client, described(known, "birthDate", name=folded))) == [(known["id"], "probable")]
    married = [{"family": "Other", "given": known["name"][0]["given"]}]
    answer = ask(client, described(known, "birthDate", "telecom", "gender", name=married))
    assert graded(answer) == [(known["id"], "possible")]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("O'Brien-{} Smith", "O'Brien-{} Smith"),
        ("O\u2019Brien {}", "OBRIEN-{}"),
        ("St. {}", "St {}"),
    ],
)
def test_punctuation_does_not_hide_anybody(client, store, name, asked):
    unique = uuid4().hex
    given, birth = ["Mary-Ann"], "1980-05-17"
    known = store("Patient", name=[{"family": name.format(unique), "given": given}], birthDate=birth)
    described = {"resourceType": "Patient", "birthDate": birth}
    described["name"] = [{"family": asked.format(unique), "given": given}]
    assert graded(ask(client, described)) == [(known["id"], "probable")]


def test_a_contradiction_keeps_a_match_from_being_certain(client, known):
    answer = ask(client, described(known, "identifier", "name", birthDate="1990-01-01"))
    assert [told for _, told in graded(answer)] == ["probable"]


def test_only_a_certain_match_that_is_alone_is_given_when_asked_for(client, known, store):
    patient = described(known, "identifier", "name")
    assert graded(ask(client, patient, onlyCertainMatches__valueBoolean=True)) == [(known["id"], "certain")]
    assert graded(ask(client, described(known, "identifier"), onlyCertainMatches__valueBoolean=True)) == []
    twin = store("Patient", identifier=known["identifier"], name=known["name"])
    assert len(graded(ask(client, patient))) == 2
    assert graded(ask(client, patient, onlyCertainMatches__valueBoolean=True)) == []
    assert len(graded(ask(client, patient, count__valueInteger=1))) == 1
    assert client.get(f"/Patient/{twin['id']}").json()["meta"]["versionId"] == "1"


def test_whom_the_caller_may_not_see_is_not_found(practice, known):
    with practice.operator("system/Patient.s?gender=male") as client:
        answer = client.post("/Patient/$match", json=described(known, "identifier", "name"))
        assert resources(answer) == []


def test_no_version_is_written(client, known, practice):
    before = practice.vault.versions()
    ask(client, described(known, "identifier", "name"))
    assert practice.vault.versions() == before


TEXTS = st.sampled_from(["Anna", "A.", "Björn", "bjorn", "x"])
PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "name": st.lists(
            st.fixed_dictionaries({}, optional={"family": TEXTS, "given": st.lists(TEXTS, min_size=1)}),
            max_size=2,
        ),
        "birthDate": st.sampled_from(["1980", "1980-05", "1980-05-17", "1981-01-01"]),
        "gender": st.sampled_from(["male", "female"]),
        "identifier": st.lists(st.builds(lambda v: {"system": SYSTEM, "value": v}, TEXTS), max_size=2),
    },
)


@given(PEOPLE, PEOPLE)
def test_likeness_is_mutual_and_a_share_of_one(one, other):
    score = likeness(person(one), person(other))
    assert 0 <= score <= 1
    assert score == likeness(person(other), person(one))


@given(PEOPLE)
def test_nobody_is_more_like_somebody_than_themselves(one):
    assert all(likeness(person(one), person(one)) >= likeness(person(one), person(two)) for two in ({}, one))


def test_a_grade_begins_at_its_least_score():
    assert [grade(least) for least, _ in GRADES] == [told for _, told in GRADES]
    assert grade(0.39) is None
