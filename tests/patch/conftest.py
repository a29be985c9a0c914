"""What the tests of both kinds of patch start from."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from models.errors import BadRequest, Issue

Resource = dict[str, Any]


@pytest.fixture
def patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"versionId": "3", "lastUpdated": "2026-05-01T10:00:00Z", "tag": [{"code": "demo"}]},
        "identifier": [
            {"system": "http://example.org/a", "value": "A-1", "use": "official"},
            {"system": "http://example.org/b", "value": "B-2"},
        ],
        "active": True,
        "name": [
            {
                "use": "official",
                "family": "Muir",
                "given": ["Ada", "Bo", "Cy"],
                "_given": [None, {"id": "second"}, None],
            },
            {"use": "usual", "given": ["Addie"]},
        ],
        "birthDate": "1974-12-25",
        "_birthDate": {
            "extension": [{"url": "http://example.org/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]
        },
        "deceasedBoolean": False,
        "contact": [{"name": {"text": "Di"}, "gender": "female"}],
    }


@pytest.fixture
def observation() -> Resource:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"text": "Weight"},
        "effectiveDateTime": "2026-05-01T10:00:00+02:00",
        "valueQuantity": {"value": Decimal("1.50"), "unit": "kg"},
        "component": [
            {"code": {"text": "left"}, "valueQuantity": {"value": Decimal("0.70")}},
            {"code": {"text": "right"}, "valueString": "none"},
        ],
    }


@pytest.fixture
def refused() -> Callable[[Callable[[], object]], Issue]:
    """Return the only issue of the 400 that a call must end in."""

    def refusal(call: Callable[[], object]) -> Issue:
        with pytest.raises(BadRequest) as caught:
            call()
        assert caught.value.status == 400
        assert caught.value.code == "invalid"
        (issue,) = caught.value.issues
        return issue

    return refusal
