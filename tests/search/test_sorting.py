"""Every parameter with an order sorts: up and down, absent values last, in pages without duplicate or hole.

Source: https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest
from service.search.registry import UNSORTED, parameters, targets
from service.search.units import UCUM

RANKS = {"e": 0, "a": 2, "c": 1, "d": 1, "b": None, "f": None}
"""Which value a resource has, by id; two have the same, two have none."""

UPWARDS, DOWNWARDS = "ecdabf", "acdebf"
BOTH_TRUE_UPWARDS, BOTH_TRUE_DOWNWARDS = "eacdbf", "acdebf"
"""Where there are two values only."""


def value(data_type, rank, target):
    """A value of a data type that comes after those of a lower rank."""
    text, day = f"v{rank}", f"202{rank}-03-04"
    made = {
        "boolean": rank > 0,
        "Coding": {"system": f"urn:{9 - rank}", "code": text},
        "CodeableConcept": {"coding": [{"system": f"urn:{9 - rank}", "code": text}]},
        "Identifier": {"system": f"urn:{9 - rank}", "value": text},
        "ContactPoint": {"value": text},
        "Reference": {"reference": f"{target}/{text}"},
        "canonical": f"http://acme.test/{text}",
        "uri": f"http://acme.test/{text}",
        "date": day,
        "dateTime": f"{day}T05:06:07Z",
        "instant": f"{day}T05:06:07Z",
        "Period": {"start": day, "end": "2031"},
        "Timing": {"event": [day]},
        "HumanName": {"family": text},
        "Address": {"city": text},
        "Range": {"low": {"value": rank}, "high": {"value": 9}},
        "SampledData": {"origin": {"value": rank}},
        "decimal": Decimal(rank),
        "integer": rank,
    }
    quantity = {"value": rank, "system": UCUM, "code": "mg", "unit": "mg"}
    return made.get(data_type, quantity if data_type in {"Quantity", "Age", "Duration", "Money"} else text)


def place(node, steps, wanted, *, apart=False):
    """Put a value where a path leads to, in a repetition of its own where others lead there too."""
    step, rest = steps[0], steps[1:]
    if not rest:
        found = [wanted] if step.repeats else wanted
        if step.where:
            found = [{step.where[0]: step.where[1], **wanted}]
            node.setdefault(step.key, []).extend(found)
        node.setdefault(step.key, found)
        return
    if step.where or (step.repeats and apart):
        child = dict([step.where] if step.where else [])
        node.setdefault(step.key, []).append(child)
    else:
        found = node.setdefault(step.key, [{}] if step.repeats else {})
        child = found[0] if step.repeats else found
    place(child, rest, wanted)


def sortable(resource_type):
    return [one for one in parameters(resource_type).values() if one.store not in UNSORTED and one.paths]


def document(resource_type, key, rank):
    made = {"resourceType": resource_type, "id": key}
    for one in sortable(resource_type) if rank is not None else ():
        way = one.paths[0]
        known = targets(one)
        target = way.target or ("Patient" if "Patient" in known else (known or one.targets)[0])
        if one.kind != "special":
            place(made, way.steps, value(way.data_type, rank, target), apart=bool(way.target))
    return made


async def pages(shelf, resource_type, sort):
    """The ids of all pages of two, in order."""
    found, cursor = "", ""
    for _ in range(len(RANKS)):
        page = await shelf.page(resource_type, f"_sort={sort}&_count=2{cursor}")
        found += "".join(row.id for row in page.rows)
        if page.next is None:
            break
        cursor = f"&_page={page.next}"
    return found


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
async def test_every_parameter_sorts_its_type(shelf, resource_type):
    for key, rank in RANKS.items():
        await shelf.put(document(resource_type, key, rank))
    for one in sortable(resource_type):
        two = one.paths[0].data_type == "boolean"
        upwards, downwards = (BOTH_TRUE_UPWARDS, BOTH_TRUE_DOWNWARDS) if two else (UPWARDS, DOWNWARDS)
        assert await pages(shelf, resource_type, one.code) == upwards, one.code
        assert await pages(shelf, resource_type, f"-{one.code}") == downwards, one.code


def test_every_kind_of_parameter_that_has_an_order_is_among_them():
    kinds = {one.kind for name in RESOURCE_TYPES for one in sortable(name)}
    assert kinds == {"date", "number", "quantity", "reference", "string", "token", "uri"}


MILLIGRAMS = {"system": UCUM, "code": "mg", "unit": "mg"}

REPEATED = {
    "Patient": {
        "given": lambda *of: {"name": [{"given": [f"v{one}"]} for one in of]},
        "identifier": lambda *of: {
            "identifier": [{"system": f"urn:{9 - one}", "value": f"v{one}"} for one in of]
        },
        "general-practitioner": lambda *of: {
            "generalPractitioner": [{"reference": f"Practitioner/v{one}"} for one in of]
        },
        "_profile": lambda *of: {"meta": {"profile": [f"http://acme.test/{one}" for one in of]}},
    },
    "Observation": {
        "component-value-quantity": lambda *of: {
            "component": [{"valueQuantity": {"value": one, **MILLIGRAMS}} for one in of]
        },
    },
    "Goal": {"target-date": lambda *of: {"target": [{"dueDate": f"202{one}-01-02"} for one in of]}},
    "Procedure": {
        "instantiates-canonical": lambda *of: {
            "instantiatesCanonical": [f"http://acme.test/{'x' * one}|{9 - one}" for one in of]
        },
    },
}
"""Documents with several values of a parameter, in the order of the numbers."""


@pytest.mark.parametrize(
    ("resource_type", "code"), [(name, code) for name, codes in REPEATED.items() for code in codes]
)
async def test_of_several_values_that_counts_which_comes_first_in_the_order(shelf, resource_type, code):
    made = REPEATED[resource_type][code]
    for key, values in {"a": (4, 1, 6), "b": (2, 3), "c": (5,), "d": (5, 2), "e": (5, 5)}.items():
        await shelf.put({"resourceType": resource_type, "id": key, **made(*values)})
    await shelf.put({"resourceType": resource_type, "id": "f"})
    assert await pages(shelf, resource_type, code) == "abdcef"
    assert await pages(shelf, resource_type, f"-{code}") == "acdebf"


def observation(key, **quantity):
    return {"resourceType": "Observation", "id": key, "valueQuantity": quantity}


async def test_quantities_are_sorted_by_what_they_measure(shelf):
    for key, number, code in (("gram", "0.5", "g"), ("less", "20", "mg"), ("more", "700", "mg")):
        unit = {"system": UCUM, "code": code, "unit": f"{code}."}
        await shelf.put(observation(key, value=Decimal(number), **unit))
    assert await shelf.find("Observation", "_sort=value-quantity") == ["less", "gram", "more"]
    assert await shelf.find("Observation", "_sort=-value-quantity") == ["more", "gram", "less"]


async def test_a_quantity_with_an_open_side_has_its_place(shelf):
    for key, number, comparator in (("five", 5, None), ("below", 3, "<"), ("above", 9, ">")):
        more = {"comparator": comparator} if comparator else {}
        await shelf.put(observation(key, value=number, unit="x", **more))
    assert await shelf.find("Observation", "_sort=value-quantity") == ["below", "five", "above"]


async def test_codes_are_sorted_by_code_whatever_their_system(shelf):
    for key, system, code in (
        ("z", "a:first", "Zulu"),
        ("m", "http://loinc.org", "mike"),
        ("a", None, "alpha"),
    ):
        coding = {"system": system, "code": code} if system else {"code": code}
        await shelf.put({"resourceType": "Observation", "id": key, "code": {"coding": [coding]}})
    assert await shelf.find("Observation", "_sort=code") == ["a", "m", "z"]


@pytest.mark.parametrize(
    ("sort", "complaint"),
    [
        ("shoe-size", "There is no order by 'shoe-size'."),
        ("-birthdate,shoe-size", "There is no order by 'shoe-size'."),
        ("_score", "There is no order by '_score'."),
        ("--birthdate", "There is no order by '-birthdate'."),
        ("birthdate,", "There is no order by a parameter of this name."),
        ("<b>", "There is no order by a parameter of this name."),
        ("_content", "There is no order by '_content'."),
        ("phonetic", "There is no order by 'phonetic'."),
    ],
)
async def test_an_unknown_order_is_refused_or_ignored_as_a_whole(shelf, sort, complaint):
    for key, day in (("a", "1990"), ("b", "1991"), ("c", "1989")):
        await shelf.put({"resourceType": "Patient", "id": key, "birthDate": day})
    with pytest.raises(BadRequest) as refused:
        await shelf.page("Patient", f"_sort={sort}")
    issue = refused.value.issues[0]
    assert (issue.code, issue.text, issue.expression) == ("not-supported", complaint, "http._sort")
    page = await shelf.page("Patient", f"_sort={sort}&_count=2", strict=False)
    assert [row.id for row in page.rows] == ["a", "b"]
    assert [issue.text for issue in page.issues] == [f"{complaint} It is ignored."]
    following = await shelf.page("Patient", f"_count=2&_page={page.next}")
    assert [row.id for row in following.rows] == ["c"]
