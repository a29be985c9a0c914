"""Numbers and quantities against exact fractions: precision, exponents, signs, Ranges, units of UCUM.

The evaluator and its readings are in ``amounts``.
Source: https://hl7.org/fhir/R4/search.html#number, #quantity
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from properties import amounts
from properties.examples import examples

CHANCE = st.randoms(use_true_random=False)
PREFIX = st.sampled_from(amounts.PREFIXES)
QUESTIONS = st.lists(
    st.tuples(PREFIX, CHANCE.map(lambda chance: amounts.asked(chance, with_unit=True))),
    min_size=15,
    max_size=15,
)
NUMBERS = st.lists(
    st.tuples(PREFIX, CHANCE.map(lambda chance: amounts.asked(chance, with_unit=False))),
    min_size=15,
    max_size=15,
)


def typed(*kinds):
    """Values of some data types, each with the type's name."""
    draws = {
        "Quantity": amounts.quantity,
        "Age": amounts.quantity,
        "Range": amounts.span,
        "SampledData": amounts.sampled,
        "decimal": amounts.decimal,
    }
    return st.one_of(*(CHANCE.map(draws[kind]).map(lambda value, kind=kind: (kind, value)) for kind in kinds))


def eight(values):
    return st.lists(values, min_size=8, max_size=8).map(
        lambda drawn: {f"d{number}": value for number, value in enumerate(drawn)}
    )


def matching(held, question):
    prefix, asked = question
    return sorted(
        key
        for key, values in held.items()
        if any(
            amounts.agrees(prefix, one, asked)
            for kind, value in values
            for one in amounts.stored(value, kind)
        )
    )


def valued(kind, value, stem="value"):
    return {f"{stem}{kind[0].upper()}{kind[1:]}": value}


@examples(12)
@given(eight(typed("Quantity", "SampledData")), QUESTIONS)
async def test_a_quantity_that_has_one_value(archive, values, questions):
    held = {key: [value] for key, value in values.items()}
    documents = [{"resourceType": "Observation", "id": key, **valued(*one[0])} for key, one in held.items()]
    async with archive.holding(documents):
        for question in questions:
            for name in ("value-quantity", "combo-value-quantity"):
                found = await archive.find("Observation", (name, "".join(question)))
                assert found == matching(held, question), question


@examples(8)
@given(eight(st.lists(typed("Quantity", "Range"), max_size=3)), QUESTIONS)
async def test_a_quantity_or_range_that_repeats(archive, held, questions):
    documents = [
        {"resourceType": "PlanDefinition", "id": key, "useContext": [valued(*value) for value in values]}
        for key, values in held.items()
    ]
    async with archive.holding(documents):
        for question in questions:
            found = await archive.find("PlanDefinition", ("context-quantity", "".join(question)))
            assert found == matching(held, question), question


@examples(8)
@given(eight(typed("Age", "Range")), QUESTIONS)
async def test_an_age_or_a_range_of_ages(archive, values, questions):
    held = {key: [value] for key, value in values.items()}
    documents = [
        {"resourceType": "Condition", "id": key, **valued(*one[0], "onset")} for key, one in held.items()
    ]
    async with archive.holding(documents):
        for question in questions:
            found = await archive.find("Condition", ("onset-age", "".join(question)))
            assert found == matching(held, question), question


@examples(8)
@given(eight(st.lists(typed("decimal"), max_size=3)), NUMBERS)
async def test_a_number_that_repeats(archive, held, questions):
    documents = [
        {
            "resourceType": "RiskAssessment",
            "id": key,
            "prediction": [{"probabilityDecimal": value} for _, value in values],
        }
        for key, values in held.items()
    ]
    async with archive.holding(documents):
        for question in questions:
            found = await archive.find("RiskAssessment", ("probability", "".join(question)))
            assert found == matching(held, question), question


@examples(8)
@given(eight(st.lists(st.tuples(st.sampled_from("ab"), typed("Quantity")), max_size=3)), QUESTIONS)
async def test_a_quantity_as_a_part_of_a_composite_and_at_the_end_of_a_reverse_chain(
    archive, held, questions
):
    documents = [
        {
            "resourceType": "Observation",
            "id": key,
            "encounter": {"reference": f"Encounter/e{key}"},
            "component": [{"code": {"coding": [{"code": code}]}, **valued(*value)} for code, value in parts],
        }
        for key, parts in held.items()
    ]
    of_a = {key: [value for code, value in parts if code == "a"] for key, parts in held.items()}
    async with archive.holding(
        [*documents, *({"resourceType": "Encounter", "id": f"e{key}"} for key in held)]
    ):
        for question in questions:
            value, expected = f"a${''.join(question)}", matching(of_a, question)
            for name in ("component-code-value-quantity", "combo-code-value-quantity"):
                assert await archive.find("Observation", (name, value)) == expected, (name, question)
            reverse = await archive.find(
                "Encounter", ("_has:Observation:encounter:component-code-value-quantity", value)
            )
            assert reverse == [f"e{key}" for key in expected], question
