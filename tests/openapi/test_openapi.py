"""openapi.yaml says what the server does: routes, search parameters, refusals, examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import harness
import pytest
import schemathesis
from jsonschema_rs import Draft202012Validator
from starlette.routing import Route

from api import docs, health, openapi, smart
from models.definitions import RESOURCE_TYPES
from models.definitions.primitives import CHECKS
from service.interaction import Name, interpret
from service.operations.catalogue import offered
from service.search.registry import parameters
from service.validate import check

COMMITTED = Path(openapi.__file__).parent.parent / "openapi.yaml"
FORMS_OF_OUR_OWN_PAGES = {"/oauth/sign-in", "/oauth/consent", "/oauth/sign-out"}
CONTRACT = openapi.document()
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
]
FHIR = [one for one in OPERATIONS if one.values[0].startswith("/fhir") and "well-known" not in one.values[0]]


def validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": CONTRACT["components"]}
    )


def test_a_stale_file_is_told_from_a_current_one(tmp_path: Path):
    file = tmp_path / "openapi.yaml"
    assert not openapi.check(file)
    file.write_text("openapi: 3.1.0\n")
    assert not openapi.check(file)
    openapi.write(file)
    assert openapi.check(file)


def test_the_committed_file_is_current():
    assert openapi.check(COMMITTED), "Write it with: kat-fhir openapi"


def test_the_contract_is_valid_openapi():
    schemathesis.openapi.from_dict(CONTRACT).validate()


def test_the_contract_names_no_operation_twice():
    identifiers = [one.values[2]["operationId"] for one in OPERATIONS]
    assert len(identifiers) == len(set(identifiers))


def test_every_interaction_is_described_for_every_type():
    described = {
        (found.title, found.resource_type)
        for path, method, _ in (one.values for one in FHIR)
        for filled in [path.removeprefix("/fhir").format(id="1", version="1", member="Observation")]
        for found in [interpret(method.upper(), filled)]
    }
    system = {Name.CAPABILITIES, Name.BUNDLE, Name.HISTORY_SYSTEM, Name.SEARCH_SYSTEM}
    everywhere = set(Name) - system - {Name.OPERATION}
    assert described == {(name, "") for name in system} | {
        (name, resource_type) for name in everywhere for resource_type in RESOURCE_TYPES
    } | {
        (one.name, resource_type) for resource_type in ("", *RESOURCE_TYPES) for one in offered(resource_type)
    }


def test_every_route_beside_fhir_is_described():
    routes = [route for route in (*smart.ROUTES, *health.ROUTES, *docs.ROUTES) if isinstance(route, Route)]
    served = {route.path for route in routes if not route.path.startswith("/docs/")}
    assert served - FORMS_OF_OUR_OWN_PAGES <= CONTRACT["paths"].keys()


@pytest.mark.parametrize(("path", "method", "operation"), FHIR)
def test_every_fhir_operation_describes_its_refusals(path: str, method: str, operation: Any):
    expected = {"400", "406"} if path == "/fhir/metadata" else {"400", "401", "403", "406", "503"}
    if "requestBody" in operation:
        expected |= {"413", "415"}
    assert expected <= operation["responses"].keys()
    assert "500" not in operation["responses"]


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_search_parameter_of_the_registry_is_described(resource_type: str):
    described = CONTRACT["paths"][f"/fhir/{resource_type}"]["get"]["parameters"]
    assert {one["name"] for one in described if "name" in one} == set(parameters(resource_type))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "2023-02-29"),
        ("date", "0000"),
        ("dateTime", "2026-11-21T10:00:00"),
        ("instant", "2026-11-21"),
        ("time", "24:00:00"),
        ("id", "a/b"),
        ("id", "x" * 65),
        ("code", " a"),
        ("string", ""),
        ("string", "\0"),
        ("uri", "a b"),
        ("positiveInt", 0),
        ("unsignedInt", 2**31),
        ("boolean", "true"),
        ("decimal", "1.0"),
        ("base64Binary", "ä"),
        ("oid", "urn:oid:3.1"),
        ("uuid", "urn:uuid:1"),
    ],
)
def test_what_a_primitive_type_cannot_hold_the_contract_refuses(name: str, value: Any):
    assert CHECKS[name](value) is not None
    assert not validator(name).is_valid(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "2024-02-29"),
        ("date", "2026"),
        ("dateTime", "2000-02-29T23:59:60.123+14:00"),
        ("instant", "1900-01-31T00:00:00Z"),
        ("time", "23:59:60.5"),
        ("id", "A-1."),
        ("code", "a b"),
        ("string", "\t\r\n\u00a0é"),
        ("uri", "urn:oid:1.2"),
        ("positiveInt", 2**31 - 1),
        ("integer", -(2**31)),
        ("base64Binary", "QUJD\nREVG"),
        ("oid", "urn:oid:2.16.840"),
        ("uuid", "urn:uuid:5f0c8a34-6f6e-4c2f-9a53-1f6f0f3f7a01"),
    ],
)
def test_what_a_primitive_type_holds_the_contract_accepts(name: str, value: Any):
    assert CHECKS[name](value) is None
    assert validator(name).is_valid(value)


EXAMPLES = [
    pytest.param(body["schema"]["$ref"].rpartition("/")[2], example["value"], id=one.id)
    for one in OPERATIONS
    for body in one.values[2].get("requestBody", {}).get("content", {}).values()
    for example in body.get("examples", {}).values()
]


@pytest.mark.parametrize(("schema", "value"), EXAMPLES)
def test_every_example_keeps_its_schema_and_fhir(schema: str, value: Any):
    assert validator(schema).is_valid(value)
    resources = [entry["resource"] for entry in value["entry"]] if schema == "RequestBundle" else [value]
    assert [issue for one in resources for issue in check(one, one["resourceType"])] == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": None},
        {"status": "expired"},
        {"subject": None},
        {"medicationReference": None},
        {"medicationCodeableConcept": {"text": "another"}},
        {"dosageInstruction": []},
        {"dispenseRequest": {"numberOfRepeatsAllowed": "5"}},
        {"unknown": True},
    ],
    ids=str,
)
def test_a_misshapen_prescription_is_refused_by_the_contract(change: dict[str, Any]):
    sound = next(one.values[1] for one in EXAMPLES if one.values[0] == "MedicationRequest")
    bent = {name: value for name, value in {**sound, **change}.items() if value is not None}
    assert not validator("MedicationRequest").is_valid(bent)


def test_the_documentation_needs_nothing_from_elsewhere(server: harness.Server):
    with server.http() as http:
        page = http.get("/docs")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "http" not in page.text
        for asset in ("start.js", "swagger-ui-bundle.js", "swagger-ui.css"):
            assert http.get(f"/docs/{asset}").status_code == 200


def test_the_served_contract_is_the_committed_one_with_the_servers_origin(server: harness.Server):
    with server.http() as http:
        committed = COMMITTED.read_text().replace(openapi.ORIGIN, server.base_url)
        assert http.get("/openapi.yaml").text == committed
        assert http.get("/openapi.json").json() == openapi.document(server.base_url)


@pytest.mark.parametrize(("schema", "value"), EXAMPLES)
def test_every_example_works_on_the_demo_practice(
    schema: str, value: Any, server: harness.Server, operator: dict[str, str]
):
    place = "" if schema == "RequestBundle" else f"/{schema}"
    path = f"{place}/{value['id']}" if "id" in value else place
    with server.http(headers=operator) as http:
        answer = http.request(
            "PUT" if "id" in value else "POST",
            f"/fhir{path}",
            json=value,
            headers={"Content-Type": "application/fhir+json"},
        )
    assert answer.status_code in {200, 201}, answer.text


def test_a_method_that_is_not_offered_is_answered_with_those_that_are(server: harness.Server):
    with server.http() as http:
        answer = http.delete("/oauth/token")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["issue"][0]["code"] == "not-supported"
