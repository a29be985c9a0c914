"""The patient picker: practice staff name the patient whom an app is opened for.

Found by the beginning of a name or by a whole record number, or the patients who changed last. What is
returned is PHI: it goes to the page and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ARRAY, Text, cast, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from models.resource import INDEX_STRING
from models.rows_people import PatientRow
from service.search.values import normalized

MAX_CHOICES = 20
PREFIX_CHARACTERS = 64
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class PatientChoice:
    """One line of the picker."""

    id: str
    name: str
    born: str
    record_number: str


async def search(session: AsyncSession, text: str) -> list[PatientChoice]:
    """Return the patients whose name begins with ``text`` or whose record number it is."""
    statement = select(PatientRow).where(~col(PatientRow.deleted)).limit(MAX_CHOICES)
    wanted = normalized(text)[:PREFIX_CHARACTERS]
    if wanted:
        index = INDEX_STRING.c
        named = select(index.id).where(index.resource_type == "Patient", index.parameter == "name")
        named = named.where(index.prefix >= wanted, index.prefix < wanted + _LAST_CHARACTER)
        numbered = select(col(PatientRow.id)).where(
            col(PatientRow.terms).op("@>")(cast([f"identifier={text.strip().casefold()}"], ARRAY(Text)))
        )
        statement = statement.where(col(PatientRow.id).in_(union(named, numbered)))
    statement = statement.order_by(col(PatientRow.last_updated).desc(), col(PatientRow.id))
    return [_choice(row) for row in (await session.execute(statement)).scalars()]


async def find(session: AsyncSession, patient_id: str) -> PatientChoice | None:
    """Return the patient with this id."""
    row = await session.get(PatientRow, patient_id)
    return _choice(row) if row is not None and not row.deleted else None


def _choice(row: PatientRow) -> PatientChoice:
    document: dict[str, Any] = msgspec.json.decode(row.body or "{}")
    identifiers = [item.get("value", "") for item in document.get("identifier", ())]
    return PatientChoice(
        id=row.id,
        name=_name(document),
        born=document.get("birthDate", ""),
        record_number=next((value for value in identifiers if value), ""),
    )


def _name(document: dict[str, Any]) -> str:
    for name in document.get("name", ()):
        parts = [*(part for part in name.get("given", ()) if part), name.get("family", "")]
        written = " ".join(part for part in parts if part) or name.get("text", "")
        if written:
            return str(written)
    return "(no name)"
