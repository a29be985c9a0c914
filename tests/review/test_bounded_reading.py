"""What a small request makes the server read before anything is asked of the database.

Reading runs in the event loop: while one request is read, no other is answered. So each of these is refused
or read within a bound of CPU time, which is generous: before, they took from two to eleven seconds.
Source: https://hl7.org/fhir/R4/search.html#chaining, #_include, #elements
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import msgspec
import pytest

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest
from service import conditional
from service.search import across, query, summary

BASE_URL = "http://fhir.test"
BOUND = 4.0
CHAIN = "subject.subject.subject.subject.subject._id"
TOO_MANY = "The search has too many values or chains; ask in several searches, and name the types of chains."
TOO_LONG = "The search is too long for so many types; name fewer in _type, or ask in several searches."
TOO_MANY_CRITERIA = "More than 200 criteria in one search are not supported."
TOO_MANY_INCLUDES = "More than 150 kinds of includes in one search are not supported."
OBSERVATION = (
    '{"resourceType":"Observation","id":"a","status":"final","code":{"text":"Weight"},'
    '"valueQuantity":{"value":1},"_valueQuantity":{"id":"v"},"effectiveDateTime":"2026",'
    '"note":[{"text":"Calm"}]}'
)


@contextmanager
def soon() -> Iterator[None]:
    """What happens inside takes little of the processor."""
    start = time.process_time()
    yield
    assert time.process_time() - start < BOUND


def one_type(*pairs):
    return query.parse("QuestionnaireResponse", pairs, base_url=BASE_URL, strict=True)


def all_types(*pairs, strict=True):
    within = dict.fromkeys(RESOURCE_TYPES, ())
    return across.parse(within, pairs, base_url=BASE_URL, strict=strict)


def refused(read, *pairs):
    """The text with which a search is refused, soon."""
    with soon(), pytest.raises(BadRequest) as found:
        read(*pairs)
    return found.value.issues[0].text


def filters(number):
    """Different expressions of as many comparisons as are read."""
    return [("_filter", " and ".join([f"_id eq {each}"] * 50)) for each in range(number)]


@pytest.mark.parametrize(
    "pairs",
    [
        [(CHAIN, "a")],
        [(CHAIN, "a")] * 40,
        [("_filter", " and ".join([f"{CHAIN} ne a"] * 50))],
        [("_filter", f"{CHAIN} eq a")] * 40,
        [("subject.subject.subject._id", "a")] * 40,
        [("_has:Provenance:target:target.target._id", "a")] * 40,
        [("subject.subject._id", ",".join(str(number) for number in range(500)))] * 20,
    ],
    ids=["one", "forty", "unequal", "filters", "short", "reverse", "values"],
)
def test_chains_are_counted_while_they_are_read_and_too_many_are_refused(pairs):
    assert refused(one_type, *pairs) == TOO_MANY


def test_chains_over_several_types_are_counted_together():
    chain = ("_has:Provenance:target:target.target._id", "a")
    assert refused(all_types, chain) == TOO_MANY


def test_a_chain_of_two_references_without_types_is_read():
    asked = query.parse(
        "Appointment", [("supporting-info.subject.name", "a")], base_url=BASE_URL, strict=True
    )
    assert len(asked.criteria) == 1


@pytest.mark.parametrize("repeated", [1, 80, 480])
def test_the_same_include_sent_again_is_read_once(repeated):
    assert refused(all_types, *[("_revinclude", "*")] * repeated) == TOO_MANY_INCLUDES


def test_includes_of_every_type_and_of_every_spelling_are_refused_soon():
    words = [f"{word}{step}" for word in ("_include", "_revinclude") for step in ("", ":iterate", ":recurse")]
    named = [("_include:iterate", f"{name}:*") for name in RESOURCE_TYPES]
    lenient = partial(all_types, strict=False)
    assert refused(lenient, *[(word, "*") for word in words], *named) == TOO_MANY_INCLUDES


def test_every_include_of_one_type_sent_again_and_again_is_read_soon():
    words = [f"{word}{step}" for word in ("_include", "_revinclude") for step in ("", ":iterate")]
    with soon():
        often, once = (one_type(*[(word, "*") for word in words] * times).includes for times in (120, 1))
    assert often == once


def test_an_include_sent_again_includes_no_more():
    asked = one_type(("_include", "QuestionnaireResponse:subject"), ("_include", "QuestionnaireResponse:*"))
    codes = [one.parameter.code for one in asked.includes]
    assert codes[0] == "subject"
    assert len(codes) == len(set(codes))


def test_criteria_of_all_types_are_counted_before_they_are_read():
    assert refused(all_types, *[("_id", str(number)) for number in range(201)]) == TOO_MANY_CRITERIA


@pytest.mark.parametrize(
    "pairs",
    [
        filters(100),
        filters(20),
        [("_id", ",".join(f"{each}-{at}" for at in range(500))) for each in range(4)],
    ],
    ids=["filters", "fewer filters", "ids"],
)
def test_a_long_search_over_all_types_is_refused(pairs):
    assert refused(all_types, *pairs) == TOO_LONG


def test_the_longest_search_over_all_types_is_read_soon():
    with soon():
        asked = all_types(*filters(9))
    assert len(asked.queries) == len(RESOURCE_TYPES)
    assert len(asked.queries[0].criteria) == 9


def test_a_long_search_over_few_types_is_read():
    within = {"Patient": (), "Observation": ()}
    with soon():
        asked = across.parse(within, filters(50), base_url=BASE_URL, strict=True)
    assert len(asked.queries[1].criteria) == 50


def test_more_elements_than_any_type_has_are_refused():
    with soon(), pytest.raises(BadRequest) as found:
        one_type(("_elements", ",".join(f"e{number}" for number in range(13_000))))
    (issue,) = found.value.issues
    assert (issue.code, issue.expression) == ("invalid", "http._elements")
    assert issue.text == (
        "The value of the search parameter '_elements' cannot be read. It names at most 200 elements."
    )


def test_a_full_page_of_as_many_elements_as_can_be_named_is_shown_soon():
    asked = one_type(("_elements", ",".join(f"e{number}" for number in range(200))))
    with soon():
        for _ in range(1000):
            summary.of("Observation", OBSERVATION, asked, is_match=True)


@pytest.mark.parametrize("name", ["value", "value[x]", "Observation.value", "Observation.value[x]"])
def test_an_element_of_several_types_is_named_with_and_without_its_mark(name):
    shown = msgspec.json.decode(summary.of_read("Observation", OBSERVATION, [("_elements", name)]))
    assert set(shown) == {
        "resourceType", "id", "meta", "status", "code", "valueQuantity", "_valueQuantity",
    }  # fmt: skip


def test_one_of_the_types_of_an_element_can_be_named_and_a_part_of_a_name_cannot():
    for name, expected in (("valueQuantity", True), ("valueString", False), ("val", False)):
        shown = msgspec.json.decode(summary.of_read("Observation", OBSERVATION, [("_elements", name)]))
        assert ("valueQuantity" in shown) is expected


def test_a_summary_shows_an_element_of_several_types():
    shown = msgspec.json.decode(summary.of_read("Observation", OBSERVATION, [("_summary", "true")]))
    assert {"valueQuantity", "effectiveDateTime"} <= set(shown)
    assert "note" not in shown


@pytest.mark.parametrize(
    ("criteria", "text"),
    [
        ("_id=" + "a" * 65_536, "The criteria are too long; ask in several requests."),
        ("&".join(["_id=a"] * 501), "The criteria are not valid UTF-8, or have too many parameters."),
    ],
)
def test_criteria_are_as_long_as_those_of_a_url_at_most(criteria, text):
    with soon(), pytest.raises(BadRequest) as found:
        conditional.criteria_of(criteria)
    assert found.value.issues[0].text == text


@pytest.mark.parametrize("query_string", ["_id=" + "a" * 65_536, "&".join(["_revinclude=*"] * 501)])
def test_an_entry_with_an_endless_url_is_refused_where_it_stands(operator: httpx.Client, query_string):
    entry = {"request": {"method": "GET", "url": f"Patient?{query_string}"}}
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = operator.post("", json=sent)
    (issue,) = answer.json()["issue"]
    assert (answer.status_code, issue["expression"]) == (400, ["Bundle.entry[0].request.url"])
    assert issue["details"]["text"].startswith("The criteria are ")


def test_a_conditional_reference_of_too_many_chains_is_refused(operator: httpx.Client):
    reference = "QuestionnaireResponse?" + "&".join([f"{CHAIN}=a"] * 40)
    sent = {
        "resourceType": "Provenance",
        "target": [{"reference": reference}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "Somebody"}}],
    }
    answer = operator.post("/Provenance", json=sent)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["text"] == TOO_MANY


def test_a_search_of_too_many_chains_is_refused_over_http(operator: httpx.Client):
    answer = operator.get("/QuestionnaireResponse", params={CHAIN: "a"})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["text"] == TOO_MANY


def test_the_values_of_a_search_over_all_types_are_counted_together(operator: httpx.Client):
    years = [",".join(f"ne{year}" for year in range(first, first + 450)) for first in (1000, 2000)]
    answer = operator.get("", params=[("_lastUpdated", listed) for listed in years])
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["text"] == TOO_MANY
    answer = operator.get("", params=[("_type", "Patient"), *(("_lastUpdated", listed) for listed in years)])
    assert answer.status_code == 200
