"""Literal references: which resources a document points at, and whether they are there.

    Type/id, own base URL   must exist here                (422 naming the path)
    Type?criteria           conditional: replaced by the one match, refused otherwise
    #id, urn:, other hosts  left as they are

Source: https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from models.definitions import RESOURCE_TYPES
from models.errors import Issue
from models.resource import table_name

if TYPE_CHECKING:
    from service.context import Context

_LITERAL = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")

Place = tuple[str, dict[str, Any]]
"""A FHIRPath expression and the Reference object found there."""


def places(document: dict[str, Any], path: str = "") -> Iterator[Place]:
    """Walk a document and yield every Reference object that has a literal ``reference``."""
    path = path or str(document.get("resourceType", ""))
    if isinstance(document.get("reference"), str):
        yield f"{path}.reference", document
    for name, value in document.items():
        if isinstance(value, dict):
            yield from places(value, f"{path}.{name}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from places(item, f"{path}.{name}[{index}]")


def local(reference: str, fhir_base: str) -> tuple[str, str] | None:
    """Return (type, id) of a reference to this server, None for any other kind of reference."""
    match = _LITERAL.fullmatch(reference.removeprefix(f"{fhir_base}/"))
    return (match[1], match[2]) if match else None


async def missing(ctx: Context, document: dict[str, Any]) -> list[Issue]:
    """Find the references of a document that point at nothing on this server, in one round trip."""
    wanted: dict[str, dict[str, list[str]]] = {}
    for path, reference in places(document):
        target = local(reference["reference"], ctx.fhir_base)
        if target is not None and "/".join(target) not in ctx.pending:
            wanted.setdefault(target[0], {}).setdefault(target[1], []).append(path)
    known = sorted(wanted.keys() & set(RESOURCE_TYPES))
    found = await _existing(ctx, {name: list(wanted[name]) for name in known})
    return [
        Issue("not-found", "The resource referred to does not exist on this server; store it first.", path)
        for name, ids in wanted.items()
        for resource_id, paths in ids.items()
        if (name, resource_id) not in found
        for path in paths
    ]


async def _existing(ctx: Context, ids: dict[str, list[str]]) -> set[tuple[str, str]]:
    if not ids:
        return set()
    branches = (
        f"SELECT '{name}' AS resource_type, id FROM {table_name(name)} WHERE id = ANY(${number}) AND NOT deleted"  # noqa: S608 - names of our own tables
        for number, name in enumerate(ids, start=1)
    )
    rows = await ctx.connection.fetch(" UNION ALL ".join(branches), *ids.values())
    return {(row["resource_type"], row["id"]) for row in rows}
