"""The parameters that US Core adds to those of R4.

Source: https://hl7.org/fhir/us/core/search-parameters-and-operations.html
"""

from __future__ import annotations

import pytest

from service.search.registry import Step, parameters, path

ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
PATIENT = {"reference": "Patient/p1"}

FOUND = (
    ("CareTeam", "role", "urn:roles|guide", "urn:roles|escort"),
    ("Encounter", "discharge-disposition", "home", "hosp"),
    ("Goal", "description", "urn:goals|sleep", "urn:goals|calm"),
)


def concept(system, code):
    return {"coding": [{"system": system, "code": code}]}


DOCUMENTS = {
    "CareTeam": {"participant": [{"role": [concept("urn:roles", "guide")]}]},
    "Encounter": {
        "status": "finished",
        "class": {"code": "AMB"},
        "hospitalization": {"dischargeDisposition": concept("urn:discharge", "home")},
    },
    "Goal": {"lifecycleStatus": "active", "description": concept("urn:goals", "sleep"), "subject": PATIENT},
}


@pytest.mark.parametrize(("resource_type", "name", "asked", "other"), FOUND)
async def test_a_token_of_us_core_finds_its_own_and_no_other(shelf, resource_type, name, asked, other):
    await shelf.put({"resourceType": resource_type, "id": "one", **DOCUMENTS[resource_type]})
    assert await shelf.matching(resource_type, name, other) == []
    assert await shelf.matching(resource_type, name, asked) == ["one"]


async def test_a_date_in_an_extension_is_found_by_the_extension_that_it_is_in(shelf):
    dated = [{"url": ASSERTED, "valueDateTime": "2026-03-01"}]
    other = [{"url": "http://acme.test/asserted", "valueDateTime": "2026-03-01"}]
    for key, extension in (("asserted", dated), ("other", other), ("none", [])):
        condition = {"resourceType": "Condition", "id": key, "subject": PATIENT}
        await shelf.put({**condition, **({"extension": extension} if extension else {})})
    for asked in ("2026-03", "2026-03-01", "ge2026-03-01", "lt2026-03-02", "gt2026-02"):
        assert await shelf.matching("Condition", "asserted-date", asked) == ["asserted"]
    assert await shelf.matching("Condition", "asserted-date", "gt2026-03-01") == []
    assert await shelf.matching("Condition", "asserted-date:missing", "true") == ["none", "other"]


def test_a_path_may_name_a_url_between_brackets():
    read = path(f"extension*[url={ASSERTED}].valueDateTime:dateTime")
    assert read.steps == (Step("extension", repeats=True, where=("url", ASSERTED)), Step("valueDateTime"))
    assert read.data_type == "dateTime"
    with pytest.raises(ValueError, match="telecom"):
        path("telecom*[system=email:ContactPoint")


def test_the_parameters_keep_the_names_that_us_core_gave_them():
    for resource_type, name in [(row[0], row[1]) for row in FOUND] + [("Condition", "asserted-date")]:
        assert parameters(resource_type)[name].url.startswith("http://hl7.org/fhir/us/core/SearchParameter/")
