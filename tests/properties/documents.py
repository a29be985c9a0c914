"""Documents drawn at random, which populate what the search parameters of their type read.

    keys(type)          the members that R4's expressions pass through, as a tree
    document(type, …)   those members, each present more often than not, with values of the right data type

Values come from small pools, so that they meet: the same code in two systems, the same id in two types,
texts that differ in case, in an accent or in the last character only. A decoy of the same type is contained
in many documents; nothing may be found by it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from properties import amounts, moments
from properties.expressions import ROOTS, STEP, branches, definitions

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import Element, codes, structure

SYSTEMS = (None, "urn:a", "urn:A", "urn:a|b", "http://b.test/c,d", "http://b.test/c$d")
CODES = ("A1", "a1", "A", "A12", "b,c", "b|c", "b$c", "b\\c", "b c", "ßen", "İx", "-1", "true")
TEXTS = ("Müller", "muller", "Müllerin", "De  la Cruz", "a,b", "a|b$c", "x\\y", "Ångström", "100%_", "A" * 90)
URIS = (
    "http://x.test/a",
    "http://x.test/a/b",
    "http://x.test/a/bc",
    "http://x.test/A",
    "http://x.test/a/",
    "urn:oid:1.2",
    "urn:oid:1.2.3",
)
IDS = ("1", "11", "a", "A", "x.-1")
BASE = "http://fhir.test/fhir/"
ELSEWHERE = "https://other.test/fhir/"

Tree = dict[str, Any]
Document = dict[str, Any]


@cache
def keys(resource_type: str) -> Tree:
    """The members that any search parameter of the type reads, with those below them."""
    tree: Tree = {}
    for row in definitions(resource_type).values():
        for branch in branches(row["expression"]):
            place = tree
            for number, step in enumerate(STEP.finditer(branch)):
                if number == 0 and step["key"] in {resource_type, *ROOTS}:
                    continue
                if step["key"]:
                    place = place.setdefault(step["key"], {})
                elif step["member"]:
                    place.setdefault(step["member"], {})
    return tree


def document(resource_type: str, key: str, chance: Random) -> Document:
    """One document of a type."""
    drawn = members(resource_type, keys(resource_type), chance)
    drawn |= {"resourceType": resource_type, "id": key}
    if chance.random() < 0.3 and "contained" in structure(resource_type).elements:
        decoy = members(resource_type, keys(resource_type), chance)
        drawn["contained"] = [decoy | {"resourceType": resource_type, "id": "decoy"}]
    return drawn


def members(type_name: str, tree: Tree, chance: Random) -> Document:
    """The members of one object that the tree names; of a choice, one at most."""
    drawn: Document = {}
    offered: dict[str, list[Element]] = {}
    for element in structure(type_name).elements.values():
        stem = (element.choice or element.name).removesuffix("[x]")
        if stem in tree and (element.type in DRAWS or (tree[stem] and element.check is None)):
            offered.setdefault(stem, []).append(element)
    for stem, elements in offered.items():
        if stem == "id" or chance.random() < 0.2:
            continue
        element = chance.choice(elements)
        found = [
            one(element, tree[stem], chance)
            for _ in range(chance.choice((1, 1, 2)) if element.repeats else 1)
        ]
        drawn[element.name] = found if element.repeats else found[0]
    return drawn


def one(element: Element, below: Tree, chance: Random) -> Any:
    """One value of an element."""
    if element.type == "Reference":
        return reference(element, chance)
    if element.type == "code" and element.value_set:
        return chance.choice(codes(element.value_set))
    if element.type in DRAWS:
        return DRAWS[element.type](chance)
    return members(element.type, below, chance)


def present(drawn: Document) -> Document:
    """Only the members that have a value."""
    return {name: value for name, value in drawn.items() if value is not None}


def reference(element: Element, chance: Random) -> Document:
    """A reference: ours, of a version, absolute, to elsewhere, contained, or logical."""
    targets = sorted((element.targets or frozenset(RESOURCE_TYPES)) & set(RESOURCE_TYPES)) or ["Device"]
    kind = chance.choice(targets)
    plain = f"{kind}/{chance.choice(IDS)}"
    text = chance.choice(
        (plain, plain, plain, f"{plain}/_history/2", BASE + plain, ELSEWHERE + plain, "#decoy", None)
    )
    held = identifier(chance) if text is None or chance.random() < 0.3 else None
    stated = kind if text is None or chance.random() < 0.3 else None
    return present({"reference": text, "type": stated, "identifier": held})


def coding(chance: Random) -> Document:
    bare = chance.random() < 0.1
    return present(
        {
            "system": chance.choice(SYSTEMS[1:] if bare else SYSTEMS),
            "code": None if bare else chance.choice(CODES),
        }
    )


def concept(chance: Random) -> Document:
    codings = [coding(chance) for _ in range(chance.choice((0, 1, 1, 2)))]
    return present({"coding": codings or None, "text": chance.choice(TEXTS)})


def identifier(chance: Random) -> Document:
    kind = {"coding": [coding(chance)]} if chance.random() < 0.6 else None
    return present({"type": kind, "system": chance.choice(SYSTEMS), "value": chance.choice(CODES)})


def contact(chance: Random) -> Document:
    return {"system": chance.choice(("phone", "email", "url")), "value": chance.choice(CODES)}


def name(chance: Random) -> Document:
    return present(
        {
            "family": chance.choice((None, *TEXTS)),
            "given": [chance.choice(TEXTS) for _ in range(chance.choice((1, 2)))],
            "prefix": chance.choice((None, ["Dr"])),
            "suffix": chance.choice((None, ["Jr"])),
            "text": chance.choice((None, *TEXTS)),
        }
    )


def address(chance: Random) -> Document:
    parts = ("city", "district", "state", "postalCode", "country", "text")
    drawn = present({part: chance.choice((None, *TEXTS)) for part in parts})
    use = chance.choice((None, "home", "work"))
    return present({"use": use, "line": [chance.choice(TEXTS)], **drawn})


def canonical(chance: Random) -> str:
    return chance.choice(URIS) + chance.choice(("", "", "|1", "|1.1"))


DRAWS: dict[str, Callable[[Random], Any]] = {
    "code": lambda chance: chance.choice(("text/plain", "en", "en-US", "EN")),
    "string": lambda chance: chance.choice(TEXTS),
    "markdown": lambda chance: chance.choice(TEXTS),
    "boolean": lambda chance: chance.random() < 0.5,
    "uri": lambda chance: chance.choice(URIS),
    "url": lambda chance: chance.choice(URIS),
    "canonical": canonical,
    "Coding": coding,
    "CodeableConcept": concept,
    "Identifier": identifier,
    "ContactPoint": contact,
    "HumanName": name,
    "Address": address,
    "date": moments.date,
    "dateTime": moments.date_time,
    "instant": moments.instant,
    "Period": moments.period,
    "Timing": moments.timing,
    "decimal": amounts.decimal,
    "Quantity": amounts.quantity,
    "Age": amounts.quantity,
    "Duration": amounts.quantity,
    "Range": amounts.span,
    "SampledData": amounts.sampled,
    "Reference": lambda chance: {"reference": f"Patient/{chance.choice(IDS)}"},
}
"""How a value of each data type is drawn."""
