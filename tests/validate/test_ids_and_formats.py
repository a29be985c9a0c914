"""Ids within a resource, and codes whose value sets are too large to list: languages, currencies.

Source: https://hl7.org/fhir/R4/element.html, https://hl7.org/fhir/R4/valueset-all-languages.html
"""

from __future__ import annotations

from typing import Any

import pytest

from service.validate import check

LANGUAGE = "This is not a language tag of BCP 47."
ALONE = "An id alone is not a value."


def value(**members: Any) -> dict[str, Any]:
    return {"extension": [{"url": "http://a", **members}]}


@pytest.mark.parametrize(
    ("members", "code", "place", "text"),
    [
        ({"language": "en_US"}, "code-invalid", "language", LANGUAGE),
        ({"language": "x"}, "code-invalid", "language", LANGUAGE),
        ({"language": "en "}, "code-invalid", "language", LANGUAGE),
        (
            value(valueCode=" a"),
            "value",
            "extension[0].valueCode",
            "A code has no leading, trailing or double spaces.",
        ),
        (
            value(valueMoney={"value": 1, "currency": "euro"}),
            "code-invalid",
            "extension[0].valueMoney.currency",
            "This is not a currency of ISO 4217.",
        ),
        (
            value(valueUuid="urn:uuid:C757873D-EC9A-4326-A141-556F43239520"),
            "value",
            "extension[0].valueUuid",
            "Write a UUID as urn:uuid: and its 36 characters, in lower case.",
        ),
        ({"_language": {"id": "a"}}, "invariant", "_language", ALONE),
        ({"_instantiatesUri": [{"id": "a"}]}, "invariant", "_instantiatesUri[0]", ALONE),
        (
            {"extension": [{"id": "a", "url": url, "valueCode": "a"} for url in ("http://a", "http://b")]},
            "invariant",
            "extension[1].id",
            "Two elements of the resource have the same id.",
        ),
    ],
)
def test_what_r4_does_not_allow_is_refused_at_its_place(
    members: dict[str, Any], code: str, place: str, text: str, prescription: dict[str, Any]
) -> None:
    (issue,) = check(prescription | members, "MedicationRequest")
    assert (issue.code, issue.expression) == (code, f"MedicationRequest.{place}")
    assert issue.text.startswith(text)


def test_an_id_is_unique_within_its_own_resource(prescription: dict[str, Any]) -> None:
    """The resource's own id, and those in a contained resource, are not those of its elements."""
    element = {"id": "a", "url": "http://a", "valueCode": "a"}
    held = {"resourceType": "Patient", "id": "a", "extension": [element]}
    prescription |= {"id": "a", "contained": [held], "subject": {"reference": "#a"}, "extension": [element]}
    assert check(prescription, "MedicationRequest") == []


@pytest.mark.parametrize("language", ["en", "de-CH-1996", "zh-Hant", "i-klingon", "x-private"])
def test_a_language_of_people_is_a_tag_of_bcp_47(language: str, prescription: dict[str, Any]) -> None:
    spoken = {"language": language, "_language": {"id": "l"}}
    told = {"language": "text/cql-identifier", "expression": "x"}
    assert check(prescription | spoken | value(valueExpression=told), "MedicationRequest") == []


def test_a_no_break_space_is_a_text_for_both(prescription: dict[str, Any]) -> None:
    """R4's regular expression counts it as a character: https://hl7.org/fhir/R4/datatypes.html#string."""
    prescription["dosageInstruction"][0]["text"] = "\u00a0"
    assert check(prescription, "MedicationRequest", second_opinion=True) == []
