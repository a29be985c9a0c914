"""From the parameters of a request to a ``Query``; pure, so that a bundle entry takes the same way.

    pairs ──► criteria (AND)            name[:modifier][.chain]=value,value (OR)
          ──► includes, sort keys, page  _include _revinclude _sort _count _total _summary _elements
          ──► issues                     what was ignored, when handling is lenient

An unknown parameter is ignored with an issue, or refused when ``strict``; a value that cannot be read is
refused always. Texts name the parameter and never the value, which may be PHI.
Source: https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NoReturn, TypeAlias
from urllib.parse import parse_qsl

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest, Issue
from service.search import cursors, filters, including, reading
from service.search.criteria import Criterion, Empty, Include, Sort, Unknown
from service.search.cursors import Cursor
from service.search.reading import unreadable
from service.search.registry import UNSORTED, parameters

DEFAULT_COUNT = 50
MAX_COUNT = 1000
MAX_SORT_KEYS = 5
MAX_CRITERIA = 200
TOO_MANY_CRITERIA = f"More than {MAX_CRITERIA} criteria in one search are not supported."
MAX_ELEMENTS = 200
MAX_INCLUDES = 150
"""Kinds of includes of one search; ``*`` counts as all it stands for, 104 to a Patient."""

SUMMARIES = frozenset({"true", "text", "data", "count", "false"})
UNLISTED = frozenset({"_filter", "_has", "_type"})
"""Parameters that are no type's own."""

IGNORED = frozenset({"_format", "_pretty"})
"""Parameters of the answer's format, read elsewhere."""

Pairs: TypeAlias = Iterable[tuple[str, str]]


@dataclass(slots=True)
class Query:
    """One search, read and checked."""

    resource_type: str
    criteria: list[Criterion] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    sort: list[Sort] = field(default_factory=list)
    count: int = DEFAULT_COUNT
    total: str = ""
    """``none``, ``estimate`` or ``accurate``; when nothing is said, what a page tells anyway."""
    summary: str = "false"
    elements: tuple[str, ...] = ()
    explain: bool = False
    cursor: Cursor | None = None
    used: list[tuple[str, str]] = field(default_factory=list)
    """The pairs that were understood, for the ``self`` link; without the page's cursor."""
    issues: list[Issue] = field(default_factory=list)
    """What was ignored; shown as an ``outcome`` entry."""

    @property
    def counts_only(self) -> bool:
        """Whether only the number of matches is asked for."""
        return self.summary == "count" or self.count == 0

    @property
    def counts(self) -> bool:
        """Whether all matches have to be counted."""
        return self.counts_only or self.total not in {"", "none"}


def parse(resource_type: str, pairs: Pairs, *, base_url: str, strict: bool = False) -> Query:
    """Read the parameters of a search.

    Args:
        resource_type: a supported type.
        pairs: decoded names and values, in order; repeated names are ANDed.
        base_url: the server's public origin, to recognize its own references.
        strict: refuse what is not understood instead of ignoring it (``Prefer: handling=strict``).

    Raises:
        BadRequest: a value or modifier cannot be read, or something is unknown and ``strict``.
    """
    query = Query(resource_type)
    reader = reading.Reader(f"{base_url}/fhir/")
    for name, value in pairs:
        if name in IGNORED:
            continue
        try:
            take(query, reader, name, printable(name, value))
        except Unknown as unknown:
            refuse_or_note(query, name, unknown, strict=strict)
        else:
            if name != cursors.PARAMETER:
                query.used.append(as_used(query, name, value))
    return query


def as_used(query: Query, name: str, value: str) -> tuple[str, str]:
    """A pair as the ``self`` link shows it: a count over the greatest page is not what was used."""
    return name, str(query.count) if name == "_count" else value


def take(query: Query, reader: reading.Reader, name: str, value: str) -> None:
    """Read one parameter into a query.

    Raises:
        Unknown: there is no such parameter for the type.
        BadRequest: its value or modifier cannot be read.
    """
    if (control := CONTROLS.get(name.partition(":")[0])) is not None:
        control(query, name, value)
    elif not value:
        reading.without_value(name)
    elif name == filters.PARAMETER:
        of_filter = replace(reader, of_filter=True)
        room_for_one(query).append(filters.criterion(of_filter, query.resource_type, value))
    else:
        room_for_one(query).append(reader.criterion(query.resource_type, name, value))


def clauses(resource_type: str, query_string: str, *, base_url: str) -> tuple[Criterion, ...]:
    """Read a query string that must be criteria and nothing else, as in a granular scope; all must hold.

    Raises:
        BadRequest: any part of it is not understood.
    """
    query = parse(
        resource_type, parse_qsl(query_string, keep_blank_values=True), base_url=base_url, strict=True
    )
    if query.issues or len(query.criteria) != len(query.used) or query.cursor is not None:
        raise BadRequest("Only search criteria are allowed here, each with a value.")
    return tuple(query.criteria)


def known_names(pairs: Pairs) -> tuple[str, ...]:
    """Name what was asked for without its values: only names that this server knows, for its log."""
    names = {name.replace(":", ".").partition(".")[0] for name, _ in pairs}
    return tuple(
        sorted(
            name
            for name in names
            if name in CONTROLS
            or name in UNLISTED
            or any(name in parameters(resource_type) for resource_type in RESOURCE_TYPES)
        )
    )


def room_for_one(query: Query) -> list[Criterion]:
    """The criteria of a search, unless there are too many already."""
    if len(query.criteria) == MAX_CRITERIA:
        raise BadRequest(TOO_MANY_CRITERIA)
    return query.criteria


def printable(name: str, value: str) -> str:
    """Refuse what the database cannot hold: NUL and halves of surrogate pairs."""
    if "\0" in value or (
        not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
    ):
        raise unreadable(name)
    return value


def refuse_or_note(query: Query, name: str, unknown: Unknown, *, strict: bool) -> None:
    """Refuse what is not understood, or note that it is ignored, as what has no value always is."""
    text, where = str(unknown), reading.place(name)
    if strict and not isinstance(unknown, Empty):
        raise BadRequest(issues=[Issue("not-supported", text, where)]) from unknown
    query.issues.append(Issue("not-supported", f"{text} It is ignored.", where, severity="warning"))


def take_sort(query: Query, name: str, value: str) -> None:
    """``_sort=-date,status``."""
    if not value:
        reading.without_value(name)
    keys = value.split(",")
    if len(query.sort) + len(keys) > MAX_SORT_KEYS:
        raise unreadable(name)
    query.sort += [sort_key(query.resource_type, key) for key in keys]


def sort_key(resource_type: str, key: str) -> Sort:
    """Read one key of an order.

    Raises:
        Unknown: there is no order by it; the whole ``_sort`` is then ignored, or refused.
    """
    code = key.removeprefix("-")
    one = parameters(resource_type).get(code)
    if one is None or one.store in UNSORTED:
        shown = reading.named(code, "a parameter of this name")
        raise Unknown(f"There is no order by {shown}.")
    return Sort(one, key.startswith("-"))


def take_count(query: Query, name: str, value: str) -> None:
    """``_count=20``; more than the greatest page gives the greatest page."""
    if not (value.isascii() and value.isdigit()):
        raise unreadable(name)
    digits = value.lstrip("0") or "0"
    query.count = MAX_COUNT if len(digits) > len(str(MAX_COUNT)) else min(int(digits), MAX_COUNT)


def take_total(query: Query, name: str, value: str) -> None:
    """``_total=accurate``; an estimate is as good as exact here, also as HAPI's client spells it."""
    if value not in {"none", "estimate", "estimated", "accurate"}:
        raise unreadable(name)
    query.total = value


def take_summary(query: Query, name: str, value: str) -> None:
    """``_summary=true``."""
    if value not in SUMMARIES:
        raise unreadable(name)
    query.summary = value


def take_elements(query: Query, name: str, value: str) -> None:
    """``_elements=status,subject``; an element of several types is ``value`` or ``value[x]``.

    What lies within an element, ``name.family``, is shown with all of it: the parts of a resource are
    its own elements.
    """
    parts = value.split(",", MAX_ELEMENTS)
    if len(parts) > MAX_ELEMENTS:
        raise unreadable(name, f"It names at most {MAX_ELEMENTS} elements.")
    names = [part.strip().removeprefix(f"{query.resource_type}.") for part in parts]
    if not all(step.removesuffix("[x]").isalnum() for part in names for step in part.split(".")):
        raise unreadable(name)
    query.elements = tuple(part.partition(".")[0] for part in names)


def take_include(query: Query, name: str, value: str) -> None:
    """``_include=EpisodeOfCare:patient`` and ``_revinclude:iterate=Provenance:target``."""
    if not value:
        reading.without_value(name)
    word, _, modifier = name.partition(":")
    if modifier not in {"", "iterate", "recurse"}:
        raise unreadable(name)
    found = including.includes(
        query.resource_type, value, iterate=bool(modifier), reverse=word == "_revinclude"
    )
    query.includes = together([*query.includes, *found])


def told_by(include: Include) -> tuple[str, str, str | None, bool, bool]:
    """What tells a kind of include from others."""
    code = include.parameter.code
    return include.source_type, code, include.target_type, include.iterate, include.reverse


def together(includes: Iterable[Include]) -> list[Include]:
    """The different kinds of includes.

    Raises:
        BadRequest: they are too many.
    """
    # A parameter is told by its type and code; to hash all that is known of it takes long.
    found = list({told_by(include): include for include in includes}.values())
    if len(found) > MAX_INCLUDES:
        raise BadRequest(f"More than {MAX_INCLUDES} kinds of includes in one search are not supported.")
    return found


def take_explain(query: Query, name: str, value: str) -> None:
    """``_explain=true``."""
    if value not in {"true", "false"}:
        raise unreadable(name)
    query.explain = value == "true"


def take_cursor(query: Query, name: str, value: str) -> None:
    """The place in the sequence of pages that a link of an earlier page names."""
    try:
        query.cursor = cursors.read(value)
    except ValueError:
        raise unreadable(name) from None


def refuse_query(_query: Query, name: str, _value: str) -> NoReturn:
    """``_query=name``: none is known here, and a search by one that is not known must be refused."""
    raise BadRequest(issues=[Issue("not-supported", "No named queries are known here.", reading.place(name))])


CONTROLS: dict[str, Callable[[Query, str, str], None]] = {
    "_sort": take_sort,
    "_count": take_count,
    "_total": take_total,
    "_summary": take_summary,
    "_elements": take_elements,
    "_include": take_include,
    "_revinclude": take_include,
    "_explain": take_explain,
    "_query": refuse_query,
    cursors.PARAMETER: take_cursor,
}
"""Parameters that shape the answer instead of choosing what is in it."""
