"""One PostgreSQL cluster on disk: made, configured, started, found running, stopped.

    absent ─▶ initialize ─▶ stopped ─▶ start ─▶ running ─▶ stop ─▶ stopped
                               ▲                   │ killed
                               └── discard_stale ◀─┘

Whoever calls ``start``, ``stop`` or ``initialize`` must hold the lock of service/embedded.py.

Source: https://www.postgresql.org/docs/18/app-pg-ctl.html
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from service import postgres_memory, postgres_user
from service.postgres_user import EmbeddedError

VERSION = 18
"""Major version of the PostgreSQL in the wheel; a cluster of another version is refused."""

MAX_SOCKET_PATH = 100
"""Longest path of a Unix socket that every system accepts (Linux 107, macOS 103), less a margin."""

PATIENCE_S = 120
"""Recovery after a crash, or a last checkpoint, can take this long before it counts as failed."""

PORT, SOCKET_DIRECTORY, STATUS = 3, 4, 7
"""Lines of postmaster.pid, counted from zero."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "''",
    "max_connections": "200",
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


class Cluster:
    """The files of one cluster and the server that may run on them."""

    def __init__(self, path: Path, overrides: Mapping[str, str]) -> None:
        self.path = path
        self._settings = {**SETTINGS, **postgres_memory.settings(), **overrides}

    def prepare(self) -> None:
        """Make the cluster if there is none, and refuse one that is not ours to use."""
        owner = postgres_user.owner_of(self.path)
        if not (self.path / "PG_VERSION").exists():
            self._initialize(owner)
        found = (self.path / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != str(VERSION):
            raise EmbeddedError(
                f"{self.path} was made by PostgreSQL {found}, and kat-fhir brings {VERSION}. "
                "Move it away, or convert it with pg_upgrade, or set KAT_DATABASE_URL."
            )

    def configure(self) -> None:
        """Write the settings of this version of the service for the next start."""
        owner = postgres_user.owner_of(self.path)
        self.discard_socket_directory()
        lines = [f"{name} = {value}" for name, value in self._settings.items()]
        lines.append(f"unix_socket_directories = {_quoted(self._socket_directory(owner))}")
        path = self.path / "kat-fhir.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        owner.take(path)

    def start(self) -> None:
        """Start the server as configured and wait until it accepts connections."""
        owner = postgres_user.owner_of(self.path)
        self._discard_stale()
        log = self.path / "log"
        log.unlink(missing_ok=True)
        files = ("-D", str(self.path), "-l", str(log))
        command = ("pg_ctl", "start", "-w", "-s", "-t", str(PATIENCE_S), *files)
        owner.run(*command, failure="PostgreSQL did not start", log=log)

    def stop(self) -> None:
        """Ask for a fast shutdown, which leaves nothing to recover, and wait for it."""
        if not self.is_running():
            return
        process_id = int(self._postmaster()[0])
        os.kill(process_id, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE_S
        while _is_postgres(process_id) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.discard_socket_directory()

    def is_running(self) -> bool:
        """Tell whether the server's process lives, ready or not."""
        lines = self._postmaster()
        return bool(lines) and lines[0].isdigit() and _is_postgres(int(lines[0]))

    def await_ready(self) -> None:
        """Wait for a server whose starter was killed before it was ready."""
        deadline = time.monotonic() + PATIENCE_S
        while self.is_running() and time.monotonic() < deadline:
            lines = self._postmaster()
            if len(lines) > STATUS and lines[STATUS].strip() == "ready":
                return
            time.sleep(0.05)
        raise EmbeddedError(f"The server in {self.path} did not become ready; see {self.path / 'log'}.")

    def dsn(self) -> str:
        """Where to connect, as the running server itself says."""
        lines = self._postmaster()
        directory = quote(lines[SOCKET_DIRECTORY].strip(), safe="/")
        return f"postgresql://postgres@/postgres?host={directory}&port={lines[PORT]}"

    def discard_socket_directory(self) -> None:
        """Remove the socket's folder when it is in the temporary directory; its server has ended."""
        for directory in self._socket_places():
            if directory.name.startswith("kat-fhir-"):
                shutil.rmtree(directory, ignore_errors=True)

    def _initialize(self, owner: postgres_user.Owner) -> None:
        if self.path.exists() and any(self.path.iterdir()):
            raise EmbeddedError(f"{self.path} is not empty and holds no PostgreSQL cluster; move it away.")
        self.path.mkdir(mode=0o700, exist_ok=True)
        owner.take(self.path)
        locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        arguments = ("-D", str(self.path), "-U", "postgres", "--auth=trust", "--encoding=UTF8", *locale)
        owner.run("initdb", *arguments, "--no-instructions", failure="PostgreSQL could not create its files")
        with (self.path / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write("\ninclude = 'kat-fhir.conf'\n")

    def _socket_directory(self, owner: postgres_user.Owner) -> Path:
        """The cluster itself, unless its path is too long for a socket."""
        if len(os.fsencode(self.path / ".s.PGSQL.5432")) <= MAX_SOCKET_PATH and "," not in str(self.path):
            return self.path
        directory = Path(tempfile.mkdtemp(prefix="kat-fhir-"))
        owner.take(directory)
        return directory

    def _discard_stale(self) -> None:
        """Remove the lock files, of folder and socket, of a server that is certainly gone.

        PostgreSQL does so itself, but takes any process with that id for the server: one that nobody reaped,
        or another program's after a restart of a container.
        """
        if self.is_running():
            return
        lines = self._postmaster()
        if lines:
            deadline = time.monotonic() + PATIENCE_S
            while any(True for _ in _processes_in(self.path)) and time.monotonic() < deadline:
                time.sleep(0.05)
            if _answers(lines):
                return
            (self.path / "postmaster.pid").unlink(missing_ok=True)
        for lock in [lock for place in self._socket_places() for lock in place.glob(".s.PGSQL.*.lock")]:
            if not _listens(lock.with_suffix("")):
                lock.unlink(missing_ok=True)

    def _socket_places(self) -> list[Path]:
        """List the folders in which the configuration puts the socket."""
        configuration = self.path / "kat-fhir.conf"
        lines = configuration.read_text(encoding="utf-8").splitlines() if configuration.exists() else []
        named = [line.partition(" = ")[2] for line in lines if line.startswith("unix_socket_directories")]
        return [Path(place.strip("'\"").replace("''", "'")) for place in named]

    def _postmaster(self) -> list[str]:
        """The lines of postmaster.pid: pid, cluster, start, port, socket directory, host, memory, status."""
        try:
            return (self.path / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []


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


def _processes_in(path: Path) -> Iterator[Path]:
    """List the processes that work in this folder, as every process of a server does."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == path:
                yield process
        except OSError:
            continue


def _answers(lines: list[str]) -> bool:
    """Whether a server, perhaps of another container, listens on the socket that this lock file names."""
    if len(lines) <= SOCKET_DIRECTORY or not lines[SOCKET_DIRECTORY].strip():
        return False
    return _listens(Path(lines[SOCKET_DIRECTORY].strip()) / f".s.PGSQL.{lines[PORT]}")


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _quoted(directory: Path) -> str:
    escaped = str(directory).replace("'", "''")
    return f"'\"{escaped}\"'"
