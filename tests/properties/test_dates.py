"""Dates against the slow evaluator: any precision, zone, open Period and prefix, wherever one is asked.

The evaluator and its readings are in ``moments``.
Source: https://hl7.org/fhir/R4/search.html#date, #prefix
"""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import moments
from properties.archive import NOW, creation
from properties.examples import examples

from models.principal import OPERATOR
from service import store
from service.context import Context
from service.search.settled import settled, with_horizon

CHANCE = st.randoms(use_true_random=False)
EFFECTIVE = {
    "dateTime": moments.date_time,
    "instant": moments.instant,
    "Period": moments.period,
    "Timing": moments.timing,
}
TYPED = st.one_of(
    *(CHANCE.map(draw).map(lambda value, name=name: (name, value)) for name, draw in EFFECTIVE.items())
)
PREFIX = st.sampled_from((*moments.PREFIXES, "ap"))
ASKED = st.tuples(PREFIX, CHANCE.map(moments.asked))
QUESTIONS = st.lists(ASKED, min_size=12, max_size=12)


def agrees(question, spans):
    prefix, asked = question
    return any(moments.agrees(prefix, span, asked, NOW) for span in spans)


def matching(held, question):
    """The keys whose values an oracle lets a question match."""
    return sorted(key for key, values in held.items() if agrees(question, spans_of(values)))


def spans_of(values):
    return [span for name, value in values for span in moments.spans(value, name)]


def numbered(values):
    return {f"d{number}": value for number, value in enumerate(values)}


def observation(key, name, value, **more):
    member = f"effective{name[0].upper()}{name[1:]}"
    return {"resourceType": "Observation", "id": key, "status": "final", member: value, **more}


@examples(12)
@given(st.lists(TYPED, min_size=8, max_size=8), QUESTIONS)
async def test_a_date_that_has_one_value(archive, values, questions):
    held = {key: [value] for key, value in numbered(values).items()}
    async with archive.holding(observation(key, *one[0]) for key, one in held.items()):
        for question in questions:
            assert await archive.find("Observation", ("date", "".join(question))) == matching(
                held, question
            ), question


@examples(8)
@given(st.lists(st.lists(CHANCE.map(moments.period), max_size=3), min_size=8, max_size=8), QUESTIONS)
async def test_a_date_that_repeats(archive, values, questions):
    held = {key: [("Period", period) for period in periods] for key, periods in numbered(values).items()}
    documents = [
        {"resourceType": "Encounter", "id": key, "location": [{"period": period} for _, period in periods]}
        for key, periods in held.items()
    ]
    async with archive.holding(documents):
        for question in questions:
            found = await archive.find("Encounter", ("location-period", "".join(question)))
            assert found == matching(held, question), question


@examples(6)
@given(st.lists(TYPED, min_size=8, max_size=8), st.lists(st.tuples(ASKED, ASKED), min_size=8, max_size=8))
async def test_dates_joined_by_and_and_by_or(archive, values, questions):
    held = {key: [value] for key, value in numbered(values).items()}
    async with archive.holding(observation(key, *one[0]) for key, one in held.items()):
        for one, other in questions:
            first, second = set(matching(held, one)), set(matching(held, other))
            both = await archive.find("Observation", ("date", "".join(one)), ("date", "".join(other)))
            assert both == sorted(first & second), (one, other)
            either = await archive.find("Observation", ("date", f"{''.join(one)},{''.join(other)}"))
            assert either == sorted(first | second), (one, other)


@examples(6)
@given(st.lists(TYPED, min_size=6, max_size=6), QUESTIONS)
async def test_a_date_at_the_end_of_a_chain_and_of_a_reverse_chain(archive, values, questions):
    held = {key: [value] for key, value in numbered(values).items()}
    documents = [{"resourceType": "Encounter", "id": f"e{key}"} for key in held]
    documents += [
        observation(key, *one[0], encounter={"reference": f"Encounter/e{key}"}) for key, one in held.items()
    ]
    documents += [observation(f"x{key}", "dateTime", "1900", derivedFrom=[to(key)]) for key in held]
    async with archive.holding(documents):
        for question in questions:
            expected, text = matching(held, question), "".join(question)
            chained = await archive.find("Observation", ("derived-from:Observation.date", text))
            assert chained == [f"x{key}" for key in expected], question
            reverse = await archive.find("Encounter", ("_has:Observation:encounter:date", text))
            assert reverse == [f"e{key}" for key in expected], question


def to(key):
    return {"reference": f"Observation/{key}"}


@examples(6)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), TYPED.filter(lambda one: one[0] in {"dateTime", "Period"})),
        min_size=8,
        max_size=8,
    ),
    QUESTIONS,
)
async def test_a_date_as_a_part_of_a_composite(archive, values, questions):
    held = numbered(values)
    documents = [
        {
            "resourceType": "Observation",
            "id": key,
            "code": {"coding": [{"code": code}]},
            f"value{name[0].upper()}{name[1:]}": value,
        }
        for key, (code, (name, value)) in held.items()
    ]
    of_a = {key: [value] for key, (code, value) in held.items() if code == "a"}
    async with archive.holding(documents):
        for question in questions:
            found = await archive.find("Observation", ("code-value-date", f"a${''.join(question)}"))
            assert found == matching(of_a, question), question


@pytest.fixture
async def flags(archive):
    """Versions that were committed one after another, by id, and the instants that they got."""
    ctx = Context(OPERATOR, archive.connection, archive.settings, "properties")
    stored = [
        await store.write(ctx, creation({"resourceType": "Flag", "id": f"f{number}"})) for number in range(6)
    ]
    yield {version.id: version.last_updated for version in stored}
    await archive.connection.execute("DELETE FROM fhir_flag")


async def everything_is_shown(archive):
    """Wait until no older transaction can hold back what has a lower bound."""
    shown = with_horizon(f"SELECT bool_and({settled('f')}) FROM fhir_flag f")  # noqa: S608 - constants
    for _ in range(600):
        if await archive.connection.fetchval(shown):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("Another test held a transaction open for too long.")


def near(instants):
    """Dates around the instants: the same, one microsecond off, cut at each precision, in other zones."""
    for instant in instants:
        for moment in (instant, instant - timedelta(microseconds=1), instant + timedelta(microseconds=1)):
            for ahead in (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=8))):
                whole = moment.astimezone(ahead).isoformat(timespec="microseconds")
                stem, offset = whole[:26], whole[26:]
                yield from (f"{stem[:length]}{offset}" for length in (26, 23, 21, 19, 16))
            yield from (f"{moment:%Y-%m-%d}", f"{moment:%Y-%m}", f"{moment:%Y}")


async def test_the_instant_of_the_last_update(archive, flags):
    await everything_is_shown(archive)
    held = {key: [("instant", store.instant(moment))] for key, moment in flags.items()}
    asked = dict.fromkeys(near(list(flags.values())[::3]))
    for question in [(prefix, text) for prefix in (*moments.PREFIXES, "ap") for text in asked]:
        found = await archive.find("Flag", ("_lastUpdated", "".join(question)))
        assert found == matching(held, question), question
