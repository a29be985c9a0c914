"""What the tests stand on: databases made from one migrated template, and real server processes.

run directory     one per test run, shared by the workers of pytest-xdist, removed at the end
Postgres          embedded in the run directory, or the one of KAT_TEST_DATABASE_URL
template          migrated once per run; every other database is a copy of it
Server            a ``kat-fhir serve`` process of its own, which a test may kill and start again
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx

from service import embedded, migrate
from service.database import Database

REPOSITORY = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 60

# Tests come and go by the thousand and none has to survive a power failure.
FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}


@contextmanager
def postgres(run_directory: Path) -> Iterator[str]:
    """Give the DSN of the server to test on: a configured one, else an embedded one."""
    configured = os.environ.get("KAT_TEST_DATABASE_URL") or os.environ.get("KAT_DATABASE_URL")
    if configured:
        yield configured
        return
    with embedded.running(run_directory, FAST) as dsn:
        yield dsn


def with_database(dsn: str, name: str) -> str:
    """Point a DSN at another database of the same server."""
    parts = urlsplit(dsn)
    # urlunsplit drops an empty authority's slashes, which a socket's DSN needs.
    authority = parts.netloc or "postgres@"
    return urlunsplit((parts.scheme, authority, f"/{name}", parts.query, ""))


@dataclass(frozen=True)
class Databases:
    """Makes databases on one server; each is a copy of the migrated template."""

    dsn: str
    run_directory: Path

    @property
    def template(self) -> str:
        return f"template_{self.run_directory.name.replace('-', '_').lower()}"

    def create(self, *, migrated: bool = True) -> str:
        """Make a database and return its DSN."""
        name = f"test_{uuid4().hex}"
        self._ensure_template()
        source = self.template if migrated else "template0"
        asyncio.run(_execute(self.dsn, f"CREATE DATABASE {name} TEMPLATE {source}"))
        return with_database(self.dsn, name)

    def drop(self, dsn: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = urlsplit(dsn).path.strip("/")
        asyncio.run(_execute(self.dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def _ensure_template(self) -> None:
        with (self.run_directory / "template.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = self.run_directory / "template.made"
            if made.exists():
                return
            asyncio.run(_execute(self.dsn, f"CREATE DATABASE {self.template} TEMPLATE template0"))
            asyncio.run(migrate.upgrade(with_database(self.dsn, self.template)))
            made.touch()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Server:
    """One ``kat-fhir serve`` process group on a database of its own."""

    database_url: str
    workers: int = 1
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    log_path: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="kat-fhir-log-")[1]))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fhir(self) -> str:
        return f"{self.base_url}/fhir"

    @property
    def log(self) -> str:
        """Everything the server has written."""
        return self.log_path.read_text(encoding="utf-8")

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        command = [sys.executable, "-m", "api.cli", "serve", "--port", str(self.port)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, "--workers", str(self.workers)],
                cwd=REPOSITORY,
                env=self._environ(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_ready()

    def stop(self) -> int:
        """Ask the server to stop, wait for it, and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(timeout=45)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End every process of the server at once, as a crash would."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)

    def dispose(self) -> None:
        """Stop the server if it runs and remove its log."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.log_path.unlink(missing_ok=True)

    def http(self, **options: Any) -> httpx.Client:
        """Make an independent HTTP client that knows nothing of this project."""
        return httpx.Client(base_url=self.base_url, timeout=30, **options)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a ``kat-fhir`` command against this server's database."""
        return subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "api.cli", *arguments],
            cwd=REPOSITORY,
            env=self._environ(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def add_client(self, kind: str, scope: str, **metadata: Any) -> dict[str, str]:
        """Register a client, with a secret unless said otherwise; return its id and secret."""
        if not {"jwks", "jwks_uri", "public", "secret"} & metadata.keys():
            metadata["secret"] = True
        name = metadata.pop("name", f"{kind} {uuid4().hex[:8]}")
        return asyncio.run(_add_client(self.database_url, name, kind, scope, metadata))

    def add_user(self, login: str, password: str, role: str, fhir_user: str | None) -> dict[str, str]:
        """Register a person who can sign in."""
        return asyncio.run(_add_user(self.database_url, login, password, role, fhir_user))

    def token(self, client: dict[str, str], scope: str) -> str:
        """Get an access token by the client credentials grant."""
        with self.http() as http:
            answer = http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials", "scope": scope},
                auth=(client["client_id"], client["client_secret"]),
            )
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def client(self, kind: str, scope: str, **metadata: Any) -> httpx.Client:
        """Register a client and give an HTTP client that carries its token, based at the FHIR base."""
        token = self.token(self.add_client(kind, scope, **metadata), scope)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        return httpx.Client(base_url=self.fhir, headers=headers, timeout=30)

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KAT_")}
        ours = {"KAT_DATABASE_URL": self.database_url, "KAT_BASE_URL": self.base_url}
        return {**kept, **ours, **self.environment}

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, f"The server ended at its start:\n{self.log}"
            if self._is_ready():
                return
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"The server was not ready in time:\n{self.log}")

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


ServerFactory = Callable[..., Server]


@contextmanager
def serving(databases: Databases) -> Iterator[Server]:
    """Run a server on a database of its own."""
    running = Server(databases.create())
    running.start()
    yield running
    running.dispose()
    databases.drop(running.database_url)


async def _add_client(dsn: str, name: str, kind: str, scope: str, metadata: dict[str, Any]) -> dict[str, str]:
    from service.oauth import registration  # noqa: PLC0415 - most tests need no OAuth

    database = await Database.open(dsn, max_size=1)
    try:
        async with database.sessions.begin() as session:
            return await registration.add_client(
                session, name=name, kind=kind, scope=scope, now=datetime.now(UTC), **metadata
            )
    finally:
        await database.close()


async def _add_user(dsn: str, login: str, password: str, role: str, fhir_user: str | None) -> dict[str, str]:
    from service.oauth import registration  # noqa: PLC0415 - most tests need no OAuth

    database = await Database.open(dsn, max_size=1)
    try:
        async with database.sessions.begin() as session:
            return await registration.add_user(
                session,
                login=login,
                password=password,
                role=role,
                fhir_user=fhir_user,
                now=datetime.now(UTC),
            )
    finally:
        await database.close()
