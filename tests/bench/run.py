"""Measure what a request costs, against a floor on the same machine at the same time; two minutes.

    embedded PostgreSQL ◀── kat-fhir serve --workers 1 ◀──┐
            ▲                                             ├── load tool, 8 connections, fixed seed
            └────────────── floor.py ◀────────────────────┘

    seed ─▶ floor, workloads ─▶ floor, workloads ─▶ floor, workloads ─▶ floor ─▶ table

The load tool (fhir_load.py, kept beside this repository) checks every answer and counts the CPU time of
every process. Everything lives in a temporary directory, and ends with this script however it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import report

from service import embedded

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
LOAD_TOOL = REPOSITORY.parent / "shared" / "bench" / "fhir_load.py"
SCOPE = "system/*.cruds"
SEED = "kat-bench"
READY_WITHIN_S = 60
STOPPED_WITHIN_S = 40

Environment = dict[str, str]


class BenchError(Exception):
    """Nothing could be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """How the load tool is called: the same way for the service and the floor."""

    tool: Path
    directory: Path
    postgres: int
    connections: int
    duration_s: float
    environment: Environment

    @property
    def rows(self) -> Path:
        """Where the tool appends what it measured."""
        return self.directory / "rows.jsonl"

    def seed(self, base: str, patients: int, *authorization: str) -> None:
        """Write the patients that the workloads read."""
        self._run(base, "seed", "--patients", str(patients), *authorization)

    def measure(self, base: str, workload: str, server: int, repeat: int, *options: str) -> None:
        """Run workloads once, counting the CPU of one server and of PostgreSQL."""
        counted = ("--cpu", f"server=pid:{server}", "--cpu", f"postgres=pid:{self.postgres}")
        times = ("--duration", str(self.duration_s), "--warmup", "0.4", "--repeat", "1")
        connections = ("-c", str(self.connections), "--first-repeat", str(repeat))
        self._run(base, workload, *counted, *times, *connections, "--out", str(self.rows), *options)

    def _run(self, base: str, workload: str, *options: str) -> None:
        state = ("--state", str(self.directory / "state.json"), "--seed", SEED, "--run-tag", "bench")
        command = [sys.executable, str(self.tool), "--base", base, *state, "--workloads", workload, *options]
        done = run(command, self.environment)
        if done.stderr:
            # The tool tells of the first wrong answer here; its data are synthetic.
            say(done.stderr.rstrip())


def main() -> int:
    """Measure and print; the exit code is 1 when an answer was wrong."""
    options = arguments()
    if not options.tool.exists():
        say(f"Nothing is measured: the load tool {options.tool.name} is not there (see --tool).")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="kat-fhir-bench-") as name:
        # PostgreSQL may run as another user, who has to reach its files below.
        Path(name).chmod(0o755)
        rows = measured(Path(name), options)
    for line in (*report.table(rows), "", report.surroundings(rows)):
        say(line)
    return 0 if report.is_right(rows) else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure CPU per request against the floor.")
    parser.add_argument("--tool", type=Path, default=LOAD_TOOL, help="the load tool, fhir_load.py")
    parser.add_argument("--patients", type=int, default=60, help="synthetic patients, 30 resources each")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of each workload; medians are told")
    parser.add_argument("--duration", type=float, default=1.6, help="seconds of one repeat")
    parser.add_argument("--workloads", default=",".join(bar.workload for bar in report.BARS))
    parser.add_argument("-c", "--connections", type=int, default=8)
    return parser.parse_args()


def measured(directory: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    """Start everything, drive it, stop everything, and return the rows."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAT_")}
    environment = {**kept, "KAT_DATA_DIR": str(directory / "data"), "KAT_LOG_LEVEL": "warning"}
    with ExitStack() as stack:
        say("Starting PostgreSQL, the service and the floor.")
        dsn = stack.enter_context(embedded.running(directory / "data"))
        client = registered(environment)
        service, base = stack.enter_context(serving(environment, directory))
        floor, floor_base = stack.enter_context(flooring(dsn, environment, directory))
        load = Load(
            options.tool,
            directory,
            postmaster(directory / "data"),
            options.connections,
            options.duration,
            {**environment, "FHIR_LOAD_SECRET": client["client_secret"]},
        )
        token = ("--token-url", f"{base}/oauth/token", "--client-id", client["client_id"], "--scope", SCOPE)
        say(f"Writing {options.patients} patients.")
        load.seed(f"{base}/fhir", options.patients, *token)
        for number in range(options.rounds):
            say(f"Round {number + 1} of {options.rounds}.")
            measure_floor(load, floor_base, floor, number)
            load.measure(f"{base}/fhir", options.workloads, service, number, *token)
        measure_floor(load, floor_base, floor, options.rounds)
        return report.read(load.rows)


def measure_floor(load: Load, base: str, floor: int, repeat: int) -> None:
    """Measure F and I once."""
    load.measure(base, "raw-get", floor, repeat, "--raw-path", "/row/one", "--raw-expect", '"id"')
    load.measure(base, "raw-post", floor, repeat, "--raw-path", "/row")


def registered(environment: Environment) -> dict[str, str]:
    """Register the client that the load tool acts for."""
    words = ("client", "add", "Benchmark", "--kind", "admin", "--secret", "--scope", SCOPE, "--json")
    client: dict[str, str] = json.loads(run([program(), *words], environment).stdout)
    return client


def run(command: list[str], environment: Environment) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode:
        raise BenchError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")
    return done


@contextmanager
def serving(environment: Environment, directory: Path) -> Iterator[tuple[int, str]]:
    """Run the service with one worker."""
    port = free_port()
    command = [program(), "serve", "--workers", "1", "--port", str(port)]
    with running(command, environment, directory / "service.log") as process:
        base = f"http://127.0.0.1:{port}"
        await_answer(f"{base}/health/ready", process)
        yield process.pid, base


@contextmanager
def flooring(dsn: str, environment: Environment, directory: Path) -> Iterator[tuple[int, str]]:
    """Run the floor."""
    port = free_port()
    command = [sys.executable, str(HERE / "floor.py"), str(port), dsn]
    with running(command, environment, directory / "floor.log") as process:
        base = f"http://127.0.0.1:{port}"
        await_answer(f"{base}/row/one", process)
        yield process.pid, base


@contextmanager
def running(command: list[str], environment: Environment, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server; on the way out stop it, and show its log when something went wrong."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, env=environment, stdout=output, stderr=output, start_new_session=True
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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
