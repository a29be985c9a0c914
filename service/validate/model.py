"""Asks fhir.resources whether it agrees that a document is a resource.

The model comes last, when our own walk over R4's facts found nothing: the walk is stricter, names every
place, and knows R4, where the models are R4B's. So an answer of the model is a second opinion.
A model is imported when its type is first checked: each import costs some 0.1 s.

Source: https://pypi.org/project/fhir.resources/, docs/adr/2611-validate-r4-with-r4b-models.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from models.document import member
from models.errors import Issue

_WITHOUT_MODEL = frozenset({"Bundle", "Parameters"})
"""Their entries are resources, which are checked one by one when the Bundle is executed."""
_R4_WINS = frozenset({"extra_forbidden", "string_pattern_mismatch", "uuid_version", "value_error"})
"""Refusals of what R4 allows, and what the walk has already compared with R4.

``valueMeta`` and ``_value[x]`` in an Extension; a no-break space alone; a UUID that is not random; a
required choice whose value is an extension that says why it is absent.
"""
_TEXT = "This does not have the structure that FHIR defines for it."

Validate = Callable[[Any], Any]


def disagreements(document: dict[str, Any], resource_type: str) -> list[Issue]:
    """List what the model of this type refuses. What is contained has been walked, and is left out."""
    if resource_type in _WITHOUT_MODEL:
        return []
    if "contained" in document:
        document = {name: child for name, child in document.items() if name != "contained"}
    try:
        _validator(resource_type)(document)
    except ValidationError as error:
        places = error.errors(include_url=False, include_context=False, include_input=False)
        return [
            Issue("structure", _TEXT, _expression(resource_type, place["loc"]))
            for place in places
            if place["type"] not in _R4_WINS
        ]
    return []


def prepare(resource_types: Iterable[str]) -> None:
    """Import the models of these types now, so that no request waits for it (24 types: 0.3 s, 26 MB)."""
    for resource_type in resource_types:
        if resource_type not in _WITHOUT_MODEL:
            _validator(resource_type)


@cache
def _validator(resource_type: str) -> Validate:
    module = import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    validate: Validate = getattr(module, resource_type).__pydantic_validator__.validate_python
    return validate


def _expression(resource_type: str, location: tuple[int | str, ...]) -> str:
    path = resource_type
    for step in location:
        path = f"{path}[{step}]" if isinstance(step, int) else member(path, step)
    return path
