"""Value sets whose codes this server knows: those that R4 binds to its ``code`` elements.

    status:in=http://hl7.org/fhir/ValueSet/medicationrequest-status   ─► its codes, as operands

Another value set is refused: a list of codes that is not known cannot be compared with.
Source: https://hl7.org/fhir/R4/search.html#modifiers
"""

from __future__ import annotations

from functools import cache

from models.definitions.structures import codings, facts
from service.search.criteria import Term
from service.search.registry import Parameter
from service.search.values import term, token_term

STEM = "http://hl7.org/fhir/ValueSet/"


def members(one: Parameter, url: str) -> tuple[Term, ...] | None:
    """The codes of a value set as a parameter's index terms; None when the value set is not known."""
    bare = url.partition("|")[0]
    known = facts().value_sets
    name = bare if bare in known else bare.removeprefix(STEM) if bare.startswith(STEM) else ""
    if name not in known:
        return None
    if is_bare(one):
        codes = [code.casefold() for system, code in sorted(codings(name)) if system in one.systems]
    else:
        codes = [token_term(system, code) for system, code in sorted(codings(name))]
    return tuple(Term(term(f"{one.code}={code}")) for code in codes)


@cache
def codes_of(system: str) -> frozenset[str]:
    """The codes of a system, as far as R4 binds elements to them."""
    return frozenset(code for name in facts().value_sets for owner, code in codings(name) if owner == system)


def is_bare(one: Parameter) -> bool:
    """Whether all values of a parameter are codes without a system of their own."""
    return one.store == "terms" and all(
        way.data_type in {"code", "boolean", "string", "id", "uri"} for way in one.paths
    )
