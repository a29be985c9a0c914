"""Reads lists whose members carry weights: ``Accept`` and ``Accept-Encoding``.

    application/fhir+xml, */*;q=0.1   ──▶   [("application/fhir+xml", 1.0, {}), ("*/*", 0.1, {})]

Source: https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


MAX_CHOICES = 64
"""Members that are read, and parameters of one: more say nothing, and nobody is asked who they are yet."""


MAX_REMEMBERED = 200
"""Characters of a header that is kept as it was read: clients send the same few again and again."""


class Choice(NamedTuple):
    """One member of the list, in lower case."""

    name: str
    quality: float
    """From 0, not acceptable, to 1."""
    parameters: dict[str, str]


def weighed(header: str) -> tuple[Choice, ...]:
    """Read a list in its order; what is no weight counts as none given, which is 1."""
    return (_remembered if len(header) <= MAX_REMEMBERED else _weighed)(header)


def _weighed(header: str) -> tuple[Choice, ...]:
    found = []
    for member in header.lower().split(",", MAX_CHOICES)[:MAX_CHOICES]:
        name, *rest = member.split(";", MAX_CHOICES)[:MAX_CHOICES]
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        weight = parameters.pop("q", "1")
        if name.strip():
            quality = float(weight) if _QUALITY.fullmatch(weight) else 1.0
            found.append(Choice(name.strip(), quality, parameters))
    return tuple(found)


_remembered = lru_cache(maxsize=256)(_weighed)
