"""Reading what to include: ``_include=Type:parameter[:Target]`` and ``_revinclude``, with wildcards.

    EpisodeOfCare:patient           one parameter           Observation:*    all references of a type
    CareTeam:participant:Patient    one type of target      * or *:*         all of the type, or to it

Source: https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

from functools import cache, lru_cache

from models.definitions import RESOURCE_TYPES
from service.search.criteria import Include, Unknown
from service.search.registry import Parameter, parameters, targets

MAX_REACHABLE = 60
"""Kinds of references that a wildcard follows from type to type, the nearest first."""

NO_INCLUDE = "An include names no reference parameter of a supported type; write Type:parameter."


@lru_cache(maxsize=1024)
def includes(resource_type: str, value: str, *, iterate: bool, reverse: bool) -> tuple[Include, ...]:
    """Read ``Type:parameter[:Target]``; ``*`` or ``*:*`` stands for all references of the type, or to it.

    Raises:
        Unknown: there is no such type or reference parameter.
    """
    value = "*" if value == "*:*" else value
    source_type, _, rest = value.partition(":")
    if value == "*" and reverse:
        return tuple(
            Include(name, one, None, iterate, reverse)
            for name in RESOURCE_TYPES
            for one in parameters(name).values()
            if one.kind == "reference" and resource_type in targets(one)
        )
    if value == "*" and iterate:
        return reachable(resource_type)
    if value == "*":
        source_type, rest = resource_type, value
    if source_type not in RESOURCE_TYPES:
        raise Unknown(NO_INCLUDE)
    code, _, target_type = rest.partition(":")
    known = parameters(source_type)
    chosen = list(known.values()) if code == "*" else [known[code]] if code in known else []
    wanted = [
        one
        for one in chosen
        if one.kind == "reference"
        and (not target_type or target_type in targets(one))
        and (not reverse or resource_type in targets(one) or iterate)
    ]
    if not wanted:
        raise Unknown(NO_INCLUDE)
    return tuple(Include(source_type, one, target_type or None, iterate, reverse) for one in wanted)


def reachable(resource_type: str) -> tuple[Include, ...]:
    """All references of a type, of the types that these lead to, and so on; those with few ones first."""
    found: list[Include] = []
    seen, level = {resource_type}, [resource_type]
    while level and len(found) < MAX_REACHABLE:
        ways = [Include(name, one, iterate=True) for name in level for one in references(name)]
        found += ways
        further = {target for way in ways for target in targets(way.parameter)} - seen
        seen |= further
        level = sorted(further, key=lambda name: (len(references(name)), name))
    return tuple(found[:MAX_REACHABLE])


@cache
def references(resource_type: str) -> tuple[Parameter, ...]:
    """The reference parameters of a type."""
    return tuple(one for one in parameters(resource_type).values() if one.kind == "reference")
