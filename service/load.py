"""Loading files as the operator: ids are kept, each file is one transaction, everything is audited.

    resource               one PUT (POST when it has no id)
    Bundle (transaction)   executed as it is
    any other Bundle       the resources in it
    NDJSON                 one resource a line

A file is stored completely or not at all; files are stored in the order given.
Source: https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/uv/bulkdata/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.document import parse
from models.errors import BadRequest, FhirError, Issue
from models.principal import OPERATOR
from service import bundle as bundles
from service.audit import AuditTrail
from service.context import Context, random_id
from service.interaction import Interaction, Name

if TYPE_CHECKING:
    from service.database import Database
    from service.settings import Settings

NDJSON = frozenset({".ndjson", ".jsonl"})
_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\](?:\.resource)?\.?")

Resource = dict[str, Any]
Progress = Callable[[int, int | None], None]
"""Told how many files are done, of how many."""


class LoadError(BadRequest):
    """A file cannot be loaded; nothing of it was stored. Each issue names file and place."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One file as one transaction; ``places`` tells for each entry where in the file it came from."""

    path: Path
    bundle: Resource
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a load wrote."""

    files: int = 0
    resources: int = 0
    created: int = 0

    def plus(self, statuses: Sequence[str]) -> Summary:
        """Add one file, given the status of each entry."""
        created = sum(status.startswith("201") for status in statuses)
        return Summary(self.files + 1, self.resources + len(statuses), self.created + created)


async def load(
    database: Database, settings: Settings, paths: Sequence[Path], on_progress: Progress | None = None
) -> Summary:
    """Write files as the operator, one transaction a file.

    Raises:
        LoadError: a file cannot be read or is refused; the files before it are stored.
    """
    summary = Summary()
    for batch in read(paths):
        if on_progress:
            on_progress(summary.files, len(paths))
        summary = summary.plus(await _store(database, settings, batch))
    if on_progress:
        on_progress(len(paths), len(paths))
    return summary


async def execute(database: Database, settings: Settings, bundle: Resource) -> list[str]:
    """Execute a transaction Bundle as the operator and return the status of each entry.

    Raises:
        FhirError: it was refused; nothing was stored, and the refusal is in the audit trail.
    """
    async with database.acquire() as connection:
        ctx = Context(OPERATOR, connection, settings, random_id())
        try:
            answer = await bundles.execute(ctx, Interaction(Name.BUNDLE, document=bundle))
        finally:
            refused = ctx.unaudited
    await AuditTrail(database).record(refused)
    entries = json.loads(answer.document or "{}").get("entry", [])
    return [entry["response"]["status"] for entry in entries]


def read(paths: Sequence[Path]) -> Iterator[Batch]:
    """Read files one after the other.

    Raises:
        LoadError: a file cannot be opened, or is no FHIR JSON.
    """
    for path in paths:
        try:
            body = path.read_bytes()
        except OSError as error:
            reason = error.strerror or "unknown reason"
            raise LoadError(f"The file cannot be read: {reason}.", expression=path.name) from None
        yield _ndjson(path, body) if path.suffix.lower() in NDJSON else _document(path, body)


def _document(path: Path, body: bytes) -> Batch:
    document = _parsed(path, "", body)
    if document.get("resourceType") == "Bundle" and document.get("type") == "transaction":
        count = len(document.get("entry") or ())
        return Batch(path, document, tuple(f"entry {number}" for number in range(1, count + 1)))
    return _batch(path, list(_resources(path, "", document)))


def _ndjson(path: Path, body: bytes) -> Batch:
    found: list[tuple[str, Resource]] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if line.strip():
            place = f"line {number}"
            found += _resources(path, place, _parsed(path, place, line))
    return _batch(path, found)


def _parsed(path: Path, place: str, body: bytes) -> Resource:
    try:
        return parse(body)
    except FhirError as error:
        raise _located(error, path, (place,)) from None


def _resources(path: Path, place: str, document: Resource) -> Iterator[tuple[str, Resource]]:
    """Take a resource, or the resources of a Bundle, each as an entry without a request."""
    if document.get("resourceType") != "Bundle":
        yield place, {"resource": document}
        return
    entries = document.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else (), start=1):
        where = ", ".join(part for part in (place, f"entry {number}") if part)
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            raise LoadError("The entry has no resource.", expression=_place(path, where))
        full_url = entry.get("fullUrl")
        yield where, {**({"fullUrl": full_url} if full_url else {}), "resource": resource}


def _batch(path: Path, found: Sequence[tuple[str, Resource]]) -> Batch:
    entries = [_with_request(path, place, entry) for place, entry in found]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return Batch(path, bundle, tuple(place for place, _ in found))


def _with_request(path: Path, place: str, entry: Resource) -> Resource:
    resource = entry["resource"]
    resource_type, resource_id = resource.get("resourceType"), resource.get("id")
    if not isinstance(resource_type, str):
        raise LoadError("The resource has no resourceType.", expression=_place(path, place))
    if resource_id is None:
        return {**entry, "request": {"method": "POST", "url": resource_type}}
    return {**entry, "request": {"method": "PUT", "url": f"{resource_type}/{resource_id}"}}


async def _store(database: Database, settings: Settings, batch: Batch) -> list[str]:
    try:
        return await execute(database, settings, batch.bundle)
    except FhirError as error:
        if error.status >= 500:  # noqa: PLR2004 - the server's own fault is no fault of the file
            raise
        raise _located(error, batch.path, batch.places) from None


def _located(error: FhirError, path: Path, places: Sequence[str]) -> LoadError:
    """Say where in the file each finding is, instead of where in our transaction."""
    return LoadError(issues=[_located_issue(issue, path, places) for issue in error.issues])


def _located_issue(issue: Issue, path: Path, places: Sequence[str]) -> Issue:
    expression = issue.expression or ""
    found = _ENTRY.match(expression)
    place = (
        places[int(found[1])]
        if found and int(found[1]) < len(places)
        else places[0]
        if len(places) == 1
        else ""
    )
    rest = expression[found.end() :] if found else expression
    return replace(issue, expression=" ".join(part for part in (_place(path, place), rest) if part))


def _place(path: Path, place: str) -> str:
    return f"{path.name}, {place}" if place else path.name
