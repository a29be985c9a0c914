"""What is measured, as processes: PostgreSQL, the service with one worker, the floor; and what they cost.

Each server ends with the block that started it, however it ends. CPU time is read from /proc, with that of
children that have ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

HERE = Path(__file__).resolve().parent
SCOPE = "system/*.cruds"
READY_WITHIN_S = 60
STOPPED_WITHIN_S = 40
FRESH_FOR_S = 120
"""A token lives for five minutes; no measurement takes longer than the rest of it."""

PARENT, TIMES = 1, slice(11, 15)
"""Fields of /proc/PID/stat after the name: parent; user and system time, with those of ended children."""

Environment = dict[str, str]


class BenchError(Exception):
    """Nothing could be measured; the text says why."""


def environment(data_directory: Path) -> Environment:
    """Return the settings of the service and of its commands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAT_")}
    return {**kept, "KAT_DATA_DIR": str(data_directory), "KAT_LOG_LEVEL": "warning"}


def run(command: list[str], settings: Environment) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")
    return done


@dataclass(slots=True)
class Client:
    """The client that everything is asked by: registered once, with a token that is never stale."""

    id: str
    secret: str
    base: str = ""
    stale: bool = True
    _token: str = ""
    _since: float = 0.0

    @classmethod
    def registered(cls, settings: Environment) -> Client:
        """Register an operator's client."""
        words = ("client", "add", "Benchmark", "--kind", "admin", "--secret", "--scope", SCOPE, "--json")
        told = json.loads(run([program(), *words], settings).stdout)
        return cls(told["client_id"], told["client_secret"])

    def token(self) -> str:
        """Return an access token of the service at ``base``."""
        if self.stale or time.monotonic() - self._since > FRESH_FOR_S:
            form = {"grant_type": "client_credentials", "client_id": self.id, "client_secret": self.secret}
            answer = httpx.post(f"{self.base}/oauth/token", data={**form, "scope": SCOPE}, trust_env=False)
            self._token = answer.raise_for_status().json()["access_token"]
            self._since, self.stale = time.monotonic(), False
        return self._token


@contextmanager
def serving(settings: Environment, directory: Path) -> Iterator[tuple[int, str]]:
    """Run the service with one worker."""
    port = free_port()
    command = [program(), "serve", "--workers", "1", "--port", str(port)]
    with running(command, settings, directory / "service.log") as process:
        base = f"http://127.0.0.1:{port}"
        await_answer(f"{base}/health/ready", process)
        yield process.pid, base


@contextmanager
def flooring(dsn: str, settings: Environment, directory: Path) -> Iterator[tuple[int, str]]:
    """Run the floor."""
    port = free_port()
    command = [sys.executable, str(HERE / "floor.py"), str(port), dsn]
    with running(command, settings, directory / "floor.log") as process:
        base = f"http://127.0.0.1:{port}"
        await_answer(f"{base}/row/one", process)
        yield process.pid, base


@contextmanager
def running(command: list[str], settings: Environment, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server; on the way out stop it, and show its log when something went wrong."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, env=settings, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    except BenchError:
        say(log.read_text(encoding="utf-8", errors="replace")[-2000:].rstrip())
        raise
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server, gently at first."""
    process.terminate()
    try:
        process.wait(timeout=STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise BenchError("A server did not become ready.")


def postmaster(data_directory: Path) -> int:
    """Return the process id of PostgreSQL's parent."""
    lock = data_directory / "postgres" / "postmaster.pid"
    return int(lock.read_text(encoding="utf-8").splitlines()[0])


def cpu_seconds(roots: Iterable[int]) -> float:
    """Add up the CPU time of processes and of all below them."""
    times: dict[int, float] = {}
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat(entry)):
            times[int(entry.name)] = sum(map(int, fields[TIMES])) / os.sysconf("SC_CLK_TCK")
            below.setdefault(int(fields[PARENT]), []).append(int(entry.name))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        process = waiting.pop()
        if process in times and process not in found:
            found.add(process)
            waiting += below.get(process, [])
    return sum(times[process] for process in found)


def stat(process: Path) -> list[str]:
    """Read the fields of a process after its name; none when it has ended meanwhile."""
    try:
        return (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def program() -> str:
    """Return the command line of this environment."""
    return str(Path(sys.executable).with_name("kat-fhir"))


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
