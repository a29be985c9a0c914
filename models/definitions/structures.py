"""The structures of FHIR R4: which elements a type has, how often, of which type, with which codes.

    structure("MedicationRequest").elements["status"]     code, exactly 1, codes of a value set
                                  .elements["subject"]    Reference, exactly 1, to Patient or Group
                                  .required               what must be there, choices included
    structure("MedicationRequest.dispenseRequest")        an anonymous type inside

The facts are in ``structures.json``, written by ``generate_structures.py`` from HL7's definitions; they
cover every type of R4, since any of them may be contained in another. Each is built when first asked for.

Source: https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from models.definitions.primitives import CHECKS, FORMATS, Check

STRUCTURES_FILE = Path(__file__).with_name("structures.json")


_SPOKEN_BY_MACHINES = frozenset({"Expression"})
"""Types whose ``language`` is not one that people speak."""


class Facts(msgspec.Struct, frozen=True):
    """The content of ``structures.json``."""

    resources: list[str]
    targets: list[list[str]]
    structures: dict[str, dict[str, list[Any]]]
    """By type and element: types, minimum, 1 if it repeats, value set, index of the targets."""
    value_sets: dict[str, dict[str, list[str]]]
    """By name and code system."""
    invariants: dict[str, dict[str, str]]
    """By type and key: what the constraint demands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One JSON member of a type; a choice such as ``value[x]`` is several of them."""

    name: str
    type: str
    repeats: bool
    check: Check | None
    """Set for a primitive type only."""
    choice: str | None
    """The name of the choice, ``value[x]``, of which this is one."""
    value_set: str
    codes: frozenset[str] | None
    """The codes of a required binding, when they can be enumerated."""
    targets: frozenset[str] | None
    """The types to which a Reference may point; none means any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A resource type, a data type, or an anonymous type inside one."""

    name: str
    is_resource: bool
    elements: dict[str, Element]
    required: frozenset[str]
    """Members that must be there (or their ``_`` sibling, when primitive)."""
    required_choices: tuple[str, ...]
    """Choices of which one member must be there."""


@cache
def facts() -> Facts:
    """Read the facts of every type."""
    return msgspec.json.decode(STRUCTURES_FILE.read_bytes(), type=Facts)


@cache
def resource_names() -> frozenset[str]:
    """Name every resource type of R4, kept by this server or not."""
    return frozenset(facts().resources)


@cache
def structure(name: str) -> Structure:
    """Build the structure of a type of R4; ``name`` must be one."""
    rows = facts().structures[name]
    return Structure(
        name=name,
        is_resource=name in resource_names(),
        elements={
            element.name: element for key, row in rows.items() for element in _elements(name, key, row)
        },
        required=frozenset(key for key, row in rows.items() if _minimum(row) and not _is_choice(key)),
        required_choices=tuple(key for key, row in rows.items() if _minimum(row) and _is_choice(key)),
    )


@cache
def codings(value_set: str) -> frozenset[tuple[str, str]]:
    """Name every coding of an enumerated value set as system and code."""
    systems = facts().value_sets[value_set]
    return frozenset((system, code) for system, codes in systems.items() for code in codes)


@cache
def codes(value_set: str) -> tuple[str, ...]:
    """Name every code of an enumerated value set, in its order."""
    systems = facts().value_sets[value_set]
    return tuple(dict.fromkeys(code for codes in systems.values() for code in codes))


def _elements(name: str, key: str, row: list[Any]) -> list[Element]:
    defaults: list[Any] = ["", 0, 0, "", 0]
    types, _, repeats, value_set, targets = row + defaults[len(row) :]
    is_choice = _is_choice(key)
    return [
        Element(
            name=_choice_name(key, type_) if is_choice else key,
            type=type_.rpartition(":")[2],
            repeats=bool(repeats),
            check=_check(name, key, type_),
            choice=key if is_choice else None,
            value_set=value_set,
            codes=frozenset(codes(value_set)) if value_set else None,
            targets=frozenset(facts().targets[targets]) if targets else None,
        )
        for type_ in types.split(" ")
    ]


def _check(name: str, key: str, type_: str) -> Check | None:
    special = FORMATS.get(key) if type_ == "code" and name not in _SPOKEN_BY_MACHINES else None
    return special or CHECKS.get(type_)


def _choice_name(key: str, type_: str) -> str:
    name = type_.partition(":")[0]
    return key.removesuffix("[x]") + name[0].upper() + name[1:]


def _is_choice(key: str) -> bool:
    return key.endswith("[x]")


def _minimum(row: list[Any]) -> int:
    return row[1] if len(row) > 1 else 0
