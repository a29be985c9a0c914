"""What may be searched: every parameter of every supported type, from the generated facts of R4.

    models/definitions/search_parameters.json ──► Parameter(code, kind, paths, store)

``store`` says where the index holds the values: ``terms`` (an array of the type table), ``sound`` (terms of
names, folded further), ``column`` (a pair of date columns), ``place`` (a pair of degrees); ``string``,
``date``, ``quantity``, ``text`` (the shared index tables); ``id``, ``last_updated``. A ``composite`` has
components, a ``union`` means "any of these parameters" and stores nothing itself.

Source: https://hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from models.definitions import RESOURCE_TYPES, search_facts
from models.definitions.structures import structure

PATH = re.compile(r"(?P<steps>(?:[^:<\[]|\[[^\]]*\])+)(?:<(?P<target>\w+)>)?:(?P<type>\w+)")
STEPS = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")
STEP = re.compile(r"(?P<key>\w+)(?P<repeats>\*?)(?:\[(?P<where>\w+)=(?P<equals>[^\]]+)\])?")


@dataclass(frozen=True, slots=True)
class Step:
    """One JSON member; ``where`` keeps the elements whose member equals a value."""

    key: str
    repeats: bool = False
    where: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The way from a resource to a value, the value's data type, and the type a reference must have."""

    steps: tuple[Step, ...]
    data_type: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type."""

    code: str
    kind: str
    url: str
    store: str
    paths: tuple[Path, ...] = ()
    single: bool = False
    targets: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    """The code systems implied by the binding of a ``code`` element; index terms leave them out."""
    union: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    base: str = ""
    """The repeating element that a composite's components share; empty for the resource itself."""
    in_patient_column: bool = False
    """References to a patient are held by the ``patient`` column instead of a term."""

    @property
    def column(self) -> str:
        """The stem of the two columns of a parameter that has one value in two parts."""
        return self.code.replace("-", "_")


COMMON = (
    Parameter("_id", "token", "http://hl7.org/fhir/SearchParameter/Resource-id", "id", single=True),
    Parameter(
        "_lastUpdated",
        "date",
        "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated",
        "last_updated",
        single=True,
    ),
)
"""Parameters of every type that are columns of every table."""

PROSE = (
    Parameter("_content", "string", "http://hl7.org/fhir/SearchParameter/Resource-content", "text"),
    Parameter("_text", "string", "http://hl7.org/fhir/SearchParameter/DomainResource-text", "text"),
)
"""Parameters of every type; ``_text`` only where there is a narrative."""

UNSORTED = frozenset({"composite", "place", "sound", "text", "union"})
"""Stores whose values have no order."""

STORES = {
    "token": "terms",
    "reference": "terms",
    "uri": "terms",
    "string": "string",
    "number": "quantity",
    "quantity": "quantity",
    "special": "place",
}
MEDIA_TYPES = "urn:ietf:bcp:13"

BY_CODE = {"phonetic": "sound"}
"""Parameters whose values are not kept like others of their kind."""


def path(text: str) -> Path:
    """Read the spelling of ``generate_search``: ``telecom*[system=email]:ContactPoint``.

    What stands between brackets may hold dots and colons: ``extension*[url=http://a.b/c].valueDateTime``.
    """
    found = PATH.fullmatch(text)
    if found is None:
        raise ValueError(text)
    steps = []
    for step in STEPS.findall(found["steps"]):
        parts = STEP.fullmatch(step)
        if parts is None:
            raise ValueError(text)
        where = (parts["where"], parts["equals"]) if parts["where"] else None
        steps.append(Step(parts["key"], bool(parts["repeats"]), where))
    return Path(tuple(steps), found["type"], found["target"])


def parameter(fact: Mapping[str, Any], patient_path: tuple[Step, ...] | None) -> Parameter:
    """Read one row of the generated facts."""
    kind = fact["kind"]
    paths = tuple(path(text) for text in fact.get("paths", ()))
    single = fact.get("single", False)
    store = (
        BY_CODE.get(fact["code"])
        or STORES.get(kind)
        or (kind if kind == "composite" or not single else "column")
    )
    return Parameter(
        fact["code"],
        kind,
        fact["url"],
        "union" if "union" in fact else store,
        paths,
        single,
        tuple(fact.get("targets", ())),
        tuple(fact.get("systems", ())),
        tuple(fact.get("union", ())),
        tuple(fact.get("components", ())),
        fact.get("base", ""),
        kind == "reference" and single and len(paths) == 1 and paths[0].steps == patient_path,
    )


@cache
def parameters(resource_type: str) -> Mapping[str, Parameter]:
    """The parameters of one type, by code, in alphabetical order."""
    facts = search_facts()[resource_type]
    deciding = patient_parameter(resource_type)
    stated = next((fact for fact in facts if fact["code"] == deciding and fact["single"]), None)
    patient_path = path(stated["paths"][0]).steps if stated else None
    own = [parameter(fact, patient_path) for fact in facts]
    prose = PROSE if "text" in structure(resource_type).elements else PROSE[:1]
    return {one.code: one for one in sorted((*COMMON, *prose, *own), key=lambda one: one.code)}


@cache
def patient_parameter(resource_type: str) -> str | None:
    """The parameter whose reference decides whose record a resource belongs to."""
    codes = {fact["code"] for fact in search_facts()[resource_type]}
    return next((code for code in ("patient", "subject", "member") if code in codes), None)


def is_canonical(one: Parameter) -> bool:
    """Whether a parameter refers to definitions by their canonical URL."""
    return one.kind == "reference" and any(way.data_type in {"canonical", "uri"} for way in one.paths)


def is_whole(one: Parameter) -> bool:
    """Whether a parameter is about all parts of names or addresses."""
    return any(way.data_type in {"HumanName", "Address"} for way in one.paths)


def is_media_type(one: Parameter) -> bool:
    """Whether a parameter's codes are media types, which have a hierarchy: parameters narrow them."""
    return one.systems == (MEDIA_TYPES,)


def manner(one: Parameter) -> str:
    """What decides of a parameter's modifiers: its kind, but for references and codes of special kinds."""
    return "media type" if is_media_type(one) else "canonical" if is_canonical(one) else one.kind


@cache
def has_canonical(resource_type: str) -> bool:
    """Whether resources of a type are referred to by a canonical URL and a version."""
    codes = {fact["code"] for fact in search_facts()[resource_type]}
    return {"url", "version"} <= codes


def targets(one: Parameter) -> tuple[str, ...]:
    """The supported types that a reference parameter may point to."""
    if one.targets:
        return tuple(name for name in one.targets if name in RESOURCE_TYPES)
    return RESOURCE_TYPES
