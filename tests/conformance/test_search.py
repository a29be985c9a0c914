"""Searching over HTTP: Bundles, pages, orders, parts, includes, and what may not be seen.

Source: https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import time

import pytest
from conformance_kit import (
    FORM,
    SYSTEM,
    entry,
    found,
    link,
    observation,
    organization,
    pages,
    patient,
    refusal,
    searchset,
    send,
    statuses,
    stored,
)

BORN = ["1950-01-01", "1950-01-01", "1950-01-01", "1960-02-02", "1970-03-03", None, None]


@pytest.fixture
def family(client, value):
    """Seven patients of one managing organization, some born on the same day and some nobody knows when."""
    made = stored(client, organization(value))
    where = {"managingOrganization": {"reference": f"Organization/{made['id']}"}}
    entries = [
        entry(
            "POST",
            "Patient",
            patient(value, **where, **({"birthDate": born} if born else {}), name=[{"text": "A"}]),
        )
        for born in BORN
    ]
    assert set(statuses(send(client, "transaction", *entries))) == {201}
    return f"organization=Organization/{made['id']}"


@pytest.fixture
def person(client, value):
    """A patient with an observation and a deleted one, of which one has changed hands of codes."""
    made = stored(client, patient(value, active=True))
    seen = stored(client, observation(f"Patient/{made['id']}", code={"coding": [{"code": f"{value}-old"}]}))
    changed = {**seen, "code": {"coding": [{"code": f"{value}-new"}]}}
    assert client.put(f"/Observation/{seen['id']}", json=changed).status_code == 200
    gone = stored(client, observation(f"Patient/{made['id']}"))
    assert client.delete(f"/Observation/{gone['id']}").status_code == 204
    return made


def test_every_entry_tells_why_it_is_there_and_where_it_lives(client, person):
    asked = f"/Observation?patient={person['id']}&_include=Observation:patient&nonsense=1"
    answer = searchset(client.get(asked))
    modes = [one["search"]["mode"] for one in answer["entry"]]
    assert modes == ["match", "include", "outcome"]
    for one in answer["entry"][:2]:
        resource = one["resource"]
        assert one["fullUrl"] == f"{client.base_url}{resource['resourceType']}/{resource['id']}"
        assert client.get(one["fullUrl"]).json() == resource
    assert answer["entry"][2]["resource"]["resourceType"] == "OperationOutcome"


def test_the_self_link_names_what_was_understood(client, person):
    asked = {"patient": person["id"], "nonsense": "1", "_sort": "-date", "status": "final,amended"}
    answer = searchset(client.get("/Observation", params=asked))
    own = link(answer, "self")
    assert own.startswith(f"{client.base_url}Observation?")
    assert "nonsense" not in own
    for part in (f"patient={person['id']}", "_sort=-date", "status=final,amended"):
        assert part in own
    assert found(client.get(own)) == [f"Observation/{answer['entry'][0]['resource']['id']}"]


def test_an_unknown_parameter_is_told_and_ignored_unless_that_is_refused(client, person):
    asked = f"/Observation?patient={person['id']}&nonsense=1"
    for headers in ({}, {"Prefer": "handling=lenient"}):
        answer = client.get(asked, headers=headers)
        assert len(found(answer)) == 1
        (outcome,) = [one["resource"] for one in answer.json()["entry"] if one["search"]["mode"] == "outcome"]
        assert (outcome["issue"][0]["severity"], outcome["issue"][0]["code"]) == ("warning", "not-supported")
        assert "nonsense" in outcome["issue"][0]["details"]["text"]
    strict = client.get(asked, headers={"Prefer": "handling=strict"})
    assert "nonsense" in refusal(strict, 400, "not-supported", "http.nonsense")
    refusal(client.get(asked, headers={"Prefer": "handling=foo"}), 400, "invalid")
    form = client.post(
        "/Observation/_search", data={"nonsense": "1"}, headers={**FORM, "Prefer": "handling=strict"}
    )
    refusal(form, 400, "not-supported", "http.nonsense")


@pytest.mark.parametrize(
    "asked",
    [
        "_lastUpdated=abc",
        "_lastUpdated=gt2026-13-01",
        "_count=-1",
        "_count=x",
        "_total=some",
        "_summary=most",
        "_elements=",
        "birthdate=yesterday",
        "_tag:missing=perhaps",
    ],
)
def test_a_value_that_cannot_be_read_is_refused_however_lenient(client, asked):
    for headers in ({}, {"Prefer": "handling=lenient"}):
        answer = client.get(f"/Patient?{asked}", headers=headers)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "invalid")


def test_a_modifier_that_is_not_known_is_refused(client):
    assert client.get("/Patient?birthdate:nonsense=2026").status_code == 400
    assert client.get("/Patient?gender:exact=male").status_code == 400


@pytest.mark.parametrize("order", ["", "&_sort=birthdate", "&_sort=-birthdate,_id", "&_sort=name,birthdate"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_show_each_match_once_and_lead_back(client, family, order, size):
    whole = found(client.get(f"/Patient?{family}{order}"))
    assert len(whole) == len(set(whole)) == 7
    forth = list(pages(client, f"/Patient?{family}{order}&_count={size}"))
    assert [one["resource"]["id"] for page in forth for one in page["entry"]] == [
        name.removeprefix("Patient/") for name in whole
    ]
    assert [len(page["entry"]) for page in forth] == [size] * (7 // size) + ([7 % size] if 7 % size else [])
    if len(forth) > 1:
        back = list(pages(client, link(forth[-2], "next"), "previous"))
        assert [page["entry"] for page in reversed(back)] == [page["entry"] for page in forth]


def test_a_page_sequence_is_whole_while_others_write(client, family):
    known = set(found(client.get(f"/Patient?{family}")))
    seen = []
    for page in pages(client, f"/Patient?{family}&_count=2"):
        seen += [f"Patient/{one['resource']['id']}" for one in page["entry"]]
        stored(client, patient(managingOrganization={"reference": family.partition("=")[2]}))
        client.put(
            f"/{seen[0]}",
            json=patient(id=seen[0][8:], managingOrganization={"reference": family.partition("=")[2]}),
        )
        if len(seen) > 40:
            break
    assert len(seen) == len(set(seen))
    assert known <= set(seen)


def test_a_form_gives_the_answer_of_the_query_and_pages_that_are_followed_by_get(client, family):
    name, _, value = family.partition("=")
    form = {name: value, "_count": "3", "_sort": "birthdate"}
    first = client.post("/Patient/_search", data=form, headers=FORM)
    assert found(first) == found(client.get("/Patient", params=form))
    walked = found(first)
    for page in pages(client, link(first.json(), "next")):
        walked += [f"Patient/{one['resource']['id']}" for one in page["entry"]]
    assert walked == found(client.get(f"/Patient?{family}&_sort=birthdate"))
    both = client.post(f"/Patient/_search?{family}", data={"birthdate": "1960-02-02"}, headers=FORM)
    assert len(found(both)) == 1


def test_the_total_is_counted_when_it_is_asked_for(client, family):
    first = searchset(client.get(f"/Patient?{family}&_count=2&_total=accurate"))
    assert (first["total"], len(first["entry"])) == (7, 2)
    for asked in ("_count=2", "_count=2&_total=none", "_total=none"):
        assert "total" not in searchset(client.get(f"/Patient?{family}&{asked}"))
    assert searchset(client.get(f"/Patient?{family}"))["total"] == 7
    for asked in ("_summary=count", "_count=0", "_count=0&_total=accurate"):
        answer = searchset(client.get(f"/Patient?{family}&{asked}"))
        assert (answer["total"], "entry" in answer) == (7, False)


def test_an_id_is_found_once_and_an_unknown_one_not_at_all(client, value):
    first, second = (stored(client, patient())["id"] for _ in range(2))
    asked = f"{first},{second},{first},{value}"
    assert sorted(found(client.get(f"/Patient?_id={asked}"))) == sorted(
        [f"Patient/{first}", f"Patient/{second}"]
    )
    answer = searchset(client.get(f"/Patient?_id={value}&_total=accurate"))
    assert (answer["total"], "entry" in answer) == (0, False)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", 1),
        ("eq", 1),
        ("ne", 0),
        ("gt", 0),
        ("lt", 0),
        ("ge", 1),
        ("le", 1),
        ("sa", 0),
        ("eb", 0),
        ("ap", 1),
    ],
)
def test_the_last_change_is_compared_with_every_prefix(client, prefix, expected):
    made = stored(client, patient())
    deadline = time.monotonic() + 20
    # What an older transaction holds back is shown a little later.
    while (
        not found(client.get(f"/Patient?_id={made['id']}&_lastUpdated=ge2020"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    asked = {"_id": made["id"], "_lastUpdated": f"{prefix}{made['meta']['lastUpdated']}"}
    assert len(found(client.get("/Patient", params=asked))) == expected


def test_the_order_is_by_each_key_and_what_lacks_it_comes_last(client, family):
    def dates(order):
        answer = searchset(client.get(f"/Patient?{family}&_sort={order}"))
        return [one["resource"].get("birthDate") for one in answer["entry"]]

    assert dates("birthdate") == [*BORN[:5], None, None]
    assert dates("-birthdate") == [*BORN[4::-1], None, None]
    ids = found(client.get(f"/Patient?{family}&_sort=birthdate,-_id"))
    assert ids[:3] == sorted(ids[:3], reverse=True)


def test_an_unknown_order_is_told_or_refused(client, family):
    answer = client.get(f"/Patient?{family}&_sort=nonsense")
    assert len(found(answer)) == 7
    assert answer.json()["entry"][-1]["search"]["mode"] == "outcome"
    strict = client.get(f"/Patient?{family}&_sort=nonsense", headers={"Prefer": "handling=strict"})
    refusal(strict, 400, "not-supported", "http._sort")


PARTS = {
    "_elements=birthDate": {"birthDate"},
    "_elements=birthDate,name": {"birthDate", "name"},
    "_summary=text": {"text"},
    "_summary=data": {"birthDate", "name", "identifier", "contact"},
    "_summary=true": {"birthDate", "name", "identifier"},
}


@pytest.mark.parametrize("asked", PARTS)
def test_a_part_is_marked_as_one(client, value, asked):
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>'
    contact = [{"name": {"text": "B"}}]
    text = {"status": "generated", "div": div}
    stored(client, patient(value, birthDate="1950-01-01", name=[{"text": "A"}], contact=contact, text=text))
    answer = searchset(client.get(f"/Patient?identifier={SYSTEM}|{value}&{asked}"))
    part = answer["entry"][0]["resource"]
    assert set(part) == {"resourceType", "id", "meta"} | PARTS[asked]
    assert "SUBSETTED" in [tag["code"] for tag in part["meta"]["tag"]]
    whole = searchset(client.get(f"/Patient?identifier={SYSTEM}|{value}&_summary=false"))
    assert "tag" not in whole["entry"][0]["resource"]["meta"]


def test_a_part_keeps_what_a_resource_must_have(client, person):
    answer = searchset(client.get(f"/Observation?patient={person['id']}&_elements=subject"))
    assert {"status", "code", "subject"} <= set(answer["entry"][0]["resource"])


def test_names_are_anded_and_values_ored(client, family):
    assert len(found(client.get(f"/Patient?{family}&birthdate=1950-01-01&birthdate=1960-02-02"))) == 0
    assert len(found(client.get(f"/Patient?{family}&birthdate=1950-01-01,1960-02-02"))) == 4
    assert len(found(client.get(f"/Patient?{family}&birthdate=gt1950-01-01&birthdate=lt1970"))) == 1


def test_what_is_missing_is_found_by_any_kind_of_parameter(client, family):
    assert len(found(client.get(f"/Patient?{family}&birthdate:missing=true"))) == 2
    assert len(found(client.get(f"/Patient?{family}&birthdate:missing=false"))) == 5
    for name, missing in (("gender", 7), ("name", 0), ("organization", 0), ("general-practitioner", 7)):
        assert len(found(client.get(f"/Patient?{family}&{name}:missing=true"))) == missing
    assert len(found(client.get(f"/Patient?{family}&gender:not=male"))) == 7


def test_what_is_no_longer_so_is_not_found(client, person, value):
    asked = f"/Observation?patient={person['id']}"
    (only,) = found(client.get(asked))
    assert found(client.get(f"{asked}&code={value}-old")) == []
    assert found(client.get(f"{asked}&code={value}-new")) == [only]
    assert found(client.get(f"{asked}&code:not=nothing")) == [only]
    assert found(client.get(f"{asked}&code:not={value}-new")) == []
    around = client.get(f"/Patient?_id={person['id']}&_revinclude=Observation:patient")
    assert found(around, "include") == [only]


def test_several_types_are_searched_at_once_and_no_other(client, person, value):
    (seen,) = found(client.get(f"/Observation?patient={person['id']}"))
    asked = f"/?_type=Patient,Observation&_id={person['id']},{seen.removeprefix('Observation/')}"
    kinds = {name.partition("/")[0] for name in found(client.get(asked))}
    assert kinds == {"Patient", "Observation"}
    assert client.get("/?_type=Starship").status_code == 400
    assert client.get("/Starship/_search").status_code == 404
    assert client.post("/Starship/_search", data={"_id": "1"}, headers=FORM).status_code == 404


def test_a_compartment_holds_what_is_the_patients(client, person):
    by_parameter = found(client.get(f"/Observation?patient={person['id']}"))
    assert by_parameter
    assert found(client.get(f"/Patient/{person['id']}/Observation")) == by_parameter
    everything = found(client.get(f"/Patient/{person['id']}/*"))
    assert sorted(everything) == sorted([*by_parameter, f"Patient/{person['id']}"])


def test_no_criteria_mean_everything_that_may_be_seen_whatever_its_status(client, person):
    for status in ("entered-in-error", "cancelled", "preliminary"):
        stored(client, observation(f"Patient/{person['id']}", status=status))
    answer = searchset(client.get(f"/Observation?patient={person['id']}"))
    told = {one["resource"]["status"] for one in answer["entry"]}
    assert told == {"final", "entered-in-error", "cancelled", "preliminary"}
    assert found(client.get("/Observation?_count=1"))


def test_every_match_satisfies_what_was_asked(client, person, value):
    for status, code in (("final", "a"), ("amended", "b"), ("final", "b")):
        stored(
            client, observation(f"Patient/{person['id']}", status=status, code={"coding": [{"code": code}]})
        )
    for status in ("final", "amended", "final,amended"):
        for code in ("a", "b", "a,b"):
            answer = searchset(client.get(f"/Observation?patient={person['id']}&status={status}&code={code}"))
            for one in answer.get("entry", []):
                resource = one["resource"]
                assert resource["status"] in status.split(",")
                assert resource["code"]["coding"][0]["code"] in code.split(",")
                assert resource["subject"]["reference"] == f"Patient/{person['id']}"


@pytest.mark.parametrize("size", ["1", "100"])
def test_a_content_is_found_by_its_words(client, value, size):
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "QSB3b3JkIG9mIHplYnJhZmlzaA=="}
    made = stored(client, binary)
    answer = client.get("/Binary", params={"_content": "zebrafish word", "_id": made["id"], "_count": size})
    assert found(answer) == [f"Binary/{made['id']}"]
    assert found(client.get("/Binary", params={"_content": "walrus", "_id": made["id"]})) == []
