"""Words of displays, narratives and notes.

Source: https://hl7.org/fhir/R4/search.html#text, #modifiers
"""

from __future__ import annotations

from base64 import b64encode

import pytest

from models.errors import BadRequest
from service.search.extract import extract
from service.search.prose import stripped, texts
from service.search.words import MAX_BYTES


def narrative(text):
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}


def attached(content_type, text):
    return {"attachment": {"contentType": content_type, "data": b64encode(text.encode()).decode()}}


def note(key, *contents, **more):
    base = {"resourceType": "DocumentReference", "id": key, "status": "current", "content": list(contents)}
    return {**base, **more}


@pytest.fixture
async def notes(shelf):
    await shelf.put(note("plain", attached("text/plain; charset=utf-8", "She felt calm, then nauseous.")))
    await shelf.put(note("html", attached("text/html", "<p>Weeping</p><script>secretword()</script>")))
    await shelf.put(note("markdown", attached("text/markdown", "# Journey\n\nThe *river* returned.")))
    await shelf.put(
        note("pdf", attached("application/pdf", "hiddenword"), text=narrative("A <b>quiet</b> day"))
    )
    await shelf.put(note("bare", attached("text/plain", "   "), description="Integration of the river"))
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("_content=nausea", []),
        ("_content=nauseous", ["plain"]),
        ("_content=feels", []),
        ("_content=weep", ["html"]),
        ("_content=secretword", []),
        ("_content=hiddenword", []),
        ("_content=journeys", ["markdown"]),
        ("_content=river", ["bare", "markdown"]),
        ("_content=river -journey", ["bare"]),
        ("_content=weeping or quiet", ["html", "pdf"]),
        ('_content="felt calm"', ["plain"]),
        ('_content="calm felt"', []),
        ("_content=river,quiet", ["bare", "markdown", "pdf"]),
        ("_content=the", []),
        ("_content=the river", ["bare", "markdown"]),
        ("_content=!", []),
        ("_text=quiet", ["pdf"]),
        ("_text=river", []),
        ("_text:missing=false", ["pdf"]),
        ("_content:missing=true", []),
    ],
)
async def test_prose_is_found_by_its_words(notes, text, expected):
    assert await notes.find("DocumentReference", text) == expected


@pytest.mark.parametrize("text", ["_content:exact=x", "_text:contains=x", "_text:not=x"])
async def test_a_text_has_no_modifier_but_missing(shelf, text):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("DocumentReference", text)
    assert refused.value.issues[0].code == "not-supported"


async def test_a_text_has_no_order(shelf):
    with pytest.raises(BadRequest) as refused:
        await shelf.find("DocumentReference", "_sort=_content")
    assert refused.value.issues[0].text == "There is no order by '_content'."


@pytest.fixture
async def orders(shelf):
    ketamine = {"text": "Ketamine, racemic", "coding": [{"code": "6130", "display": "Ketamin-Hydrochlorid"}]}
    order = {"resourceType": "MedicationRequest", "intent": "order", "status": "active"}
    patient, other = (
        {"reference": f"Patient/{key}", "display": name} for key, name in (("a", "Ánna K"), ("b", "Bo"))
    )
    await shelf.put(order | {"id": "k", "medicationCodeableConcept": ketamine, "subject": patient})
    await shelf.put(
        order | {"id": "o", "medicationCodeableConcept": {"text": "Ondansetron"}, "subject": other}
    )
    await shelf.put(order | {"id": "n", "subject": other, "category": [{"text": "Ketamine clinic"}]})
    return shelf


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("code:text=keta", ["k"]),
        ("code:text=KETAMINE", ["k"]),
        ("code:text=racemic ketamine", ["k"]),
        ("code:text=hydrochlorid", ["k"]),
        ("code:text=etamine", []),
        ("code:text=keta,onda", ["k", "o"]),
        ("category:text=ketamine", ["n"]),
        ("patient:text=anna", ["k"]),
        ("subject:text=bo&code:text=onda", ["o"]),
    ],
)
async def test_a_code_and_a_reference_are_found_by_what_is_displayed(orders, text, expected):
    assert await orders.find("MedicationRequest", text) == expected


@pytest.mark.parametrize("text", ["code:text=,", "code:text=!?", "authoredon:text=x", "identifier:above=x"])
async def test_what_has_no_words_or_no_display_is_refused(shelf, text):
    with pytest.raises(BadRequest):
        await shelf.find("MedicationRequest", text)


def test_only_a_resource_with_prose_has_rows_for_it():
    patient = {"resourceType": "Patient", "id": "p", "name": [{"text": "Anna"}], "contained": [note("c")]}
    assert extract("Patient", patient, base_url="http://fhir.test").texts == []


def test_answers_and_annotations_at_any_depth_are_prose():
    answer = {"linkId": "2", "answer": [{"valueString": "deep water"}]}
    response = {"item": [{"linkId": "1", "text": "Question", "item": [answer]}]}
    assert texts("QuestionnaireResponse", response) == [("_content", "deep water")]
    assert texts("Observation", {"note": [{"text": "calm"}]}) == [("_content", "calm")]


def test_an_attachment_that_is_no_base64_is_left_out():
    broken = {"attachment": {"contentType": "text/plain", "data": "%%%"}}
    assert texts("DocumentReference", note("x", broken)) == []


def test_a_long_text_is_cut_where_the_index_ends():
    found = dict(texts("DocumentReference", note("x", attached("text/plain", "ä" * MAX_BYTES))))
    assert len(found["_content"].encode()) <= MAX_BYTES


async def test_the_longest_text_can_be_stored(shelf):
    words = " ".join(f"{number:x}-{number * 7919:x}/é{number}" for number in range(20_000))
    await shelf.put(note("x", attached("text/plain", words)))
    assert await shelf.find("DocumentReference", "_content=é1") == ["x"]


def test_markup_that_never_ends_is_read_in_no_time():
    assert stripped("a<script " * 50_000).strip() == "a"
    assert len(stripped("<" * 200_000)) == 200_000
    assert stripped("x<!-- a --><style>b</style>&amp;y").split() == ["x", "&y"]
