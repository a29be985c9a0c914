"""The demonstration practice and the seeded episodes: valid, complete, deterministic, loaded once."""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from models.principal import OPERATOR, ClientKind, Principal
from service import validate
from service.demo import practice, seed
from service.demo.access import DemoAccess
from service.kat.facts import Facts
from service.kat.prescription import check

NOW = datetime(2026, 11, 21, 15, tzinfo=UTC)
PRACTICE = [entry["resource"] for entry in practice.bundle()["entry"]]
SEEDED = [resource for arc in seed.episodes(25, 7) for resource in arc]


def key(resource):
    return f"{resource['resourceType']}/{resource['id']}"


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


both = pytest.mark.parametrize("resources", [PRACTICE, SEEDED], ids=["practice", "seed"])


@both
def test_every_resource_is_valid(resources):
    issues = [(key(one), issue) for one in resources for issue in validate.check(one, one["resourceType"])]
    assert issues == []


@both
def test_the_episode_is_named_by_the_extension_only_where_r4_lets_it_stand(resources):
    """https://hl7.org/fhir/R4/extension-workflow-episodeofcare.html lists the types."""
    url = "http://hl7.org/fhir/StructureDefinition/workflow-episodeOfCare"
    named = {
        one["resourceType"] for one in resources for part in one.get("extension", ()) if part["url"] == url
    }
    assert named <= {"Observation", "ServiceRequest", "CarePlan", "CareTeam", "QuestionnaireResponse"}
    notes = [one for one in resources if one["resourceType"] == "DocumentReference"]
    about = {one["subject"]["reference"].removeprefix("Patient/pat-") for one in notes}
    episodes = {one["context"]["related"][0]["reference"] for one in notes}
    assert episodes == {f"EpisodeOfCare/ep-{number}" for number in about}


@both
def test_every_id_is_given_once_and_every_reference_resolves(resources):
    keys = [key(resource) for resource in resources]
    assert [name for name, times in Counter(keys).items() if times > 1] == []
    assert {target for resource in resources for target in references(resource)} <= set(keys)


@both
def test_every_prescription_satisfies_every_rule(resources):
    known = {key(resource): resource for resource in resources}
    orders = [resource for resource in resources if resource["resourceType"] == "MedicationRequest"]
    employers = {
        name: role["organization"]["reference"]
        for role in resources
        if role["resourceType"] == "PractitionerRole"
        for name in (key(role), role["practitioner"]["reference"])
    }
    for order in orders:
        platform = Principal(
            "p", ClientKind.PRESCRIBER, (), organization=employers[order["requester"]["reference"]]
        )
        for writer in (OPERATOR, platform):
            assert check(order, Facts(writer, known), now=NOW) == []
    assert orders


def test_the_finished_arc_is_told_as_it_was():
    known = {key(resource): resource for resource in PRACTICE}
    sessions = Counter(
        resource["type"][0]["coding"][0]["code"]
        for resource in PRACTICE
        if resource["resourceType"] == "Encounter" and resource["subject"]["reference"] == "Patient/pat-1"
    )
    assert (sessions["preparation"], sessions["journey"], sessions["integration"]) == (7, 3, 6)
    episode = known["EpisodeOfCare/ep-1"]
    assert (episode["status"], episode["period"]) == (
        "finished",
        {"start": "2026-08-03", "end": "2026-11-20"},
    )
    order = known["MedicationRequest/rx-1"]
    assert order["dispenseRequest"]["validityPeriod"] == {"start": "2026-10-02", "end": "2027-04-02"}
    assert order["dispenseRequest"]["quantity"]["value"] == 9
    totals = [
        known[f"Observation/obs-1-phq9-{at}"]["valueQuantity"]["value"]
        for at in ("baseline", "journey-2", "end")
    ]
    assert totals == [19, 12, 7]


def test_no_note_of_the_demonstration_is_a_psychotherapy_note():
    notes = [resource for resource in PRACTICE if resource["resourceType"] == "DocumentReference"]
    assert notes
    assert not any("PSYTHPN" in json.dumps(one) for one in notes)
    progress = [{coding["code"] for coding in one["type"]["coding"]} for one in notes]
    assert {"34904-3", "11506-3"} in progress


def test_the_story_moves_with_the_day():
    assert practice.bundle() == practice.bundle(date(2026, 11, 21))
    moved = {
        key(entry["resource"]): entry["resource"] for entry in practice.bundle(date(2026, 12, 1))["entry"]
    }
    assert moved["EpisodeOfCare/ep-1"]["period"] == {"start": "2026-08-13", "end": "2026-11-30"}
    assert moved["Patient/pat-1"]["birthDate"] == "1984-02-29"


def test_a_seed_gives_the_same_patients_however_many():
    few, many = list(seed.episodes(3, 1)), list(seed.episodes(5, 1))
    assert many[:4] == few
    assert list(seed.episodes(3, 2))[1:] != few[1:]
    full = [place for place, arc in enumerate(seed.episodes(45, 1)) if not 28 <= len(arc) <= 36]
    assert full == [0, 1, 21, 41]


async def test_seeded_episodes_are_written_with_progress(database, settings):
    shown = []
    written = await seed.seed(
        database, settings, patients=12, seed=1, on_progress=lambda *done: shown.append(done)
    )
    assert written == sum(len(arc) for arc in seed.episodes(12, 1))
    assert shown == [(10, 12), (12, 12)]


async def test_the_demonstration_is_loaded_once(database, settings, tmp_path):
    settings = replace(settings, data_dir=tmp_path)
    first = await practice.load_demo(database, settings)
    count = "SELECT count(*) FROM resource_history WHERE id IN ('ep-1', 'pat-1', 'rx-1')"
    async with database.acquire() as connection:
        before = await connection.fetchval(count)
    again = await practice.load_demo(database, settings)
    async with database.acquire() as connection:
        assert await connection.fetchval(count) == before
    assert again == first
    assert {"client-rx-a", "client-rx-b", "client-ehr"} == set(first.clients)
    assert stat.S_IMODE((tmp_path / "demo-access.json").stat().st_mode) == 0o600


async def test_lost_secrets_are_replaced(database, settings, tmp_path):
    first = await practice.load_demo(database, replace(settings, data_dir=tmp_path / "first"))
    second = await practice.load_demo(database, replace(settings, data_dir=tmp_path / "second"))
    assert not set(first.clients.values()) & set(second.clients.values())
    assert not set(first.users.values()) & set(second.users.values())


def test_the_tour_carries_the_secrets_and_valid_resources():
    access = DemoAccess(
        date(2026, 11, 21),
        {"client-rx-a": "secret-a", "client-rx-b": "b", "client-ehr": "secret-e"},
        {"tessa": "pw"},
    )
    text = practice.tour(access, "http://127.0.0.1:8000")
    assert all(secret in text for secret in ("client-rx-a:secret-a", "client-ehr:secret-e", "password=pw"))
    sent = [json.loads(body) for body in re.findall(r"'(\{\"resourceType\".*\})'", text)]
    assert [document["resourceType"] for document in sent] == [
        "MedicationRequest",
        "Encounter",
        "DocumentReference",
    ]
    assert [validate.check(document, document["resourceType"]) for document in sent] == [[], [], []]
    known = {key(resource): resource for resource in PRACTICE}
    platform = Principal("client-rx-a", ClientKind.PRESCRIBER, (), organization="Organization/org-rx-a")
    assert check(sent[0], Facts(platform, known), now=datetime(2026, 11, 21, tzinfo=UTC)) == []
    assert max(map(len, text.splitlines())) < 4096
