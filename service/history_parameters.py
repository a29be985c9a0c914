"""What of a history is asked for.

    _since               at or after an instant
    _at                  current at some time of a period; gt, ge, lt and le bound one
    _count               versions on a page, or with 0 only how many there are
    _sort                -_lastUpdated, unless _lastUpdated is asked for
    _summary, _elements  a part of each version, or with count only how many there are

Source: https://hl7.org/fhir/R4/http.html#history, https://hl7.org/fhir/R5/http.html#history
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from models.errors import BadRequest
from service.search.cursors import PARAMETER
from service.search.query import CONTROLS, DEFAULT_COUNT, MAX_COUNT, Query
from service.search.values import Interval, interval, rank

if TYPE_CHECKING:
    from service.interaction import Interaction

_KNOWN = frozenset({"_count", "_since", "_at", "_sort", "_summary", "_elements", PARAMETER})
_PLACE = re.compile(r"(newer|older)-([0-9]{1,17})-([0-9]{1,18})")
_COUNT = re.compile(r"[0-9]{1,9}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS = {"": (0, 1), "eq": (0, 1), "gt": (1, None), "ge": (0, None), "lt": (None, 0), "le": (None, 1)}
"""For each prefix, which side of the time that a value covers begins and which ends the period."""

Period = tuple[datetime | None, datetime | None]
"""From, and before; a side that is None is open."""


@dataclass(frozen=True, slots=True)
class Place:
    """A version's place in the sequence; ``newer`` asks for what came after it, else for what came before."""

    at: datetime
    seq: int
    newer: bool

    def __str__(self) -> str:
        """Write it as it stands in a link."""
        micros = (self.at - _EPOCH) // timedelta(microseconds=1)
        return f"{'newer' if self.newer else 'older'}-{micros}-{self.seq}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the history is asked for."""

    count: int = DEFAULT_COUNT
    since: datetime | None = None
    at: Period = (None, None)
    place: Place | None = None
    used: tuple[tuple[str, str], ...] = ()
    ascending: bool = False
    shape: Query = field(default_factory=lambda: Query(""))
    """What part of each version is asked for, or how many there are."""

    @property
    def backwards(self) -> bool:
        """Whether the page is read against the order in which it is shown, from its end."""
        return self.place is not None and self.place.newer != self.ascending


def read_parameters(ask: Interaction) -> Asked:
    """Read what of the history is asked for, and the place of a page link.

    Raises:
        BadRequest: a parameter cannot be read, or is unknown.
    """
    values = dict(ask.query)
    if values.keys() - _KNOWN:
        raise BadRequest("History takes _count, _since, _at, _sort, _summary and _elements.")
    count = values.get("_count", "")
    if count and not _COUNT.fullmatch(count):
        raise BadRequest("_count is a whole number.")
    if values.get("_sort", "_lastUpdated").removeprefix("-") != "_lastUpdated":
        raise BadRequest("History is sorted by -_lastUpdated or _lastUpdated.")
    since = values.get("_since")
    return Asked(
        count=min(int(count) if count else DEFAULT_COUNT, MAX_COUNT),
        since=_moment("_since", since)[0] if since is not None else None,
        at=_period([value for name, value in ask.query if name == "_at"]),
        place=_place(values.get(PARAMETER)),
        used=tuple(pair for pair in ask.query if pair[0] != PARAMETER),
        ascending=values.get("_sort") == "_lastUpdated",
        shape=_shape(ask, only_counts=bool(count) and int(count) == 0),
    )


def _shape(ask: Interaction, *, only_counts: bool) -> Query:
    shape = Query(ask.resource_type)
    for name, value in ask.query:
        if name in {"_summary", "_elements"}:
            CONTROLS[name](shape, name, value)
    if only_counts:
        shape.summary = "count"
    return shape


def _moment(name: str, text: str) -> Interval:
    covered = interval(text.replace(" ", "+"))
    if covered is None:
        raise BadRequest(f"{name} is a date or an instant, such as 2026-11-21T15:00:00Z.")
    return covered


def _period(texts: list[str]) -> Period:
    """Read the values of ``_at``: the time that all of them leave, each as it is or before or after it."""
    starts, ends = [], []
    for text in texts:
        prefix = text[:2] if text[:2] in _BOUNDS else ""
        covered = _moment("_at", text.removeprefix(prefix))
        start, end = _BOUNDS[prefix]
        starts += [covered[start]] if start is not None else []
        ends += [covered[end]] if end is not None else []
    return max(starts, key=rank, default=None), min(ends, key=rank, default=None)


def _place(text: str | None) -> Place | None:
    """Read a place from a link."""
    if text is None:
        return None
    match = _PLACE.fullmatch(text)
    if match is None:
        raise BadRequest("The page link is not one of this history; start again at its first page.")
    return Place(_EPOCH + timedelta(microseconds=int(match[2])), int(match[3]), newer=match[1] == "newer")
