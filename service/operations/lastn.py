"""``Observation/$lastn``: the last observations of each kind, by the date of observation.

    search parameters ─▶ the kinds and dates of all matches ─▶ groups, the last ``max`` of each ─▶ bodies

Observations that share a coding are of one kind, and so are those that share one with a third; without a
coding the text of the code decides. What was entered in error is left out unless a status is asked for.

Source: https://hl7.org/fhir/R4/observation-operation-lastn.html
"""

# ruff: noqa: S608 - the conditions are compiled, every value is an argument

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from models.errors import BadRequest, Issue, TooCostly
from models.resource import table_name
from service import searchset
from service.access import decide
from service.interaction import Answer
from service.search import compile as compiling
from service.search import query, run, selectivity
from service.search.criteria import Clause, Id
from service.search.predicates import Builder
from service.search.query import MAX_COUNT, Query
from service.search.registry import parameters
from service.search.settled import with_horizon

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.context import Context
    from service.interaction import Interaction
    from service.operations.arguments import Arguments
    from service.search.criteria import Narrow

MAX_OBSERVATIONS = 20_000
"""Matches that are grouped; a patient with more is asked about by category, code or date."""

_TYPE = "Observation"
_SUBJECTS = frozenset({"patient", "subject"})


async def lastn(ctx: Context, ask: Interaction, given: Arguments) -> Answer:
    """Return the last observations of each kind, kind by kind, the newest first.

    Raises:
        BadRequest: no patient is named, or a search parameter is not understood.
        TooCostly: more observations match than can be grouped, or than fit into an answer.
    """
    base_url = ctx.settings.base_url
    decide.authorize(ctx.principal, "s", _TYPE, base_url=base_url)
    asked = _asked(given, base_url)
    narrow = decide.visible(ctx.principal, base_url=base_url)
    try:
        chosen = _chosen(await _matches(ctx, asked, narrow), given.number("max", 1, MAX_COUNT))
        page = await _bodies(ctx, chosen, narrow)
    except asyncpg.QueryCanceledError as error:
        raise run.given_up() from error
    asked.used = [*given.texts.items(), *given.criteria]
    return Answer(200, document=await searchset.searchset(ctx, asked, page, path=f"{_TYPE}/{ask.operation}"))


def _asked(given: Arguments, base_url: str) -> Query:
    names = {name.replace(":", ".").partition(".")[0] for name, _ in given.criteria}
    if not names & _SUBJECTS:
        text = "Name the patient: $lastn needs the search parameter patient or subject."
        raise BadRequest(issues=[Issue("required", text, "http.patient")])
    if names & query.CONTROLS.keys():
        raise BadRequest(
            "$lastn takes max and search parameters that choose; nothing that shapes the answer."
        )
    pairs = given.criteria if "status" in names else [*given.criteria, ("status:not", "entered-in-error")]
    return query.parse(_TYPE, pairs, base_url=base_url, strict=True)


async def _matches(ctx: Context, asked: Query, narrow: Narrow) -> Sequence[Any]:
    """Read id and codings of every match, newest first."""
    build = Builder(_TYPE, narrow, ctx.now(), selective=selectivity.named(asked.criteria))
    where = compiling.conditions(build, asked)
    if where is None:
        return ()
    limit = build.argument(MAX_OBSERVATIONS + 1)
    sql = (
        "SELECT r.id, ARRAY(SELECT t FROM unnest(r.terms) t "
        "WHERE starts_with(t, 'code=') AND strpos(t, '|') > 0 AND right(t, 1) <> '|') AS kinds, "
        "CASE WHEN NOT EXISTS (SELECT FROM unnest(r.terms) t WHERE starts_with(t, 'code=')) "
        "THEN r.body::json #>> '{code,text}' END AS text "
        f"FROM {table_name(_TYPE)} r WHERE {' AND '.join(where)} "
        f"ORDER BY r.date_start DESC NULLS LAST, r.id LIMIT {limit}"
    )
    records = await ctx.connection.fetch(with_horizon(sql), *build.arguments)
    if len(records) > MAX_OBSERVATIONS:
        raise TooCostly(run.ADVICE)
    return records


def _chosen(records: Iterable[Any], greatest: int) -> list[str]:
    """Return the ids of the first so many of each kind, kind by kind."""
    kinds = _Kinds()
    told = [(record["id"], record["kinds"] or [f"text={record['text']}"]) for record in records]
    for _, codes in told:
        kinds.join(codes)
    groups: dict[str, list[str]] = {}
    for key, codes in told:
        group = groups.setdefault(kinds.of(codes[0]), [])
        if len(group) < greatest:
            group.append(key)
    return [key for group in groups.values() for key in group]


class _Kinds:
    """Which codings mean the same because some observation has both."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def of(self, code: str) -> str:
        """Return the coding that stands for all that mean the same."""
        while (parent := self._parents.setdefault(code, code)) != code:
            self._parents[code] = self._parents[parent]
            code = parent
        return code

    def join(self, codes: Sequence[str]) -> None:
        """Note that codings mean the same."""
        first = self.of(codes[0])
        for code in codes[1:]:
            self._parents[self.of(code)] = first


async def _bodies(ctx: Context, ids: Sequence[str], narrow: Narrow) -> run.Page:
    """Read the chosen observations, each still as the caller may see it."""
    if not ids:
        return run.Page()
    wanted = Clause(parameters(_TYPE)["_id"], tuple(Id(key) for key in ids))
    asked = Query(_TYPE, criteria=[wanted], count=len(ids))
    page = await run.search(ctx.connection, asked, narrow, now=ctx.now())
    if page.next:  # What is left out could be the last of its kind.
        raise TooCostly(run.ADVICE)
    rows = {row.id: row for row in page.rows}
    return run.Page(tuple(rows[key] for key in ids if key in rows))
