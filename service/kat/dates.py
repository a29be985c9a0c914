"""FHIR dates as days and instants: partial dates, time zones, calendar months.

    2027            days 2027-01-01 … 2027-12-31
    2027-05         days 2027-05-01 … 2027-05-31
    2027-05-21      one day, which has begun somewhere once it begins at UTC+14
    …T10:15:00Z     one instant, and the day it is where it was written

Source: https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

_PARTIAL = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?", re.ASCII)
_EARLIEST_ZONE = timezone(timedelta(hours=14))
_MONTHS_IN_YEAR = 12


@dataclass(frozen=True, slots=True)
class FhirDate:
    """A date or dateTime: the days it may mean, and the instant when it names one."""

    first: date
    last: date
    instant: datetime | None = None

    @property
    def names_a_day(self) -> bool:
        """Whether it is precise to the day at least."""
        return self.first == self.last

    def begins(self) -> datetime:
        """Return the earliest instant it can mean anywhere on Earth."""
        return self.instant or datetime.combine(self.first, time.min, _EARLIEST_ZONE)

    def last_day_beside(self, other: FhirDate) -> date:
        """Return its last day, in the time zone of another instant when both are instants."""
        if self.instant is None or other.instant is None:
            return self.last
        try:
            return self.instant.astimezone(other.instant.tzinfo).date()
        except OverflowError:
            return self.last


def parse(value: object) -> FhirDate | None:
    """Read a FHIR date or dateTime; None when it is not one."""
    if not isinstance(value, str):
        return None
    partial = _PARTIAL.fullmatch(value)
    try:
        return _days(*partial.groups()) if partial else _instant(value)
    except ValueError:
        return None


def months_later(day: date, months: int) -> date:
    """Return the same day of a later calendar month, or that month's last day.

    >>> months_later(date(2026, 8, 31), 6)
    datetime.date(2027, 2, 28)
    """
    years, month = divmod(day.month - 1 + months, _MONTHS_IN_YEAR)
    if day.year + years > date.max.year:
        return date.max
    last = calendar.monthrange(day.year + years, month + 1)[1]
    return date(day.year + years, month + 1, min(day.day, last))


def _days(year: str, month: str | None, day: str | None) -> FhirDate:
    first = date(int(year), int(month or 1), int(day or 1))
    if day:
        return FhirDate(first, first)
    last_month = int(month or _MONTHS_IN_YEAR)
    last = date(first.year, last_month, calendar.monthrange(first.year, last_month)[1])
    return FhirDate(first, last)


def _instant(value: str) -> FhirDate | None:
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        return None
    return FhirDate(instant.date(), instant.date(), instant)
