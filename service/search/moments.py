"""The time that a FHIR value covers: of a date its precision, of a period or a timing its bounds.

Source: https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.search.values import ALWAYS, NEVER, Interval, interval, rank


def moment(value: Any) -> Interval | None:
    """A date, dateTime or instant: the time it covers at its precision."""
    return interval(value) if isinstance(value, str) else None


def period(value: Any) -> Interval | None:
    """A Period; a missing side is open."""
    start = interval(value["start"]) if "start" in value else (NEVER, NEVER)
    end = interval(value["end"]) if "end" in value else (ALWAYS, ALWAYS)
    if start is None or end is None or ("start" not in value and "end" not in value):
        return None
    return start[0], end[1]


def timing(value: Any) -> Interval | None:
    """A Timing: from the first to the last of its events, or the bounds of its repetition."""
    events = [found for event in value.get("event", ()) if event and (found := interval(event))]
    if events:
        return min((found[0] for found in events), key=rank), max((found[1] for found in events), key=rank)
    bounds = value.get("repeat", {}).get("boundsPeriod")
    return period(bounds) if bounds else None


DATES: dict[str, Callable[[Any], Interval | None]] = {"Period": period, "Timing": timing}
