"""Measure what a request costs, against a floor on the same machine at the same time; four minutes.

    embedded PostgreSQL ◀── kat-fhir serve --workers 1 ◀──┬── driver.py, families.py    searches, history …
            ▲                                             ├── load tool                 reads and writes
            └────────────── floor.py ◀────────────────────┘   8 connections, fixed seeds

    load ─▶ floor, workloads ─▶ floor, workloads ─▶ floor, workloads ─▶ floor ─▶ tables

The load tool (fhir_load.py, kept beside this repository) has the workloads by which other servers were
measured; without it the families alone are measured. Every answer is checked, and the CPU time of every
process counted. Everything lives in a temporary directory, and ends with this script however it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import loading, measuring, population, report
from bench.driver import Ask, Driver, Measured, Target
from bench.families import FAMILIES, Family, Practice
from bench.processes import (
    HERE,
    BenchError,
    Client,
    Environment,
    cpu_seconds,
    environment,
    flooring,
    postmaster,
    run,
    say,
    serving,
)
from bench.report import Row

from models.document import serialize
from service import embedded, migrate

LOAD_TOOL = HERE.parent.parent.parent / "shared" / "bench" / "fhir_load.py"
SEED = "kat-bench"
BASE_URL = "http://127.0.0.1"
WARM_UP_REQUESTS, WARM_UP_S = 64, 0.3
UNBOUNDED = 1_000_000
"""Requests of one measurement; the time ends it."""

REQUESTS = 300
"""Different requests of a family."""


@dataclass(slots=True)
class Bench:
    """What runs, and what was measured so far."""

    options: argparse.Namespace
    directory: Path
    settings: Environment
    client: Client
    service: int = 0
    floor: int = 0
    floor_base: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def postgres(self) -> int:
        """The process of PostgreSQL, whose children work for everybody."""
        return postmaster(self.directory / "data")

    def seed(self) -> None:
        """Let the load tool write the patients that its workloads read."""
        self._tool("seed", "--patients", str(self.options.patients))

    def tool(self, workloads: list[str], repeat: int) -> None:
        """Run workloads of the load tool once."""
        counted = ("--cpu", f"server=pid:{self.service}", "--cpu", f"postgres=pid:{self.postgres}")
        times = ("--duration", str(self.options.duration), "--warmup", "0.4", "--repeat", "1")
        shape = ("-c", str(self.options.connections), "--first-repeat", str(repeat))
        written = self.directory / f"rows-{repeat}.jsonl"
        self._tool(",".join(workloads), *counted, *times, *shape, "--out", str(written))
        self.rows += report.read(written)

    def _tool(self, workload: str, *options: str) -> None:
        state = ("--state", str(self.directory / "state.json"), "--seed", SEED, "--run-tag", "bench")
        token = ("--header", f"Authorization: Bearer {self.client.token()}")
        where = ("--base", f"{self.client.base}/fhir", *token)
        command = [sys.executable, str(self.options.tool), *where, *state, "--workloads", workload, *options]
        done = run(command, self.settings)
        if done.stderr:
            # The tool tells of the first wrong answer here; its data are synthetic.
            say(done.stderr.rstrip())

    async def floors(self) -> None:
        """Measure F and I once."""
        order = next(one for one in population.chart(1) if one["resourceType"] == "MedicationRequest")
        target = Target(self.floor_base)
        await self._measure("F", [Ask("/row/one", '"id"')], target, self.floor)
        post = Ask("/row", method="POST", body=serialize(order), status=201)
        await self._measure("I", [post], target, self.floor)

    async def families(self, families: list[Family], known: Practice) -> None:
        """Measure families once."""
        for family in families:
            asks = family.asks(known, REQUESTS)
            target = Target(f"{self.client.base}/fhir", self.client.token())
            await self._measure(report.title(family), asks, target, self.service)

    async def _measure(self, name: str, asks: list[Ask], target: Target, server: int) -> None:
        counted = (server, self.postgres)
        async with Driver(target, self.options.connections) as driver:
            await driver.drive(asks, count=WARM_UP_REQUESTS, seconds=WARM_UP_S)
            before = cpu_seconds(counted)
            done = await driver.drive(asks, count=UNBOUNDED, seconds=self.options.family_duration)
            self.rows.append(row(name, done, cpu_seconds(counted) - before))
        if done.wrong:
            say(done.first_wrong)


def row(name: str, done: Measured, cpu_s: float) -> Row:
    """Write the row of one measurement."""
    answers = len(done.seconds)
    return Row(name, 1000 * cpu_s / max(1, answers), done.quantile_ms(0.5), answers, done.wrong)


def main() -> int:
    """Measure and print; the exit code is 1 when an answer was wrong."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="kat-fhir-bench-") as name:
        # PostgreSQL may run as another user, who has to reach its files below.
        Path(name).chmod(0o755)
        rows = measured(Path(name), options)
    for line in report.tables(rows):
        say(line)
    return 0 if report.is_right(rows) else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure CPU per request against the floor.")
    parser.add_argument("--tool", type=Path, default=LOAD_TOOL, help="the load tool, fhir_load.py")
    parser.add_argument("--patients", type=int, default=60, help="patients that the load tool writes")
    parser.add_argument("--practice", type=int, default=300, help="patients whom the families ask about")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of each workload; medians are told")
    parser.add_argument("--duration", type=float, default=1.6, help="seconds of one repeat of the load tool")
    parser.add_argument(
        "--family-duration", type=float, default=0.4, help="seconds of one repeat of a family"
    )
    parser.add_argument("--workloads", default="", help="comma-separated beginnings of names; all when empty")
    parser.add_argument("-c", "--connections", type=int, default=8)
    return parser.parse_args()


def measured(directory: Path, options: argparse.Namespace) -> list[Row]:
    """Start everything, drive it, stop everything, and return the rows."""
    settings = environment(directory / "data")
    wanted = tuple(part.strip() for part in options.workloads.split(","))
    with ExitStack() as stack:
        say("Starting PostgreSQL, the service and the floor.")
        dsn = stack.enter_context(embedded.running(directory / "data"))
        asyncio.run(migrate.upgrade(dsn))
        say(f"Loading {options.practice} patients.")
        asyncio.run(loading.grow(dsn, BASE_URL, (0, options.practice), lambda _: None, 2))
        bench = Bench(options, directory, settings, Client.registered(settings))
        bench.service, bench.client.base = stack.enter_context(serving(settings, directory))
        bench.floor, bench.floor_base = stack.enter_context(flooring(dsn, settings, directory))
        known = asyncio.run(measuring.practice(dsn, options.practice))
        asyncio.run(measuring.update(bench.client, known))
        known = asyncio.run(measuring.walked(bench.client, known))
        families = [family for family in FAMILIES if report.title(family).startswith(wanted)]
        rounds(
            bench, [bar.workload for bar in report.BARS if bar.workload.startswith(wanted)], families, known
        )
        return bench.rows


def rounds(bench: Bench, workloads: list[str], families: list[Family], known: Practice) -> None:
    """Measure everything several times, so that what disturbs it hits no workload alone."""
    if not bench.options.tool.exists():
        say(f"The load tool {bench.options.tool.name} is not there (see --tool): its workloads are left out.")
        workloads = []
    if workloads:
        say(f"Writing {bench.options.patients} patients.")
        bench.seed()
    for number in range(bench.options.rounds):
        say(f"Round {number + 1} of {bench.options.rounds}.")
        asyncio.run(bench.floors())
        if workloads:
            bench.tool(workloads, number)
        asyncio.run(bench.families(families, known))
    asyncio.run(bench.floors())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
