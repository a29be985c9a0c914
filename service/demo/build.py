"""Small words of FHIR, so that the demonstration reads like a chart and not like JSON.

    Days(today).day("2026-10-06")    the same story, moved so that it is told today

Source: https://hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from models.kat.code import Code, concept
from models.kat.systems import UCUM

Resource = dict[str, Any]

STORY_ENDS = date(2026, 11, 21)
"""The day on which the story is told; every date in it is moved by the distance of today to this day."""

RECORD_SYSTEM = "https://kat-fhir.example/sid/"


@dataclass(frozen=True, slots=True)
class Days:
    """Moves the dates of the story."""

    today: date = STORY_ENDS

    def day(self, told: str) -> str:
        """Move a day of the story."""
        return (date.fromisoformat(told) + (self.today - STORY_ENDS)).isoformat()

    def instant(self, told: str, clock: str) -> str:
        """Move an instant of the story, told in UTC as ``16:10``."""
        return f"{self.day(told)}T{clock}:00Z"


def later(day: str, days: int) -> str:
    """Return the day some days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def reference(key: str, display: str | None = None) -> Resource:
    """Refer to ``Type/id``."""
    return {"reference": key, **({"display": display} if display else {})}


def quantity(value: int | Decimal, unit: str, code: str | None = None) -> Resource:
    """Write a UCUM quantity; the code is the unit unless given."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


def identifier(name: str, value: str) -> Resource:
    """Write a record number of the demonstration practice."""
    return {"system": RECORD_SYSTEM + name, "value": value}


def period(start: str, end: str | None = None) -> Resource:
    """Write a Period, open when it has no end."""
    return {"start": start, **({"end": end} if end else {})}


def coded_extension(url: str, code: Code) -> Resource:
    """Write an extension whose value is a Coding."""
    return {"url": url, "valueCoding": code.coding()}


def text_attachment(text: str, title: str, created: str, content_type: str = "text/plain") -> Resource:
    """Write inline text as an Attachment."""
    return {
        "contentType": f"{content_type}; charset=utf-8",
        "language": "en-US",
        "data": base64.b64encode(text.encode()).decode(),
        "title": title,
        "creation": created,
    }


def narrative(text: str) -> Resource:
    """Write plain words as a generated narrative; the words must need no escaping."""
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text}</p></div>'}


def concepts(codes: Sequence[Code]) -> list[Resource]:
    """Write codes of different meanings, one CodeableConcept each."""
    return [concept(code) for code in codes]


def transaction(resources: Sequence[Resource]) -> Resource:
    """Write resources as one transaction that keeps their ids."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in resources
        ],
    }
