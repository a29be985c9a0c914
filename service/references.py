"""Literal references: which resources a document points at, and whether they are there.

    Type/id, own base URL   must exist here                (422 naming the path)
    Type?criteria           conditional: replaced by the one match, refused otherwise
    #id, urn:, other hosts  left as they are

Source: https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.json import decode

from models.definitions import RESOURCE_TYPES
from models.document import serialize
from models.errors import Issue
from models.resource import table_name

if TYPE_CHECKING:
    from service.context import Context

_REFERENCE = re.compile(rb'"reference":"((?:[^"\\]|\\.)*)"')
_LITERAL = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")

MAX_NAMED = 100
"""References that are named one by one when they lead nowhere."""

Link = dict[str, Any]
"""A Reference object of a document, as it stands there: changing it changes the document."""


def links(document: Any) -> list[Link]:
    """Collect every Reference object of a document that has a literal ``reference``."""
    found: list[Link] = []
    ahead = [document]
    while ahead:
        value = ahead.pop()
        items = value
        if type(value) is dict:
            items = value.values()
            if type(value.get("reference")) is str:
                found.append(value)
        # Parsed JSON has these two types and no subclasses; asking for them costs half of isinstance.
        ahead += [item for item in items if type(item) is dict or type(item) is list]
    return found


def literals(document: Any, *, containing: bytes = b"") -> list[str]:
    """Collect the texts of a document's literal references, in its order; none without what they may contain.

    They are read from its JSON text, where a string can hold no unescaped quote: this takes two thirds of the
    time of visiting every object, and every write does it.
    """
    text = serialize(document)
    if containing not in text:
        return []
    return [
        found.decode() if b"\\" not in found else decode(b'"%b"' % found, type=str)
        for found in _REFERENCE.findall(text)
    ]


def where(document: dict[str, Any], wanted: Callable[[str], bool]) -> list[str]:
    """Return the FHIRPath expressions of the references that are wanted, in the document's order."""
    return [
        path
        for path, link in _placed(document, str(document.get("resourceType", "")))
        if wanted(link["reference"])
    ]


def _placed(value: Any, path: str) -> Iterator[tuple[str, Link]]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield f"{path}.reference", value
        for name, item in value.items():
            yield from _placed(item, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _placed(item, f"{path}[{index}]")


def local(reference: str, fhir_base: str) -> tuple[str, str] | None:
    """Return (type, id) of a reference to this server, None for any other kind of reference."""
    match = _LITERAL.fullmatch(reference.removeprefix(f"{fhir_base}/"))
    return (match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True)
class Sought:
    """The references that must lead somewhere on this server: ids by type, and what kinds there are.

    ``has_unknown_type`` tells of a type that is not kept here, ``has_version`` of a reference to one version.
    """

    ids: dict[str, list[str]]
    has_unknown_type: bool = False
    has_version: bool = False

    @property
    def keys(self) -> frozenset[str]:
        """All of them, as ``Type/id``."""
        return frozenset(f"{name}/{key}" for name, keys in self.ids.items() for key in keys)

    def is_held(self, resource_type: str, resource_id: str) -> bool:
        """Tell whether the statement that stores this resource holds all of them (``integrity.refers``)."""
        own = self.ids.get(resource_type, ())
        return not (self.has_unknown_type or self.has_version or resource_id in own)

    def branches(self, first_parameter: int) -> list[str]:
        """Return one SELECT a type: (type, id, null) of what exists; parameters from ``first_parameter``."""
        return [
            f"SELECT '{name}', id, NULL FROM {table_name(name)} "  # noqa: S608 - names of our own tables
            f"WHERE id {among(keys, number)} AND NOT deleted"
            for number, (name, keys) in enumerate(self.ids.items(), start=first_parameter)
        ]

    @property
    def arguments(self) -> list[Any]:
        """The values of the parameters of ``branches``."""
        return [argument(keys) for keys in self.ids.values()]


def among(keys: Sequence[str], parameter: int) -> str:
    """Compare a column with a parameter that holds these keys, see ``argument``.

    For an array PostgreSQL would plan each execution anew, because it takes one that it does not see for ten
    keys: that costs more than to look one key up.
    """
    return f"= ${parameter}" if len(keys) == 1 else f"= ANY(${parameter}::text[])"


def argument(keys: Sequence[str]) -> str | Sequence[str]:
    """Return what ``among`` compares with: the only key, or all of them."""
    return keys[0] if len(keys) == 1 else keys


def to_look_up(ctx: Context, named: Iterable[str]) -> Sought:
    """Choose the literal references that this server must be able to resolve."""
    ids: dict[str, list[str]] = {}
    has_unknown_type = has_version = False
    for reference in named:
        target = local(reference, ctx.fhir_base)
        if target is None or "/".join(target) in ctx.pending:
            continue
        has_version = has_version or "/_history/" in reference
        if target[0] in RESOURCE_TYPES:
            ids.setdefault(target[0], []).append(target[1])
        else:
            has_unknown_type = True
    return Sought({name: ids[name] for name in sorted(ids)}, has_unknown_type, has_version)


async def existing(ctx: Context, sought: Sought) -> set[str]:
    """Look up references in one round trip; returns those that exist, as ``Type/id``."""
    if not sought.ids:
        return set()
    rows = await ctx.connection.fetch(" UNION ALL ".join(sought.branches(1)), *sought.arguments)
    return {f"{row[0]}/{row[1]}" for row in rows}


def missing(ctx: Context, document: dict[str, Any], sought: Sought, found: Container[str]) -> list[Issue]:
    """Name every reference of a document that points at nothing on this server."""
    if not sought.has_unknown_type and all(
        f"{name}/{key}" in found for name, keys in sought.ids.items() for key in keys
    ):
        return []

    def is_missing(reference: str) -> bool:
        target = "/".join(local(reference, ctx.fhir_base) or ())
        return target != "" and target not in found and target not in ctx.pending

    text = "The resource referred to does not exist on this server; store it first."
    paths = where(document, is_missing)
    issues = [Issue("not-found", text, path) for path in paths[:MAX_NAMED]]
    if len(paths) > MAX_NAMED:
        issues.append(Issue("not-found", f"{len(paths) - MAX_NAMED} more references lead nowhere."))
    return issues
