"""The patient's consents: treatment (A) and sharing of information (B), two resources and never one.

Source: https://hl7.org/fhir/R4/consent.html
"""

from __future__ import annotations

from collections.abc import Sequence

from models.kat.code import Code, concept
from models.kat.documents import PATIENT_CONSENT, RELEASE_CONSENT
from models.kat.local import CONSENT_KINDS
from models.kat.systems import CONSENT_SCOPE, V3_ACT_CODE, V3_PARTICIPATION
from service.demo.build import Resource, period, reference
from service.demo.chart import Chart

_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_CONSENT_POLICY = "http://terminology.hl7.org/CodeSystem/consentpolicycodes"
TREATMENT_SCOPE = Code(CONSENT_SCOPE, "treatment", "Treatment")
PRIVACY_SCOPE = Code(CONSENT_SCOPE, "patient-privacy", "Privacy Consent")
TREATMENT = Code(_ACT_REASON, "TREAT", "treatment")
RECIPIENT = Code(V3_PARTICIPATION, "IRCP", "information recipient")
PSYCHOTHERAPY_NOTE = Code(V3_ACT_CODE, "PSYTHPN", "psychotherapy note information sensitivity")
HIPAA_AUTHORIZATION = Code(_CONSENT_POLICY, "hipaa-auth", "HIPAA Authorization")


def treatment_consent(chart: Chart, signed: str, until: str) -> Resource:
    """Write the informed consent to off-label ketamine: risks, alternatives, no driving."""
    return {
        **_consent(chart, "A", signed, TREATMENT_SCOPE, PATIENT_CONSENT),
        "policy": [{"uri": "https://kat-fhir.example/forms/informed-consent/2026-03"}],
        "provision": {"type": "permit", "period": period(signed, until)},
    }


def sharing_consent(chart: Chart, signed: str, until: str, recipients: Sequence[str]) -> Resource:
    """Write the consent to share the record for treatment, psychotherapy notes excepted."""
    return {
        **_consent(chart, "B", signed, PRIVACY_SCOPE, RELEASE_CONSENT),
        "policyRule": concept(HIPAA_AUTHORIZATION),
        "provision": {
            "type": "permit",
            "period": period(signed, until),
            "actor": [{"role": concept(RECIPIENT), "reference": reference(party)} for party in recipients],
            "purpose": [TREATMENT.coding()],
            "provision": [{"type": "deny", "securityLabel": [PSYCHOTHERAPY_NOTE.coding()]}],
        },
    }


def _consent(chart: Chart, kind: str, signed: str, scope: Code, category: Code) -> Resource:
    return {
        "resourceType": "Consent",
        "id": chart.id("consent", kind.lower()),
        "status": "active",
        "scope": concept(scope),
        "category": [concept(category), concept(CONSENT_KINDS[kind])],
        "patient": chart.patient,
        "dateTime": f"{signed}T16:00:00Z",
        "performer": [chart.patient],
        "organization": [reference(chart.practice)],
    }
