"""Valid requests, bent at random: whatever comes out, the server answers for the client's fault.

Every document is bent at one to three places by an operation drawn at random from a seed, so that a
failure is repeated by running its seed again.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import practice_kit
import pytest
from practice_kit import Practice, note, order, patient

Document = dict[str, Any]
Place = tuple[Any, Any]

PER_SEED = 60
BODY_AT_FAULT = {400, 422}

ODD: list[Any] = [
    None, True, False, 0, -1, 10**30, 1.5, -1e-300, "", " ", "x", "\t", "a" * 70_000, "é\u202e\U0001f335",
    "null", "#", "#x", "urn:uuid:x", "Patient/", "Patient/pat-2", "Patient?", "Patient?name=",
    "Patient?identifier=x|", "Patient/pat-2/_history/1", "http://[", "http://x/y?z#a", "../..",
    "2026-13-45", "2026-02-30T25:00:00Z", "0000", "9999-12-31T23:59:59.999999999+14:00", 'W/"1"', "%00",
    "'; --", "${x}", [], [[]], [None], ["x"], [{}], {}, {"": ""}, {"resourceType": "Patient"},
    {"reference": "Patient/pat-2"}, {"reference": 1}, {"value": {}},
    {"coding": [{"system": "x", "code": "y"}]}, {"extension": [{"url": "x", "valueString": "y"}]},
]  # fmt: skip


def places(value: Any) -> Iterator[Place]:
    """Every member and item of a document, as (holder, key)."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def replaced(chance: random.Random, holder: Any, key: Any) -> None:
    holder[key] = copy.deepcopy(chance.choice(ODD))


def removed(_chance: random.Random, holder: Any, key: Any) -> None:
    del holder[key]


def wrapped(_chance: random.Random, holder: Any, key: Any) -> None:
    holder[key] = [holder[key]]


def doubled(_chance: random.Random, holder: Any, key: Any) -> None:
    holder[key] = [holder[key], copy.deepcopy(holder[key])]


def renamed(chance: random.Random, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        names = [
            f"_{key}",
            key.upper(),
            f"{key}x",
            "id",
            "meta",
            "resourceType",
            "contained",
            "extension",
            "text",
        ]
        holder[chance.choice(names)] = holder.pop(key)


def deepened(chance: random.Random, holder: Any, key: Any) -> None:
    for _ in range(chance.randint(1, 15)):
        holder[key] = {"x": holder[key]} if chance.random() < 1 / 2 else [holder[key]]


OPERATIONS: list[Callable[[random.Random, Any, Any], None]] = [
    replaced, replaced, replaced, removed, wrapped, doubled, renamed, deepened,
]  # fmt: skip


def bent(document: Document, chance: random.Random) -> Document:
    """Bend a document at one to three places."""
    result = copy.deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(places(result)) or [({"x": 1}, "x")])
        chance.choice(OPERATIONS)(chance, holder, key)
    return result


def episode() -> Document:
    return {
        "resourceType": "EpisodeOfCare",
        "status": "active",
        "patient": {"reference": "Patient/pat-2"},
        "period": {"start": "2026-11-01"},
    }


def questionnaire() -> Document:
    inner = {"linkId": "1.1", "answer": [{"valueDecimal": 1.50}, {"valueCoding": {"code": "x"}}]}
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "subject": {"reference": "Patient/pat-2"},
        "item": [{"linkId": "1", "item": [inner]}],
    }


def bundle(kind: str = "transaction") -> Document:
    document = practice_kit.transaction(
        ("POST", "Patient", patient(identifier=[{"system": "urn:x", "value": "1"}])),
        ("POST", "MedicationRequest", order()),
        ("PUT", "Patient/bent", patient(id="bent")),
        ("DELETE", "Patient/absent", {}),
        ("POST", "EpisodeOfCare", episode()),
    )
    del document["entry"][3]["resource"]
    document["entry"][4]["resource"]["patient"]["reference"] = document["entry"][0]["fullUrl"]
    document["entry"][0]["request"]["ifNoneExist"] = "identifier=urn:x|1"
    return {**document, "type": kind}


SOUND: dict[str, Callable[[], Document]] = {
    "MedicationRequest": order,
    "Patient": lambda: patient(birthDate="1984-02-29", managingOrganization={"display": "x"}),
    "DocumentReference": lambda: note("text/plain", b"x"),
    "EpisodeOfCare": episode,
    "QuestionnaireResponse": questionnaire,
}  # fmt: skip


def require_sense(answer: httpx.Response, sent: Any) -> None:
    """Whatever was sent, the answer is FHIR, and a fault of the body is placed."""
    said = (answer.status_code, answer.text[:1000], json.dumps(sent)[:3000])
    assert answer.status_code < 500, said
    if answer.is_success:
        return
    issues = answer.json()["issue"]
    assert all(issue["details"]["text"] for issue in issues), said
    if answer.status_code in BODY_AT_FAULT:
        assert all(issue.get("expression") for issue in issues), said


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("resource_type", SOUND)
def test_a_bent_resource_is_judged_and_only_sound_ones_are_stored(
    resource_type: str, seed: int, prescriber: httpx.Client, operator: httpx.Client, practice: Practice
) -> None:
    chance = random.Random(f"{resource_type}{seed}")  # noqa: S311 - what is bent is no secret
    before, stored = practice.vault.versions(), 0
    for _ in range(PER_SEED):
        document = bent(SOUND[resource_type](), chance)
        client = prescriber if resource_type == "MedicationRequest" and chance.random() < 1 / 2 else operator
        method, url = chance.choice([("POST", ""), ("POST", ""), ("PUT", "/bent-" + str(seed))])
        if method == "PUT" and chance.random() < 3 / 4:
            document["id"] = url[1:]
        answer = client.request(method, f"/{resource_type}{url}", content=json.dumps(document))
        require_sense(answer, document)
        stored += answer.is_success
    assert 0 <= practice.vault.versions() - before <= stored
    assert practice.vault.index_disagreements(resource_type) == 0


@pytest.mark.parametrize("seed", range(4))
def test_a_bent_bundle_is_judged_and_stored_as_a_whole_or_not_at_all(
    seed: int, operator: httpx.Client, practice: Practice
) -> None:
    chance = random.Random(f"bundle{seed}")  # noqa: S311 - what is bent is no secret
    for _ in range(PER_SEED // 2):
        document = bent(bundle(chance.choice(["transaction", "transaction", "batch"])), chance)
        before = practice.vault.versions()
        answer = operator.post("/", content=json.dumps(document))
        require_sense(answer, document)
        if not answer.is_success:
            assert practice.vault.versions() == before, document


@pytest.mark.parametrize("seed", range(2))
def test_bent_bytes_are_refused_or_understood(seed: int, operator: httpx.Client, practice: Practice) -> None:
    chance = random.Random(seed)  # noqa: S311 - what is bent is no secret
    before, stored = practice.vault.versions(), 0
    for _ in range(PER_SEED):
        body = bytearray(json.dumps(order()).encode())
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        answer = operator.post("/MedicationRequest", content=bytes(body))
        assert answer.status_code < 500, bytes(body)
        if not answer.is_success:
            practice_kit.findings(answer)
        stored += answer.is_success
    assert practice.vault.versions() - before <= stored


WORDS = [
    "", "x", "-1", "0", "99999999999", "1e400", "NaN", "true", "2026", "gt2026-13", "ap", "sa9999-12-31",
    "|", "||", "a|b|c", "\\", "\\,", ",", ",,", "$", "a$b", "Patient/pat-2", "Patient/", "/", ":",
    "http://x|y", "\u0000", "\ud83c", "é", "%", "_id", "identifier", "-", "family,-birthdate", "*",
    "Patient:organization", "MedicationRequest:subject:Patient", "a" * 3000, "2026-11-21T00:00:00+99:99",
    "eq", "5.4|http://unitsofmeasure.org|mg", "lt", "0.0000000000000000000000000001", "'", '"', "(", "%%",
]  # fmt: skip
PARAMETERS = [
    "_id", "_lastUpdated", "_count", "_sort", "_include", "_revinclude", "_total", "_summary",
    "_elements", "_page", "_format", "_pretty", "_has", "_has:Observation:patient:code", "_filter",
    "_content", "_text", "_tag", "_security", "name", "family", "birthdate", "identifier", "organization",
    "organization.name", "gender", "general-practitioner", "organization:Organization.name", "x", "", ":",
    ".", "a.b.c.d.e.f.g.h", "_profile", "deceased", "link", "phone",
]  # fmt: skip
MODIFIERS = [
    "", "", "", ":exact", ":contains", ":missing", ":not", ":in", ":text", ":of-type", ":identifier",
    ":Patient", ":x", ":iterate",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_a_bent_search_is_answered_or_refused(seed: int, operator: httpx.Client) -> None:
    chance = random.Random(seed)  # noqa: S311 - what is bent is no secret
    for _ in range(PER_SEED):
        pairs = [
            (chance.choice(PARAMETERS) + chance.choice(MODIFIERS), chance.choice(WORDS))
            for _ in range(chance.randint(1, 3))
        ]
        query = "&".join(f"{quote(name)}={encoded(value)}" for name, value in pairs)
        path = chance.choice(
            ["/Patient", "/Patient", "/Observation", "/MedicationRequest", "/Patient/pat-1/_history"]
        )
        answer = operator.get(
            f"{path}?{query}", headers={"Prefer": chance.choice(["handling=strict", "handling=lenient"])}
        )
        assert answer.status_code < 500, (path, pairs, answer.text)
        if not answer.is_success:
            practice_kit.findings(answer)


def encoded(value: str) -> str:
    return quote(value.encode("utf-8", "surrogatepass"))
