"""From the rows that the load tool writes to one table: CPU per request, as a ratio to the floor.

The figure is the CPU time of all processes (service and PostgreSQL), divided by the requests: it depends
little on what else the machine does, unlike requests a second. Each is the median of its repeats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

FLOORS = {"F": "raw-get", "I": "raw-post"}


class Bar(NamedTuple):
    """What a workload may cost: ``ratio`` times the floor ``floor``."""

    workload: str
    ratio: float
    floor: str


BARS = (
    Bar("read", 1.7, "F"),
    Bar("search-patient-meds", 2.5, "F"),
    Bar("search-notes", 2.5, "F"),
    Bar("search-episodes-since", 4, "F"),
    Bar("include", 3, "F"),
    Bar("history", 3, "F"),
    Bar("everything", 10, "F"),
    Bar("create-prescription", 3.5, "I"),
    Bar("conditional-create", 4, "I"),
    Bar("update", 4, "I"),
    Bar("transaction", 40, "I"),
)
"""The bars of the project's design; each leaves every measured peer at least 2.4 times behind."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One workload, all its repeats together."""

    cpu_ms: float
    p50_ms: float
    answers: int
    wrong: int


def read(path: Path) -> list[dict[str, Any]]:
    """Read the rows of workloads; rows that tell of seeding or of medians are left out."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if "requests" in row and "median_of" not in row]


def figures(rows: list[dict[str, Any]]) -> dict[str, Figure]:
    """Put the repeats of each workload together."""
    return {name: figure([row for row in rows if row["workload"] == name]) for name in workloads(rows)}


def workloads(rows: list[dict[str, Any]]) -> list[str]:
    """Name the workloads, in the order of their first rows."""
    return list(dict.fromkeys(row["workload"] for row in rows))


def figure(rows: list[dict[str, Any]]) -> Figure:
    """Put the repeats of one workload together."""
    return Figure(
        cpu_ms=median(row["server_side_cpu_ms_per_req"] for row in rows),
        p50_ms=median(row["p50_ms"] or 0.0 for row in rows),
        answers=sum(row["requests"] for row in rows),
        wrong=sum(sum(row["errors"].values()) for row in rows),
    )


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Write the table as Markdown, floors first."""
    found = figures(rows)
    yield "| workload | CPU ms a request | p50 ms | ratio | bar | |"
    yield "|---|---:|---:|---:|---:|---|"
    for name, workload in FLOORS.items():
        floor = found[workload]
        yield f"| floor {name} | {floor.cpu_ms:.2f} | {floor.p50_ms:.1f} | 1 {name} | | {verdict(floor)} |"
    for bar in BARS:
        if bar.workload in found:
            yield line(bar, found[bar.workload], found[FLOORS[bar.floor]])


def line(bar: Bar, measured: Figure, floor: Figure) -> str:
    """Write the line of one workload."""
    ratio = measured.cpu_ms / floor.cpu_ms if floor.cpu_ms else 0.0
    said = verdict(measured) or ("met" if ratio <= bar.ratio else "missed")
    costs = f"{measured.cpu_ms:.2f} | {measured.p50_ms:.1f} | {ratio:.1f} {bar.floor}"
    return f"| {bar.workload} | {costs} | {bar.ratio:g} {bar.floor} | {said} |"


def verdict(measured: Figure) -> str:
    """Say what makes a figure worthless, if anything does."""
    if measured.wrong:
        return f"{measured.wrong} of {measured.answers} answers wrong"
    return "" if measured.answers else "no answer"


def surroundings(rows: list[dict[str, Any]]) -> str:
    """Say how busy the machine was with other things: above some tenths of a core, measure again."""
    others = median(row["other_busy_cores"] or 0.0 for row in rows)
    load = median(row["load1"] for row in rows)
    return f"Meanwhile other processes used {others:.1f} cores; load average {load:.1f}."


def is_right(rows: list[dict[str, Any]]) -> bool:
    """Tell whether every workload was answered, and every answer was right."""
    return all(not verdict(one) for one in figures(rows).values())
