"""The audit trail tells whose record an operation was asked about, wherever in the request that stood."""

from __future__ import annotations

from uuid import uuid4

from operations_kit import parameters


def test_parameters_in_the_body_are_recorded_like_those_of_the_url(practice, client, store):
    patient = store("Patient")
    asked = parameters(patient__valueId=patient["id"])
    request_id = str(uuid4())
    answer = client.post("/DocumentReference/$docref", json=asked, headers={"X-Request-Id": request_id})
    assert answer.status_code == 200
    rows = practice.vault.fetch("SELECT query FROM audit_record WHERE request_id = $1", request_id)
    assert [row[0] for row in rows] == [f"patient={patient['id']}"]
