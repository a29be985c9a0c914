"""Tables of what is planned and done for a patient.

Source: https://hl7.org/fhir/R4/workflow-module.html
"""

from __future__ import annotations

from datetime import datetime

from models.row import ResourceRow, instant


class AppointmentRow(ResourceRow, table=True):
    """The current Appointment resources."""

    __tablename__ = "fhir_appointment"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class CarePlanRow(ResourceRow, table=True):
    """The current CarePlan resources."""

    __tablename__ = "fhir_care_plan"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class CareTeamRow(ResourceRow, table=True):
    """The current CareTeam resources."""

    __tablename__ = "fhir_care_team"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class CommunicationRow(ResourceRow, table=True):
    """The current Communication resources."""

    __tablename__ = "fhir_communication"

    received_start: datetime | None = instant()
    received_end: datetime | None = instant()
    sent_start: datetime | None = instant()
    sent_end: datetime | None = instant()


class EncounterRow(ResourceRow, table=True):
    """The current Encounter resources."""

    __tablename__ = "fhir_encounter"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class EpisodeOfCareRow(ResourceRow, table=True):
    """The current EpisodeOfCare resources."""

    __tablename__ = "fhir_episode_of_care"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class GoalRow(ResourceRow, table=True):
    """The current Goal resources."""

    __tablename__ = "fhir_goal"

    start_date_start: datetime | None = instant()
    start_date_end: datetime | None = instant()


class PlanDefinitionRow(ResourceRow, table=True):
    """The current PlanDefinition resources."""

    __tablename__ = "fhir_plan_definition"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()
    effective_start: datetime | None = instant()
    effective_end: datetime | None = instant()


class ProcedureRow(ResourceRow, table=True):
    """The current Procedure resources."""

    __tablename__ = "fhir_procedure"

    date_start: datetime | None = instant()
    date_end: datetime | None = instant()


class ServiceRequestRow(ResourceRow, table=True):
    """The current ServiceRequest resources."""

    __tablename__ = "fhir_service_request"

    authored_start: datetime | None = instant()
    authored_end: datetime | None = instant()
    occurrence_start: datetime | None = instant()
    occurrence_end: datetime | None = instant()


class TaskRow(ResourceRow, table=True):
    """The current Task resources."""

    __tablename__ = "fhir_task"

    authored_on_start: datetime | None = instant()
    authored_on_end: datetime | None = instant()
    modified_start: datetime | None = instant()
    modified_end: datetime | None = instant()
    period_start: datetime | None = instant()
    period_end: datetime | None = instant()
