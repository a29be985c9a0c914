"""Every rule that a prescription must satisfy, applied at once, so that a prescriber mends it in one round.

    gather ──> Facts ──> check ──> findings
                          │
      RX-1 RX-2 RX-3 ─────┤ validity    refills, six months, date of issue
      RX-5 ───────────────┤ identifiers NPI and DEA numbers
      RX-6 ───────────────┤ requester   who prescribes, in whose name
      RX-7 ───────────────┤ subject     whose prescription it is
      RX-10 ──────────────┘ dosing      amounts, units, routes

RX-16, the same prescription again, is decided where it is stored (``service/intake.py``).
Source: https://www.ecfr.gov/current/title-21/chapter-II/part-1306
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from models.kat.rules import RX_5
from service.kat import dosing, requester, subject, validity
from service.kat.elements import Document, child, children, text
from service.kat.facts import Facts
from service.kat.finding import Finding
from service.kat.identifiers import check_identifier, check_identifiers
from service.kat.writer import is_import

_NUMBERED = frozenset({"Practitioner", "PractitionerRole", "Organization"})

Check = Callable[[Document, Facts, datetime], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    lambda document, _facts, _now: validity.check_refills(document),
    lambda document, _facts, _now: validity.check_validity(document),
    lambda document, _facts, now: validity.check_date_of_issue(document, now),
    lambda document, facts, _now: check_numbers(document, facts),
    lambda document, facts, _now: requester.check_requester(document, facts),
    lambda document, facts, _now: subject.check_subject(document, facts),
    lambda document, facts, _now: dosing.check_doses(document, facts),
)


def check(document: Document, facts: Facts, *, now: datetime) -> list[Finding]:
    """Find every breach of every rule; ``now`` is an aware instant."""
    return [finding for rule in CHECKS for finding in rule(document, facts, now)]


def check_numbers(document: Document, facts: Facts) -> Iterator[Finding]:
    """Refuse wrong NPI and DEA numbers in the prescription, and on its stored requester (RX-5)."""
    for name in ("requester", "recorder", "performer"):
        identifier = child(child(document, name), "identifier")
        yield from check_identifier(identifier, f"MedicationRequest.{name}.identifier")
    pharmacy = child(child(child(document, "dispenseRequest"), "performer"), "identifier")
    yield from check_identifier(pharmacy, "MedicationRequest.dispenseRequest.performer.identifier")
    for index, resource in children(document, "contained"):
        if text(resource, "resourceType") in _NUMBERED:
            yield from check_identifiers(resource, f"MedicationRequest.contained[{index}]")
    if not is_import(facts.writer) and _stored_requester_is_wrong(document, facts):
        yield Finding(
            RX_5,
            "The stored requester has an invalid NPI or DEA number. Correct the Practitioner first.",
            requester.REQUESTER,
        )


def _stored_requester_is_wrong(document: Document, facts: Facts) -> bool:
    reference = child(document, "requester")
    holder = facts.resources.get(facts.key(reference) or "")
    person = facts.resources.get(facts.key(child(holder, "practitioner")) or "")
    return any(True for stored in (holder, person) for _ in check_identifiers(stored or {}, ""))
