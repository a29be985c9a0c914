"""What a rule found.

    rule(document, facts, now) ──> Finding, Finding, … ──> 422 with all of them
                                                       └─> 403 with those that forbid, and nothing else

One who may not write a prescription learns only that: the other findings would tell a stranger, for
example, whether a birth date was right.
Source: https://hl7.org/fhir/R4/http.html#create
"""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import Issue
from models.kat.rules import Rule


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one rule. ``text`` never repeats a value of the document."""

    rule: Rule
    text: str
    expression: str

    @property
    def status(self) -> int:
        """HTTP status that this finding alone would cause."""
        return self.rule.outcome.value

    @property
    def issue(self) -> Issue:
        """The finding as it appears in an OperationOutcome."""
        return Issue(self.rule.code, f"{self.rule.id}: {self.text}", self.expression, rule=self.rule.id)
