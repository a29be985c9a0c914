"""A real server process: how it starts, stops, loses its database, is killed and comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from urllib.parse import urlsplit

import asyncpg
import harness
import httpx


def status_of(server: harness.Server, path: str) -> int:
    with server.http() as http:
        return http.get(path).status_code


def become(server: harness.Server, status: int, *, within_s: float = 20) -> httpx.Response:
    """Wait until the server's readiness is this."""
    deadline = time.monotonic() + within_s
    with server.http() as http:
        while (answer := http.get("/health/ready")).status_code != status:
            assert time.monotonic() < deadline, f"The server did not come to {status}."
            time.sleep(0.05)
        return answer


def execute(dsn: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_a_port_that_is_taken_is_said_in_one_line(
    server: harness.Server, databases: harness.Databases
) -> None:
    other = harness.Server(server.database_url, port=server.port)
    result = other.run("serve", "--port", str(server.port))
    assert result.returncode == 1
    assert (
        result.stderr.strip()
        == f"kat-fhir: Cannot listen on 127.0.0.1:{server.port}: Address already in use."
    )
    assert result.stdout == ""


def test_a_database_that_is_gone_makes_the_service_unavailable_until_it_is_back(
    start_server: harness.ServerFactory, postgres: str
) -> None:
    server = start_server()
    name = urlsplit(server.database_url).path.strip("/")
    terminate = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", terminate)
    answer = become(server, 503)
    assert answer.json() == {"status": "unavailable", "missing": "database"}
    assert answer.headers["retry-after"] == "5"
    assert status_of(server, "/health/live") == 200
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    become(server, 200)


def test_a_database_that_lacks_a_migration_is_not_ready(start_server: harness.ServerFactory) -> None:
    server = start_server()
    execute(server.database_url, "UPDATE alembic_version SET version_num = 'older'")
    assert become(server, 503).json() == {"status": "unavailable", "missing": "migrations"}


def test_a_request_in_flight_is_finished_before_the_end(start_server: harness.ServerFactory) -> None:
    server = start_server()
    assert server.process is not None
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        connection.sendall(f"{head}Content-Length: 29\r\n\r\ngrant_type=".encode())
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.5)
        assert server.process.poll() is None
        connection.sendall(b"client_credentials")
        assert connection.recv(12).startswith(b"HTTP/1.1 4")
    assert server.process.wait(timeout=20) == 0


def test_a_stop_ends_every_process_with_success(start_server: harness.ServerFactory) -> None:
    server = start_server(workers=2)
    assert server.stop() == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_workers_end_when_their_parent_is_killed_and_leave_the_port_to_the_next(
    start_server: harness.ServerFactory,
) -> None:
    server = start_server(workers=2)
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(timeout=10)
    while is_listening(server):  # the last requests of the orphans
        time.sleep(0.05)
    server.start()
    assert status_of(server, "/health/ready") == 200


def is_listening(server: harness.Server) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


def test_a_server_that_was_killed_starts_again(start_server: harness.ServerFactory) -> None:
    server = start_server()
    server.kill()
    server.start()
    assert status_of(server, "/health/ready") == 200


def test_the_figures_of_all_workers_add_up(start_server: harness.ServerFactory) -> None:
    server = start_server(workers=2)
    for _ in range(20):
        status_of(server, "/health/live")
    with server.http() as http:
        lines = http.get("/metrics").text.splitlines()
    counted = sum(float(line.split()[-1]) for line in lines if line.startswith("kat_requests_total{"))
    assert counted >= 20


def test_no_label_of_a_metric_is_taken_from_a_path(server: harness.Server) -> None:
    status_of(server, "/fhir/Patient/some-secret-id")
    status_of(server, "/some-secret-path")
    with server.http() as http:
        assert "some-secret" not in http.get("/metrics").text
