"""What the benchmarks ask is answered as they expect; a wrong answer is noticed and told."""

from __future__ import annotations

import asyncio

import pytest
from bench import loading, measuring, report, scale_report
from bench.driver import Answer, Ask, Driver, Measured, Target, fault_of
from bench.families import FAMILIES
from bench.processes import Client, environment
from bench.report import Row

PATIENTS = 200


@pytest.fixture(scope="module")
def practice(databases):
    dsn = databases.create()
    asyncio.run(loading.grow(dsn, "http://127.0.0.1", (0, PATIENTS), lambda _: None, 1))
    yield dsn
    databases.drop(dsn)


@pytest.mark.slow
def test_every_family_is_answered_rightly(practice, start_server, tmp_path):
    server = start_server(database_url=practice)
    client = Client.registered({**environment(tmp_path), "KAT_DATABASE_URL": practice})
    client.base = server.base_url
    known = asyncio.run(measuring.practice(practice, PATIENTS))
    asyncio.run(measuring.update(client, known))
    known = asyncio.run(measuring.walked(client, known))

    async def wrong():
        for family in FAMILIES:
            done = await measuring.measure(client, family, known, warm_up=1, count=4, seconds=30)
            yield f"{report.title(family)}: {done.first_wrong}" if done.wrong or not done.seconds else ""

    async def all_wrong():
        return [text async for text in wrong() if text]

    assert asyncio.run(all_wrong()) == []


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (Answer(500, b"", 0.1), "status 500, b''"),
        (Answer(200, b'{"id":"b"}', 0.1), '"a" is missing'),
        (Answer(200, b'{"id":"a"}', 0.1), "0 entries instead of 1"),
        (Answer(200, b'{"fullUrl":"u","id":"a"}', 0.1), ""),
    ],
)
def test_an_answer_is_looked_at(answer, fault):
    assert fault_of(Ask("/Patient?_id=a", '"a"', 1), answer) == fault


async def test_several_connections_share_the_requests(server):
    asks = [Ask("/health/live"), Ask("/health/nowhere")]
    async with Driver(Target(server.base_url), 3) as driver:
        done = await driver.drive(asks, count=10, seconds=30)
    assert len(done.seconds) == 10
    assert done.wrong == 5
    assert done.first_wrong.startswith("GET /health/nowhere: status 404")
    assert done.quantile_ms(0.5) > 0


def test_a_ratio_is_told_against_its_floor_and_its_bar():
    rows = [
        Row("F", 0.2, 1, 10, 0),
        Row("I", 0.4, 1, 10, 0),
        Row("read", 0.3, 1, 10, 0),
        Row("since (broad)", 1, 2, 9, 0),
    ]
    told = "\n".join(report.tables(rows))
    assert "| read | 0.30 | 1.0 | 1.5 F | 1.7 F | met |" in told
    assert "| since (broad) | 1.00 | 2.0 | 5.0 F | 4 F | missed |" in told
    assert report.is_right(rows)
    assert not report.is_right([*rows, Row("update", 1, 1, 10, 1)])


def test_the_growth_of_a_family_is_told():
    def figures(p50, wrong=0, extent="broad"):
        return {"extent": extent, "p50_ms": p50, "p99_ms": 9.0, "answers": 10, "wrong": wrong}

    first = {
        "a": figures(1.0),
        "b": figures(1.0),
        "c": figures(1.0),
        "d": figures(0.1),
        "e": figures(1.0, 0, "count"),
    }
    last = {"a": figures(1.4), "b": figures(4.0), "c": figures(1.0, 2), "d": figures(0.2), "e": figures(9.0)}
    lines = list(scale_report.table({"1000": first, "64000": last}))
    assert lines[2:] == [
        "| a | 1.00 | 9.00 | 1.40 | 9.00 | 1.40 | met |",
        "| b | 1.00 | 9.00 | 4.00 | 9.00 | 4.00 | **beyond** |",
        "| c | 1.00 | 9.00 | 1.00 | 9.00 | 1.00 | 2 answers wrong |",
        "| d | 0.10 | 9.00 | 0.20 | 9.00 | 2.00 | met |",
        "| e | 1.00 | 9.00 | 9.00 | 9.00 | 9.00 | grows with what it counts |",
    ]
    assert not scale_report.is_right({"1000": first, "64000": last})


def test_no_answer_is_no_figure():
    assert Measured().quantile_ms(0.5) == 0
    assert report.fault(Row("read", 0, 0, 0, 0)) == "no answer"
