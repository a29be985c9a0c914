"""fhir-pyrate: a researcher's client that reads pages upon pages into a table, one row a resource."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
from practice_kit import Practice, number, transaction

if TYPE_CHECKING:
    from fhir_pyrate import Pirate

SYSTEM = "https://pyrate.example"
PATIENTS = 4
EACH = 30
FIND = (
    ("id", "Observation.id"),
    ("patient", "Observation.subject.reference"),
    ("score", "Observation.valueQuantity.value"),
)


@dataclass(frozen=True)
class Cohort:
    """Patients of one group, each with as many observations."""

    code: str
    patients: list[str]
    observations: set[str]


@pytest.fixture(scope="session")
def cohort(practice: Practice) -> Cohort:
    code = number("cohort")
    with practice.operator() as operator:
        patients = stored(operator, [member(code, n) for n in range(PATIENTS)])
        scores = [score(code, patient, n) for patient in patients for n in range(EACH)]
        return Cohort(code, patients, set(stored(operator, scores)))


def stored(operator: httpx.Client, documents: list[dict[str, Any]]) -> list[str]:
    """Store documents in one transaction; return their ids."""
    entries = [("POST", document["resourceType"], document) for document in documents]
    answer = operator.post("", json=transaction(*entries))
    assert answer.status_code == 200, answer.text
    return [one["response"]["location"].split("/")[-3] for one in answer.json()["entry"]]


def member(code: str, n: int) -> dict[str, Any]:
    identifier = [{"system": SYSTEM, "value": f"{code}-{n}"}]
    return {"resourceType": "Patient", "identifier": identifier, "name": [{"family": f"Family{n}"}]}


def score(code: str, patient: str, n: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": SYSTEM, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": f"2026-0{1 + n % 6}-{1 + n % 28:02}",
        "valueQuantity": {"value": n, "unit": "score"},
    }


@pytest.fixture
def pirate(practice: Practice, token: str) -> Iterator[Pirate]:
    # Imported here: it brings pandas, which the collection of tests need not wait for.
    from fhir_pyrate import Pirate  # noqa: PLC0415

    # Its import sends every warning of the process to the log; the tests after this one want theirs raised.
    logging.captureWarnings(capture=False)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        yield Pirate(base_url=practice.server.fhir, auth=session, num_processes=1)


@pytest.mark.parametrize("count", [7, 10, 50, 1000])
def test_a_table_has_a_row_for_each_resource_however_large_the_pages(
    pirate: Pirate, cohort: Cohort, count: int
) -> None:
    table = pirate.steal_bundles_to_dataframe(
        "Observation", {"code": f"{SYSTEM}|{cohort.code}", "_count": count}, fhir_paths=list(FIND)
    )
    assert table.id.is_unique
    assert set(table.id) == cohort.observations
    assert table.groupby("patient").size().to_dict() == {f"Patient/{one}": EACH for one in cohort.patients}
    assert sorted(table.score) == sorted(n for n in range(EACH) for _ in cohort.patients)


def test_as_many_pages_are_read_as_are_wanted(pirate: Pirate, cohort: Cohort) -> None:
    criteria = {"code": f"{SYSTEM}|{cohort.code}", "_count": 9, "_sort": "_id"}
    table = pirate.steal_bundles_to_dataframe("Observation", criteria, num_pages=3, fhir_paths=list(FIND))
    assert table.id.tolist() == sorted(cohort.observations)[:27]


def test_a_sorted_search_is_sorted_over_all_pages(pirate: Pirate, cohort: Cohort) -> None:
    table = pirate.steal_bundles_to_dataframe(
        "Observation",
        {"code": f"{SYSTEM}|{cohort.code}", "_count": 11, "_sort": "-date"},
        fhir_paths=["id", ("at", "Observation.effectiveDateTime")],
    )
    assert table["at"].is_monotonic_decreasing
    assert set(table.id) == cohort.observations


def test_included_resources_come_in_a_table_of_their_own(pirate: Pirate, cohort: Cohort) -> None:
    tables = pirate.steal_bundles_to_dataframe(
        "Observation",
        {"code": f"{SYSTEM}|{cohort.code}", "_count": 20, "_include": "Observation:subject"},
    )
    assert tables.keys() == {"Observation", "Patient"}
    assert set(tables["Observation"].id) == cohort.observations
    assert set(tables["Patient"].id) == set(cohort.patients)


def test_each_row_of_a_table_is_a_question_of_its_own(pirate: Pirate, cohort: Cohort) -> None:
    patients = pirate.steal_bundles_to_dataframe(
        "Patient",
        {"_has:Observation:patient:code": f"{SYSTEM}|{cohort.code}", "_count": 2},
        fhir_paths=[("patient", "Patient.id"), ("family", "Patient.name[0].family")],
    )
    assert set(patients.patient) == set(cohort.patients)
    table = pirate.trade_rows_for_dataframe(
        patients,
        "Observation",
        df_constraints={"subject": "patient"},
        request_params={"_count": 8, "date": ["ge2026-02", "lt2026-05"]},
        fhir_paths=[
            "id",
            ("subject", "Observation.subject.reference"),
            ("at", "Observation.effectiveDateTime"),
        ],
        with_columns=["family"],
    )
    assert table.id.is_unique
    assert table["at"].between("2026-02", "2026-05").all()
    assert (table.subject == "Patient/" + table.patient).all()
    assert table.groupby("family").size().to_dict() == {f"Family{n}": EACH // 2 for n in range(PATIENTS)}


def test_a_span_of_time_is_cut_into_pieces_without_loss(pirate: Pirate, cohort: Cohort) -> None:
    table = pirate.sail_through_search_space_to_dataframe(
        "Observation",
        time_attribute_name="date",
        date_init="2026-01-01",
        date_end="2026-07-01",
        request_params={"code": f"{SYSTEM}|{cohort.code}", "_count": 16},
        fhir_paths=["id"],
    )
    assert table.id.is_unique
    assert set(table.id) == cohort.observations


def test_totals_are_told_when_they_are_asked_for(pirate: Pirate, cohort: Cohort) -> None:
    criteria = {"code": f"{SYSTEM}|{cohort.code}", "_total": "accurate", "_count": 0}
    assert pirate.get_bundle_total("Observation", criteria) == PATIENTS * EACH


@pytest.mark.parametrize(
    "resource_type", ["CarePlan", "Consent", "DocumentReference", "EpisodeOfCare", "Task"]
)
def test_whole_resources_are_flattened_into_columns(
    pirate: Pirate, operator: httpx.Client, resource_type: str
) -> None:
    table = pirate.steal_bundles_to_dataframe(resource_type, {"_count": 2})
    total = operator.get(f"/{resource_type}?_total=accurate&_count=0").json()["total"]
    assert len(table) == table.id.nunique() == total
    assert {"resourceType", "meta_versionId", "meta_lastUpdated", "status"} <= set(table.columns)


def test_a_search_that_is_refused_gives_an_empty_table(
    pirate: Pirate, caplog: pytest.LogCaptureFixture
) -> None:
    """The client logs the refusal and goes on; no half of an answer reaches the table."""
    table = pirate.steal_bundles_to_dataframe("Observation", {"date": "yesterday"}, fhir_paths=["id"])
    assert not len(table)
    assert "400" in caplog.text
