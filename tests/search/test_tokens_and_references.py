"""Tokens, references, uris and strings, on Postgres.

Source: https://hl7.org/fhir/R4/search.html#token, #reference, #string, #uri
"""

from __future__ import annotations

import pytest

from models.errors import BadRequest

LOINC = "http://loinc.org"
RX = "https://pharmacy.test/rx"


def observation(key, **more):
    return {"resourceType": "Observation", "id": key, "status": "final", **more}


def coded(*codings):
    return {
        "coding": [{"system": system, "code": code} if system else {"code": code} for system, code in codings]
    }


@pytest.fixture
async def codes(shelf):
    await shelf.put(observation("loinc", code=coded((LOINC, "44249-1"), ("urn:local", "PHQ9"))))
    await shelf.put(observation("bare", code=coded((None, "44249-1")), status="amended"))
    await shelf.put(observation("none", code={"text": "PHQ-9"}, status="registered"))
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code=44249-1", {"loinc", "bare"}),
        ("code=http://loinc.org|44249-1", {"loinc"}),
        ("code=|44249-1", {"bare"}),
        ("code=http://loinc.org|", {"loinc"}),
        ("code=urn:other|44249-1", set()),
        ("code=urn:local|phq9", {"loinc"}),
        ("code=44249-1,nothing", {"loinc", "bare"}),
        ("code=44249-1&status=final", {"loinc"}),
        ("code:not=44249-1", {"none"}),
        ("code:missing=true", set()),
        ("code:missing=false", {"loinc", "bare", "none"}),
        ("status=http://hl7.org/fhir/observation-status|final", {"loinc"}),
        ("status=http://hl7.org/fhir/observation-status|", {"loinc", "bare", "none"}),
        ("status=urn:other|final", set()),
        ("status:not=final,amended", {"none"}),
        ("combo-code=44249-1", {"loinc", "bare"}),
        ("combo-code:not=44249-1", {"none"}),
        ("code=" + ",".join(f"c{number}" for number in range(40)) + ",44249-1", {"loinc", "bare"}),
        ("_id=bare,loinc,bare", {"bare", "loinc"}),
        ("_id=nobody", set()),
        ("_id:not=bare", {"loinc", "none"}),
    ],
)
async def test_a_token_is_found_by_code_and_system(codes, text, expected):
    assert set(await codes.find("Observation", text)) == expected


async def test_an_escaped_separator_belongs_to_the_value(shelf):
    await shelf.put(
        {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:s|t", "value": "a,b|c$d"}]}
    )
    assert await shelf.find("Patient", r"identifier=urn:s\|t|a\,b\|c\$d") == ["p"]
    assert await shelf.find("Patient", "identifier=urn:s|t|a") == []


async def test_an_identifier_is_found_by_its_type(shelf):
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    await shelf.put({"resourceType": "Patient", "id": "p", "identifier": [{"type": kind, "value": "77"}]})
    assert await shelf.find(
        "Patient", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|77"
    ) == ["p"]
    assert (
        await shelf.find("Patient", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|SS|77")
        == []
    )


async def test_a_living_patient_is_found_as_not_deceased(shelf):
    await shelf.put({"resourceType": "Patient", "id": "alive"})
    await shelf.put({"resourceType": "Patient", "id": "dead", "deceasedDateTime": "2026-01-02"})
    assert await shelf.find("Patient", "deceased=false") == ["alive"]
    assert await shelf.find("Patient", "deceased=true&death-date=2026-01") == ["dead"]


async def test_a_long_value_is_still_told_apart(shelf):
    long = "urn:x:" + "a" * 500
    await shelf.put(
        {"resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:s", "value": long + "1"}]}
    )
    assert await shelf.find("Patient", f"identifier=urn:s|{long}1") == ["p"]
    assert await shelf.find("Patient", f"identifier=urn:s|{long}2") == []


@pytest.fixture
async def orders(shelf):
    order = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    await shelf.put(
        order
        | {
            "id": "m1",
            "subject": {"reference": "http://fhir.test/fhir/Patient/p1/_history/3"},
            "requester": {"reference": "Practitioner/x"},
            "supportingInformation": [{"reference": "EpisodeOfCare/e1"}, {"reference": "Observation/o1"}],
        }
    )
    await shelf.put(
        order
        | {
            "id": "m2",
            "subject": {"reference": "https://other.test/fhir/Patient/p1"},
            "requester": {"reference": "Organization/x", "identifier": {"system": "urn:npi", "value": "77"}},
        }
    )
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patient=p1", ["m1"]),
        ("patient=Patient/p1", ["m1"]),
        ("patient=http://fhir.test/fhir/Patient/p1", ["m1"]),
        ("patient:Patient=p1", ["m1"]),
        ("subject=Patient/p1", ["m1"]),
        ("subject:Patient=p1", ["m1"]),
        ("subject:Group=p1", []),
        ("subject=patient/p1", []),
        ("subject=https://other.test/fhir/Patient/p1", ["m2"]),
        ("patient:missing=true", []),
        ("requester=x", ["m1", "m2"]),
        ("requester=Practitioner/x", ["m1"]),
        ("requester:Organization=x", ["m2"]),
        ("requester:identifier=urn:npi|77", ["m2"]),
        ("requester:identifier=urn:other|77", []),
        ("episode-of-care=e1", ["m1"]),
        ("episode-of-care=EpisodeOfCare/e1", ["m1"]),
        ("episode-of-care:missing=true", ["m2"]),
        ("patient=p1,p2", ["m1"]),
    ],
)
async def test_a_reference_is_found_however_it_is_spelled(orders, text, expected):
    assert await orders.find("MedicationRequest", text) == expected


async def test_a_reference_that_is_none_is_refused(orders):
    with pytest.raises(BadRequest) as refused:
        await orders.find("MedicationRequest", "patient=Mrs%20Miller")
    assert str(refused.value) == "The value of the search parameter 'patient' cannot be read."


async def test_a_canonical_is_found_with_and_without_its_version(shelf):
    answered = {"resourceType": "QuestionnaireResponse", "id": "r", "status": "completed"}
    await shelf.put(answered | {"questionnaire": "http://fhir.test/fhir/Questionnaire/phq9|2.0"})
    await shelf.put(answered | {"id": "s", "questionnaire": "https://kat.test/gad7"})
    find = shelf.find
    assert await find(
        "QuestionnaireResponse", "questionnaire=http://fhir.test/fhir/Questionnaire/phq9|2.0"
    ) == ["r"]
    assert await find("QuestionnaireResponse", "questionnaire=http://fhir.test/fhir/Questionnaire/phq9") == [
        "r"
    ]
    assert await find("QuestionnaireResponse", "questionnaire=https://kat.test/gad7") == ["s"]
    assert await find("QuestionnaireResponse", "questionnaire=https://kat.test/GAD7") == []


@pytest.fixture
async def people(shelf):
    names = {
        "a": ("Müller", "Anna  Maria"),
        "b": ("MULLER", "Bea"),
        "c": ("Millner", "Cleo"),
        "d": ("van Buren", "D"),
    }
    for key, (family, given) in names.items():
        await shelf.put(
            {"resourceType": "Patient", "id": key, "name": [{"family": family, "given": [given]}]}
        )
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("family=mul", ["a", "b"]),
        ("family=m%C3%BCl", ["a", "b"]),
        ("name=anna maria", ["a"]),
        ("name=muller,cle", ["a", "b", "c"]),
        ("family:exact=MULLER", ["b"]),
        ("family:exact=muller", []),
        ("family:contains=LLN", ["c"]),
        ("family=uller", []),
        ("family=buren", []),
        ("family:missing=true", []),
        ("address:missing=true", ["a", "b", "c", "d"]),
        ("name=a&family=m", ["a"]),
    ],
)
async def test_a_string_is_found_by_its_beginning_whatever_its_case_and_accents(people, text, expected):
    assert await people.find("Patient", text) == expected


async def test_a_string_longer_than_the_index_column_is_found(shelf):
    long = "x" * 400
    await shelf.put({"resourceType": "Patient", "id": "p", "address": [{"text": long + " end"}]})
    assert await shelf.find("Patient", f"address={long}") == ["p"]
    assert await shelf.find("Patient", f"address={long}y") == []
    assert await shelf.find("Patient", "address:contains=END") == ["p"]


async def test_resource_labels_profiles_and_sources_are_found(shelf):
    meta = {
        "tag": [{"system": "urn:t", "code": "demo"}],
        "security": [{"code": "R"}],
        "profile": ["https://kat.test/p|1"],
        "source": "urn:src",
    }
    await shelf.put({"resourceType": "Group", "id": "g", "meta": meta})
    for text in (
        "_tag=urn:t|demo",
        "_security=r",
        "_profile=https://kat.test/p",
        "_profile=https://kat.test/p|1",
    ):
        assert await shelf.find("Group", text) == ["g"]
    assert await shelf.find("Group", "_source=urn:src") == ["g"]
    assert await shelf.find("Group", "_source=urn:SRC") == []


async def test_a_value_without_a_code_or_a_literal_is_not_missing(shelf):
    """R5 says what R4 means: missing is what has no value that any search by the parameter could match."""
    subject, author = {"display": "Sam"}, {"reference": "#p"}
    await shelf.put(observation("said", code={"text": "PHQ-9"}, subject=subject, performer=[author]))
    await shelf.put(observation("shown", code={"coding": [{"display": "PHQ-9"}]}))
    await shelf.put(observation("empty"))
    assert await shelf.find("Observation", "code:missing=true") == ["empty"]
    assert await shelf.find("Observation", "code:missing=false") == ["said", "shown"]
    assert await shelf.find("Observation", "performer:missing=false") == ["said"]
    assert await shelf.find("Observation", "subject:missing=false") == ["said"]
    assert await shelf.find("Observation", "code:not=x") == ["empty", "said", "shown"]


async def test_a_code_belongs_to_one_of_the_systems_that_its_value_set_takes_from(shelf):
    for key, status in (("m", "mitigated"), ("f", "final")):
        await shelf.put({"resourceType": "DetectedIssue", "id": key, "status": status})
    here, there = "http://hl7.org/fhir/detectedissue-status", "http://hl7.org/fhir/observation-status"
    for text, expected in (
        (f"{here}|mitigated", ["m"]),
        (f"{here}|", ["m"]),
        (f"{there}|", ["f"]),
        (f"{there}|mitigated", []),
        (f"{here}|final", []),
        ("final,mitigated", ["f", "m"]),
    ):
        assert await shelf.find("DetectedIssue", f"status={text}") == expected, text


async def test_a_code_of_a_v3_system_is_found_with_its_system(shelf):
    await shelf.put({"resourceType": "Composition", "id": "c", "confidentiality": "R"})
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    assert await shelf.find("Composition", f"confidentiality={system}|R") == ["c"]
    assert await shelf.find("Composition", "confidentiality=|R") == []


async def test_a_boolean_has_no_system_also_where_other_values_have_one(shelf):
    await shelf.put({"resourceType": "Group", "id": "g", "characteristic": [{"valueBoolean": True}]})
    await shelf.put({"resourceType": "Patient", "id": "p", "deceasedBoolean": True})
    assert await shelf.find("Group", "value=|true") == ["g"]
    assert await shelf.find("Group", "value=urn:a|true") == []
    assert await shelf.find("Patient", "deceased=|true") == ["p"]
    assert await shelf.find("Patient", "deceased=urn:a|true") == []
