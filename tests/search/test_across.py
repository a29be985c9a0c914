"""Searches over several types: the order, the pages, and what each type is narrowed to.

Source: https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/search.html#_type
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest
from service.database import SERVER_SETTINGS
from service.search import across, compartments, cursors, query
from service.search import compile as compiling
from service.search.criteria import Clause, InPatient, everything
from service.search.registry import parameters

BASE_URL = "http://fhir.test"
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def record(shelf):
    """Conditions, encounters and organizations, written in turns, some of them at the same instant."""
    patient = {"reference": "Patient/p"}
    for number in range(9):
        kind = ("Organization", "Condition", "Encounter")[number % 3]
        body = {
            "resourceType": kind,
            "id": f"{number}",
            "meta": {"tag": [{"code": "even" if number % 2 else "odd"}]},
        }
        more = {} if kind == "Organization" else {"subject": patient}
        await shelf.put(body | more, at=START + timedelta(seconds=number // 2))
    await shelf.put({"resourceType": "Patient", "id": "p", "name": [{"family": "Adams"}]}, at=START)
    return shelf


def read(pairs, *, strict=True, types=None, within=None):
    named = types or across.named_types(pairs) or RESOURCE_TYPES
    chosen = {name: (within or {}).get(name, ()) for name in named}
    return across.parse(chosen, pairs, base_url=BASE_URL, strict=strict)


async def page(shelf, *pairs, narrow=everything, **options):
    return await across.search(shelf.connection, read(pairs, **options), narrow)


def names(found):
    return [f"{row.resource_type}/{row.id}" for row in found.rows]


BOTH = ("_type", "Encounter,Condition")


async def test_only_types_that_are_referred_to_like_this_can_match(record):
    await record.put({"resourceType": "Group", "id": "g"})
    for key, subject in (("a", "Patient/p"), ("b", "Group/g")):
        seen = {"resourceType": "Observation", "id": key, "code": {"coding": [{"code": "x"}]}}
        await record.put(seen | {"subject": {"reference": subject}})
    for more in ((), (("_type", "Group,Patient,Organization"),)):
        asked = (("_has:Observation:subject:code", "x"), *more)
        assert names(await page(record, *asked)) == ["Group/g", "Patient/p"]
    assert names(await page(record, ("_has:Observation:patient:code", "x"))) == ["Patient/p"]
    both = (("_has:Observation:patient:code", "x"), ("_has:Group:managing-entity:code", "x"))
    found = await page(record, *both)
    assert (found.rows, found.total) == ((), 0)


async def test_types_may_be_left_out(record):
    found = await page(record, ("_type:not", "Organization,Patient"), ("_tag", "odd"))
    assert names(found) == ["Condition/4", "Encounter/2", "Encounter/8"]


async def test_types_come_in_the_order_of_their_names_then_ids(record):
    found = await page(record, BOTH)
    assert names(found) == [f"Condition/{n}" for n in (1, 4, 7)] + [f"Encounter/{n}" for n in (2, 5, 8)]
    assert found.next is None


@pytest.mark.parametrize("sort", [(), (("_sort", "_lastUpdated"),), (("_sort", "-_lastUpdated"),)])
@pytest.mark.parametrize("count", [1, 2, 4])
async def test_pages_show_everything_once_in_either_direction(record, sort, count):
    whole = names(await page(record, *sort, ("_type", "Condition,Encounter,Organization")))
    asked = (*sort, ("_type", "Condition,Encounter,Organization"), ("_count", str(count)))
    found = await page(record, *asked)
    forwards, pages = names(found), [names(found)]
    while found.next:
        found = await page(record, *asked, ("_page", found.next))
        forwards += names(found)
        pages.append(names(found))
    assert forwards == whole
    assert len(whole) == 9
    backwards = [pages.pop()]
    while found.previous:
        found = await page(record, *asked, ("_page", found.previous))
        backwards.append(names(found))
        assert backwards[-1] == pages.pop()
    assert pages == []


async def test_the_order_by_last_change_goes_across_types(record):
    found = await page(record, ("_sort", "_lastUpdated"), ("_type", "Condition,Encounter,Organization"))
    instants = [row.last_updated for row in found.rows]
    assert instants == sorted(instants)
    assert names(found)[:3] == ["Condition/1", "Organization/0", "Encounter/2"]


async def test_a_pull_by_time_goes_by_time(record):
    found = await page(record, BOTH, ("_lastUpdated", "ge2026-03-01T00:00:02Z"))
    assert names(found) == ["Condition/4", "Encounter/5", "Condition/7", "Encounter/8"]


async def test_common_parameters_and_totals_count_for_all_types(record):
    found = await page(record, ("_type", "Condition,Encounter"), ("_tag", "even"), ("_total", "accurate"))
    assert names(found) == ["Condition/1", "Condition/7", "Encounter/5"]
    assert found.total == 3
    counted = await page(record, BOTH, ("_summary", "count"))
    assert (counted.rows, counted.total) == ((), 6)


async def test_a_parameter_that_every_named_type_has_is_understood(record):
    assert len((await page(record, BOTH, ("patient", "p"))).rows) == 6
    asked = read((("_type", "Condition,Organization"), ("patient", "p")), strict=False)
    assert [issue.text for issue in asked.lead.issues] == [
        "Organization has no search parameter 'patient'. It is ignored."
    ]
    assert asked.lead.used == [("_type", "Condition,Organization")]


@pytest.mark.parametrize(
    "pairs",
    [
        (("_type", "Condition,Organization"), ("patient", "p")),
        (("_type", "Nothing"),),
        (("_type", "Condition"), ("_sort", "onset-date")),
        (("_type", "Condition"), ("_page", "x")),
        (("_type", "Condition"), ("_include", "Nothing:patient")),
    ],
)
async def test_what_not_every_type_understands_is_refused_when_strict(record, pairs):
    with pytest.raises(BadRequest):
        await page(record, *pairs)


async def test_a_page_link_of_another_search_is_refused(record):
    by_id = (await page(record, BOTH, ("_count", "1"))).next
    with pytest.raises(BadRequest) as refused:
        await page(record, BOTH, ("_sort", "_lastUpdated"), ("_page", by_id))
    assert "page link" in refused.value.issues[0].text


async def test_a_page_ends_before_it_grows_too_large(record, monkeypatch):
    monkeypatch.setattr(compiling, "MAX_BYTES", 200)
    found = await page(record, BOTH)
    seen = names(found)
    while found.next:
        assert 1 <= len(found.rows) < 6
        found = await page(record, BOTH, ("_page", found.next))
        seen += names(found)
    assert seen == [f"Condition/{n}" for n in (1, 4, 7)] + [f"Encounter/{n}" for n in (2, 5, 8)]


async def test_each_type_is_narrowed_for_itself(record):
    def narrow(name):
        of_somebody_else = Clause(parameters("Encounter")["patient"], (InPatient("q"),))
        return {"Condition": (), "Encounter": (of_somebody_else,)}.get(name)

    found = await page(record, ("_total", "accurate"), narrow=narrow)
    assert names(found) == ["Condition/1", "Condition/4", "Condition/7"]
    assert found.total == 3


async def test_includes_follow_from_every_type(record):
    found = await page(record, BOTH, ("_include", "Condition:patient"), ("_include", "Encounter:patient"))
    assert names(found)[-1] == "Patient/p"
    assert [row.mode for row in found.rows].count("include") == 1
    back = await page(record, ("_type", "Patient"), ("_revinclude", "Encounter:patient"))
    assert set(names(back)) == {"Patient/p", "Encounter/2", "Encounter/5", "Encounter/8"}


FIVE = ("_type", "Condition,Encounter,Goal,Procedure,Task")
PLACE = cursors.write(backwards=False, keys=["Condition"], row_id="4")


def of_a_patient(*pairs):
    named = across.named_types(pairs) or compartments.members()
    return read(pairs, within={name: (compartments.criterion(name, "p"),) for name in named}, types=named)


@pytest.mark.parametrize(
    ("pairs", "keeps"),
    [
        ((), True),
        ((BOTH,), True),
        ((("_count", "7"),), True),
        ((FIVE,), False),
        ((("_page", PLACE),), False),
        ((("_total", "accurate"),), False),
        ((("_summary", "count"),), False),
        ((BOTH, ("_include", "Condition:encounter")), False),
        ((("_tag", "odd"),), False),
        ((("_lastUpdated", "gt2026-01-01"),), False),
    ],
)
def test_one_plan_is_kept_for_the_first_page_of_a_compartment(pairs, keeps):
    assert across.keeps_plan(of_a_patient(*pairs), everything) is keeps


@pytest.mark.parametrize(
    ("pairs", "keeps"),
    [((BOTH,), False), ((BOTH, ("patient", "p")), True), ((BOTH, ("patient", "p"), ("_tag", "odd")), True)],
)
def test_one_plan_is_kept_where_the_patient_is_named(pairs, keeps):
    assert across.keeps_plan(read(pairs), everything) is keeps


@pytest.mark.parametrize(
    ("scope", "keeps"), [("patient=p", True), ("_tag=odd", False), ("patient.name=a", False)]
)
def test_no_plan_is_kept_where_a_scope_leads_elsewhere(scope, keeps):
    def narrow(resource_type):
        return query.clauses(resource_type, scope, base_url=BASE_URL)

    assert across.keeps_plan(of_a_patient(BOTH), narrow) is keeps


def test_pages_of_any_size_share_one_statement():
    few, many = (across.statement(of_a_patient(("_count", count)), everything) for count in ("2", "200"))
    assert few[0] == many[0]
    assert few[1] != many[1]


@pytest.mark.parametrize(("in_transaction", "planned"), [(False, "generic"), (True, "custom")])
async def test_a_kept_plan_is_used_from_the_start_and_changes_no_setting(
    database_url, in_transaction, planned
):
    connection = await asyncpg.connect(database_url, server_settings=dict(SERVER_SETTINGS))
    outer = connection.transaction()
    try:
        if in_transaction:
            await outer.start()
        for _ in range(3):
            found = await across.search(connection, of_a_patient(), everything, kept=True)
            assert found.rows == ()
        assert await connection.fetchval("SHOW plan_cache_mode") == "auto"
        plans = await connection.fetchrow(
            "SELECT generic_plans AS generic, custom_plans AS custom FROM pg_prepared_statements "
            "WHERE statement LIKE '%WITH page AS%' AND statement NOT LIKE '%pg_prepared_statements%'"
        )
        assert {kind for kind, times in plans.items() if times} == {planned}
    finally:
        await connection.close()
