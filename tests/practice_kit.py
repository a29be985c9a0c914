"""The practice as outside systems meet it: sound documents to send, and what a server holds behind its back.

order()        a prescription of the demonstration's prescriber, under a number nobody else uses
note()         a progress note of the demonstration's therapist
Vault          what is stored, read from the database itself
Practice       a running server on a database that holds the demonstration
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import harness
import httpx

from models.kat.code import concept
from models.kat.documents import CLINICAL_NOTE, PROGRESS_NOTE
from models.resource import table_name
from service.database import SERVER_SETTINGS, Database
from service.demo import orders, practice
from service.demo.chart import Chart
from service.load import execute
from service.settings import Settings

Document = dict[str, Any]

RX_SYSTEM = "https://rx-a.example/rx"
PRESCRIBER_SCOPE = (
    "system/MedicationRequest.cruds system/Patient.rs system/Practitioner.rs system/PractitionerRole.crs "
    "system/Observation.crus"
)


def today() -> date:
    return datetime.now(UTC).date()


def number(prefix: str = "RX-A") -> str:
    """Make a prescription number that no other test uses."""
    return f"{prefix}-{uuid4().hex}"


def order(value: str | None = None, patient: str = "2", **changes: Any) -> Document:
    """Write a prescription that every rule accepts; ``changes`` replace members."""
    document = orders.prescription(
        Chart(patient),
        (RX_SYSTEM, value or number()),
        today().isoformat(),
        "PractitionerRole/role-rx",
        (200, 100),
        3,
    )
    del document["id"]
    return {**document, **changes}


def note(content_type: str, content: bytes, **changes: Any) -> Document:
    """Write a progress note of the therapist about the second patient."""
    chart = Chart("2")
    attachment = {"contentType": content_type, "data": base64.b64encode(content).decode()}
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": concept(*PROGRESS_NOTE),
        "category": [concept(CLINICAL_NOTE)],
        "subject": chart.patient,
        "date": f"{today()}T09:00:00Z",
        "author": [{"reference": chart.therapist}],
        "content": [{"attachment": attachment}],
        "context": {"encounter": [chart.episode]},
    }
    return {**document, **changes}


def patient(family: str = "Synthetica", **changes: Any) -> Document:
    """Write a patient whom no rule has anything against."""
    return {"resourceType": "Patient", "name": [{"family": family, "given": ["Pat"]}], **changes}


def transaction(*entries: tuple[str, str, Document]) -> Document:
    """Write a transaction of (method, url, resource)."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{uuid4()}",
                "resource": resource,
                "request": {"method": method, "url": url},
            }
            for method, url, resource in entries
        ],
    }


def resources(bundle: Document) -> list[Document]:
    """List the matches of a searchset."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


def findings(answer: httpx.Response) -> set[tuple[str, str]]:
    """List what an OperationOutcome says as (code, expression)."""
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["details"]["text"] for issue in outcome["issue"])
    return {(issue["code"], issue.get("expression", [""])[0]) for issue in outcome["issue"]}


def rules(answer: httpx.Response) -> set[tuple[str, str]]:
    """List what an OperationOutcome says as (rule, expression)."""
    return {
        (coding["code"], issue["expression"][0])
        for issue in answer.json()["issue"]
        for coding in issue["details"]["coding"]
    }


def versions(answer: Document) -> tuple[str, str]:
    """Name a stored version as (id, versionId)."""
    return answer["id"], answer["meta"]["versionId"]


@dataclass(frozen=True)
class Vault:
    """What the database holds, whatever the server says."""

    dsn: str

    def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn, server_settings=dict(SERVER_SETTINGS))
            try:
                found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
                return found
            finally:
                await connection.close()

        return asyncio.run(run())

    def count(self, statement: str, *arguments: Any) -> int:
        found: int = self.fetch(statement, *arguments)[0][0]
        return found

    def versions(self) -> int:
        """Count every version of every resource."""
        return self.count("SELECT count(*) FROM resource_history")

    def orders(self, value: str) -> int:
        """Count the stored prescriptions with a number, versions and all."""
        return self.count(
            "SELECT count(*) FROM resource_history"
            " WHERE resource_type = 'MedicationRequest' AND position($1 in body) > 0",
            value,
        )

    def index_disagreements(self, resource_type: str) -> int:
        """Count newest versions of history that differ from the current row, and rows without one."""
        return self.count(
            f"""SELECT count(*) FROM {table_name(resource_type)} AS r FULL JOIN (
                SELECT DISTINCT ON (id) id, version, tx, last_updated, body FROM resource_history
                WHERE resource_type = $1 ORDER BY id, version DESC) AS h USING (id)
            WHERE (r.version, r.tx, r.last_updated, r.body)
                IS DISTINCT FROM (h.version, h.tx, h.last_updated, h.body)""",  # noqa: S608 - a table of ours
            resource_type,
        )


@dataclass(frozen=True)
class Practice:
    """A running server that holds the demonstration practice."""

    server: harness.Server

    @property
    def vault(self) -> Vault:
        return Vault(self.server.database_url)

    def prescriber(self, organization: str = "org-rx-a", scope: str = PRESCRIBER_SCOPE) -> httpx.Client:
        """Register a prescribing platform of an organization."""
        return self.server.client("prescriber", scope, organization=f"Organization/{organization}")

    def operator(self, scope: str = "system/*.cruds") -> httpx.Client:
        """Register a tool of the operator, limited by its scopes only."""
        return self.server.client("admin", scope)


def load(server: harness.Server) -> None:
    """Store the demonstration practice in a server's database."""

    async def run() -> None:
        database = await Database.open(server.database_url, max_size=2)
        settings = Settings(
            data_dir=server.log_path.parent, base_url=server.base_url, database_url=server.database_url
        )
        try:
            await execute(database, settings, practice.bundle(today()))
        finally:
            await database.close()

    asyncio.run(run())


PracticeFactory = Callable[..., Practice]
