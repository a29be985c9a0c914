"""The pool: what it answers when the database is away, and what a session looks like."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from sqlalchemy import text

from models.errors import TooCostly, Unavailable
from service.database import Database


async def test_a_database_that_does_not_answer_is_unavailable_and_says_when_to_retry() -> None:
    with pytest.raises(Unavailable) as refusal:
        await Database.open("postgresql://nobody@127.0.0.1:1/none", patience_s=0)
    assert refusal.value.headers == {"Retry-After": "5"}
    assert refusal.value.issues[0].code == "transient"


async def end_own_session(database: Database) -> None:
    async with database.acquire() as other, database.acquire() as lost:
        process_id = await lost.fetchval("SELECT pg_backend_pid()")
        await other.execute("SELECT pg_terminate_backend($1)", process_id)
        await lost.fetchval("SELECT 1")


async def sleep_too_long(database: Database) -> None:
    async with database.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = '20ms'")
        await connection.execute("SELECT pg_sleep(5)")


async def test_a_connection_lost_in_use_is_unavailable_and_the_pool_recovers(database: Database) -> None:
    with pytest.raises(Unavailable):
        await end_own_session(database)
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_session_of_sqlalchemy_that_lost_its_connection_recovers(database: Database) -> None:
    async with database.sessions() as session:
        process_id = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with database.acquire() as connection:
        await connection.execute("SELECT pg_terminate_backend($1)", process_id)
    async with database.sessions() as session:
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1


async def test_a_statement_over_its_time_limit_is_too_costly(database: Database) -> None:
    with pytest.raises(TooCostly) as refusal:
        await sleep_too_long(database)
    assert refusal.value.status == 503


async def test_an_error_of_the_caller_passes_unchanged(database: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.acquire() as connection:
            await connection.fetchval("SELECT 1 / 0")


async def test_a_transaction_left_open_is_rolled_back_when_its_task_is_cancelled(database: Database) -> None:
    async def linger() -> None:
        async with database.acquire() as connection, connection.transaction():
            await connection.execute("CREATE TABLE left_open (id int)")
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(linger())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.acquire() as connection:
        assert await connection.fetchval("SELECT to_regclass('left_open')") is None


@pytest.mark.parametrize("plans", ["auto", "force_custom_plan"])
async def test_a_session_has_a_time_limit_no_jit_and_the_plans_asked_for(
    database_url: str, plans: str
) -> None:
    opened = await Database.open(database_url, plans=plans)
    async with opened.acquire() as connection:
        assert await connection.fetchval("SHOW plan_cache_mode") == plans
        assert await connection.fetchval("SHOW jit") == "off"
        assert await connection.fetchval("SHOW statement_timeout") == "30s"
    await opened.close()


async def process_id(database: Database) -> int:
    async with database.acquire() as connection:
        return int(await connection.fetchval("SELECT pg_backend_pid()"))


async def test_a_connection_that_was_ended_while_it_was_parked_is_not_lent_again(database: Database) -> None:
    parked = await process_id(database)
    other = await asyncpg.connect(database.dsn)
    await other.execute("SELECT pg_terminate_backend($1)", parked)
    await other.close()
    for _ in range(database.size + 1):
        with suppress(Unavailable):
            assert await process_id(database) != parked
    assert await process_id(database) == await process_id(database)


async def test_a_transaction_that_was_left_open_is_not_lent_to_the_next(database: Database) -> None:
    async with database.acquire() as connection:
        await connection.execute("BEGIN")
    async with database.acquire() as connection:
        assert not connection.is_in_transaction()


async def test_whoever_waits_gets_the_connection_that_comes_back(database_url: str) -> None:
    small = await Database.open(database_url, max_size=1)
    try:
        async with asyncio.timeout(10):
            found = await asyncio.gather(*(process_id(small) for _ in range(20)))
        assert len(set(found)) == 1
        assert small.lent == 0
    finally:
        await small.close()


async def test_parked_connections_go_back_to_the_pool_after_a_while_and_at_the_end(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.database.PARKED_S", 0)
    opened = await Database.open(database_url, max_size=2)
    first = await process_id(opened)
    assert opened.pool.get_idle_size() == 0
    for _ in range(500):
        if opened.pool.get_idle_size():
            break
        await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        assert await process_id(opened) == first
        async with opened.acquire():
            closing = asyncio.create_task(opened.close())
            await asyncio.sleep(0.01)
        await closing
