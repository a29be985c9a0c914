"""A database large enough that the planner has a choice: patients, each with an episode, orders and notes.

Rows are made by the extractor, as the store would, and copied in; the same for every run.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from models.document import serialize
from models.resource import table_name
from service.search.extract import extract
from service.search.units import UCUM
from service.statements import INDEX_COLUMNS

PATIENTS = 1500
BASE_URL = "http://fhir.test"
START = datetime(2026, 1, 1, tzinfo=UTC)
FAMILIES = ("Adams", "Brown", "Costa", "Duarte", "Evans", "Fischer", "Gomez", "Hahn", "Ito", "Jansen")
NOTES = (
    "She felt calm and slept.",
    "Nausea in the first hour.",
    "Weeping, then quiet.",
    "The river returned.",
)

Document = dict[str, Any]


def to(reference: str) -> Document:
    return {"reference": reference}


def coded(code: str, display: str) -> Document:
    return {"coding": [{"system": "http://loinc.org", "code": code, "display": display}]}


def documents() -> Iterator[Document]:
    """Every document of the practice."""
    for number in range(40):
        yield {"resourceType": "Practitioner", "id": f"d{number}", "name": [{"family": f"Kim{number}"}]}
    for number in range(30):
        url = {"url": f"http://acme.test/forms/{number}", "version": "1", "title": f"Form {number}"}
        yield {"resourceType": "Questionnaire", "id": f"q{number}", "status": "active", **url}
    for number in range(PATIENTS):
        yield from chart(number)


def chart(number: int) -> Iterator[Document]:
    """One patient and what belongs to them."""
    patient, day = to(f"Patient/p{number}"), f"2026-{number % 12 + 1:02}-{number % 27 + 1:02}"
    names = [{"family": f"{FAMILIES[number % 10]}{number // 10}", "given": ["Sam"]}]
    mrn = [{"system": "urn:mrn", "value": str(number)}]
    born = f"{1940 + number % 60}-01-02"
    yield {"resourceType": "Patient", "id": f"p{number}", "name": names, "identifier": mrn, "birthDate": born}
    episode = {"status": "active" if number % 3 else "finished", "patient": patient}
    yield {"resourceType": "EpisodeOfCare", "id": f"e{number}", **episode}
    for turn in range(3):
        key = f"{number}-{turn}"
        order = {"status": ("active", "stopped", "completed")[turn], "intent": "order", "authoredOn": day}
        made = {
            "subject": patient,
            "requester": to(f"Practitioner/d{number % 40}"),
            "identifier": [{"system": "urn:rx", "value": key}],
        }
        yield {"resourceType": "MedicationRequest", "id": f"m{key}", **order, **made}
        kilograms = Decimal(500 + (3 * number + turn) % 600) / 10
        weight = {"value": kilograms, "system": UCUM, "code": "kg", "unit": "kg"}
        seen = {"status": "final", "subject": patient, "effectiveDateTime": day, "valueQuantity": weight}
        code = coded("29463-7" if turn else "8310-5", "Body weight" if turn else "Body temperature")
        yield {"resourceType": "Observation", "id": f"o{key}", "code": code, **seen}
    text = b64encode(f"{NOTES[number % 4]} word{number}".encode()).decode()
    content = [{"attachment": {"contentType": "text/plain", "data": text}}]
    yield {
        "resourceType": "DocumentReference",
        "id": f"n{number}",
        "status": "current",
        "subject": patient,
        "date": f"{day}T09:00:00Z",
        "content": content,
    }
    form = {"questionnaire": f"http://acme.test/forms/{number % 30}|1", "status": "completed"}
    yield {"resourceType": "QuestionnaireResponse", "id": f"r{number}", "subject": patient, **form}


async def fill(dsn: str) -> None:
    """Copy the practice into a migrated database and let the planner look at it."""
    connection = await asyncpg.connect(dsn)
    try:
        tables: dict[str, list[Document]] = {}
        indexes: dict[str, list[tuple[Any, ...]]] = {name: [] for name in INDEX_COLUMNS}
        for place, document in enumerate(documents()):
            kind, key = document["resourceType"], document["id"]
            found = extract(kind, document, base_url=BASE_URL)
            at = START + timedelta(seconds=place)
            row = {"id": key, "version": 1, "tx": 1, "last_updated": at, "deleted": False, **found.columns}
            tables.setdefault(kind, []).append({**row, "body": serialize(document).decode()})
            rows = (found.strings, found.dates, found.quantities, found.texts)
            for name, values in zip(INDEX_COLUMNS, rows, strict=True):
                indexes[name] += [(kind, key, *value) for value in values]
        # Otherwise a plan would depend on whether autovacuum came by before it was made.
        for name in (*map(table_name, tables), *indexes):
            await connection.execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off)")
        for kind, rows_of_type in tables.items():
            await copy_rows(connection, table_name(kind), rows_of_type)
        await copy_indexes(connection, indexes)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def copy_rows(connection: asyncpg.Connection[Any], table: str, rows: list[Document]) -> None:
    columns = [name for name in rows[0] if name != "tx"]
    await connection.execute(f"ALTER TABLE {table} ALTER COLUMN tx SET DEFAULT '1'::xid8")
    await connection.copy_records_to_table(
        table, columns=columns, records=[tuple(row[name] for name in columns) for row in rows]
    )


async def copy_indexes(
    connection: asyncpg.Connection[Any], indexes: dict[str, list[tuple[Any, ...]]]
) -> None:
    for name, rows in indexes.items():
        columns = ["resource_type", "id", *(column for column, _ in INDEX_COLUMNS[name])]
        if name == "index_text":
            await connection.execute(
                "CREATE TEMPORARY TABLE given (a text, b text, parameter text, words text)"
            )
            await connection.copy_records_to_table("given", records=rows)
            await connection.execute(
                "INSERT INTO index_text SELECT a, parameter, b, CASE parameter WHEN ':text' "
                "THEN array_to_tsvector(string_to_array(words, ' ')) "
                "ELSE to_tsvector('english', words) END FROM given"
            )
        else:
            await connection.copy_records_to_table(name, columns=columns, records=rows)
