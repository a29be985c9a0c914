"""Every type of the server is stored, found, shown to its patient and kept from everybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from harness import Server
from types_kit import SMALLEST, smallest

from models.definitions import RESOURCE_TYPES
from models.resource import WITHOUT_PATIENT
from service.access.decide import DIRECTORY
from service.access.organization import AUTHORS


@pytest.fixture(scope="module")
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture
def patient(operator: httpx.Client) -> str:
    made: str = operator.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
    return made


@pytest.mark.parametrize("resource_type", SMALLEST)
def test_a_type_is_stored_found_changed_and_deleted(
    operator: httpx.Client, patient: str, resource_type: str
) -> None:
    document = smallest(resource_type, patient)
    made = operator.post(f"/{resource_type}", json=document)
    assert made.status_code == 201, made.text
    key = made.json()["id"]
    assert made.json().items() >= document.items()

    search = SMALLEST[resource_type][1].format(id=key)
    found = operator.get(f"/{resource_type}?{search}&_id={key}").json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [key]

    language = {**document, "id": key, "language": "de"}
    assert operator.put(f"/{resource_type}/{key}", json=language).headers["etag"] == 'W/"2"'
    assert operator.delete(f"/{resource_type}/{key}").status_code == 204
    assert operator.get(f"/{resource_type}/{key}").status_code == 410


@pytest.mark.parametrize("resource_type", sorted(set(SMALLEST) - WITHOUT_PATIENT))
def test_a_type_of_the_compartment_is_found_by_its_patient_and_no_other(
    operator: httpx.Client, patient: str, resource_type: str
) -> None:
    key = operator.post(f"/{resource_type}", json=smallest(resource_type, patient)).json()["id"]
    parameter = "subject" if resource_type == "AdverseEvent" else "patient"
    mine = operator.get(f"/{resource_type}?{parameter}=Patient/{patient}").json()
    others = operator.get(f"/{resource_type}?{parameter}=Patient/{uuid4()}&_total=accurate").json()
    assert [entry["resource"]["id"] for entry in mine["entry"]] == [key]
    assert others["total"] == 0


@pytest.mark.parametrize("resource_type", SMALLEST)
def test_an_element_that_a_type_does_not_have_is_refused(
    operator: httpx.Client, patient: str, resource_type: str
) -> None:
    document = {**smallest(resource_type, patient), "unheardOf": True}
    refused = operator.post(f"/{resource_type}", json=document)
    assert refused.status_code == 400
    (issue,) = refused.json()["issue"]
    assert (issue["code"], issue["expression"]) == ("structure", [f"{resource_type}.unheardOf"])


def test_what_tells_of_no_patient_is_the_directory_and_the_binary() -> None:
    assert DIRECTORY | {"Binary"} == WITHOUT_PATIENT


def test_the_tables_of_types_name_types() -> None:
    assert set(AUTHORS) <= set(RESOURCE_TYPES)
    assert set(SMALLEST) <= set(RESOURCE_TYPES)
