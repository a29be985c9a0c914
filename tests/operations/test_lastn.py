"""``$lastn`` shows the last observations of each kind."""

from __future__ import annotations

import pytest
from operations_kit import issue, observation, parameters, resources


@pytest.fixture
def patient(store):
    return store("Patient")


@pytest.fixture
def observe(store, patient):
    def write(kind, date, **members):
        return f"Observation/{store('Observation', **observation(patient, kind, date, **members))['id']}"

    return write


@pytest.fixture
def url(patient):
    return f"/Observation/$lastn?patient={patient['id']}"


@pytest.mark.parametrize("query", ["", "?code=a", "?max=2"])
def test_without_a_patient_it_is_refused(client, query):
    assert issue(client.get(f"/Observation/$lastn{query}"), 400)["code"] == "required"


@pytest.mark.parametrize("query", ["max=0", "max=many", "_count=3", "_sort=date", "no-such=1", "date=soon"])
def test_what_it_does_not_take_is_refused(client, url, query):
    assert client.get(f"{url}&{query}").status_code == 400


def test_the_last_of_each_kind_is_shown_newest_kind_first(client, url, observe):
    observe("a", "2026-01-01")
    last_a = observe("a", "2026-01-03")
    last_b = observe("b", "2026-01-02")
    undated = observe("c", None)
    assert resources(client.get(url)) == [last_a, last_b, undated]


def test_so_many_of_each_kind_as_asked_for(client, url, observe):
    made = [observe("a", f"2026-01-0{day}") for day in range(1, 5)]
    assert resources(client.get(f"{url}&max=3")) == made[:0:-1]


def test_observations_that_share_a_coding_are_of_one_kind(client, url, observe):
    def coded(*codes):
        return {"coding": [{"system": "https://kinds.example", "code": code} for code in codes]}

    observe("", "2026-01-01", code=coded("x"))
    observe("", "2026-01-02", code=coded("y"))
    last = observe("", "2026-01-03", code=coded("x", "y"))
    assert resources(client.get(url)) == [last]


def test_without_a_coding_the_text_tells_the_kind(client, url, observe):
    observe("", "2026-01-01", code={"text": "mood"})
    mood = observe("", "2026-01-02", code={"text": "mood"})
    sleep = observe("", "2026-01-01", code={"text": "sleep"})
    assert resources(client.get(url)) == [mood, sleep]


def test_search_parameters_choose_first(client, url, patient, observe):
    category = [{"coding": [{"system": "https://kinds.example", "code": "survey"}]}]
    survey = observe("a", "2026-01-01", category=category)
    observe("a", "2026-01-02")
    assert resources(client.get(f"{url}&category=survey")) == [survey]
    assert resources(client.get(f"{url}&date=lt2026-01-02")) == [survey]
    assert resources(client.get(f"{url}&code=b")) == []
    assert resources(client.get(f"{url}&_lastUpdated=gt2999-01-01")) == []
    body = parameters(
        subject__valueString=f"Patient/{patient['id']}", category__valueCode="survey", max__valueInteger=1
    )
    assert resources(client.post("/Observation/$lastn", json=body)) == [survey]


def test_what_was_entered_in_error_is_left_out_unless_asked_for(client, url, observe):
    right = observe("a", "2026-01-01")
    wrong = observe("a", "2026-01-02", status="entered-in-error")
    assert resources(client.get(url)) == [right]
    assert resources(client.get(f"{url}&status=entered-in-error")) == [wrong]


def test_only_what_the_caller_may_see(practice, url, observe):
    observe("a", "2026-01-02")
    seen = observe("b", "2026-01-01")
    with practice.operator("system/Observation.s?code=b") as client:
        assert resources(client.get(url)) == [seen]
