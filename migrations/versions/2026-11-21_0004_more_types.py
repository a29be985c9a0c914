"""Tables of 15 more resource types: places, appointments, what was dispensed, found, done and told."""

from __future__ import annotations

from alembic import op

from migrations.tables import create_type_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    create_type_table("fhir_adverse_event", "date")
    create_type_table("fhir_allergy_intolerance", "date", "last_date")
    create_type_table("fhir_appointment", "date", by_date="date")
    create_type_table("fhir_binary", patient=False)
    create_type_table("fhir_clinical_impression", "date")
    create_type_table("fhir_communication", "received", "sent")
    create_type_table("fhir_composition", "date")
    create_type_table("fhir_flag", "date")
    create_type_table("fhir_healthcare_service", patient=False)
    create_type_table("fhir_location", patient=False)
    create_type_table("fhir_medication_dispense", "whenhandedover", "whenprepared")
    create_type_table("fhir_medication_statement", "effective")
    create_type_table("fhir_plan_definition", "date", "effective", patient=False)
    create_type_table("fhir_procedure", "date")
    create_type_table("fhir_risk_assessment", "date")


def downgrade() -> None:
    """Drop them."""
    for name in (
        "adverse_event",
        "allergy_intolerance",
        "appointment",
        "binary",
        "clinical_impression",
        "communication",
        "composition",
        "flag",
        "healthcare_service",
        "location",
        "medication_dispense",
        "medication_statement",
        "plan_definition",
        "procedure",
        "risk_assessment",
    ):
        op.drop_table(f"fhir_{name}")
