"""The third job: an EHR pulls the episodes and what belongs to them, page by page, and comes back for more.

The system signs its own assertions (SMART Backend Services) and reads with clients that others wrote.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fhirclient.client
import fhirpy
import httpx
import oauth_kit
import pytest
from fhirclient.models.episodeofcare import EpisodeOfCare
from fhirclient.models.observation import Observation
from practice_kit import Practice, order, patient, resources

EPISODES = [f"ep-{number}" for number in range(1, 6)]
"""Those of the demonstration; other tests may have stored more."""

BELONGING = ("Encounter", "Observation", "MedicationRequest", "MedicationAdministration", "DocumentReference")


@pytest.fixture(scope="session")
def credentials(practice: Practice) -> dict[str, str]:
    return practice.server.add_client("ehr", "system/*.rs", jwks=oauth_kit.public_set(oauth_kit.EC_KEY))


@pytest.fixture(scope="session")
def token(practice: Practice, credentials: dict[str, str]) -> str:
    """The token that an assertion signed with ES384 is exchanged for, at the address discovery names."""
    with practice.server.http() as http:
        endpoint = http.get("/fhir/.well-known/smart-configuration").json()["token_endpoint"]
        signed = oauth_kit.assertion(credentials["client_id"], oauth_kit.EC_KEY, aud=endpoint)
        answer = http.post(endpoint, data=oauth_kit.backend_form(signed))
    assert answer.status_code == 200, answer.text
    granted: str = answer.json()["access_token"]
    return granted


@pytest.fixture(scope="session")
def ehr(practice: Practice, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=practice.server.fhir, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def typed(practice: Practice, token: str) -> fhirclient.client.FHIRClient:
    """A client whose models refuse what is not FHIR."""
    client = fhirclient.client.FHIRClient({"app_id": "ehr", "api_base": f"{practice.server.fhir}/"})
    client.server.session.headers["Authorization"] = f"Bearer {token}"
    return client


def pages(client: httpx.Client, url: str) -> Iterator[list[dict[str, Any]]]:
    """Follow next links to the end."""
    while url:
        bundle = client.get(url).raise_for_status().json()
        yield resources(bundle)
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "")


def pulled(client: httpx.Client, resource_type: str, since: str, count: int = 3) -> list[dict[str, Any]]:
    """Pull what changed after an instant."""
    url = f"/{resource_type}?_lastUpdated=gt{since}&_sort=_lastUpdated&_count={count}"
    return [resource for page in pages(client, url) for resource in page]


def eventually(pull: Callable[[], list[dict[str, Any]]], length: int) -> list[dict[str, Any]]:
    """Pull until so many come: a change is held back while an older transaction is open."""
    deadline = time.monotonic() + 20
    while len(found := pull()) < length and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_an_ehr_writes_nothing(ehr: httpx.Client, practice: Practice) -> None:
    before = practice.vault.versions()
    assert ehr.post("/MedicationRequest", json=order()).status_code == 403
    assert ehr.delete("/EpisodeOfCare/ep-1").status_code == 403
    assert practice.vault.versions() == before


def test_every_episode_comes_once_page_by_page(ehr: httpx.Client) -> None:
    url = f"/EpisodeOfCare?_id={','.join(EPISODES)}&_count=2&_total=accurate"
    found = [one for page in pages(ehr, url) for one in page]
    assert Counter(one["id"] for one in found) == Counter(EPISODES)
    assert ehr.get(url).json()["total"] == 5


def test_what_belongs_to_an_episode_is_found_by_its_patient(ehr: httpx.Client) -> None:
    for resource_type in BELONGING:
        found = [
            one for page in pages(ehr, f"/{resource_type}?patient=Patient/pat-1&_count=4") for one in page
        ]
        assert found
        assert Counter(one["id"] for one in found).most_common(1)[0][1] == 1
        for one in found:
            assert "Patient/pat-1" in json.dumps(one)


def test_typed_models_read_every_page(typed: fhirclient.client.FHIRClient) -> None:
    search = EpisodeOfCare.where(struct={"_id": ",".join(EPISODES), "_count": "2"})
    assert sorted(episode.id for episode in search.perform_resources_iter(typed.server)) == EPISODES
    scores = Observation.where(struct={"patient": "Patient/pat-1", "_count": "10"})
    assert len(list(scores.perform_resources_iter(typed.server))) > 10


def test_an_independent_client_fetches_everything(practice: Practice, token: str, ehr: httpx.Client) -> None:
    client = fhirpy.SyncFHIRClient(practice.server.fhir, authorization=f"Bearer {token}")
    fetched = client.resources("Encounter").search(patient="Patient/pat-1").limit(5).fetch_all()
    expected = [one["id"] for page in pages(ehr, "/Encounter?patient=Patient/pat-1") for one in page]
    assert sorted(one["id"] for one in fetched) == sorted(expected)
    episode = client.resources("EpisodeOfCare").search(_id="ep-1").include("EpisodeOfCare", "patient")
    assert [entry.resource["id"] for entry in episode.fetch_raw().entry] == ["ep-1", "pat-1"]


def test_a_pull_resumes_from_the_greatest_instant_seen(ehr: httpx.Client, operator: httpx.Client) -> None:
    first = eventually(lambda: pulled(ehr, "Patient", "2000-01-01T00:00:00Z"), 5)
    assert len({one["id"] for one in first}) == len(first) >= 5
    since = first[-1]["meta"]["lastUpdated"]
    created = [operator.post("/Patient", json=patient("Latecomer")).json() for _ in range(4)]
    changed = operator.put(f"/Patient/{created[0]['id']}", json={**created[0], "gender": "other"}).json()
    second = eventually(lambda: pulled(ehr, "Patient", since), 4)
    assert [one for one in second if one["name"][0]["family"] == "Latecomer"] == [*created[1:], changed]
    assert not {one["id"] for one in first} & {one["id"] for one in second}
    assert pulled(ehr, "Patient", changed["meta"]["lastUpdated"]) == []


def test_a_pull_never_shows_a_deleted_patient_and_its_history_does(
    ehr: httpx.Client, operator: httpx.Client
) -> None:
    created = operator.post("/Patient", json=patient("Leaver")).json()
    assert operator.delete(f"/Patient/{created['id']}").status_code == 204
    assert created["id"] not in {one["id"] for one in pulled(ehr, "Patient", "2000-01-01T00:00:00Z", 50)}
    assert ehr.get(f"/Patient/{created['id']}").status_code == 410
    history = ehr.get(f"/Patient/{created['id']}/_history").json()
    assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "POST"]


def test_smart_fetch_crawls_the_practice(
    practice: Practice, token: str, ehr: httpx.Client, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text(token)
    program = Path(sys.executable).with_name("smart-fetch")
    command = [
        program,
        "crawl",
        "--fhir-url",
        practice.server.fhir,
        "--bearer-token",
        secret,
        "--no-compression",
        "--no-default-filters",
    ]
    types = ["--type", "Patient,Encounter,Condition,MedicationRequest,Observation,DocumentReference"]
    cohort = ["--id-list", "pat-1,pat-2"]
    result = subprocess.run(  # noqa: S603 - a program of the environment
        [*command, *types, *cohort, tmp_path / "out"], capture_output=True, text=True, check=False, timeout=90
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for resource_type in types[1].split(","):
        crawled = [
            json.loads(line)["id"]
            for file in (tmp_path / "out").glob(f"{resource_type}.*ndjson")
            for line in file.read_text().splitlines()
        ]
        which = "_id=pat-1,pat-2" if resource_type == "Patient" else "patient=pat-1,pat-2"
        stored = [one["id"] for page in pages(ehr, f"/{resource_type}?{which}&_count=50") for one in page]
        assert (resource_type, sorted(crawled)) == (resource_type, sorted(stored))
