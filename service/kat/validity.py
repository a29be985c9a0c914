"""How long and how often a prescription may be used (rules RX-1, RX-2 and RX-3).

    authoredOn ───────── six calendar months, the day included ─────────> last day
    2026-11-21                                                            2027-05-21
    2026-08-31                                                            2027-02-28

Source: https://www.ecfr.gov/current/title-21/section-1306.22,
https://www.ecfr.gov/current/title-21/section-1306.05
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from models.kat.rules import RX_1, RX_2, RX_3
from service.kat.dates import FhirDate, months_later, parse
from service.kat.elements import Document, child
from service.kat.finding import Finding

MAXIMUM_REFILLS = 5
"""Refills of a schedule III prescription, a count. Source: 21 CFR 1306.22(a), read 2026-11-21."""

VALIDITY_MONTHS = 6
"""Calendar months after the day of issue. Source: 21 CFR 1306.22(a), read 2026-11-21."""

CLOCK_SKEW = timedelta(minutes=5)
"""How far a sender's clock may be ahead, minutes. Source: practice policy, 2026-11-21."""

AUTHORED_ON = "MedicationRequest.authoredOn"
REPEATS = "MedicationRequest.dispenseRequest.numberOfRepeatsAllowed"
VALIDITY_END = "MedicationRequest.dispenseRequest.validityPeriod.end"


def last_valid_day(authored_on: FhirDate) -> date:
    """Return the last day on which a prescription may be dispensed or used."""
    return months_later(authored_on.first, VALIDITY_MONTHS)


def check_refills(document: Document) -> Iterator[Finding]:
    """Refuse more refills than the schedule allows (RX-1)."""
    repeats = child(document, "dispenseRequest").get("numberOfRepeatsAllowed")
    if isinstance(repeats, int) and repeats > MAXIMUM_REFILLS:
        yield Finding(
            RX_1,
            f"More than {MAXIMUM_REFILLS} refills are not allowed for a schedule III substance. "
            f"Allow at most {MAXIMUM_REFILLS}.",
            REPEATS,
        )


def check_validity(document: Document) -> Iterator[Finding]:
    """Refuse a validity that outlasts the six months (RX-2)."""
    authored_on = parse(document.get("authoredOn"))
    end = parse(child(child(document, "dispenseRequest"), "validityPeriod").get("end"))
    if authored_on is None or end is None or not authored_on.names_a_day:
        return
    if end.last_day_beside(authored_on) > last_valid_day(authored_on):
        yield Finding(
            RX_2,
            f"The prescription may not be valid beyond {VALIDITY_MONTHS} calendar months after authoredOn, "
            "that day included. Shorten the validity period, or issue a new prescription.",
            VALIDITY_END,
        )


def check_date_of_issue(document: Document, now: datetime) -> Iterator[Finding]:
    """Refuse a prescription without a day of issue, or issued in the future (RX-3)."""
    authored_on = parse(document.get("authoredOn"))
    if authored_on is None or not authored_on.names_a_day:
        yield Finding(
            RX_3, "The prescription has no date of issue. Send authoredOn with at least a day.", AUTHORED_ON
        )
        return
    allowance = CLOCK_SKEW if authored_on.instant else timedelta()
    if authored_on.begins() > now + allowance:
        yield Finding(
            RX_3,
            "The date of issue is in the future. Send the day on which the prescription was issued.",
            AUTHORED_ON,
        )
