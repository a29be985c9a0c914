"""The profiles of US Core 7.0.0 that concern our types, in tables: what is asked by, what must be there.

Profile    whose resources they are, its searches (SHALL, then SHOULD), the paths that must occur, references

7.0.0 contains what 6.1.0 requires of these types. Source: https://hl7.org/fhir/us/core/STU7/
"""

from __future__ import annotations

from dataclasses import dataclass

VITALS_SEARCHES = ("patient+category", "patient+category+date", "patient+code")
VITALS_MORE = ("patient+code+date", "patient+category+status", "patient+category+_lastUpdated")


@dataclass(frozen=True)
class Profile:
    """One profile: its name, its type, the path that its resources have, and what is asked of them."""

    name: str
    resource_type: str
    shall: tuple[str, ...] = ()
    should: tuple[str, ...] = ()
    mine: str = "id"
    must: tuple[str, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()
    """Elements with references that have to lead to a resource of a type."""
    revinclude: bool = True

    @property
    def searches(self) -> tuple[str, ...]:
        return (*self.shall, *self.should)


def vital_sign(name: str, code: str, unit: str, *more: str, mine: str = "") -> Profile:
    """A vital sign with one quantity in a fixed unit."""
    return Profile(
        name,
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        mine or f"code.coding[code={code}]",
        (
            "status",
            "category.coding[code=vital-signs].system",
            "effectiveDateTime",
            "valueQuantity.value",
            "valueQuantity.unit",
            f"valueQuantity[code={unit}]",
            "valueQuantity[system=http://unitsofmeasure.org]",
            *more,
        ),
        (("subject", "Patient"),),
    )


def pressure(name: str, code: str, effective: str, systolic: str, diastolic: str) -> Profile:
    """A blood pressure of two components, each once in millimetres of mercury and once missing."""
    parts = [f"component[code.coding.code={part}]" for part in (systolic, diastolic)]
    missing = () if effective == "effectivePeriod" else tuple(f"{part}.dataAbsentReason" for part in parts)
    return Profile(
        name,
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        f"code.coding[code={code}]",
        (
            "status",
            "category.coding[code=vital-signs].system",
            effective,
            *missing,
            *(
                f"{part}.valueQuantity.{value}"
                for part in parts
                for value in ("value", "unit", "system", "code")
            ),
        ),
        (("subject", "Patient"),),
    )


CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category"
STATUSES = ("sdoh", "functional-status", "disability-status", "cognitive-status")
WISHES = ("treatment-intervention-preference", "care-experience-preference")
VALUES = ("valueQuantity.value", "valueCodeableConcept", "valueString")

PEOPLE = (
    Profile(
        "Patient",
        "Patient",
        ("_id", "identifier", "name", "birthdate+name", "gender+name"),
        ("birthdate+family", "family+gender", "death-date+family"),
        must=(
            "identifier.system",
            "identifier.value",
            "name.family",
            "name.given",
            "name.suffix",
            "name[use=old] | name.period.end",
            "telecom.system",
            "telecom.value",
            "telecom.use",
            "gender",
            "birthDate",
            "deceasedDateTime",
            "address.line",
            "address.city",
            "address.state",
            "address.postalCode",
            "address[use=old] | address.period.end",
            "communication.language",
            "extension[url~/us-core-race].extension[url=ombCategory].valueCoding",
            "extension[url~/us-core-race].extension[url=text].valueString",
            "extension[url~/us-core-ethnicity].extension[url=text].valueString",
            "extension[url~/us-core-tribal-affiliation].extension[url=tribalAffiliation].valueCodeableConcept",
            "extension[url~/us-core-sex].valueCode",
        ),
    ),
    Profile(
        "Practitioner",
        "Practitioner",
        ("name", "identifier"),
        ("_id",),
        must=(
            "identifier[system=http://hl7.org/fhir/sid/us-npi].value",
            "name.family",
            "telecom.system",
            "telecom.value",
        ),
        revinclude=False,
    ),
    Profile(
        "PractitionerRole",
        "PractitionerRole",
        ("practitioner", "specialty"),
        must=(
            "practitioner",
            "organization",
            "code",
            "specialty",
            "location",
            "telecom.system",
            "telecom.value",
        ),
        targets=(
            ("practitioner", "Practitioner"),
            ("organization", "Organization"),
            ("location", "Location"),
        ),
        revinclude=False,
    ),
    Profile(
        "Organization",
        "Organization",
        ("name", "address"),
        must=(
            "identifier[system=http://hl7.org/fhir/sid/us-npi].value",
            "active",
            "name",
            "telecom.system",
            "telecom.value",
            "address.line",
            "address.city",
            "address.state",
            "address.postalCode",
            "address.country",
        ),
        revinclude=False,
    ),
    Profile(
        "Location",
        "Location",
        ("name", "address"),
        ("address-city", "address-state", "address-postalcode"),
        must=(
            "identifier",
            "status",
            "name",
            "type",
            "telecom",
            "address.line",
            "address.city",
            "address.state",
            "address.postalCode",
            "managingOrganization",
        ),
        targets=(("managingOrganization", "Organization"),),
        revinclude=False,
    ),
    Profile(
        "RelatedPerson",
        "RelatedPerson",
        ("_id",),
        ("patient", "name", "patient+name"),
        must=("active", "patient", "relationship", "name", "telecom", "address"),
        targets=(("patient", "Patient"),),
    ),
    Profile(
        "Coverage",
        "Coverage",
        ("patient",),
        must=(
            "identifier[type.coding.code=MB].value",
            "status",
            "type",
            "subscriberId",
            "beneficiary",
            "relationship",
            "period",
            "payor",
            "class[type.coding.code=group].value",
            "class[type.coding.code=plan].value",
            "class[type.coding.code=plan].name",
        ),
        targets=(("beneficiary", "Patient"), ("payor", "Organization")),
    ),
)
CONDITION_SHOULD = (
    "patient+category+clinical-status",
    "patient+clinical-status",
    "patient+onset-date",
    "patient+recorded-date",
    "patient+abatement-date",
    "patient+code",
    "patient+_lastUpdated",
)
CARE = (
    Profile(
        "Encounter",
        "Encounter",
        ("_id", "patient", "date+patient"),
        (
            "identifier",
            "class+patient",
            "patient+type",
            "patient+status",
            "patient+location",
            "patient+discharge-disposition",
            "patient+_lastUpdated",
        ),
        must=(
            "meta.lastUpdated",
            "identifier.system",
            "identifier.value",
            "status",
            "class.code",
            "type",
            "subject",
            "participant.type",
            "participant.period",
            "participant.individual",
            "period",
            "reasonCode | reasonReference",
            "hospitalization.dischargeDisposition",
            "location.location",
            "serviceProvider",
        ),
        targets=(
            ("subject", "Patient"),
            ("participant.individual", "Practitioner"),
            ("reasonReference", "Condition"),
            ("location.location", "Location"),
            ("serviceProvider", "Organization"),
        ),
    ),
    Profile(
        "Condition, problem or health concern",
        "Condition",
        ("patient", "patient+category"),
        (*CONDITION_SHOULD, "patient+asserted-date"),
        "category.coding[code=problem-list-item] | category.coding[code=health-concern]",
        must=(
            "meta.lastUpdated",
            "clinicalStatus",
            "verificationStatus",
            f"category.coding[system={CATEGORY}]",
            "category.coding[code=sdoh]",
            "code",
            "subject",
            "onsetDateTime",
            "extension[url~/condition-assertedDate].valueDateTime",
            "abatementDateTime",
            "recordedDate",
        ),
        targets=(("subject", "Patient"),),
    ),
    Profile(
        "Condition, diagnosis of an encounter",
        "Condition",
        ("patient", "patient+category"),
        (*CONDITION_SHOULD, "patient+category+encounter"),
        "category.coding[code=encounter-diagnosis]",
        must=("category", "code", "subject", "encounter", "abatementDateTime", "recordedDate"),
        targets=(("subject", "Patient"), ("encounter", "Encounter")),
    ),
    Profile(
        "CarePlan",
        "CarePlan",
        ("patient+category",),
        ("patient+category+status", "patient+category+date", "patient+category+status+date"),
        "category.coding[code=assess-plan]",
        must=("text.status", "text.div", "status", "intent", "category", "subject"),
        targets=(("subject", "Patient"),),
    ),
    Profile(
        "CareTeam",
        "CareTeam",
        ("patient+status",),
        ("role", "patient+role"),
        must=("status", "subject", "participant.role", "participant.member"),
        targets=(
            ("subject", "Patient"),
            ("participant.member", "Practitioner"),
            ("participant.member", "PractitionerRole"),
            ("participant.member", "RelatedPerson"),
            ("participant.member", "Patient"),
        ),
    ),
    Profile(
        "Goal",
        "Goal",
        ("patient",),
        ("patient+lifecycle-status", "patient+target-date", "patient+description"),
        must=("lifecycleStatus", "description", "subject", "startDate", "target.dueDate"),
        targets=(("subject", "Patient"),),
    ),
    Profile(
        "ServiceRequest",
        "ServiceRequest",
        ("patient", "_id", "patient+category", "patient+code", "patient+category+authored"),
        ("patient+code+authored", "patient+status"),
        must=(
            "status",
            "intent",
            "category",
            "code",
            "subject",
            "encounter",
            "occurrencePeriod",
            "authoredOn",
            "requester",
            "reasonCode",
            "reasonReference",
        ),
        targets=(
            ("subject", "Patient"),
            ("encounter", "Encounter"),
            ("requester", "Practitioner"),
            ("reasonReference", "Condition"),
        ),
    ),
    Profile(
        "Procedure",
        "Procedure",
        ("patient", "date+patient"),
        ("patient+status", "patient+code+date"),
        must=("basedOn", "status", "code", "subject", "encounter", "performedDateTime", "reasonCode"),
        targets=(("subject", "Patient"), ("encounter", "Encounter"), ("basedOn", "ServiceRequest")),
    ),
    Profile(
        "AllergyIntolerance",
        "AllergyIntolerance",
        ("patient",),
        ("patient+clinical-status",),
        must=("clinicalStatus", "verificationStatus", "code", "patient", "reaction.manifestation"),
        targets=(("patient", "Patient"),),
    ),
)
