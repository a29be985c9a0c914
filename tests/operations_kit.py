"""What tests of operations write and read: observations, Parameters, Bundles, refusals, audit records."""

from __future__ import annotations

from typing import Any

import httpx
from practice_kit import Practice

Document = dict[str, Any]


def observation(patient: Document, kind: str, date: str | None, **members: Any) -> Document:
    """Write an observation; ``kind`` is a code of a system that only tests use."""
    dated = {"effectiveDateTime": date} if date else {}
    return {
        "status": "final",
        "code": {"coding": [{"system": "https://kinds.example", "code": kind}]},
        "subject": {"reference": f"Patient/{patient['id']}"},
        **dated,
        **members,
    }


def resources(answer: httpx.Response) -> list[str]:
    """Name what a Bundle holds."""
    assert answer.status_code == 200, answer.text
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in answer.json().get("entry", [])
    ]


def issue(answer: httpx.Response, status: int) -> Document:
    """Return the first finding of a refusal."""
    assert answer.status_code == status, answer.text
    found: Document = answer.json()["issue"][0]
    return found


def parameters(**values: Any) -> Document:
    """Write a Parameters resource; a name's last part is the type of its value."""
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": name.partition("__")[0], name.partition("__")[2] or "resource": value}
            for name, value in values.items()
        ],
    }


def audited(practice: Practice, request_id: str) -> list[tuple[str, int]]:
    """Tell what the audit trail holds about a request."""
    rows = practice.vault.fetch(
        "SELECT interaction, status FROM audit_record WHERE request_id = $1 ORDER BY id", request_id
    )
    return [tuple(row) for row in rows]
