"""Measure whether searches stay as fast while a practice grows from 1,000 to 64,000 patients.

    load ─▶ vacuum, analyze ─▶ serve, warm up, measure every family, one connection ─▶ load more ─▶ … table

One database grows; every size is measured with the statistics and the visibility map that autovacuum would
have left. Requests ask about random patients out of all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import asyncpg
from bench import loading, measuring, scale_report
from bench.families import FAMILIES, Family
from bench.processes import BenchError, Client, environment, say, serving
from bench.report import title

from service import embedded, migrate

BASE_URL = "http://127.0.0.1"
BYTES_OF_PATIENT = 250_000
BYTES_OF_LOG = 12 * 1024**3
"""What the write-ahead log and the building of indexes may need for a while."""

WARM_UP, SECONDS = 40, 6.0
SETTINGS = {"max_wal_size": "8GB"}
PREPARE = """
CREATE SCHEMA IF NOT EXISTS bench;
CREATE TABLE IF NOT EXISTS bench.loaded (patients int NOT NULL, whole boolean NOT NULL);
"""
LOADED = "SELECT coalesce(max(patients), 0), coalesce(bool_and(whole), TRUE) FROM bench.loaded"

Results = dict[str, dict[str, Any]]


def main() -> int:
    """Load, measure and print; the exit code is 1 when an answer was wrong."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with directory(options.keep) as place:
        require_room(place, max(options.sizes))
        results = measured(place, options)
    for line in scale_report.table(results):
        say(line)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0 if scale_report.is_right(results) else 1


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure families of searches at several sizes.")
    parser.add_argument("--sizes", type=sizes, default=[1000, 8000, 64000], help="patients, comma-separated")
    parser.add_argument("--families", default="", help="comma-separated beginnings of names; all when empty")
    parser.add_argument("--requests", type=int, default=300, help="that are measured of each family")
    parser.add_argument("--keep", type=Path, help="a directory whose database is made, used again and kept")
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    parser.add_argument("--jobs", type=int, default=3, help="processes that load")
    return parser.parse_args()


def sizes(text: str) -> list[int]:
    """Read the sizes."""
    return sorted(int(part) for part in text.split(","))


@contextmanager
def directory(kept: Path | None) -> Iterator[Path]:
    """Give a directory to work in: the one that is kept, else a temporary one."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    with nullcontext(kept) if kept else tempfile.TemporaryDirectory(prefix="kat-fhir-scale-") as name:
        place = Path(name).absolute()
        # PostgreSQL may run as another user, who has to reach its files below.
        place.chmod(0o755)
        yield place


def require_room(place: Path, patients: int) -> None:
    """Refuse to begin what would fill the disk."""
    needed = patients * BYTES_OF_PATIENT + BYTES_OF_LOG * min(1, patients / 64_000)
    free = shutil.disk_usage(place).free
    say(f"{place}: {free / 1024**3:.0f} GB free; up to {needed / 1024**3:.1f} GB are needed.")
    if free < needed and not (place / "data").exists():
        raise BenchError(
            "There is not enough room on the disk; free some, name another place, or ask for less."
        )


def measured(place: Path, options: argparse.Namespace) -> Results:
    """Start PostgreSQL, and measure at one size after the other."""
    settings = environment(place / "data")
    results: Results = {}
    with embedded.running(place / "data", SETTINGS) as dsn:
        asyncio.run(migrate.upgrade(dsn))
        client = Client.registered(settings)
        for size in options.sizes:
            if asyncio.run(grown(dsn, size, options.jobs)):
                say(f"Measuring at {size:,} patients.")
                with serving(settings, place) as (_, client.base):
                    client.stale = True
                    results[str(size)] = asyncio.run(figures(dsn, size, client, options))
    return results


def chosen(beginnings: str) -> list[Family]:
    """Choose families by the beginnings of their names."""
    wanted = tuple(part.strip() for part in beginnings.split(","))
    return [family for family in FAMILIES if title(family).startswith(wanted)]


async def grown(dsn: str, size: int, jobs: int) -> bool:
    """Bring the practice to a size; False when it is larger already."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(PREPARE)
        before, whole = await connection.fetchrow(LOADED)
        if not whole:
            raise BenchError("A load was interrupted here; remove the directory and begin again.")
        if before > size:
            say(f"Not measured at {size:,} patients: there are {before:,} already.")
            return False
        if before < size:
            await connection.execute("INSERT INTO bench.loaded VALUES ($1, FALSE)", size)
            await loading.grow(dsn, BASE_URL, (before, size), say, jobs)
            await connection.execute("UPDATE bench.loaded SET whole = TRUE")
            await connection.execute("CHECKPOINT")
        bytes_used = await connection.fetchval("SELECT pg_database_size(current_database())")
        say(f"The database has {bytes_used / 1024**3:.2f} GB.")
        return True
    finally:
        await connection.close()


async def figures(dsn: str, size: int, client: Client, options: argparse.Namespace) -> dict[str, Any]:
    """Measure every family with one connection."""
    known = await measuring.practice(dsn, size)
    await measuring.update(client, known)
    known = await measuring.walked(client, known)
    found: dict[str, Any] = {}
    for family in chosen(options.families):
        began = time.monotonic()
        one = await measuring.measure(
            client, family, known, warm_up=WARM_UP, count=options.requests, seconds=SECONDS
        )
        found[title(family)] = {
            "extent": family.extent,
            "p50_ms": round(one.quantile_ms(0.5), 3),
            "p99_ms": round(one.quantile_ms(0.99), 3),
            "answers": len(one.seconds),
            "wrong": one.wrong,
        }
        fault = f"  WRONG: {one.first_wrong}" if one.wrong else ""
        told = f"p50 {one.quantile_ms(0.5):8.2f} ms  p99 {one.quantile_ms(0.99):8.2f} ms"
        say(f"  {title(family):36} {told}  {len(one.seconds):4}  {time.monotonic() - began:.1f} s{fault}")
    return found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
