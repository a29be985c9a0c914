"""The embedded server: shared, surviving, and clear about what it cannot use."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from service import embedded
from service.postgres_user import EmbeddedError

HOLD = """
import sys, time
from pathlib import Path
from service import embedded
with embedded.running(Path(sys.argv[1])) as dsn:
    print(dsn, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="kat data "))
    yield directory
    with embedded.running(directory):
        pass  # Joins a server that a test left running, and stops it as its last user.
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def broken_dir() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="kat-broken-"))
    yield directory
    shutil.rmtree(directory)


def use(data_dir: Path) -> None:
    with embedded.running(data_dir):
        pass


def hold(data_dir: Path) -> subprocess.Popen[str]:
    """Use the server in another process until it is told to let go, or killed."""
    command = [sys.executable, "-c", HOLD, str(data_dir)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def ask(dsn: str, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def eventually(dsn: str, statement: str) -> object:
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask(dsn, statement)
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


def is_gone(process_id: int) -> bool:
    """Whether a process has ended, also where nobody reaps it."""
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_cluster_of_another_version_is_refused_with_what_to_do(broken_dir: Path) -> None:
    cluster = broken_dir / "older" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 15, and kat-fhir brings 18\. Move it away"):
        use(broken_dir / "older")


def test_a_folder_that_holds_something_else_is_refused(broken_dir: Path) -> None:
    cluster = broken_dir / "other" / "postgres"
    cluster.mkdir(parents=True)
    (cluster / "letter.txt").write_text("dear reader")
    with pytest.raises(EmbeddedError, match="holds no PostgreSQL cluster; move it away"):
        use(broken_dir / "other")


def test_a_data_directory_that_is_a_file_is_refused(broken_dir: Path) -> None:
    (broken_dir / "file").write_text("")
    with pytest.raises(EmbeddedError, match="cannot be created: File exists"):
        use(broken_dir / "file")


def test_data_survives_a_stop(data_dir: Path) -> None:
    with embedded.running(data_dir) as dsn:
        ask(dsn, "CREATE TABLE kept AS SELECT 1 AS one")
        running = postmaster(data_dir)
    assert is_gone(running)
    with embedded.running(data_dir) as dsn:
        assert ask(dsn, "SELECT one FROM kept") == 1


def test_a_second_start_takes_no_longer_than_a_second(data_dir: Path) -> None:
    with embedded.running(data_dir):
        pass
    started = time.monotonic()
    with embedded.running(data_dir) as dsn:
        assert ask(dsn, "SELECT 1") == 1
    assert time.monotonic() - started < 1 + 2  # two more for a machine that does something else


def test_a_user_that_leaves_does_not_stop_the_server_for_the_others(data_dir: Path) -> None:
    with embedded.running(data_dir) as dsn:
        other = hold(data_dir)
        other.communicate("\n", timeout=10)
        assert ask(dsn, "SELECT 1") == 1
        with embedded.running(data_dir) as same:
            assert same == dsn
        assert ask(dsn, "SELECT 1") == 1


def test_a_killed_user_leaves_the_server_to_the_next_one_who_stops_it(data_dir: Path) -> None:
    killed = hold(data_dir)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    running = postmaster(data_dir)
    with embedded.running(data_dir):
        assert postmaster(data_dir) == running
    assert is_gone(running)


def test_a_killed_server_comes_back_at_the_same_address_with_what_was_committed(data_dir: Path) -> None:
    with embedded.running(data_dir) as dsn:
        ask(dsn, "CREATE TABLE kept AS SELECT 1 AS one")
        killed = postmaster(data_dir)
        os.kill(killed, signal.SIGKILL)
        while not is_gone(killed):
            time.sleep(0.01)
        assert eventually(dsn, "SELECT one FROM kept") == 1


def test_a_path_too_long_for_a_socket_works(data_dir: Path) -> None:
    deep = data_dir / ("a" * 60) / ("b" * 60)
    with embedded.running(deep) as dsn:
        assert ask(dsn, "SELECT 1") == 1
        assert str(deep) not in dsn


def test_only_the_owner_may_enter_the_cluster_and_nothing_is_open_to_the_network(data_dir: Path) -> None:
    with embedded.running(data_dir) as dsn:
        assert (data_dir / "postgres").stat().st_mode & 0o077 == 0
        assert ask(dsn, "SHOW listen_addresses") == ""


def test_a_commit_is_durable_before_it_is_acknowledged(data_dir: Path) -> None:
    with embedded.running(data_dir) as dsn:
        assert ask(dsn, "SHOW fsync") == "on"
        assert ask(dsn, "SHOW synchronous_commit") == "on"


def test_the_server_writes_no_statement_and_no_value_to_its_log(data_dir: Path) -> None:
    with embedded.running(data_dir) as dsn:
        with pytest.raises(asyncpg.DataError):
            ask(dsn, "SELECT 'Canary-1950-01-01'::date")
        assert "Canary" not in (data_dir / "postgres" / "log").read_text()
