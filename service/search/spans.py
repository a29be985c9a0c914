"""A lower bound on when things begin, for a search by a date that may cover a time.

What overlaps a time may have begun long before it, so an index of beginnings alone would be read from its
start. Almost everything is short, though, so the rows are asked for in two parts, each in the order of an
index of its own:

    short    begins at most a day before the asked time       <table>_by_date
    long     begins earlier, and takes more than a day        <table>_by_long_date, of long ones only

Both indexes also hold the ends, so that what has ended before the asked time is passed over there.
Source: https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from models.resource import BY_DATE, LONG
from service.search.comparisons import Arguments
from service.search.criteria import Clause, Criterion, Moment
from service.search.values import ALWAYS, FIRST, NEVER

SHORT = timedelta(days=1)
"""What covers more is in the index of long ones."""


def column(resource_type: str) -> str | None:
    """Return the first column of the date by which a type's resources are listed."""
    return f"{BY_DATE[resource_type]}_start" if resource_type in BY_DATE else None


def dated(criteria: Iterable[Criterion], resource_type: str) -> list[Moment]:
    """List the times, one of each criterion, which the date that has the index must satisfy."""
    return [
        criterion.operands[0]
        for criterion in criteria
        if isinstance(criterion, Clause)
        and criterion.parameter.store == "column"
        and criterion.parameter.column == BY_DATE.get(resource_type)
        and len(criterion.operands) == 1
        and isinstance(criterion.operands[0], Moment)
        and criterion.operands[0].prefix != "ne"
    ]


def bound(criteria: Iterable[Criterion], resource_type: str) -> datetime | None:
    """Return an instant before which no match ends; None when nothing says so."""
    ends = [
        moment.start if moment.prefix == "ge" else moment.end
        for moment in dated(criteria, resource_type)
        if moment.prefix in {"ge", "gt"}
    ]
    latest = max((end for end in ends if end not in {ALWAYS, NEVER}), default=FIRST)
    return latest if latest > FIRST + SHORT else None


def parts(build: Arguments, criteria: Iterable[Criterion], resource_type: str) -> tuple[str, ...]:
    """Write the conditions of both parts; none where there is no bound."""
    if (ended := bound(criteria, resource_type)) is None:
        return ()
    date = f"r.{BY_DATE[resource_type]}"
    late, early = (build.argument(at, "timestamptz") for at in (ended, ended - SHORT))
    short, long = f"{date}_start >= {early}", f"{date}_start < {early} AND {LONG.format(date=date)}"
    return f"{short} AND {date}_end >= {late}", f"{long} AND {date}_end >= {late}"
