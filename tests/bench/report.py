"""From what was measured to tables: CPU per request, as a ratio to the floor.

The CPU time of all processes (service and PostgreSQL), divided by the requests, depends little on what else
the machine does, unlike requests a second. Each figure is the median of its repeats.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.families import FAMILIES, Family

FLOORS = {"F": "one row read", "I": "one row parsed and inserted"}


class Bar(NamedTuple):
    """What a workload may cost: ``ratio`` times the floor ``floor``; no ratio where no bar was set."""

    workload: str
    ratio: float | None
    floor: str = "F"


BARS = (
    Bar("read", 1.7),
    Bar("search-patient-meds", 2.5),
    Bar("search-notes", 2.5),
    Bar("search-episodes-since", 4),
    Bar("include", 3),
    Bar("history", 3),
    Bar("everything", 10),
    Bar("create-prescription", 3.5, "I"),
    Bar("conditional-create", 4, "I"),
    Bar("update", 4, "I"),
    Bar("transaction", 40, "I"),
)
"""The bars of the project's design for the load tool's workloads; each leaves every peer 2.4 times behind."""

FAMILY_BARS = {
    **dict.fromkeys(("token+patient", "date+patient", "quantity+patient", "_sort+patient"), 2.5),
    "since (broad)": 4.0,
    "versions": 3.0,
}
"""The same bars for families that do the same work: searches in one record, changes, one history."""


@dataclass(frozen=True, slots=True)
class Row:
    """One workload, measured once or all its repeats together."""

    workload: str
    cpu_ms: float
    p50_ms: float
    answers: int
    wrong: int


def title(family: Family) -> str:
    """Name a family in a table: what matches a part of all is told apart."""
    return family.name if family.extent == "selective" else f"{family.name} ({family.extent})"


def family_bars() -> Iterator[Bar]:
    """The families as workloads, each with its bar."""
    for family in FAMILIES:
        yield Bar(title(family), FAMILY_BARS.get(title(family)))


def read(path: Path) -> list[Row]:
    """Read the rows of the load tool; those that tell of medians are left out."""
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Row(
            row["workload"],
            row["server_side_cpu_ms_per_req"],
            row["p50_ms"] or 0.0,
            row["requests"],
            sum(row["errors"].values()),
        )
        for row in rows
        if "requests" in row and "median_of" not in row
    ]


def figures(rows: list[Row]) -> dict[str, Row]:
    """Put the repeats of each workload together."""
    names = dict.fromkeys(row.workload for row in rows)
    return {name: together([row for row in rows if row.workload == name]) for name in names}


def together(rows: list[Row]) -> Row:
    """Put the repeats of one workload together."""
    return Row(
        rows[0].workload,
        median(row.cpu_ms for row in rows),
        median(row.p50_ms for row in rows),
        sum(row.answers for row in rows),
        sum(row.wrong for row in rows),
    )


def tables(rows: list[Row]) -> Iterator[str]:
    """Write the tables as Markdown: floors and the load tool's workloads, then the families."""
    found = figures(rows)
    yield from HEAD
    for name, meaning in FLOORS.items():
        floor = found[name]
        yield f"| {meaning} | {floor.cpu_ms:.2f} | {floor.p50_ms:.1f} | 1 {name} | | {fault(floor)} |"
    yield from lines(found, BARS)
    yield ""
    yield from HEAD
    yield from lines(found, tuple(family_bars()))
    yield ""
    yield f"The machine's load average is {os.getloadavg()[0]:.1f}; above 2 or so, measure again."


HEAD = ("| workload | CPU ms a request | p50 ms | ratio | bar | |", "|---|---:|---:|---:|---:|---|")


def lines(found: dict[str, Row], bars: tuple[Bar, ...]) -> Iterator[str]:
    """Write the lines of the workloads that were measured."""
    for bar in bars:
        if bar.workload in found:
            yield line(bar, found[bar.workload], found[bar.floor])


def line(bar: Bar, measured: Row, floor: Row) -> str:
    """Write the line of one workload."""
    ratio = measured.cpu_ms / floor.cpu_ms if floor.cpu_ms else 0.0
    costs = f"{measured.cpu_ms:.2f} | {measured.p50_ms:.1f} | {ratio:.1f} {bar.floor}"
    if bar.ratio is None:
        return f"| {bar.workload} | {costs} | | {fault(measured)} |"
    said = fault(measured) or ("met" if ratio <= bar.ratio else "missed")
    return f"| {bar.workload} | {costs} | {bar.ratio:g} {bar.floor} | {said} |"


def fault(measured: Row) -> str:
    """Say what makes a figure worthless, if anything does."""
    if measured.wrong:
        return f"{measured.wrong} of {measured.answers} answers wrong"
    return "" if measured.answers else "no answer"


def is_right(rows: list[Row]) -> bool:
    """Tell whether every workload was answered, and every answer was right."""
    return all(not fault(one) for one in figures(rows).values())
