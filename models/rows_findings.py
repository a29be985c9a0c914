"""Tables of what was asked, observed and concluded.

Source: https://hl7.org/fhir/R4/diagnostics-module.html
"""

from __future__ import annotations

from datetime import datetime

from models.row import ResourceRow, instant


class AdverseEventRow(ResourceRow, table=True):
    """The current AdverseEvent resources."""

    __tablename__ = "fhir_adverse_event"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class AllergyIntoleranceRow(ResourceRow, table=True):
    """The current AllergyIntolerance resources."""

    __tablename__ = "fhir_allergy_intolerance"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    last_date_start: datetime | None = instant()
    last_date_end: datetime | None = instant()


class ClinicalImpressionRow(ResourceRow, table=True):
    """The current ClinicalImpression resources."""

    __tablename__ = "fhir_clinical_impression"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class ConditionRow(ResourceRow, table=True):
    """The current Condition resources."""

    __tablename__ = "fhir_condition"

    abatement_date_start: datetime | None = instant()
    abatement_date_end: datetime | None = instant()
    onset_date_start: datetime | None = instant()
    onset_date_end: datetime | None = instant()
    recorded_date_start: datetime | None = instant()
    recorded_date_end: datetime | None = instant()


class DetectedIssueRow(ResourceRow, table=True):
    """The current DetectedIssue resources."""

    __tablename__ = "fhir_detected_issue"

    identified_start: datetime | None = instant()
    identified_end: datetime | None = instant()


class FlagRow(ResourceRow, table=True):
    """The current Flag resources."""

    __tablename__ = "fhir_flag"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class ObservationRow(ResourceRow, table=True):
    """The current Observation resources."""

    __tablename__ = "fhir_observation"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    value_date_start: datetime | None = instant()
    value_date_end: datetime | None = instant()


class QuestionnaireRow(ResourceRow, table=True):
    """The current Questionnaire resources."""

    __tablename__ = "fhir_questionnaire"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    effective_start: datetime | None = instant()
    effective_end: datetime | None = instant()


class QuestionnaireResponseRow(ResourceRow, table=True):
    """The current QuestionnaireResponse resources."""

    __tablename__ = "fhir_questionnaire_response"

    authored_start: datetime | None = instant()
    authored_end: datetime | None = instant()


class RiskAssessmentRow(ResourceRow, table=True):
    """The current RiskAssessment resources."""

    __tablename__ = "fhir_risk_assessment"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
