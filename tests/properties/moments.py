"""Dates, slowly: drawn at random, and compared as Inferno compares them.

A date covers every moment that it may mean at its precision: from its first up to the first after it. A side
of a Period that is missing is open. Moments are whole microseconds since the year 1, so that nothing ends
where a calendar does.

    eq  the asked time contains the stored one      gt  the stored one ends later (an open end does)
    ne  it does not                                 lt  the stored one starts earlier (an open start does)
    ge  gt or eq        le  lt or eq                sa  it starts after     eb  it ends before
    ap  they overlap, once the asked time was widened by a tenth of its distance to now

Readings: a value without any bound has no date at all, and is found by no prefix, ``ne`` included; of a
parameter that repeats, one value is enough for any prefix (R4 says nothing else for either). Fractions of a
second finer than a microsecond are cut. A Timing covers its events from the first to the last, or the Period
that bounds its repetition ("only the outer limits matter"). Nothing is drawn at the ends of the calendar: the
service takes the first moment of the year 1 and the last of 9999 for sides that are open.

Source: https://hl7.org/fhir/R4/search.html#date, #prefix; Inferno's ``fhir_date_comparer``
"""

from __future__ import annotations

import re
from datetime import date as calendar
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

TEXT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)
PREFIXES = ("", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
SECOND = 10**6
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
ZONES = ("Z", "+00:00", "+02:00", "-05:00", "+05:45", "-12:00", "+14:00")


class Span(NamedTuple):
    """What a value covers; the end does not belong to it, None is open."""

    start: int | None
    end: int | None


def covered(text: str) -> Span:
    """The time that a date of any precision covers."""
    found = TEXT.fullmatch(text)
    assert found is not None, text
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    if hour is not None:
        return clock(calendar(int(year), int(month), int(day)), (hour, minute, second, fraction), zone)
    first = calendar(int(year), int(month or 1), int(day or 1)).toordinal()
    if day is not None:
        return Span(first * DAY, (first + 1) * DAY)
    following = (int(year) + 1, 1) if month in {None, "12"} else (int(year), int(month) + 1)
    last = (
        calendar.max.toordinal() + 1
        if following[0] > calendar.max.year
        else calendar(*following, 1).toordinal()
    )
    return Span(first * DAY, last * DAY)


def clock(day: calendar, parts: tuple[str, str, str | None, str | None], zone: str | None) -> Span:
    """The time that a time of day covers."""
    hour, minute, second, fraction = parts
    start = day.toordinal() * DAY + int(hour) * 60 * MINUTE + int(minute) * MINUTE + int(second or 0) * SECOND
    length = MINUTE if second is None else SECOND
    if fraction:
        digits = fraction[:6]
        length = 10 ** (6 - len(digits))
        start += int(digits) * length
    if zone not in {None, "Z"}:
        away = (int(zone[1:3]) * 60 + int(zone[4:])) * MINUTE
        start += away if zone[0] == "-" else -away
    return Span(start, start + length)


def spans(value: Any, type_name: str) -> list[Span]:
    """What one stored value covers; nothing when it says nothing."""
    if type_name == "Period":
        return [outer(value)] if value.keys() & {"start", "end"} else []
    if type_name == "Timing":
        events = [covered(text) for text in value.get("event", ())]
        if events:
            return [Span(min(one.start for one in events), max(one.end for one in events))]
        return spans(value.get("repeat", {}).get("boundsPeriod", {}), "Period")
    return [covered(value)]


def outer(period: dict[str, str]) -> Span:
    """A Period from its first moment to its last."""
    start, end = period.get("start"), period.get("end")
    return Span(covered(start).start if start else None, covered(end).end if end else None)


def agrees(prefix: str, stored: Span, asked: str, now: datetime | None = None) -> bool:
    """Whether a stored time stands to an asked one as the prefix says."""
    first, last = covered(asked)
    start, end = stored
    contained = start is not None and end is not None and first <= start and end <= last
    later = end is None or end > last
    earlier = start is None or start < first
    if prefix == "ap":
        return overlaps(stored, first, last, now)
    return {
        "": contained,
        "eq": contained,
        "ne": not contained,
        "gt": later,
        "lt": earlier,
        "ge": later or contained,
        "le": earlier or contained,
        "sa": start is not None and start >= last,
        "eb": end is not None and end <= first,
    }[prefix]


def overlaps(stored: Span, first: int, last: int | None, now: datetime | None) -> bool:
    """Whether a stored time overlaps an asked one, widened by a tenth of its distance to now."""
    assert now is not None
    present = covered(now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")).start
    slack = abs(present - first) / 10
    starts = stored.start is None or stored.start < last + slack
    return starts and (stored.end is None or stored.end > first - slack)


def date(chance: Random) -> str:
    """A date of any precision; few different ones, so that they meet."""
    year, month, day = (
        chance.choice(("2024", "2025", "2026")),
        chance.choice((1, 2, 12)),
        chance.choice((1, 2, 28)),
    )
    return chance.choice((year, f"{year}-{month:02}", f"{year}-{month:02}-{day:02}"))


def instant(chance: Random) -> str:
    """A moment with a time zone, often around midnight or the turn of a second."""
    day = f"{chance.choice((2025, 2026))}-{chance.choice((1, 2, 12)):02}-{chance.choice((1, 2, 28)):02}"
    hour, rest = chance.choice(("00", "10", "23")), chance.choice(("00:00", "59:59", "30:15"))
    fraction = chance.choice(("", "", ".0", ".5", ".999", ".999999", ".1234567"))
    return f"{day}T{hour}:{rest}{fraction}{chance.choice(ZONES)}"


def date_time(chance: Random) -> str:
    return chance.choice((date, instant))(chance)


def period(chance: Random) -> dict[str, str]:
    """A Period, open at either side, or in order."""
    one, other = sorted((date_time(chance), date_time(chance)), key=lambda text: covered(text).start or 0)
    return chance.choice(
        ({"start": one}, {"end": one}, {"start": one, "end": other}, {"start": one, "end": one})
    )


def timing(chance: Random) -> dict[str, Any]:
    """A Timing with events, with bounds, or with neither."""
    events = [date_time(chance) for _ in range(chance.choice((1, 2, 3)))]
    return chance.choice(
        ({"event": events}, {"repeat": {"boundsPeriod": period(chance)}}, {"repeat": {"count": 3}})
    )


def asked(chance: Random) -> str:
    """A date as it is asked for: also to the minute, and without a zone."""
    text = date_time(chance)
    if "T" in text and chance.random() < 0.3:
        return text[: chance.choice((16, 19))]
    return text
