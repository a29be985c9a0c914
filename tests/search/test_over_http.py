"""Searches of the server and of a compartment, explained, and parts of one resource: as callers meet them.

Source: https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

import asyncio
import json
import time
from uuid import uuid4

import asyncpg
import practice_kit
import pytest

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="session")
def practice(server):
    practice_kit.load(server)
    return practice_kit.Practice(server)


@pytest.fixture(scope="session")
def operator(practice):
    with practice.operator() as client:
        yield client


@pytest.fixture(scope="session")
def ehr(server, practice):
    with server.client("ehr", "system/Observation.rs system/Encounter.rs") as client:
        yield client


def bundle(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(answer):
    return [f"{one['resourceType']}/{one['id']}" for one in practice_kit.resources(bundle(answer))]


def link(answer, relation):
    return next((one["url"] for one in answer["link"] if one["relation"] == relation), None)


def test_the_server_is_searched_by_get_and_by_form(operator):
    asked = {"_type": "Encounter,Observation", "patient": "pat-1", "_count": "1000"}
    by_get = operator.get("", params=asked)
    by_form = operator.post("/_search", data=asked, headers=FORM)
    assert found(by_get) == found(by_form)
    assert {name.partition("/")[0] for name in found(by_get)} == {"Encounter", "Observation"}
    assert link(bundle(by_get), "self").startswith(f"{operator.base_url}".rstrip("/") + "?_type=")


def test_pages_over_several_types_are_followed_to_the_end(operator):
    whole = found(operator.get("", params={"_type": "Encounter,Task", "_count": "1000"}))
    answer = bundle(operator.get("", params={"_type": "Encounter,Task", "_count": "7"}))
    names = practice_kit.resources(answer)
    while following := link(answer, "next"):
        answer = bundle(operator.get(following))
        names += practice_kit.resources(answer)
    assert [f"{one['resourceType']}/{one['id']}" for one in names] == whole


def test_only_types_within_the_scopes_are_searched(ehr):
    assert {name.partition("/")[0] for name in found(ehr.get("", params={"_count": "1000"}))} == {
        "Encounter",
        "Observation",
    }
    refused = ehr.get("", params={"_type": "Encounter,Patient"})
    assert refused.status_code == 403
    assert refused.json()["issue"][0]["code"] == "forbidden"


def test_a_type_that_is_not_kept_is_refused(operator):
    refused = operator.get("", params={"_type": "Encounter,Starship"})
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == ["http._type"]


def test_a_compartment_holds_what_belongs_to_its_patient(operator):
    by_patient = found(operator.get("/Encounter", params={"patient": "pat-1", "_count": "1000"}))
    assert by_patient
    assert found(operator.get("/Patient/pat-1/Encounter", params={"_count": "1000"})) == by_patient
    by_form = operator.post("/Patient/pat-1/Encounter/_search", data={"_count": "1000"}, headers=FORM)
    assert found(by_form) == by_patient
    everything = found(operator.get("/Patient/pat-1/*", params={"_count": "1000"}))
    assert set(by_patient) < set(everything)
    assert "Patient/pat-1" in everything
    assert not any(name.startswith("Patient/") and name != "Patient/pat-1" for name in everything)
    assert found(operator.post("/Patient/pat-1/_search", data={"_count": "1000"}, headers=FORM)) == everything


def test_the_links_of_a_compartment_stay_in_it(operator):
    first = bundle(operator.get("/Patient/pat-1/Observation", params={"_count": "2", "status": "final"}))
    assert "/Patient/pat-1/Observation?" in link(first, "self")
    second = found(operator.get(link(first, "next")))
    assert second
    assert not set(second) & {f"Observation/{one['id']}" for one in practice_kit.resources(first)}


def test_a_compartment_shows_only_what_the_caller_may_see(ehr, practice):
    assert {name.partition("/")[0] for name in found(ehr.get("/Patient/pat-1/*"))} <= {
        "Encounter",
        "Observation",
    }
    assert ehr.get("/Patient/pat-1/Condition").status_code == 403
    with practice.server.client("ehr", "system/Organization.rs") as stranger:
        assert stranger.get("/Patient/pat-1/*").status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/Patient/pat-1/Organization",
        "/Patient/pat-1/Starship",
        "/Encounter/1/Observation",
        "/Patient/a%20b/*",
    ],
)
def test_what_is_no_compartment_is_not_found(operator, path):
    assert operator.get(path).status_code == 404


def test_a_compartment_search_is_an_entry_of_a_batch(operator):
    entry = [{"request": {"method": "GET", "url": url}} for url in ("Patient/pat-1/Encounter", "?_type=Task")]
    answer = operator.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entry})
    bundles = [one["resource"] for one in bundle(answer)["entry"]]
    assert [practice_kit.resources(one)[0]["resourceType"] for one in bundles] == ["Encounter", "Task"]


@pytest.mark.parametrize("path", ["/Encounter", ""])
def test_a_search_is_explained_to_an_admin_client(operator, ehr, path):
    asked = {"_explain": "true", "status": "finished", "_type": "Encounter"}
    answer = bundle(operator.get(path, params=asked))
    outcome = answer["entry"][-1]
    assert outcome["search"]["mode"] == "outcome"
    told = [issue["details"]["text"] for issue in outcome["resource"]["issue"]]
    assert any("status (token, terms)" in line and "status=finished" in line for line in told)
    assert any("SELECT" in line and "$1" in line and "finished" not in line for line in told)
    refused = ehr.get(path, params=asked)
    assert refused.status_code == 403


def test_a_read_shows_the_part_that_is_asked_for(operator):
    whole = operator.get("/Patient/pat-1").json()
    part = operator.get("/Patient/pat-1", params={"_elements": "birthDate"})
    assert part.headers["etag"] == operator.get("/Patient/pat-1").headers["etag"]
    assert {"resourceType", "id", "meta", "birthDate"} == set(part.json())
    assert part.json()["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert part.json()["birthDate"] == whole["birthDate"]
    version = whole["meta"]["versionId"]
    assert (
        "name" not in operator.get(f"/Patient/pat-1/_history/{version}", params={"_summary": "text"}).json()
    )
    assert operator.get("/Patient/pat-1", params={"_summary": "data"}).json()["name"] == whole["name"]


def test_the_text_of_a_resource_is_read(operator):
    div = '<div xmlns="http://www.w3.org/1999/xhtml">Ada</div>'
    person = practice_kit.patient(text={"status": "generated", "div": div})
    key = operator.post("/Patient", json=person).json()["id"]
    read = operator.get(f"/Patient/{key}", params={"_summary": "text"}).json()
    assert read["text"]["div"] == div
    assert "name" not in read
    assert found(operator.get("/Patient", params={"_text": "ada", "_id": key})) == [f"Patient/{key}"]


@pytest.mark.parametrize("asked", [{"_summary": "count"}, {"_summary": "most"}, {"_elements": "a b"}])
def test_a_part_that_cannot_be_read_is_refused(operator, asked):
    assert operator.get("/Patient/pat-1", params=asked).status_code == 400


def test_words_follow_a_note_through_its_changes(operator):
    note = practice_kit.note("text/plain", b"An unmistakable zebrafish")
    stored = operator.post("/DocumentReference", json=note).json()
    path = f"/DocumentReference/{stored['id']}"
    assert found(operator.get("/DocumentReference", params={"_content": "zebrafishes"})) == [path[1:]]
    operator.put(path, json={**practice_kit.note("text/plain", b"A walrus"), "id": stored["id"]})
    assert found(operator.get("/DocumentReference", params={"_content": "zebrafish"})) == []
    assert found(operator.get("/DocumentReference", params={"_content": "walrus"})) == [path[1:]]
    operator.delete(path)
    assert found(operator.get("/DocumentReference", params={"_content": "walrus"})) == []


BY_KIND = [
    ("Patient", {"name": "müller, anna"}),
    ("Patient", {"identifier": "urn:s|1,|2"}),
    ("Patient", {"phonetic": "smyth"}),
    ("Observation", {"date": "ge2020-01-01T00:00:00+01:00", "status": "final"}),
    ("Observation", {"value-quantity": "gt0.5"}),
    ("Observation", {"component-code-value-quantity": "8480-6$gt1||mm[Hg]"}),
    ("Observation", {"subject:Patient.gender": "female"}),
    ("Patient", {"_has:Encounter:patient:status": "finished"}),
    ("Questionnaire", {"url:below": "http://"}),
    ("RiskAssessment", {"probability": "lt1"}),
    ("Location", {"near": "42.3|-83.7|10|km"}),
    ("DocumentReference", {"_content": 'calm or "the journey"'}),
    ("Encounter", {"_filter": 'status eq finished and not (subject eq "x")'}),
    ("Encounter", {"_sort": "-date", "_include": "Encounter:patient", "_total": "accurate"}),
]
"""One search of each kind of parameter."""


@pytest.mark.parametrize(("resource_type", "asked"), BY_KIND)
def test_a_form_finds_the_same_as_a_url_on_every_page(operator, resource_type, asked):
    paged = {**asked, "_count": "3"}
    by_get = bundle(operator.get(f"/{resource_type}", params=paged))
    by_form = bundle(operator.post(f"/{resource_type}/_search", data=paged, headers=FORM))
    shown, same = ({**one, "link": link(one, "self")} for one in (by_form, by_get))
    assert shown == same
    assert [one["relation"] for one in by_form["link"]] == [one["relation"] for one in by_get["link"]]
    if following := link(by_form, "next"):
        assert found(operator.get(following)) == found(operator.get(link(by_get, "next")))


def test_parameters_of_the_url_and_of_the_form_must_both_hold(operator):
    both = operator.post("/Patient/_search?gender=female", data={"_id": "pat-1,pat-2"}, headers=FORM)
    assert found(both) == found(operator.get("/Patient", params={"gender": "female", "_id": "pat-1,pat-2"}))


def test_the_self_link_shows_the_count_that_was_used(operator):
    answer = bundle(operator.get("/Patient", params={"_count": "999999"}))
    assert link(answer, "self").endswith("/Patient?_count=1000")
    answer = bundle(operator.get("", params={"_type": "Patient,Task", "_count": "999999"}))
    assert link(answer, "self").endswith("?_type=Patient,Task&_count=1000")


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def given_up(dsn, ask):
    """Stop the database's work on a search, as its time limit does, and return the answer."""
    holder, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await holder.execute("BEGIN; LOCK TABLE fhir_questionnaire")
    answer = asyncio.create_task(asyncio.to_thread(ask))
    async with asyncio.timeout(10):
        while not (waiting := await other.fetch(WAITING)):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    await other.execute("SELECT pg_cancel_backend($1)", waiting[0]["pid"])
    found = await answer
    await holder.close()
    await other.close()
    return found


def test_a_search_that_takes_too_long_is_given_up_with_advice_and_the_next_is_answered(operator, practice):
    dsn = practice.server.database_url
    for _ in range(3):
        answer = asyncio.run(
            given_up(dsn, lambda: operator.get("/Questionnaire", params={"status": "active"}))
        )
        issue = answer.json()["issue"][0]
        assert (answer.status_code, issue["code"]) == (503, "too-costly")
        assert answer.headers["retry-after"] == "5"
        assert issue["details"]["text"] == (
            "The search takes too much work; narrow it, for instance to one patient or a shorter time."
        )
        assert operator.get("/Questionnaire", params={"status": "active"}).status_code == 200


def logged(server, request_id):
    """What the log says of a request, up to its last line, which is written when the answer has left."""
    for _ in range(200):
        lines = [json.loads(line) for line in server.log.splitlines() if request_id in line]
        if lines and lines[-1]["event"] == "request answered":
            return lines
        time.sleep(0.05)
    raise AssertionError(request_id)


@pytest.mark.parametrize("by_form", [False, True])
def test_the_log_says_what_was_given_up_by_names_alone(operator, practice, by_form):
    request_id, canary = str(uuid4()), "Quetzalcanary"
    asked = {"name:contains": canary, "_sort": "-date", "_elements": "id", canary: canary}

    def ask():
        headers = {"X-Request-Id": request_id}
        if by_form:
            return operator.post("/Questionnaire/_search", data=asked, headers={**headers, **FORM})
        return operator.get("/Questionnaire", params=asked, headers=headers)

    assert asyncio.run(given_up(practice.server.database_url, ask)).status_code == 503
    told, _ = logged(practice.server, request_id)
    del told["time"], told["level"]
    assert told == {
        "event": "request not answered",
        "request_id": request_id,
        "issue_code": "too-costly",
        "error": "TooCostly",
        "cause": "QueryCanceledError",
        "parameters": ["_elements", "_sort", "name"],
    }
    assert canary not in practice.server.log


def test_the_log_says_nothing_more_of_what_was_answered_or_refused(operator, practice):
    for path in ("/Questionnaire?name=x", "/Questionnaire?date=x"):
        request_id = str(uuid4())
        operator.get(path, headers={"X-Request-Id": request_id})
        assert len(logged(practice.server, request_id)) == 1
