"""fhirclient's strict models read whatever this server answers, of every type, and write it as it was.

A model refuses an unknown element, a wrong type, a missing element and a second choice; what it writes
is compared with what it read, so that nothing was ignored either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fhirclient.models.fhirelementfactory import FHIRElementFactory
from practice_kit import Practice, number, order, patient, transaction
from types_kit import SMALLEST, smallest

from models.definitions import RESOURCE_TYPES

Document = dict[str, Any]
Pages = Iterator[Document]


def require_read(document: Document) -> None:
    model = FHIRElementFactory.instantiate(document["resourceType"], document)
    assert model.as_json() == without_siblings(document)


def without_siblings(value: Any) -> Any:
    """Leave out the extensions of primitive values, which this client reads and forgets."""
    if isinstance(value, dict):
        return {name: without_siblings(item) for name, item in value.items() if not name.startswith("_")}
    return [without_siblings(item) for item in value] if isinstance(value, list) else value


def answered(answer: httpx.Response, status: int = 200) -> Document:
    assert answer.status_code == status, answer.text
    document: Document = answer.json()
    require_read(document)
    return document


def pages(operator: httpx.Client, url: str) -> Pages:
    """Read every page as a Bundle of models."""
    while url:
        page = answered(operator.get(url))
        yield page
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")


@pytest.fixture(scope="session")
def filled(practice: Practice) -> None:
    """Store one resource of each type that the demonstration does not need."""
    with practice.operator() as operator:
        for resource_type in SMALLEST:
            stored = operator.post(f"/{resource_type}", json=smallest(resource_type, "pat-1"))
            assert stored.status_code == 201, stored.text


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_resource_of_a_type_is_read_on_every_page(operator: httpx.Client, resource_type: str) -> None:
    found = [
        entry["resource"]["id"]
        for page in pages(operator, f"/{resource_type}?_count=20")
        for entry in page["entry"]
    ]
    whole = operator.get(f"/{resource_type}?_count=0&_total=accurate").json()["total"]
    assert len(found) == len(set(found)) == whole > 0


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_a_single_resource_of_a_type_is_read_in_full_and_in_part(
    operator: httpx.Client, resource_type: str
) -> None:
    first = answered(operator.get(f"/{resource_type}?_count=1"))["entry"][0]["resource"]
    url, version = f"/{resource_type}/{first['id']}", first["meta"]["versionId"]
    as_resource = {"Accept": "application/fhir+json"}
    assert answered(operator.get(url, headers=as_resource)) == first
    assert answered(operator.get(f"{url}/_history/{version}", headers=as_resource))
    for part in ("true", "text", "data"):
        answered(operator.get(f"/{resource_type}?_id={first['id']}&_summary={part}"))


def test_the_capability_statement_is_read(operator: httpx.Client) -> None:
    statement = answered(operator.get("/metadata"))
    assert [one["type"] for one in statement["rest"][0]["resource"]] == list(RESOURCE_TYPES)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/_history?_count=10", "history"),
        ("/Encounter/_history?_count=10", "history"),
        ("/Patient/pat-1/_history", "history"),
        ("?_type=Patient,Encounter&_count=10", "searchset"),
        ("/Patient/pat-1/*?_count=20", "searchset"),
        ("/Patient/pat-1/Encounter?_count=5", "searchset"),
        ("/Patient/pat-1/$everything?_count=20", "searchset"),
        ("/DocumentReference/$docref?patient=pat-1", "searchset"),
        ("/Observation/$lastn?patient=pat-1", "searchset"),
        ("/Patient?_unknown=1", "searchset"),
        ("/Patient?name=nobody-has-this-name", "searchset"),
        ("/Patient?_summary=count", "searchset"),
        ("/EpisodeOfCare?_include=*&_revinclude=Encounter:episode-of-care", "searchset"),
    ],
)
def test_every_bundle_is_read_and_names_itself(operator: httpx.Client, url: str, kind: str) -> None:
    bundle = answered(operator.get(url))
    assert bundle["type"] == kind
    itself = next(link["url"] for link in bundle["link"] if link["relation"] == "self")
    assert Counter(parse_qsl(urlsplit(itself).query)) <= Counter(parse_qsl(urlsplit(url).query))


def test_answers_to_bundles_are_read(operator: httpx.Client) -> None:
    entries = transaction(
        ("POST", "Patient", patient("Read")), ("PUT", "Patient/read-me", patient(id="read-me"))
    )
    entries["entry"].append({"request": {"method": "GET", "url": "Patient?_id=pat-1"}})
    whole = {"Prefer": "return=representation"}
    assert answered(operator.post("", json=entries, headers=whole))["type"] == "transaction-response"
    entries["entry"].append({"request": {"method": "GET", "url": "Patient/never-used"}})
    batch = answered(operator.post("", json={**entries, "type": "batch"}))
    assert batch["entry"][-1]["response"]["outcome"]["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("method", "url", "body", "status"),
    [
        ("GET", "/Patient/never-used", None, 404),
        ("GET", "/Nonsense", None, 404),
        ("GET", "/Patient?birthdate=x", None, 400),
        ("DELETE", "/Patient", None, 412),
        ("PUT", "/metadata", {"resourceType": "Patient"}, 405),
        ("POST", "/Patient", {"resourceType": "Patient", "gender": "x", "unknown": 1}, 400),
        ("POST", "/MedicationRequest", order(dispenseRequest={"numberOfRepeatsAllowed": 9}), 422),
        ("POST", "/Patient/$match", {"resourceType": "Parameters"}, 400),
        ("DELETE", "/Patient/pat-1", None, 409),
    ],
)
def test_every_refusal_is_read(
    operator: httpx.Client, method: str, url: str, body: Document | None, status: int
) -> None:
    outcome = answered(operator.request(method, url, json=body), status)
    assert outcome["resourceType"] == "OperationOutcome"


def test_the_outcomes_of_success_are_read(operator: httpx.Client) -> None:
    headers = {"Prefer": "return=OperationOutcome"}
    assert answered(operator.post("/Patient", json=patient(), headers=headers), 201)
    assert answered(operator.post("/Patient/$validate", json=patient()))["resourceType"] == "OperationOutcome"


def test_labels_are_read_as_parameters(operator: httpx.Client) -> None:
    for url in ("/$meta", "/Patient/$meta", "/Patient/pat-1/$meta"):
        assert answered(operator.get(url))["resourceType"] == "Parameters"


def test_matches_are_read_with_their_grades(operator: httpx.Client) -> None:
    value = number()
    stored = operator.post("/Patient", json=patient(identifier=[{"system": "urn:x", "value": value}])).json()
    described = {"name": "resource", "resource": {key: stored[key] for key in ("resourceType", "identifier")}}
    sent = {"resourceType": "Parameters", "parameter": [described]}
    (entry,) = answered(operator.post("/Patient/$match", json=sent))["entry"]
    assert entry["search"]["extension"][0]["url"].endswith("match-grade")
