"""A Binary is seen by whoever may see what stands in for it.

Source: https://hl7.org/fhir/R4/binary.html#security
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import harness
import httpx
import pytest
from practice_kit import patient

from models.errors import Forbidden
from models.principal import ClientKind, Principal, Role, Scope
from service.access import decide
from service.search.criteria import Guarded

Document = dict[str, Any]
JSON = {"Accept": "application/fhir+json"}
FEMALE = "system/Patient.rs?gender=female"


@pytest.fixture(scope="module")
def writer(server: harness.Server) -> Iterator[httpx.Client]:
    with server.client("admin", "system/*.cruds") as client:
        yield client


@pytest.fixture(scope="module")
def contexts(writer: httpx.Client) -> dict[str, str]:
    """Binaries by what stands in for them, as their paths."""
    group = {"resourceType": "Group", "type": "person", "actual": True}
    people = {
        gender: f"Patient/{writer.post('/Patient', json=patient(gender=gender)).json()['id']}"
        for gender in ("female", "male")
    }
    people["group"] = f"Group/{writer.post('/Group', json=group).json()['id']}"
    made = {}
    for name, context in {**people, "none": ""}.items():
        headers = {"Content-Type": "text/plain", **({"X-Security-Context": context} if context else {})}
        answer = writer.post("/Binary", content=name.encode(), headers=headers)
        assert answer.status_code == 201, answer.text
        made[name] = f"/Binary/{answer.headers['location'].rpartition('/Binary/')[2].partition('/')[0]}"
    return made


def seen(client: httpx.Client, contexts: dict[str, str]) -> set[str]:
    """Read each, search for each, and agree."""
    found = {name for name, path in contexts.items() if client.get(path).status_code == 200}
    ids = ",".join(path.removeprefix("/Binary/") for path in contexts.values())
    answer = client.get("/Binary", params={"_id": ids, "_total": "accurate"}, headers=JSON).json()
    listed = {entry["resource"]["id"] for entry in answer.get("entry", [])}
    assert listed == {contexts[name].removeprefix("/Binary/") for name in found}
    assert answer["total"] == len(listed)
    return found


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("system/Binary.rs", {"none"}),
        (f"system/Binary.rs {FEMALE}", {"none", "female"}),
        ("system/Binary.rs system/Patient.rs", {"none", "female", "male"}),
        ("system/Binary.rs system/Patient.cud system/Group.rs", {"none", "group"}),
        ("system/*.rs", {"none", "female", "male", "group"}),
    ],
)
def test_a_binary_is_seen_with_its_context(
    server: harness.Server, contexts: dict[str, str], scope: str, expected: set[str]
) -> None:
    with server.client("ehr", scope) as client:
        assert seen(client, contexts) == expected


def test_what_is_not_seen_is_not_there_by_any_path(
    server: harness.Server, writer: httpx.Client, contexts: dict[str, str]
) -> None:
    path, absent = contexts["male"], f"/Binary/{uuid4()}"
    with server.client("ehr", f"system/Binary.cruds {FEMALE}") as client:
        for url in (path, absent):
            assert client.get(url).status_code == 404
            assert client.get(f"{url}/_history").status_code == 404
            assert client.get(f"{url}/_history/1").status_code == 404
            assert client.put(url, content=b"x", headers={"Content-Type": "text/plain"}).status_code == 404
            assert client.delete(url).status_code == 204
    assert writer.get(path).content == b"male"


def test_an_older_version_goes_by_the_context_of_the_newest(
    server: harness.Server, writer: httpx.Client
) -> None:
    people = [
        f"Patient/{writer.post('/Patient', json=patient(gender=gender)).json()['id']}"
        for gender in ("female", "male")
    ]
    path = f"/Binary/{uuid4()}"
    for context in people[::-1]:
        headers = {"Content-Type": "text/plain", "X-Security-Context": context}
        assert writer.put(path, content=context.encode(), headers=headers).is_success
    with server.client("ehr", f"system/Binary.rs {FEMALE}") as client:
        assert client.get(path).content == people[0].encode()
        assert client.get(f"{path}/_history/1").status_code == 404


def test_whoever_is_confined_to_a_patient_sees_only_what_has_a_context() -> None:
    def permitted(interaction: str, *scopes: str, **members: Any) -> decide.Permission:
        granted = tuple(Scope("patient", name, frozenset("cruds")) for name in scopes)
        asker = Principal("app", ClientKind.PATIENT_APP, granted, role=Role.PATIENT, **members)
        return decide.authorize(asker, interaction, "Binary", base_url="http://fhir.test")

    for interaction in "crsud":
        text = repr(permitted(interaction, "Binary", "Patient", patient="pat-1").criteria)
        assert "required=True" in text
        assert "InPatient(id='pat-1')" in text or "Id(id='pat-1')" in text
    with pytest.raises(Forbidden) as refused:
        permitted("r", "*", patient="")
    assert refused.value.issues[0].text == "The access token has no scope to read Binary."


def test_who_reads_everything_is_not_asked_about_contexts() -> None:
    everything = Principal("ehr", ClientKind.EHR, (Scope("system", "*", frozenset("rs")),))
    assert decide.authorize(everything, "r", "Binary", base_url="http://fhir.test").unrestricted
    some = Principal("ehr", ClientKind.EHR, (Scope("system", "Binary", frozenset("cr")),))
    (guard,) = decide.authorize(some, "r", "Binary", base_url="http://fhir.test").criteria
    assert guard == Guarded((), (), required=False)
    assert decide.authorize(some, "c", "Binary", base_url="http://fhir.test").unrestricted
