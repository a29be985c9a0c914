"""Uris by their path, codes by their value set, definitions by their canonical URL.

Source: https://hl7.org/fhir/R4/search.html#uri, #modifiers, https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

import pytest

from models.errors import BadRequest

STATUSES = "http://hl7.org/fhir/ValueSet/medicationrequest-status"


@pytest.fixture
async def forms(shelf):
    for key, url, version in (
        ("phq", "http://acme.test/forms/phq-9", "1"),
        ("phq2", "http://acme.test/forms/phq-9", "2"),
        ("gad", "http://acme.test/forms/gad-7", None),
        ("urn", "urn:oid:1.2.3", None),
    ):
        form = {
            "resourceType": "Questionnaire",
            "id": key,
            "status": "active",
            "url": url,
            "title": f"T {key}",
        }
        await shelf.put(form | ({"version": version} if version else {}))
    for key, canonical in (
        ("first", "http://acme.test/forms/phq-9|1"),
        ("any", "http://acme.test/forms/phq-9"),
        ("gad", "http://acme.test/forms/gad-7|9"),
        ("local", "Questionnaire/gad"),
    ):
        patient = {"reference": "Patient/p"}
        answer = {
            "resourceType": "QuestionnaireResponse",
            "id": key,
            "status": "completed",
            "subject": patient,
        }
        await shelf.put(answer | {"questionnaire": canonical})
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("url:below=http://acme.test/forms", ["gad", "phq", "phq2"]),
        ("url:below=http://acme.test/forms/", ["gad", "phq", "phq2"]),
        ("url:below=http://acme.test", ["gad", "phq", "phq2"]),
        ("url:below=http://acme.test/for", []),
        ("url:below=http://acme.test/forms/gad-7", ["gad"]),
        ("url:below=urn:oid:1.2", []),
        ("url:below=urn:oid:1.2.3", ["urn"]),
        ("url:above=http://acme.test/forms/gad-7/items/1", ["gad"]),
        ("url:above=http://acme.test/forms/gad-7", ["gad"]),
        ("url:above=http://acme.test/forms", []),
    ],
)
async def test_a_uri_lies_below_the_segments_of_its_path(forms, text, expected):
    assert await forms.find("Questionnaire", text) == expected


async def test_a_profile_is_found_below_its_publisher(shelf):
    profile = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|6.1.0"
    await shelf.put({"resourceType": "Patient", "id": "p", "meta": {"profile": [profile]}})
    assert await shelf.find("Patient", "_profile:below=http://hl7.org/fhir/us/core") == ["p"]
    assert await shelf.find("Patient", f"_profile={profile.partition('|')[0]}") == ["p"]


async def test_a_canonical_lies_below_itself_with_and_without_its_version(shelf):
    profile = "http://x.test/a|1"
    await shelf.put({"resourceType": "Patient", "id": "p", "meta": {"profile": [profile]}})
    assert await shelf.find("Patient", "_profile:below=http://x.test/a") == ["p"]
    assert await shelf.find("Patient", f"_profile:below={profile}") == ["p"]
    assert await shelf.find("Patient", "_profile:below=http://x.test/a|2") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("questionnaire.title=t phq&_sort=_id", ["any", "first"]),
        ("questionnaire:Questionnaire.version=1", ["any", "first"]),
        ("questionnaire:Questionnaire.version=2", ["any"]),
        ("questionnaire.title=t gad", ["local"]),
        ("questionnaire.title=t gad&patient=p", ["local"]),
        ("questionnaire.title=t phq2&patient=p", ["any"]),
    ],
)
async def test_a_chain_follows_a_canonical_reference(forms, text, expected):
    assert await forms.find("QuestionnaireResponse", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_has:QuestionnaireResponse:questionnaire:_id=first", ["phq"]),
        ("_has:QuestionnaireResponse:questionnaire:_id=any", ["phq", "phq2"]),
        ("_has:QuestionnaireResponse:questionnaire:_id=gad", []),
        ("_has:QuestionnaireResponse:questionnaire:_id=local&_id=gad", ["gad"]),
    ],
)
async def test_a_definition_knows_what_refers_to_it(forms, text, expected):
    assert await forms.find("Questionnaire", text) == expected


async def test_definitions_are_included_with_what_refers_to_them(forms):
    page = "_id=first,local&_include=QuestionnaireResponse:questionnaire"
    assert await forms.included("QuestionnaireResponse", page) == {"Questionnaire/phq", "Questionnaire/gad"}
    page = "_id=phq2&_revinclude=QuestionnaireResponse:questionnaire"
    assert await forms.included("Questionnaire", page) == {"QuestionnaireResponse/any"}


async def test_codes_are_found_by_a_value_set_of_r4(shelf):
    order = {"resourceType": "MedicationRequest", "intent": "order", "id": "o", "status": "active"}
    await shelf.put(order)
    assert await shelf.find("MedicationRequest", f"status:in={STATUSES}") == ["o"]
    assert await shelf.find("MedicationRequest", f"status:not-in={STATUSES}") == []
    assert (
        await shelf.find("MedicationRequest", "status:in=http://hl7.org/fhir/ValueSet/request-intent") == []
    )
    assert await shelf.find("MedicationRequest", f"intent:not-in={STATUSES}") == ["o"]


@pytest.mark.parametrize("modifier", ["in", "not-in"])
async def test_a_value_set_that_is_not_known_is_refused(shelf, modifier):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Condition", f"code:{modifier}=http://elsewhere.test/ValueSet/x")
    assert refused.value.issues[0].code == "not-supported"
    assert "elsewhere" not in refused.value.issues[0].text


@pytest.mark.parametrize("text", ["code:below=1", "code:above=1", "patient:below=1", "onset-date:in=x"])
async def test_a_hierarchy_that_is_not_known_is_refused(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("Condition", text)
    assert refused.value.issues[0].code == "not-supported"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("url=http://acme.test/forms/phq-9|1", ["phq"]),
        ("url=http://acme.test/forms/phq-9|3", []),
        ("url=http://acme.test/forms/phq-9", ["phq", "phq2"]),
        ("url=http://acme.test/forms/gad-7|1", []),
        ("url:below=http://acme.test/forms/phq-9|2", ["phq2"]),
        ("url:not=http://acme.test/forms/phq-9|1", None),
    ],
)
async def test_a_definition_is_found_by_its_url_and_version(forms, text, expected):
    if expected is None:
        with pytest.raises(BadRequest):
            await forms.find("Questionnaire", text)
    else:
        assert await forms.find("Questionnaire", text) == expected


@pytest.fixture
async def versions(shelf):
    for key, version in (("a", "|1.2.3"), ("b", "|1.3.4"), ("c", "|2.1.6"), ("d", "|12.0"), ("e", "")):
        form = f"http://acme.test/forms/phq-9{version}"
        held = {"questionnaire": form, "meta": {"profile": [form]}, "status": "completed"}
        await shelf.put({"resourceType": "QuestionnaireResponse", "id": key, **held})
    return shelf


@pytest.mark.parametrize("name", ["questionnaire", "_profile"])
@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("", ["a", "b", "c", "d", "e"]),
        ("|1", ["a", "b"]),
        ("|1.2", ["a"]),
        ("|1.2.3", ["a"]),
        ("|1.2.3.4", []),
        ("|2", ["c"]),
        ("|3", []),
    ],
)
async def test_a_version_lies_below_what_it_begins_with(versions, name, version, expected):
    asked = f"{name}:below=http://acme.test/forms/phq-9{version}"
    assert await versions.find("QuestionnaireResponse", asked) == expected
    exact = await versions.find("QuestionnaireResponse", f"{name}=http://acme.test/forms/phq-9|1")
    assert exact == []


async def test_a_reference_has_no_version_to_lie_below(versions):
    with pytest.raises(BadRequest) as caught:
        await versions.find("QuestionnaireResponse", "subject:below=Patient/1")
    assert caught.value.issues[0].expression == "http.subject:below"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contenttype=text/xml", ["bare"]),
        ("contenttype:below=text/xml", ["bare", "utf8"]),
        ("contenttype:below=TEXT/XML", ["bare", "utf8"]),
        ("contenttype:below=text/plain", ["plain"]),
        ("contenttype:below=text/x", []),
        ("contenttype:below=urn:ietf:bcp:13", []),
    ],
)
async def test_a_media_type_lies_below_itself_without_parameters(shelf, text, expected):
    for key, media_type in (
        ("bare", "text/xml"),
        ("utf8", "text/xml; charset=UTF-8"),
        ("plain", "text/plain"),
    ):
        content = [{"attachment": {"contentType": media_type, "url": "http://acme.test/x"}}]
        await shelf.put({"resourceType": "DocumentReference", "id": key, "content": content})
    assert await shelf.find("DocumentReference", text) == expected
