"""The profiles of US Core 7.0.0 for medicines, documents, answers and observations, and all of them together.

Source: https://hl7.org/fhir/us/core/STU7/
"""

from __future__ import annotations

from us_core_profiles import (
    CARE,
    CATEGORY,
    PEOPLE,
    STATUSES,
    VALUES,
    VITALS_MORE,
    VITALS_SEARCHES,
    WISHES,
    Profile,
    pressure,
    vital_sign,
)

NOTE_TYPES = ("18842-5", "11488-4", "34117-2", "11506-3", "28570-0")
"""Discharge summary, consultation, history and physical, progress, procedure."""

FLOW = "component[code.coding.code=3151-8].valueQuantity"
CONCENTRATION = "component[code.coding.code=3150-0].valueQuantity"

DOSAGE = (
    "dosageInstruction.text",
    "dosageInstruction.timing",
    "dosageInstruction.doseAndRate.doseQuantity",
)
MEDICINES = (
    Profile(
        "MedicationRequest",
        "MedicationRequest",
        ("patient+intent", "patient+intent+status"),
        ("patient+intent+encounter", "patient+intent+authoredon"),
        must=(
            "status",
            "intent",
            "category.coding[system~/medicationrequest-category]",
            "reportedBoolean",
            "reportedReference",
            "medicationCodeableConcept",
            "medicationReference",
            "subject",
            "encounter",
            "authoredOn",
            "requester",
            "reasonCode | reasonReference",
            *DOSAGE,
            "dispenseRequest.numberOfRepeatsAllowed",
            "dispenseRequest.quantity",
            "extension[url~/us-core-medication-adherence].extension[url=medicationAdherence].valueCodeableConcept",
            "extension[url~/us-core-medication-adherence].extension[url=dateAsserted].valueDateTime",
            "extension[url~/us-core-medication-adherence].extension[url=informationSource].valueCodeableConcept",
        ),
        targets=(
            ("subject", "Patient"),
            ("encounter", "Encounter"),
            ("requester", "Practitioner"),
            ("requester", "PractitionerRole"),
            ("reportedReference", "Practitioner"),
            ("medicationReference", "Medication"),
        ),
    ),
    Profile(
        "MedicationDispense",
        "MedicationDispense",
        ("patient",),
        ("patient+status", "patient+status+type"),
        must=(
            "status",
            "medicationReference | medicationCodeableConcept",
            "subject",
            "context",
            "performer.actor",
            "authorizingPrescription",
            "type",
            "quantity",
            "whenHandedOver",
            *DOSAGE,
        ),
        targets=(
            ("subject", "Patient"),
            ("context", "Encounter"),
            ("performer.actor", "Organization"),
            ("authorizingPrescription", "MedicationRequest"),
            ("medicationReference", "Medication"),
        ),
    ),
)
DOCUMENTS = (
    Profile(
        "DocumentReference",
        "DocumentReference",
        ("_id", "patient", "patient+category", "patient+category+date", "patient+type"),
        ("patient+type+period", "patient+status"),
        "category.coding[code=clinical-note]",
        (
            "identifier",
            "status",
            *(f"type.coding[code={code}]" for code in NOTE_TYPES),
            "subject",
            "date",
            "author",
            "content.attachment.contentType",
            "content.attachment.data | content.attachment.url",
            "content.format.code",
            "context.encounter",
            "context.period",
        ),
        (("subject", "Patient"), ("author", "Practitioner"), ("context.encounter", "Encounter")),
    ),
    Profile(
        "QuestionnaireResponse",
        "QuestionnaireResponse",
        ("patient", "_id"),
        ("patient+questionnaire", "patient+authored", "patient+status"),
        must=(
            "identifier",
            "questionnaire",
            "_questionnaire.extension[url~/StructureDefinition/display].valueString",
            "_questionnaire.extension[url~/us-core-extension-questionnaire-uri].valueUri",
            "status",
            "subject",
            "authored",
            "author",
            "item.linkId",
            "item.text",
            "item.item",
            "item.item.answer.valueDecimal",
            "item.answer.valueString | item.item.answer.valueString",
            "item.answer.valueCoding",
            "item.answer.item",
        ),
        targets=(("subject", "Patient"), ("author", "Practitioner")),
    ),
    Profile(
        "Provenance",
        "Provenance",
        must=(
            "target.reference",
            "recorded",
            "agent[type.coding.code=author].who",
            "agent[type.coding.code=author].onBehalfOf",
            "agent[type.coding.code=transmitter].who",
            "agent.type.coding[system~/us-core-provenance-participant-type]",
        ),
        targets=(
            ("agent.who", "Practitioner"),
            ("agent.who", "Organization"),
            ("agent.onBehalfOf", "Organization"),
        ),
        revinclude=False,
    ),
)
OBSERVATIONS = (
    pressure("blood pressure", "85354-9", "effectiveDateTime", "8480-6", "8462-4"),
    pressure("average blood pressure", "96607-7", "effectivePeriod", "96608-5", "96609-3"),
    vital_sign("body weight", "29463-7", "kg"),
    vital_sign("body height", "8302-2", "cm"),
    vital_sign("body mass index", "39156-5", "kg/m2"),
    vital_sign("body temperature", "8310-5", "Cel"),
    vital_sign("heart rate", "8867-4", "/min"),
    vital_sign("respiratory rate", "9279-1", "/min"),
    vital_sign(
        "pulse oximetry",
        "59408-5",
        "%",
        "code.coding[code=2708-6]",
        f"{FLOW}.value",
        f"{FLOW}.unit",
        "component[code.coding.code=3151-8].valueQuantity[code=L/min]",
        f"{CONCENTRATION}.value",
        "component[code.coding.code=3150-0].valueQuantity[code=%]",
    ),
    Profile(
        "screening and assessment",
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        "category.coding[code=survey]",
        (
            "status",
            f"category.coding[system={CATEGORY}]",
            "code",
            "subject",
            "effectiveDateTime",
            "performer",
            *VALUES,
            "hasMember",
            "derivedFrom",
        ),
        (
            ("subject", "Patient"),
            ("hasMember", "Observation"),
            ("derivedFrom", "Observation"),
            ("derivedFrom", "QuestionnaireResponse"),
        ),
    ),
    Profile(
        "simple observation",
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        " | ".join(
            f"category.coding[code={code}]" for code in (*STATUSES, *WISHES, "social-history", "activity")
        ),
        (
            "status",
            *(f"category.coding[code={code}]" for code in (*STATUSES, *WISHES, "social-history", "activity")),
            "code",
            "effectiveDateTime",
            "performer",
            *VALUES,
            "valueBoolean",
            "derivedFrom",
        ),
        (("subject", "Patient"), ("derivedFrom", "Observation")),
    ),
    Profile(
        "clinical result",
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        "category.coding[code=exam]",
        ("status", "code", "subject", "encounter", "effectiveDateTime", *VALUES),
        (("subject", "Patient"), ("encounter", "Encounter")),
    ),
    Profile(
        "smoking status",
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        "code.coding[code=72166-2]",
        ("status", "category.coding[code=social-history]", "effectiveDateTime", "valueCodeableConcept"),
        (("subject", "Patient"),),
    ),
    Profile(
        "occupation",
        "Observation",
        VITALS_SEARCHES,
        VITALS_MORE,
        "code.coding[code=11341-5]",
        (
            "category.coding[code=social-history]",
            "effectivePeriod",
            "valueCodeableConcept",
            "component[code.coding.code=86188-0].valueCodeableConcept",
        ),
        (("subject", "Patient"),),
    ),
)

PROFILES = (*PEOPLE, *CARE, *MEDICINES, *DOCUMENTS, *OBSERVATIONS)
"""Every profile of our types."""
