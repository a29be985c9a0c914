"""What keeps a document from being a resource: https://hl7.org/fhir/R4/validation.html."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from typing import Any

import pytest

from models.document import parse
from models.errors import Issue
from service.validate import check, prepare
from service.validate.model import disagreements

NUMBER = "This must be a JSON number, without quotes."
WHOLE = "This must be a whole JSON number, without quotes or a decimal point."
BOOLEAN = "This must be true or false, without quotes."
STRING = "This must be a JSON string."
EMPTY_STRING = "An empty string is not a value."
EMPTY_LIST = "An empty array is not a value."
EMPTY_OBJECT = "An empty object is not a value."
NULL = "null is not a value."
DATE_TIME = "This is not a dateTime."
REQUIRED = "This element is required."
NO_LIST = "This element does not repeat"
LIST = "This element may repeat"


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set what a path such as ``name.0.family`` names; ``...`` removes it."""
    steps: list[Any] = [int(step) if step.isdigit() else step for step in path.split(".")]
    owner: Any = document
    for step in steps[:-1]:
        owner = owner[step]
    if value is ...:
        del owner[steps[-1]]
    else:
        owner[steps[-1]] = value
    return document


def only(issues: list[Issue]) -> Issue:
    assert len(issues) == 1, issues
    assert issues[0].severity == "error"
    return issues[0]


DOSE = "dosageInstruction.0.doseAndRate.0.doseQuantity.value"
REPEATS = "dispenseRequest.numberOfRepeatsAllowed"


@pytest.mark.parametrize(
    ("path", "value", "code", "expression", "text"),
    [
        (DOSE, "200", "structure", "dosageInstruction[0].doseAndRate[0].doseQuantity.value", NUMBER),
        (DOSE, True, "structure", "dosageInstruction[0].doseAndRate[0].doseQuantity.value", NUMBER),
        (REPEATS, "5", "structure", "dispenseRequest.numberOfRepeatsAllowed", WHOLE),
        (REPEATS, Decimal("5.5"), "structure", "dispenseRequest.numberOfRepeatsAllowed", WHOLE),
        (
            REPEATS,
            -1,
            "value",
            "dispenseRequest.numberOfRepeatsAllowed",
            "A whole number from 0 to 2147483647",
        ),
        (REPEATS, 2**31, "value", "dispenseRequest.numberOfRepeatsAllowed", "A whole number from 0"),
        (REPEATS, Decimal("5.0"), "value", "dispenseRequest.numberOfRepeatsAllowed", "A whole number from 0"),
        ("doNotPerform", 1, "structure", "doNotPerform", BOOLEAN),
        ("doNotPerform", "true", "structure", "doNotPerform", BOOLEAN),
        ("status", 1, "structure", "status", STRING),
        ("status", "", "structure", "status", EMPTY_STRING),
        (
            "status",
            "activ",
            "code-invalid",
            "status",
            "This is not a code of medicationrequest-status. Use one of: act",
        ),
        ("status", ["active"], "structure", "status", NO_LIST),
        ("status", None, "structure", "status", NULL),
        ("status", ..., "required", "status", REQUIRED),
        ("subject", ..., "required", "subject", REQUIRED),
        (
            "medicationCodeableConcept",
            ...,
            "required",
            "medication",
            "One of medicationCodeableConcept, medicationRef",
        ),
        (
            "medicationReference",
            {"display": "x"},
            "structure",
            "medicationReference",
            "Only one of the types of medic",
        ),
        ("authoredOn", "2026-02-30", "value", "authoredOn", DATE_TIME),
        ("authoredOn", "2026-13", "value", "authoredOn", DATE_TIME),
        ("authoredOn", "2026-05-01T10:00:00", "value", "authoredOn", DATE_TIME),
        ("authoredOn", "2026-05-01T24:00:00Z", "value", "authoredOn", DATE_TIME),
        ("authoredOn", "2026-05-01 ", "value", "authoredOn", DATE_TIME),
        ("authoredOn", "\uff12\uff10\uff12\uff16", "value", "authoredOn", DATE_TIME),
        ("id", "../x", "value", "id", "An id is 1 to 64 letters"),
        ("id", "x" * 65, "value", "id", "An id is 1 to 64 letters"),
        ("category", [], "structure", "category", EMPTY_LIST),
        ("category", {"text": "x"}, "structure", "category", LIST),
        ("category", None, "structure", "category", NULL),
        ("category", [None], "structure", "category[0]", NULL),
        ("category", [[]], "structure", "category[0]", NO_LIST),
        ("note", [{}], "structure", "note[0]", EMPTY_OBJECT),
        ("note", ["x"], "structure", "note[0]", "This must be a JSON object."),
        (
            "statuss",
            "x",
            "structure",
            "statuss",
            "MedicationRequest has no such element in FHIR R4. Is status meant?",
        ),
        (
            "fhir_comments",
            ["x"],
            "structure",
            "fhir_comments",
            "MedicationRequest has no such element in FHIR R4.",
        ),
        (
            "identifier.0.value",
            "x\x00",
            "value",
            "identifier[0].value",
            "A string may hold no control characters",
        ),
        (
            "identifier.0.value",
            "x" * 1_048_577,
            "too-long",
            "identifier[0].value",
            "A string may have at most",
        ),
        ("language", "\ud800", "code-invalid", "language", "This is not a language tag of BCP 47."),
        ("meta", {"versionId": 1}, "structure", "meta.versionId", STRING),
        ("meta", {"lastUpdated": "2026-05-01"}, "value", "meta.lastUpdated", "This is not an instant."),
        ("meta", {"project": "x"}, "structure", "meta.project", "Meta has no such element in FHIR R4."),
        ("identifier.0.system", "a b", "value", "identifier[0].system", "A URI holds no spaces"),
        ("identifier.0.system", "urn:oid:x", "value", "identifier[0].system", "Write an OID as urn:oid:"),
        ("identifier.0.system", "urn:uuid:1", "value", "identifier[0].system", "Write a UUID as urn:uuid:"),
        (
            "identifier.0.use",
            "main",
            "code-invalid",
            "identifier[0].use",
            "This is not a code of identifier-use.",
        ),
        ("_status", {}, "structure", "_status", EMPTY_OBJECT),
        (
            "_subject",
            {"id": "x"},
            "structure",
            "_subject",
            "Only an element of a primitive type has a '_' sibling.",
        ),
        ("_status", {"value": "x"}, "structure", "_status.value", "Element has no such element in FHIR R4."),
        (
            "resourceType",
            "Patient",
            "invalid",
            "resourceType",
            "resourceType must be MedicationRequest here.",
        ),
        ("resourceType", ..., "invalid", "resourceType", "resourceType must be MedicationRequest here."),
        ("extension", [{"valueString": "x"}], "required", "extension[0].url", REQUIRED),
        (
            "extension",
            [{"url": "http://a"}],
            "invariant",
            "extension[0]",
            "Must have either extensions or value[x], no",
        ),
        (
            "extension",
            [{"url": "http://a", "valueString": "x", "valueCode": "y"}],
            "structure",
            "extension[0].valueCode",
            "Only one of the types of value[x] may be sent.",
        ),
    ],
)
def test_a_broken_element_is_refused_at_its_place(
    prescription: dict[str, Any], path: str, value: Any, code: str, expression: str, text: str
) -> None:
    issue = only(check(put(prescription, path, value), "MedicationRequest"))
    assert (issue.code, issue.expression) == (code, f"MedicationRequest.{expression}")
    assert issue.text.startswith(text)


@pytest.mark.parametrize("value", [None, [], {}, "x", 1, True, [{}]])
def test_what_is_no_object_is_no_resource(value: Any) -> None:
    issue = only(check(value, "Patient"))
    assert (issue.code, issue.expression) == ("structure", "Patient")


def test_everything_is_found_at_once(prescription: dict[str, Any]) -> None:
    put(prescription, "status", "activ")
    put(prescription, DOSE, "200")
    put(prescription, "dispenseRequest.validityPeriod.end", "2026-04-01")
    put(prescription, "intent", ...)
    found = {(issue.code, issue.expression) for issue in check(prescription, "MedicationRequest")}
    assert found == {
        ("code-invalid", "MedicationRequest.status"),
        ("structure", "MedicationRequest.dosageInstruction[0].doseAndRate[0].doseQuantity.value"),
        ("invariant", "MedicationRequest.dispenseRequest.validityPeriod"),
        ("required", "MedicationRequest.intent"),
    }


def test_a_code_of_another_system_is_no_code_of_the_binding() -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "clinicalStatus": {"coding": [{"system": "http://example.org", "code": "active"}]},
    }
    issue = only(check(condition, "Condition"))
    assert (issue.code, issue.expression) == ("code-invalid", "Condition.clinicalStatus.coding")
    assert "The system is http://terminology.hl7.org/CodeSystem/condition-clinical." in issue.text


@pytest.mark.parametrize(
    "concept", [{"coding": 5}, {"coding": [5]}, {"coding": [{"code": 5}]}, {"text": "x"}]
)
def test_a_concept_of_a_required_binding_needs_a_coding(concept: dict[str, Any]) -> None:
    condition = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "clinicalStatus": concept,
    }
    found = {(issue.code, issue.expression) for issue in check(condition, "Condition")}
    assert ("code-invalid", "Condition.clinicalStatus.coding") in found


@pytest.mark.parametrize("given", [["Ann", None], [None], ["Ann", ""]])
def test_a_list_of_strings_holds_strings(given: list[Any]) -> None:
    issue = only(check({"resourceType": "Patient", "name": [{"given": given}]}, "Patient"))
    assert (issue.code, issue.expression) == ("structure", f"Patient.name[0].given[{len(given) - 1}]")


@pytest.mark.parametrize("sibling", [[None], [None, {"id": "x"}, None], {"id": "x"}, [None, None]])
def test_a_sibling_has_one_entry_for_each_value(sibling: Any) -> None:
    name = {"given": ["Ann", None], "_given": sibling}
    issues = check({"resourceType": "Patient", "name": [name]}, "Patient")
    assert "Patient.name[0]._given" in str(issues)


def test_a_value_that_is_absent_for_a_reason_is_accepted(score: dict[str, Any]) -> None:
    reason = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
        ]
    }
    put(score, "status", ...)
    put(score, "_status", reason)
    assert check(score, "Observation") == []
    name = {"given": ["Ann", None], "_given": [None, reason]}
    assert check({"resourceType": "Patient", "name": [name]}, "Patient") == []


@pytest.mark.parametrize("data", ["QUJ", "QQ=", "=", "A*==", "QUJD====", "é", "   "])
def test_what_is_not_base64_is_refused(data: str) -> None:
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": data}
    issue = only(check(binary, "Binary"))
    assert (issue.code, issue.expression) == ("value", "Binary.data")
    assert issue.text.startswith("This is not base64.")


@pytest.mark.parametrize("data", ["QUJD", "QQ==", "QUJD\nQUJD", "ab+/"])
def test_base64_is_accepted_in_one_line_or_many(data: str) -> None:
    assert check({"resourceType": "Binary", "contentType": "application/pdf", "data": data}, "Binary") == []


def test_a_url_that_runs_a_script_is_refused() -> None:
    photo = {"contentType": "image/png", "url": "JavaScript:alert(1)"}
    issue = only(check({"resourceType": "Patient", "photo": [photo]}, "Patient"))
    assert (issue.code, issue.expression) == ("value", "Patient.photo[0].url")


def test_a_bundle_is_walked_through_its_entries(prescription: dict[str, Any]) -> None:
    entry = {
        "resource": put(prescription, "status", ...),
        "request": {"method": "POST", "url": "MedicationRequest"},
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [entry, {**entry, "resource": {"id": "x"}}],
    }
    found = {(issue.code, issue.expression) for issue in check(bundle, "Bundle")}
    assert found == {
        ("required", "Bundle.entry[0].resource.status"),
        ("invalid", "Bundle.entry[1].resource.resourceType"),
    }


def test_parameters_hold_one_value_each() -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "valueString": "x", "part": [{"name": "b"}]}],
    }
    issues = check(parameters, "Parameters")
    assert [issue.expression for issue in issues] == [
        "Parameters.parameter[0].part[0]",
        "Parameters.parameter[0]",
    ]
    assert all(issue.text.endswith("(inv-1)") for issue in issues)


def test_seven_megabytes_inline_are_checked_in_a_fraction_of_a_second() -> None:
    start_of_body = b'{"resourceType":"DocumentReference","status":"current","content":[{"attachment":'
    data = b'{"contentType":"a/b","data":"' + b"QUJD" * 1_750_000 + b'"}}]}'
    document = parse(start_of_body + data)
    start = time.process_time()
    assert check(document, "DocumentReference") == []
    assert time.process_time() - start < 1


def test_a_prescription_is_accepted_and_left_as_it_is(prescription: dict[str, Any]) -> None:
    before = repr(prescription)
    assert check(prescription, "MedicationRequest") == []
    assert repr(prescription) == before


@pytest.mark.parametrize(
    "moment",
    [
        "2026",
        "2026-05",
        "2028-02-29",
        "2026-05-01T10:00:00Z",
        "2026-05-01T10:00:00.123456789+14:00",
        "2016-12-31T23:59:60Z",
    ],
)
def test_every_precision_of_a_date_time_is_accepted(prescription: dict[str, Any], moment: str) -> None:
    assert check(put(prescription, "authoredOn", moment), "MedicationRequest") == []


def test_what_r4_has_and_r4b_lacks_is_accepted(score: dict[str, Any]) -> None:
    score["extension"] = [
        {"url": "http://a", "valueMeta": {"source": "http://b"}},
        {"url": "http://a", "valueUuid": "urn:uuid:c757873d-ec9a-1326-a141-556f43239520"},
        {"url": "http://a", "_valueCode": {"extension": [{"url": "http://b", "valueCode": "unknown"}]}},
    ]
    assert check(score, "Observation") == []


def test_a_prepared_model_is_there_before_the_first_check() -> None:
    prepare(["ClinicalImpression", "Bundle"])
    assert "fhir.resources.R4B.clinicalimpression" in sys.modules


def test_what_only_the_model_refuses_is_a_finding_without_the_value() -> None:
    (issue,) = disagreements({"resourceType": "Patient", "name": [{"given": ["CANARY", 5]}]}, "Patient")
    assert (issue.code, issue.expression) == ("structure", "Patient.name[0].given[1]")
    assert issue.text == "This does not have the structure that FHIR defines for it."


def test_a_long_list_of_codes_is_named_by_its_value_set() -> None:
    questionnaire = {"resourceType": "Questionnaire", "status": "draft", "subjectType": ["Patent"]}
    (issue,) = check(questionnaire, "Questionnaire")
    assert (issue.code, issue.expression) == ("code-invalid", "Questionnaire.subjectType[0]")
    assert issue.text == "This is not a code of http://hl7.org/fhir/ValueSet/resource-types."


@pytest.mark.parametrize(("data", "text"), [("", EMPTY_STRING), (5, STRING), (None, NULL)])
def test_content_that_is_no_text_is_refused(data: Any, text: str) -> None:
    issue = only(check({"resourceType": "Binary", "contentType": "a/b", "data": data}, "Binary"))
    assert (issue.code, issue.expression) == ("structure", "Binary.data")
    assert issue.text.startswith(text)
