"""Dates at the ends of the calendar, words beyond what the index holds, and what makes an index another."""

import base64
import json
from pathlib import Path
from uuid import uuid4

import pytest
from operations_kit import parameters, resources

from service import integrity, references, statements
from service.reindex import recipe
from service.search.values import ALWAYS, FIRST, LAST, NEVER, interval
from service.search.words import MAX_BYTES, displays

END, BEGINNING = "9999-12-31", "0001-01-01"
BEYOND, BEFORE = "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"
LEAP = "9999-12-31T23:59:60Z"
EDGES = (END, "9999", "9999-12", BEGINNING, "0001", BEYOND, BEFORE, LEAP, "9999-12-31T23:59:59.999999Z")
PREFIXES = ("", "eq", "ne", "gt", "ge", "lt", "le", "sa", "eb", "ap")

DATED = {
    "Patient?birthdate": lambda day: {"birthDate": day[:10]},
    "Observation?date": lambda day: {"effectiveDateTime": day},
    "Observation?date ": lambda day: {"effectivePeriod": {"start": day, "end": day}},
    "Observation?date  ": lambda day: {"effectiveTiming": {"event": [day, day]}},
    "Observation?date   ": lambda day: {"effectiveInstant": day if "T" in day else f"{day}T12:00:00Z"},
    "Encounter?date": lambda day: {"period": {"start": day, "end": day}},
    "Encounter?location-period": lambda day: {
        "location": [{"location": {"display": "x"}, "period": {"start": day, "end": day}}]
    },
    "EpisodeOfCare?date": lambda day: {"period": {"start": day, "end": day}},
}
"""A parameter of each way in which a date is stored; the spaces only keep the keys apart."""


@pytest.fixture(scope="module")
def client(server):
    with server.client("admin", "system/*.cruds") as client:
        client.timeout = 90
        yield client


@pytest.fixture(scope="module")
def store(client):
    patient = client.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
    subject = {"reference": f"Patient/{patient}"}
    needed = {
        "Patient": {},
        "Observation": {"status": "final", "code": {"text": "x"}, "subject": subject},
        "Encounter": {"status": "finished", "class": {"code": "AMB"}, "subject": subject},
        "EpisodeOfCare": {"status": "finished", "patient": subject},
    }

    def store(resource_type, **members):
        document = {"resourceType": resource_type, **needed[resource_type], **members}
        answer = client.post(f"/{resource_type}", json=document)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return store


def found(client, asked, resource, date):
    resource_type, _, name = asked.strip().partition("?")
    answer = client.get(f"/{resource_type}", params={"_id": resource["id"], name: date})
    return bool(resources(answer))


@pytest.mark.parametrize("asked", ["Patient?birthdate", "Observation?date", "Encounter?date"])
@pytest.mark.parametrize("name", ["", "_lastUpdated"])
def test_no_date_at_the_ends_of_the_calendar_is_a_fault_of_ours(client, asked, name):
    resource_type, _, own = asked.partition("?")
    for edge in EDGES:
        for prefix in PREFIXES:
            answer = client.get(f"/{resource_type}", params={name or own: prefix + edge, "_count": 1})
            refused = {200, 400} if prefix == "ap" else {200}
            assert answer.status_code in refused, (prefix, edge, answer.text)


@pytest.mark.parametrize("asked", DATED)
def test_what_is_at_the_end_of_the_calendar_is_found_there(client, store, asked):
    one = store(asked.partition("?")[0], **DATED[asked](END))
    for date in ("ge9999", "ge9999-12-31", "gt2026", "ge2026", "sa2026", "le9999", "ne2026", END, "9999"):
        assert found(client, asked, one, date), date
    for date in ("lt2020", "eb9999-12-31", "gt9999", f"gt{END}", f"sa{END}", "eq2026", f"lt{BEGINNING}"):
        assert not found(client, asked, one, date), date


@pytest.mark.parametrize("asked", DATED)
def test_what_is_at_the_beginning_of_the_calendar_is_found_there(client, store, asked):
    one = store(asked.partition("?")[0], **DATED[asked](BEGINNING))
    for date in ("le0001", f"le{BEGINNING}", "lt2020", "ge0001", "ne2026", f"ge{BEFORE}", f"gt{BEFORE}"):
        assert found(client, asked, one, date), date
    for date in (f"lt{BEGINNING}", "lt0001", f"eb{BEGINNING}", f"lt{BEFORE}", "ge2026", "gt9999", "eq2026"):
        assert not found(client, asked, one, date), date


@pytest.mark.parametrize("asked", [name for name in DATED if name != "Patient?birthdate"])
@pytest.mark.parametrize(
    ("moment", "finds", "misses"),
    [
        (BEYOND, (f"ge{BEYOND}", "ge9999", f"le{BEYOND}", "gt2026", f"ge{END}"), ("lt2020", "eb9999")),
        (LEAP, (f"ge{LEAP}", "ge9999", "gt2026"), ("lt2020", "gt9999", "eb9999")),
        (BEFORE, (f"le{BEFORE}", "le0001", "lt2026", f"ge{BEFORE}"), (f"lt{BEFORE}", "ge2026", "gt9999")),
    ],
)
def test_what_lies_beyond_the_calendar_is_found_at_its_end(client, store, asked, moment, finds, misses):
    one = store(asked.partition("?")[0], **DATED[asked](moment))
    for date in finds:
        assert found(client, asked, one, date), date
    for date in misses:
        assert not found(client, asked, one, date), date


def test_a_timing_may_reach_from_one_end_of_the_calendar_to_the_other(client, store):
    one = store("Observation", effectiveTiming={"event": [END, "2020-01-01", BEFORE]})
    for date in ("gt2026", "lt2000", "ap2026", "ne2020"):
        assert found(client, "Observation?date", one, date), date
    for date in ("eq2020", "sa2019", "eb2021", "gt9999"):
        assert not found(client, "Observation?date", one, date), date


def test_a_moment_beyond_the_calendar_covers_some_time():
    assert interval(BEYOND) == interval(LEAP) == (LAST, ALWAYS)
    assert interval(BEFORE) == (NEVER, FIRST)
    assert interval("9999-12-31T23:59:59Z")[1] == ALWAYS


def test_a_condition_may_ask_for_the_end_of_the_calendar(client):
    document = {"resourceType": "Patient", "birthDate": END, "name": [{"family": uuid4().hex}]}
    family = document["name"][0]["family"]
    for condition, status in ((f"ge{END}", 201), (f"ge{END}", 200), ("gt9999", 201)):
        headers = {"If-None-Exist": f"family={family}&birthdate={condition}"}
        assert client.post("/Patient", json=document, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("since", "status"),
    [("9999-12-31T23:59:59Z", "304"), (BEYOND, "304"), (LEAP, "304"), (BEFORE, "200")],
)
def test_an_entry_that_names_the_end_of_the_calendar_is_answered(client, store, since, status):
    url = f"Patient/{store('Patient')['id']}"
    entry = {"request": {"method": "GET", "url": url, "ifModifiedSince": since}}
    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    assert answer.json()["entry"][0]["response"]["status"].startswith(status)


def test_a_read_that_names_the_end_of_the_calendar_is_answered(client, store):
    url = f"/Patient/{store('Patient')['id']}"
    for date, status in (("Fri, 31 Dec 9999 23:59:59 GMT", 304), ("Mon, 01 Jan 0001 00:00:00 +1400", 200)):
        assert client.get(url, headers={"If-Modified-Since": date}).status_code == status


@pytest.mark.parametrize("name", ["_since", "_at"])
def test_a_history_from_or_at_the_ends_of_the_calendar_is_answered(client, store, name):
    url = f"/Patient/{store('Patient')['id']}/_history"
    for edge in EDGES:
        assert client.get(url, params={name: edge}).status_code in {200, 400}, edge


def test_a_record_of_care_at_the_ends_of_the_calendar_is_answered(client, store):
    key = store("Patient")["id"]
    for edge in (END, BEGINNING):
        for name in ("start", "end"):
            answer = client.get(f"/Patient/{key}/$everything", params={name: edge})
            assert f"Patient/{key}" in resources(answer)


def test_whoever_is_born_at_the_end_of_the_calendar_is_matched(client, store):
    family = uuid4().hex
    described = {
        "identifier": [{"system": "https://calendar.example/mrn", "value": family}],
        "name": [{"family": family, "given": ["Anna"]}],
        "gender": "female",
    }
    kept = store("Patient", **described, birthDate=END)
    for born, grade in ((END, "certain"), ("9999", "certain"), ("1980-05-17", "probable")):
        person = {"resourceType": "Patient", **described, "birthDate": born}
        answer = client.post("/Patient/$match", json=parameters(resource=person))
        assert resources(answer) == [f"Patient/{kept['id']}"], born
        assert answer.json()["entry"][0]["search"]["extension"][0]["valueCode"] == grade


@pytest.mark.parametrize("key", [BEFORE, BEYOND, "", "soon"])
def test_a_place_beyond_the_calendar_is_no_place_of_a_page(client, key):
    cursor = {"backwards": False, "keys": [key, "Patient"], "id": "x"}
    page = base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")
    answer = client.get("", params={"_type": "Patient,Group", "_sort": "_lastUpdated", "_page": page})
    assert answer.status_code == 400
    assert "page link" in answer.json()["issue"][0]["details"]["text"]


def test_of_more_words_than_the_index_holds_the_first_are_found(client, store):
    unique = f"u{uuid4().hex}"
    component = [
        {"code": {"text": " ".join(f"{unique if not place else 'w'}{row}x{place}" for place in range(150))}}
        for row in range(600)
    ]
    one = store("Observation", code={"text": f"{unique}own"}, component=component)
    for name, word in (("code", "own"), ("component-code", "0x0"), ("combo-code", "own")):
        answer = client.get("/Observation", params={f"{name}:text": unique + word})
        assert resources(answer) == [f"Observation/{one['id']}"], name
    assert resources(client.get("/Observation", params={"component-code:text": f"{unique}599x0"})) == []


def test_displays_are_cut_between_words_and_no_parameter_loses_its_first():
    found = [f"a:ä{number}" for number in range(20_000)] + ["b:first", "b:first", "b:second"]
    kept = displays(found)
    assert MAX_BYTES - 20 < len(kept.encode()) <= MAX_BYTES
    assert kept.startswith("a:ä0 b:first a:ä1 b:second a:ä2 ")
    assert set(kept.split(" ")) <= set(found)
    assert displays(["b:x", "a:y", "b:x"]) == "b:x a:y"


@pytest.mark.parametrize("module", [integrity, references, statements])
def test_an_index_is_another_when_the_code_that_makes_it_has_changed(module, tmp_path, monkeypatch):
    before = recipe.__wrapped__()
    changed = tmp_path / Path(module.__file__).name
    changed.write_bytes(Path(module.__file__).read_bytes() + b"\n")
    monkeypatch.setattr(module, "__file__", str(changed))
    assert recipe.__wrapped__() != before
