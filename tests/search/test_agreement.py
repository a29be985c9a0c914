"""What is indexed and what is asked agree: a document is found by each of its own values, by no near miss.

Source: https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.search.extract import extract
from service.search.operands import split, unescaped
from service.search.values import MAX_TERM, folded, relative, term, token_term

ESCAPED = str.maketrans({"\\": r"\\", ",": r"\,", "|": r"\|", "$": r"\$"})
WORD = st.text(string.ascii_letters + string.digits + "|,$\\-._ ~äßİé", min_size=1, max_size=12).filter(
    str.strip
)
SYSTEM = st.none() | st.sampled_from(["urn:a", "urn:a|b", "http://b.test/c,d"])
DOCUMENT = st.fixed_dictionaries(
    {
        "identifier": st.lists(st.tuples(SYSTEM, WORD), max_size=2),
        "family": st.lists(WORD, max_size=2),
        "tag": st.lists(st.tuples(SYSTEM, WORD), max_size=2),
        "practitioner": st.lists(
            st.sampled_from(["Practitioner/1", "Practitioner/11", "Organization/1"]), max_size=2
        ),
    }
)


def written(drawn):
    def coded(name, pair):
        return {"system": pair[0], name: pair[1]} if pair[0] else {name: pair[1]}

    return {
        "resourceType": "Patient",
        "id": "p",
        "meta": {"tag": [coded("code", pair) for pair in drawn["tag"]]},
        "identifier": [coded("value", pair) for pair in drawn["identifier"]],
        "name": [{"family": text} for text in drawn["family"]],
        "generalPractitioner": [{"reference": text} for text in drawn["practitioner"]],
    }


def asked(drawn):
    """Every query by which the document must be found."""
    for name, pairs in (("identifier", drawn["identifier"]), ("_tag", drawn["tag"])):
        for system, code in pairs:
            spelled = code.translate(ESCAPED)
            yield name, spelled
            yield name, f"{(system or '').translate(ESCAPED)}|{spelled}"
            yield f"{name}", f"nothing,{spelled}"
    for text in drawn["family"]:
        yield "family", text.translate(ESCAPED)
        yield "family:exact", text.translate(ESCAPED)
        yield "family:contains", text.translate(ESCAPED)
        # Punctuation alone is looked for as it is, and of a name with anything else it is no part.
        if any(character.isalnum() for character in text[1:-1]):
            yield "family:contains", text[1:-1].translate(ESCAPED)
    for text in drawn["practitioner"]:
        yield "general-practitioner", text
        yield "general-practitioner", f"http://fhir.test/fhir/{text}"


def missed(drawn):
    """Queries that come near and must not find it."""
    for name, pairs in (("identifier", drawn["identifier"]), ("_tag", drawn["tag"])):
        codes = {code.casefold() for _, code in pairs}
        for _system, code in pairs:
            yield name, f"urn:z|{code.translate(ESCAPED)}"
            if f"{code}x".casefold() not in codes:
                yield name, f"{code}x".translate(ESCAPED)
    for text in drawn["family"]:
        longer = f"{text.strip()}§"
        yield "family", longer.translate(ESCAPED)
        yield "family:exact", longer.translate(ESCAPED)
    for text in drawn["practitioner"]:
        yield "general-practitioner", f"{text}2"
        yield "general-practitioner", f"https://other.test/fhir/{text}"


async def test_a_document_is_found_by_its_own_values_and_by_no_near_miss(shelf):
    drawn_documents = []

    @settings(max_examples=60, deadline=None, database=None)
    @given(DOCUMENT)
    def draw(drawn):
        drawn_documents.append(drawn)

    draw()
    for drawn in drawn_documents:
        await shelf.put(written(drawn))
        for name, value in asked(drawn):
            assert await shelf.matches("Patient", name, value), (drawn, name, value)
        for name, value in missed(drawn):
            assert not await shelf.matches("Patient", name, value), (drawn, name, value)


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_what_was_escaped_is_split_and_restored(parts):
    joined = ",".join(part.replace("\0", "").translate(ESCAPED) for part in parts)
    assert [unescaped(part) for part in split(joined, ",")] == [part.replace("\0", "") for part in parts]


@given(st.text(min_size=1, max_size=600), st.text(min_size=1, max_size=600))
def test_terms_are_bounded_and_different_terms_stay_different(one, other):
    assert len(term(one)) <= MAX_TERM
    assert (term(one) == term(other)) == (one == other)


@given(
    st.tuples(st.text(max_size=5), st.text(max_size=5)), st.tuples(st.text(max_size=5), st.text(max_size=5))
)
def test_a_token_is_spelled_in_one_way_only(one, other):
    same = (one[0], one[1].casefold()) == (other[0], other[1].casefold())
    assert (token_term(*one) == token_term(*other)) == same


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(text):
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Patient/1", "Patient/1"),
        ("http://fhir.test/fhir/Patient/1", "Patient/1"),
        ("http://fhir.test/fhir/Patient/1/_history/3", "Patient/1"),
        ("http://fhir.test/fhirs/Patient/1", "http://fhir.test/fhirs/Patient/1"),
        ("https://other.test/Patient/1/_history/3", "https://other.test/Patient/1/_history/3"),
        ("urn:uuid:5", "urn:uuid:5"),
        ("#contained", None),
        ("", None),
    ],
)
def test_a_reference_is_ours_only_under_our_base(reference, expected):
    assert relative(reference, "http://fhir.test/fhir/") == expected


def test_what_does_not_fit_its_type_is_left_out_of_the_index():
    document = {
        "identifier": [None, {"value": "1"}],
        "generalPractitioner": [{"reference": "#contained"}, {"display": "Kim"}],
        "birthDate": "not a date",
        "name": "not a list",
    }
    found = extract("Patient", document, base_url="http://fhir.test")
    assert found.columns["terms"] == [
        "identifier=1",
        "identifier=|1",
        "general-practitioner:",
        "deceased=false",
    ]
    assert found.columns["birthdate_start"] is None


def test_a_resource_of_several_patients_belongs_to_none():
    members = [{"entity": {"reference": f"Patient/{number}"}} for number in (1, 2)]
    both = extract("Group", {"member": members}, base_url="http://fhir.test")
    one = extract("Group", {"member": members[:1]}, base_url="http://fhir.test")
    assert both.columns["patient"] is None
    assert one.columns["patient"] == "1"
    assert {"member=Patient/1", "member=Patient/2"} <= set(both.columns["terms"])
