"""How findings are told: the one function that renders an OperationOutcome.

Source: https://hl7.org/fhir/R4/operationoutcome.html
"""

from __future__ import annotations

from collections.abc import Sequence

from models.document import serialize
from models.errors import Issue
from models.kat.systems import local_system

STORED = Issue("informational", "The resource was stored.", severity="information")
GONE = Issue("informational", "The resource was deleted, or was not there.", severity="information")
"""What is told of a write, and of a deletion, to who prefers an OperationOutcome."""

_RULES = local_system("kat-rule")


def outcome(issues: Sequence[Issue]) -> bytes:
    """Render findings as an OperationOutcome."""
    return serialize({"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]})


def _issue(issue: Issue) -> dict[str, object]:
    details: dict[str, object] = {"text": issue.text}
    if issue.rule:
        details["coding"] = [{"system": _RULES, "code": issue.rule}]
    rendered: dict[str, object] = {"severity": issue.severity, "code": issue.code, "details": details}
    if issue.rule:
        rendered["diagnostics"] = issue.text
    if issue.expression:
        rendered["expression"] = [issue.expression]
    return rendered
