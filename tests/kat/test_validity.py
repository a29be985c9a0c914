"""Refills, six calendar months and the date of issue (RX-1, RX-2, RX-3)."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kat.dates import months_later, parse

REPEATS = "dispenseRequest.numberOfRepeatsAllowed"
END = "dispenseRequest.validityPeriod.end"


def test_a_sixth_refill_is_refused(find):
    (finding,) = find({REPEATS: 6})
    assert (finding.status, finding.issue.code, finding.issue.rule) == (422, "business-rule", "RX-1")
    assert finding.expression == "MedicationRequest.dispenseRequest.numberOfRepeatsAllowed"
    assert finding.issue.text == (
        "RX-1: More than 5 refills are not allowed for a schedule III substance. Allow at most 5."
    )


@pytest.mark.parametrize("repeats", [0, 1, 5, None])
def test_up_to_five_refills_pass(found, repeats):
    assert found({REPEATS: repeats}) == []


@pytest.mark.parametrize(
    ("authored_on", "end"),
    [
        ("2026-11-21", "2027-05-22"),
        ("2026-08-31", "2027-03-01"),
        ("2025-08-31", "2026-03-01"),
        ("2026-11-21", "2027-06"),
        ("2026-11-21", "2027-05"),
        ("2026-11-21", "2027"),
        ("2026-11-21", "2027-05-22T00:00:00Z"),
        ("2026-11-21T20:00:00-07:00", "2027-05-22T07:00:00Z"),
        ("2026-10-02", "9999-12-31"),
        ("2026-10-02T08:00:00+14:00", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_validity_beyond_six_calendar_months_is_refused(found, authored_on, end):
    at = datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert found({"authoredOn": authored_on, END: end}, at=at) == [
        ("RX-2", "MedicationRequest.dispenseRequest.validityPeriod.end")
    ]


@pytest.mark.parametrize(
    ("authored_on", "end"),
    [
        ("2026-11-21", "2027-05-21"),
        ("2026-08-31", "2027-02-28"),
        ("2023-08-31", "2024-02-29"),
        ("2026-11-21", "2027-04"),
        ("2026-11-21", None),
        ("2026-11-21T20:00:00-07:00", "2027-05-22T06:59:59Z"),
    ],
)
def test_a_validity_up_to_the_last_day_passes(found, authored_on, end):
    at = datetime(2026, 11, 22, 15, tzinfo=UTC)
    assert found({"authoredOn": authored_on, END: end}, at=at) == []


@pytest.mark.parametrize(
    "authored_on", [None, "2026", "2026-11", "yesterday", 20261121, "2026-11-21T10:00:00"]
)
def test_a_prescription_without_a_day_of_issue_is_refused(found, authored_on):
    assert found({"authoredOn": authored_on}) == [("RX-3", "MedicationRequest.authoredOn")]


@pytest.mark.parametrize(
    "authored_on",
    [
        "2026-11-23",
        "2027-01-05",
        "2026-11-21T15:05:01Z",
        "2026-11-22T05:05:01+14:00",
        "2026-11-21T08:06:00-07:00",
    ],
)
def test_a_prescription_from_the_future_is_refused(found, authored_on):
    assert ("RX-3", "MedicationRequest.authoredOn") in found({"authoredOn": authored_on, END: None})


def test_a_day_that_has_begun_nowhere_is_the_future(found):
    noon = datetime(2026, 11, 21, 9, 59, tzinfo=UTC)
    assert found({"authoredOn": "2026-11-22", END: None}, at=noon) == [
        ("RX-3", "MedicationRequest.authoredOn")
    ]


@pytest.mark.parametrize(
    "authored_on",
    [
        "2026-11-21",
        "2026-11-22",
        "2026-11-22T00:30:00+14:00",
        "2026-11-21T15:05:00Z",
        "2026-11-21T08:00:00-07:00",
    ],
)
def test_a_prescription_issued_by_now_passes(found, authored_on):
    assert found({"authoredOn": authored_on, END: None}) == []


@given(st.dates(max_value=date(9998, 12, 31)), st.integers(0, 12))
def test_months_later_is_the_same_day_or_the_last_of_its_month(day, months):
    later = months_later(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == min(day.day, calendar.monthrange(later.year, later.month)[1])


def test_months_beyond_the_calendar_end_with_it():
    assert months_later(date(9999, 12, 31), 6) == date.max


@given(st.datetimes(), st.integers(-14 * 60, 14 * 60))
def test_any_instant_is_judged_without_an_error(moment, offset):
    sign = "-" if offset < 0 else "+"
    text = f"{moment.isoformat(timespec='seconds')}{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    read = parse(text)
    assert read is not None
    assert isinstance(read.begins() > datetime(2026, 11, 21, tzinfo=UTC) + timedelta(minutes=5), bool)
    assert isinstance(read.last_day_beside(parse("2026-11-21T00:00:00+14:00")), date)


@given(st.text(alphabet="0123456789-T:+Z.", max_size=30))
def test_any_text_is_read_as_a_date_or_not_at_all(text):
    read = parse(text)
    assert read is None or read.first <= read.last
