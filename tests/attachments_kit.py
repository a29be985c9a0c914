"""Documents with attachments too large for their row."""

from __future__ import annotations

import base64
import random
from typing import Any

Document = dict[str, Any]

MEBIBYTE = 1024 * 1024


def scan(seed: int, size: int = MEBIBYTE) -> str:
    """Base64 of bytes that nobody can compress, such as a scanned letter's."""
    return base64.b64encode(random.Random(seed).randbytes(size)).decode()  # noqa: S311 - not a secret


def note(data: str, patient: str = "Patient/pat-2", **changes: Any) -> Document:
    """Write a document with an attachment."""
    attachment = {"contentType": "application/pdf", "data": data}
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": patient},
        "content": [{"attachment": attachment}],
        **changes,
    }
