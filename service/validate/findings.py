"""Collects what is wrong with a document."""

from __future__ import annotations

from models.definitions.primitives import Fault
from models.errors import Issue

MAXIMUM_ISSUES = 100
MAXIMUM_REPEATS = 50_000
"""Items of all arrays of one resource: more would keep a worker from everybody else for half a second."""
_TOO_LONG = f"The arrays of a resource have at most {MAXIMUM_REPEATS} items together. Send several resources."
_MORE = "There are more findings than these. Mend these first."
_HARMLESS = frozenset({"required", "code-invalid", "invariant"})


class TooManyFindings(Exception):
    """Enough was found to send the document back."""


class Findings:
    """The issues found so far, in the order of the document."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.repeats = 0
        self.misshapen = 0
        """How many members are not of the type they should be, so that no other rule may rely on them."""

    def add(self, code: str, text: str, expression: str) -> None:
        """Note a finding; raises ``TooManyFindings`` when nobody could read any more."""
        if len(self.issues) == MAXIMUM_ISSUES:
            self.issues.append(Issue("structure", _MORE, severity="information"))
            raise TooManyFindings
        self.misshapen += code not in _HARMLESS
        self.issues.append(Issue(code, text, expression))

    def count(self, items: int, expression: str) -> None:
        """Count the items of an array; raises ``TooManyFindings`` when the resource has too many."""
        self.repeats += items
        if self.repeats > MAXIMUM_REPEATS:
            self.add("too-long", _TOO_LONG, expression)
            raise TooManyFindings

    def add_fault(self, fault: Fault, expression: str) -> None:
        """Note what a check of a primitive type found."""
        self.add(fault.code, fault.text, expression)
