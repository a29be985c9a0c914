"""``Patient/$match``: who a described person may be, best first. It tells; it never merges.

    candidates   who shares an identifier, a phone number or an e-mail address, or two of family name,
                 given name and birth date        (one statement over the search index)
    score        see ``service/operations/likeness.py``

Source: https://hl7.org/fhir/R4/patient-operation-match.html
"""

# ruff: noqa: S608 - names of our own tables, every value is an argument

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from models.document import parse, serialize
from models.errors import BadRequest, Issue, Malformed, TooCostly
from service import contents, validate
from service.access import decide
from service.interaction import Answer
from service.operations.likeness import CERTAIN, PROBABLE, Person, grade, likeness, person
from service.search import compile as compiling
from service.search.comparisons import PREFIX_LENGTH
from service.search.predicates import Builder
from service.search.run import Row, given_up
from service.searchset import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.context import Context
    from service.interaction import Interaction
    from service.operations.arguments import Arguments

MAX_CANDIDATES = 500
DEFAULT_COUNT = 20
MAX_COUNT = 100

_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"

Graded = tuple[float, str, Row]


async def match(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Return the patients that the description may mean.

    Raises:
        Malformed: the description is not a valid Patient.
        BadRequest: it has nothing by which a person can be found.
        TooCostly: the database gave up, or the answer would be too large.
    """
    base_url = ctx.settings.base_url
    decide.authorize(ctx.principal, "s", "Patient", base_url=base_url)
    sought = person(_described(given))
    found: list[Graded] = []
    for row in await _candidates(ctx, sought):
        score = likeness(sought, person(parse(row.body.encode())))
        if (told := grade(score)) is not None:
            found.append((score, told, row))
    found.sort(key=lambda one: (-one[0], one[2].id))
    if given.texts.get("onlyCertainMatches") == "true":
        found = _alone(found)
    found = found[: given.number("count", DEFAULT_COUNT, MAX_COUNT)]
    if contents.fitting([row.body for _, _, row in found], compiling.MAX_BYTES) < len(found):
        raise TooCostly("The patients that may be meant fill too large an answer; ask for fewer with count.")
    entries = [_entry(ctx.fhir_base, one) for one in found]
    links = [("self", f"{ctx.fhir_base}/Patient/{ask.operation}")]
    return Answer(200, document=bundle("searchset", len(entries), links, entries))


def _described(given: Arguments) -> dict[str, Any]:
    """Return the description, once it has the shape of a Patient."""
    document = given.resource or {}
    if document.get("resourceType") != "Patient":
        raise Malformed("Describe the person as a Patient.", expression=given.place or "Patient")
    issues = validate.check(document, "Patient", second_opinion=False)
    if issues:
        raise Malformed(issues=issues)
    return document


def _alone(found: list[Graded]) -> list[Graded]:
    """Keep a certain match when nobody else is even probable."""
    likely = [one for one in found if one[1] in {CERTAIN, PROBABLE}]
    return likely if len(likely) == 1 and likely[0][1] == CERTAIN else []


async def _candidates(ctx: Context, sought: Person) -> list[Row]:
    narrow = decide.visible(ctx.principal, base_url=ctx.settings.base_url)
    build = Builder("Patient", narrow, ctx.now())
    visible = build.visible("Patient", "r")
    ways = list(_ways(build, sought))
    if not ways:
        text = "Give an identifier, a phone number, an e-mail address, or name and birth date."
        raise BadRequest(issues=[Issue("required", text, "Patient")])
    limit = build.argument(MAX_CANDIDATES)
    sql = (
        "SELECT 'Patient', r.id, r.version, r.last_updated, r.body, 'match' FROM fhir_patient r "
        f"WHERE r.id = ANY(ARRAY({' UNION '.join(ways)})) AND {visible} LIMIT {limit}"
    )
    try:
        return [Row(*record) for record in await ctx.connection.fetch(sql, *build.arguments)]
    except asyncpg.QueryCanceledError as error:
        raise given_up() from error


def _ways(build: Builder, sought: Person) -> Iterator[str]:
    """Yield the selections of ids, each by an index."""
    for term in sought.terms:
        yield f"(SELECT p.id FROM fhir_patient p WHERE p.terms @> ARRAY[{build.argument(term)}] LIMIT 100)"
    family = _named(build, "family", sought.families) if sought.families else ""
    given = _named(build, "given", sought.givens) if sought.givens else ""
    born = build.argument(sought.birth[0], "timestamptz") if sought.birth else ""
    if family and given:
        yield f"({family} INTERSECT {given})"
    for names in (family, given):
        if names and born:
            yield (
                f"(SELECT p.id FROM ({names}) n JOIN fhir_patient p ON p.id = n.id "
                f"WHERE p.birthdate_start = {born})"
            )


def _named(build: Builder, code: str, names: frozenset[str]) -> str:
    prefixes = build.argument(sorted({name[:PREFIX_LENGTH] for name in names}), "text[]")
    values = build.argument(sorted(names), "text[]")
    return (
        f"SELECT i.id FROM index_string i WHERE i.resource_type = 'Patient' AND i.parameter = '{code}' "
        f"AND i.prefix = ANY({prefixes}) AND i.value = ANY({values})"
    )


def _entry(base: str, one: Graded) -> str:
    score, told, row = one
    search = {"extension": [{"url": _GRADE, "valueCode": told}], "mode": "match", "score": round(score, 2)}
    return (
        f'{{"fullUrl":"{base}/Patient/{row.id}","resource":{row.body},"search":{serialize(search).decode()}}}'
    )
