"""Collects what is wrong with a document."""

from __future__ import annotations

from models.definitions.primitives import Fault
from models.errors import Issue

MAXIMUM_ISSUES = 100
_MORE = "There are more findings than these. Mend these first."
_HARMLESS = frozenset({"required", "code-invalid", "invariant"})


class TooManyFindings(Exception):
    """Enough was found to send the document back."""


class Findings:
    """The issues found so far, in the order of the document."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.misshapen = 0
        """How many members are not of the type they should be, so that no other rule may rely on them."""

    def add(self, code: str, text: str, expression: str) -> None:
        """Note a finding; raises ``TooManyFindings`` when nobody could read any more."""
        if len(self.issues) == MAXIMUM_ISSUES:
            self.issues.append(Issue("structure", _MORE, severity="information"))
            raise TooManyFindings
        self.misshapen += code not in _HARMLESS
        self.issues.append(Issue(code, text, expression))

    def add_fault(self, fault: Fault, expression: str) -> None:
        """Note what a check of a primitive type found."""
        self.add(fault.code, fault.text, expression)
