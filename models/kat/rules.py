"""The catalogue of prescription rules: one row a rule, with its outcome and its source.

    REJECT     nothing is stored (4xx), because it can never be right or would be unlawful to accept
    FORBIDDEN  nothing is stored (403), because this writer may not write it

The functions that decide are in ``service/kat``; an OperationOutcome cites a rule by its id.
Source: https://www.ecfr.gov/current/title-21/chapter-II/part-1306
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What becomes of a resource that breaks a rule: the status of the answer."""

    REJECT = 422
    FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: ``code`` is the FHIR issue type of its findings."""

    id: str
    title: str
    outcome: Outcome
    code: str
    source: str


RX_1 = Rule(
    "RX-1",
    "At most five refills",
    Outcome.REJECT,
    "business-rule",
    "21 CFR 1306.22(a), https://www.ecfr.gov/current/title-21/section-1306.22",
)
RX_2 = Rule(
    "RX-2",
    "Valid for at most six months after the day of issue",
    Outcome.REJECT,
    "business-rule",
    "21 CFR 1306.22(a), https://www.ecfr.gov/current/title-21/section-1306.22",
)
RX_3 = Rule(
    "RX-3",
    "Dated as of the day of issue",
    Outcome.REJECT,
    "business-rule",
    "21 CFR 1306.05(a), https://www.ecfr.gov/current/title-21/section-1306.05",
)
RX_5 = Rule(
    "RX-5",
    "NPI and DEA numbers have a valid check digit",
    Outcome.REJECT,
    "code-invalid",
    "45 CFR 162.406, https://www.ecfr.gov/current/title-45/section-162.406",
)
RX_6 = Rule(
    "RX-6",
    "The requester is a prescriber of the organization that writes",
    Outcome.FORBIDDEN,
    "forbidden",
    "Practice policy: the practice's therapists do not prescribe",
)
RX_7 = Rule(
    "RX-7",
    "The patient is known and is the one described",
    Outcome.REJECT,
    "business-rule",
    "Practice policy: a patient is never created or guessed from a prescription",
)
RX_10 = Rule(
    "RX-10",
    "A dose is an amount of the drug, by a route that fits its form",
    Outcome.REJECT,
    "invariant",
    "21 CFR 1306.05(a); https://hl7.org/fhir/R4/valueset-ucum-units.html",
)

CATALOGUE = {rule.id: rule for rule in (RX_1, RX_2, RX_3, RX_5, RX_6, RX_7, RX_10)}
