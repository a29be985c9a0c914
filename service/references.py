"""Literal references: which resources a document points at, and whether they are there.

    Type/id, own base URL   must exist here, for the caller  (422 naming the path)
    Type?criteria           conditional: replaced by the one match, refused otherwise
    #id, urn:, other hosts  left as they are

Source: https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from msgspec.json import decode

from models.definitions import RESOURCE_TYPES
from models.document import parse, serialize
from models.errors import Issue
from models.resource import table_name
from service.access import decide
from service.search import compile as compiled

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Version
    from service.search.criteria import Criterion

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
    Of the ids, ``kept`` are those that the resource referred to before. ``hidden`` are the criteria, by type,
    that anything else must satisfy for this caller: what may not be seen does not exist.
    """

    ids: dict[str, list[str]]
    has_unknown_type: bool = False
    has_version: bool = False
    kept: tuple[str, ...] = ()
    hidden: Mapping[str, tuple[Criterion, ...]] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[str]:
        """All of them, as ``Type/id``."""
        return frozenset(f"{name}/{key}" for name, keys in self.ids.items() for key in keys)

    def is_held(self, resource_type: str, resource_id: str) -> bool:
        """Tell whether the statement that stores this resource holds all of them (``integrity.refers``)."""
        own = self.ids.get(resource_type, ())
        return not (self.has_unknown_type or self.has_version or self.hidden or resource_id in own)

    def lookups(self, first_parameter: int) -> tuple[list[str], list[Any]]:
        """Return one SELECT a type, (type, id, null) of what exists, and their values."""
        selections: list[str] = []
        values: list[Any] = []
        for name, ids in self.ids.items():
            selection = (
                f"SELECT '{name}', r.id, NULL FROM {table_name(name)} r "  # noqa: S608 - a table of ours
                f"WHERE r.id {among(ids, first_parameter + len(values))} AND NOT r.deleted"
            )
            values.append(argument(ids))
            if name in self.hidden:
                place = first_parameter + len(values)
                values.append(list(self.kept))
                seen, more = compiled.predicate(name, self.hidden[name], "r", place + 1)
                values += more
                selection += f" AND ('{name}/' || r.id = ANY(${place}::text[]) OR ({seen}))"
            selections.append(selection)
        return selections, values


def among(keys: Sequence[str], parameter: int) -> str:
    """Compare a column with a parameter that holds these keys, see ``argument``.

    For an array PostgreSQL would plan each execution anew, because it takes one that it does not see for ten
    keys: that costs more than to look one key up.
    """
    return f"= ${parameter}" if len(keys) == 1 else f"= ANY(${parameter}::text[])"


def argument(keys: Sequence[str]) -> str | Sequence[str]:
    """Return what ``among`` compares with: the only key, or all of them."""
    return keys[0] if len(keys) == 1 else keys


def to_look_up(ctx: Context, named: Iterable[str], previous: Version | None) -> Sought:
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
    sought = Sought({name: ids[name] for name in sorted(ids)}, has_unknown_type, has_version)
    hidden = decide.hidden(ctx.principal, base_url=ctx.settings.base_url)
    if hidden.keys().isdisjoint(ids):
        return sought
    stored = previous.body if previous and previous.body else "{}"
    before = (local(reference, ctx.fhir_base) for reference in literals(parse(stored.encode())))
    return replace(sought, kept=tuple("/".join(target) for target in before if target), hidden=hidden)


async def existing(ctx: Context, sought: Sought) -> set[str]:
    """Look up references in one round trip; returns those that exist, as ``Type/id``."""
    if not sought.ids:
        return set()
    selections, values = sought.lookups(1)
    rows = await ctx.connection.fetch(" UNION ALL ".join(selections), *values)
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
