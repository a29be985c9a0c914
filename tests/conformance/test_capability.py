"""The CapabilityStatement against the server that publishes it: what it declares is answered, no more.

Every question is made from the statement itself. Searches of one type travel as the entries of one batch.

Source: https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

import re
from pathlib import Path

import conformance_kit
import httpx
import practice_kit
import pytest
from conformance_kit import JSON_PATCH, bundle, entry, refusal, statuses, stored

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import resource_names

LIST = Path(__file__).with_name("r4_search_parameters.txt")
R4 = "http://hl7.org/fhir/SearchParameter/"
VALUE_SET = "http://hl7.org/fhir/ValueSet/request-status"

VALUES = {
    "token": "urn:system|code",
    "string": "text",
    "reference": "Patient/1",
    "date": "ge2026-01-01",
    "number": "5",
    "quantity": "5|urn:system|mg",
    "uri": "urn:uri",
    "special": "42.3|-71.1|10|km",
}
COMPOSITES = {
    "quantity": "code$5|urn:system|mg",
    "date": "code$2026",
    "relationship": "DocumentReference/1$appends",
}
OF_MODIFIERS = {"missing": "true", "of-type": "urn:s|code|value", "in": VALUE_SET, "not-in": VALUE_SET}
UNKNOWN_OPERATIONS = ["$expand", "$lookup", "$apply", "$export", "$stats", "$process-message", "$nonsense"]

TEXT = {"text": "for a test"}
KETAMINE = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6130"}]}
AMBULATORY = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
ACTIVE_ALLERGY = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "code": "active"}
    ]
}
SUBJECT = {"reference": "Patient/pat-1"}
DRUG = {"medicationCodeableConcept": KETAMINE, "subject": SUBJECT}

SMALLEST = {
    "AdverseEvent": {"actuality": "actual", "subject": SUBJECT},
    "AllergyIntolerance": {"clinicalStatus": ACTIVE_ALLERGY, "patient": SUBJECT},
    "Appointment": {"status": "proposed", "participant": [{"actor": SUBJECT, "status": "accepted"}]},
    "Binary": {"contentType": "text/plain"},
    "CarePlan": {"status": "active", "intent": "plan", "subject": SUBJECT},
    "ClinicalImpression": {"status": "completed", "subject": SUBJECT},
    "Communication": {"status": "completed"},
    "Composition": {
        "status": "final",
        "type": TEXT,
        "date": "2026-05-01",
        "title": "Summary",
        "author": [{"display": "the practice"}],
    },
    "Condition": {"subject": SUBJECT},
    "Consent": {"status": "draft", "scope": TEXT, "category": [TEXT], "policyRule": TEXT},
    "Coverage": {"status": "active", "beneficiary": SUBJECT, "payor": [{"display": "the patient"}]},
    "DetectedIssue": {"status": "final"},
    "DocumentReference": {
        "status": "current",
        "content": [{"attachment": {"url": "https://files.example/1"}}],
    },
    "Encounter": {"status": "planned", "class": AMBULATORY},
    "EpisodeOfCare": {"status": "planned", "patient": SUBJECT},
    "Flag": {"status": "active", "code": TEXT, "subject": SUBJECT},
    "Goal": {"lifecycleStatus": "proposed", "description": TEXT, "subject": SUBJECT},
    "Group": {"type": "person", "actual": True},
    "MedicationAdministration": {"status": "completed", "effectiveDateTime": "2026-05-01", **DRUG},
    "MedicationDispense": {"status": "completed", **DRUG},
    "MedicationStatement": {"status": "active", **DRUG},
    "Observation": {"status": "final", "code": TEXT},
    "Organization": {"name": "A practice"},
    "PlanDefinition": {"status": "draft"},
    "Procedure": {"status": "completed", "subject": SUBJECT},
    "Provenance": {
        "target": [SUBJECT],
        "recorded": "2026-05-01T09:00:00Z",
        "agent": [{"who": {"display": "somebody"}}],
    },
    "Questionnaire": {"status": "draft"},
    "QuestionnaireResponse": {"status": "completed"},
    "RelatedPerson": {"patient": SUBJECT},
    "RiskAssessment": {"status": "final", "subject": SUBJECT},
    "ServiceRequest": {"status": "active", "intent": "order", "subject": SUBJECT},
    "Task": {"status": "requested", "intent": "order"},
}
"""What a type must say; the others need nothing, and a prescription is the demonstration's."""


@pytest.fixture(scope="module")
def statement(client):
    answer = client.get("/metadata")
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="module")
def rest(statement):
    (only,) = statement["rest"]
    return only


@pytest.fixture(scope="module")
def described(rest):
    return {one["type"]: one for one in rest["resource"]}


@pytest.fixture(scope="module")
def practice(server):
    practice_kit.load(server)
    return server


def smallest(resource_type):
    if resource_type == "MedicationRequest":
        return practice_kit.order()
    return {"resourceType": resource_type, **SMALLEST.get(resource_type, {})}


def value(parameter):
    if parameter["type"] != "composite":
        return VALUES[parameter["type"]]
    ends = (COMPOSITES[end] for end in COMPOSITES if parameter["name"].endswith(end))
    return next(ends, "code$value")


def ask(client, urls):
    """Ask in a batch what is strictly understood, and return the statuses by url."""
    asked = bundle("batch", *(entry("GET", url) for url in urls))
    answer = client.post("", json=asked, headers={"Prefer": "handling=strict"})
    return dict(zip(urls, statuses(answer), strict=True))


def test_the_statement_is_public_and_says_what_it_must(server, statement):
    answer = httpx.get(f"{server.fhir}/metadata")
    assert answer.status_code == 200
    assert answer.json() == statement
    assert statement["resourceType"] == "CapabilityStatement"
    assert (statement["status"], statement["kind"]) == ("active", "instance")
    assert re.match(r"\d{4}-\d\d-\d\dT", statement["date"])
    assert statement["implementation"]["description"]
    assert statement["implementation"]["url"] == server.fhir
    assert [one["mode"] for one in statement["rest"]] == ["server"]


def test_the_version_is_r4_and_the_format_json(statement):
    assert statement["fhirVersion"] == "4.0.1"
    assert {"json", "application/fhir+json"} <= set(statement["format"])


def test_every_format_is_answered_and_no_other(client, statement):
    for name in statement["format"]:
        answer = client.get("/metadata", params={"_format": name})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/fhir+")
    refusal(client.get("/metadata?_format=ttl"), 406, "not-supported")


def test_older_clients_find_the_authorization_server_in_it(server, rest):
    security = rest["security"]
    assert security["cors"] is True
    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    (uris,) = security["extension"]
    assert uris["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    discovered = httpx.get(f"{server.fhir}/.well-known/smart-configuration").json()
    told = {one["url"]: one["valueUri"] for one in uris["extension"]}
    assert told == {
        name: discovered[
            f"{name.replace('introspect', 'introspection').replace('revoke', 'revocation')}_endpoint"
        ]
        if name in {"introspect", "revoke"}
        else discovered[{"authorize": "authorization_endpoint", "token": "token_endpoint"}[name]]
        for name in told
    }


def r4_parameters():
    """Read the list of R4: by type, the codes that are defined for it."""
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    listed = {}
    for line in lines:
        name, colon, codes = line.partition(":")
        current = name if colon else current  # noqa: F821 - a line without a colon continues one with it
        listed.setdefault(current, set()).update((codes if colon else line).split())
    return listed


def test_every_search_parameter_of_r4_is_declared_once(described):
    listed = r4_parameters()
    assert set(listed) - {"Resource", "DomainResource"} == set(described)
    common = listed["Resource"] - {"_query"}  # a search by name, of which none is offered
    for resource_type, one in described.items():
        names = [parameter["name"] for parameter in one["searchParam"]]
        prose = listed["DomainResource"] if resource_type != "Binary" else set()
        assert len(names) == len(set(names))
        of_r4 = {
            parameter["name"] for parameter in one["searchParam"] if parameter["definition"].startswith(R4)
        }
        assert of_r4 == listed[resource_type] | common | prose, resource_type


def test_a_parameter_that_is_not_r4s_has_a_definition_of_its_own(described):
    listed = r4_parameters()
    for resource_type, one in described.items():
        known = listed[resource_type] | listed["Resource"] | listed["DomainResource"]
        for parameter in one["searchParam"]:
            assert parameter["definition"].startswith(R4) == (parameter["name"] in known)


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_interaction_of_a_type_is_answered(client, practice, described, resource_type):
    declared = {one["code"] for one in described[resource_type]["interaction"]}
    made = stored(client, smallest(resource_type))
    url = f"/{resource_type}/{made['id']}"
    label = [{"op": "add", "path": "/meta/tag", "value": [{"code": "patched"}]}]
    answered = {
        "create": 201,
        "read": client.get(url).status_code,
        "vread": client.get(f"{url}/_history/1").status_code,
        "update": client.put(url, json={**made, "language": "en"}).status_code,
        "patch": client.patch(url, json=label, headers=JSON_PATCH).status_code,
        "history-instance": client.get(f"{url}/_history").status_code,
        "history-type": client.get(f"/{resource_type}/_history?_count=1").status_code,
        "search-type": client.get(f"/{resource_type}?_id={made['id']}").status_code,
        "delete": client.delete(url).status_code,
    }
    assert set(answered) == declared
    assert client.get(url).status_code == 410
    assert {**answered, "create": 200, "delete": 200} == dict.fromkeys(declared, 200)
    assert answered["delete"] == 204


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_parameter_and_include_of_a_type_is_answered_and_no_other(
    client, described, rest, resource_type
):
    one = described[resource_type]
    names = {parameter["name"] for parameter in one["searchParam"]}
    sorted_by = [
        parameter["name"]
        for parameter in one["searchParam"]
        if parameter["type"] not in {"composite", "special"}
    ]
    urls = [f"{resource_type}?_count=1&{p['name']}={value(p)}" for p in one["searchParam"]]
    urls += [f"{resource_type}?_count=1&{name}:missing=false" for name in sorted_by]
    urls += [f"{resource_type}?_count=1&_include={name}" for name in one.get("searchInclude", ())]
    urls += [f"{resource_type}?_count=1&_revinclude={name}" for name in one.get("searchRevInclude", ())]
    assert {url: status for url, status in ask(client, urls).items() if status != 200} == {}
    of_others = sorted({p["name"] for other in described.values() for p in other["searchParam"]} - names)
    step = RESOURCE_TYPES.index(resource_type) % 8
    urls = [f"{resource_type}?{name}=x" for name in [*of_others[step::8], "nonsense"]]
    tokens = [p["name"] for p in one["searchParam"] if p["type"] == "token"]
    urls += [f"{resource_type}?_include={resource_type}:{name}" for name in [*tokens, "nonsense"]]
    referring = {name for other in described for name in one.get("searchRevInclude", ())}
    strangers = [
        f"{other}:{p['name']}"
        for other in described
        for p in described[other]["searchParam"]
        if p["type"] == "reference" and f"{other}:{p['name']}" not in referring
    ]
    urls += [f"{resource_type}?_revinclude={name}" for name in strangers[step::8]]
    assert {url: status for url, status in ask(client, urls).items() if status != 400} == {}


def test_every_modifier_that_is_documented_is_answered(client, described):
    first = {}
    for resource_type, one in described.items():
        for parameter in one["searchParam"]:
            if parameter["name"][0] != "_":
                first.setdefault(parameter.get("documentation"), (resource_type, parameter))
    urls = []
    for documentation, (resource_type, parameter) in first.items():
        modifiers, _, prefixes = (documentation or "").partition("prefixes ")
        for modifier in re.findall(r":([a-z-]+)", modifiers):
            asked = OF_MODIFIERS.get(modifier, value(parameter))
            urls.append(f"{resource_type}?{parameter['name']}:{modifier}={asked}")
        bare = value(parameter).removeprefix("ge")
        urls += [f"{resource_type}?{parameter['name']}={prefix}{bare}" for prefix in prefixes.split()]
    assert len(urls) > 20
    assert {url: status for url, status in ask(client, urls).items() if status != 200} == {}


def test_every_parameter_of_the_server_is_answered(client, rest):
    urls = [
        f"?_type=Patient,Group&{p['name']}={'Patient' if p['name'] == '_type' else value(p)}"
        for p in rest["searchParam"]
        if p["name"] != "_filter"
    ]
    urls += ["?_type=Patient&_filter=active eq true", "Patient?_filter=active eq true"]
    assert set(ask(client, urls).values()) == {200}
    assert {p["name"] for p in rest["searchParam"]} >= {"_type", "_filter", "_id", "_lastUpdated"}
    assert set(ask(client, ["?_type=Patient,Group&active=true", "?nonsense=1"]).values()) == {400}


def test_every_interaction_of_the_server_is_answered(client, rest):
    declared = {one["code"] for one in rest["interaction"]}
    answered = {
        "transaction": client.post("", json=bundle("transaction")).status_code,
        "batch": client.post("", json=bundle("batch")).status_code,
        "history-system": client.get("/_history?_count=1").status_code,
        "search-system": client.get("/?_count=1").status_code,
    }
    assert answered == dict.fromkeys(declared, 200)
    assert rest["compartment"] == ["http://hl7.org/fhir/CompartmentDefinition/patient"]


def tried(client, path):
    """Ask for an operation by both methods; nothing it needs is there."""
    parameters = {"resourceType": "Parameters"}
    return {client.get(path).status_code, client.post(path, json=parameters).status_code}


def test_every_operation_is_answered_where_it_is_declared_and_nowhere_else(client, described, rest):
    names = {one["name"] for place in (*described.values(), rest) for one in place["operation"]}
    places = {"": rest, **described}
    unknown = conformance_kit.fresh()
    for place, one in places.items():
        declared = {operation["name"] for operation in one["operation"]}
        for name in sorted(names):
            paths = [f"/{place}/${name}", f"/{place}/{unknown}/${name}"] if place else [f"/${name}"]
            offered = [path for path in paths if not_a_route(client, path) is False]
            assert bool(offered) == (name in declared), f"{place} {name}"


def not_a_route(client, path):
    """Whether a path leads nowhere, for lack of a route and not of a resource."""
    answer = client.get(path)
    return answer.status_code == 404 and "operation" in answer.json()["issue"][0]["details"]["text"]


@pytest.mark.parametrize("name", UNKNOWN_OPERATIONS)
def test_an_operation_that_is_not_declared_is_not_there(client, name):
    for path in (f"/{name}", f"/Patient/{name}", f"/Patient/1/{name}", f"/Group/1/{name}"):
        assert tried(client, path) == {404}


def test_a_type_that_is_not_declared_is_not_there(client, described):
    others = sorted(resource_names() - set(described))
    assert len(others) > 90
    assert set(ask(client, [f"{name}/1" for name in others]).values()) == {404}


def test_how_a_type_behaves_is_declared_alike_for_all(described):
    for one in described.values():
        assert one["versioning"] == "versioned-update"
        assert (
            one["readHistory"]
            is one["updateCreate"]
            is one["conditionalCreate"]
            is one["conditionalUpdate"]
            is True
        )
        assert (one["conditionalRead"], one["conditionalDelete"]) == ("full-support", "single")
