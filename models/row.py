"""What every resource type's table has.

Source: https://hl7.org/fhir/R4/resource.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, DateTime, Double, Text
from sqlmodel import Field, SQLModel

from models.columns import TransactionId

INSTANT = DateTime(timezone=True)


def instant() -> Any:
    """One side of a date parameter's interval."""
    return Field(default=None, sa_type=INSTANT)


def degrees() -> Any:
    """A latitude or longitude."""
    return Field(default=None, sa_type=Double)


class ResourceRow(SQLModel):
    """What every resource type table has. ``body`` is the answered JSON text; null once deleted."""

    id: str = Field(primary_key=True, sa_type=Text)
    version: int
    tx: int = Field(sa_type=TransactionId)
    last_updated: datetime = Field(sa_type=INSTANT)
    deleted: bool
    body: str | None = Field(default=None, sa_type=Text)
    patient: str | None = Field(default=None, sa_type=Text)
    terms: list[str] = Field(sa_type=ARRAY(Text))
