"""From the figures at several sizes to one table: p50, p99, and how p50 grew from the first to the last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

BAR = 1.5
"""p50 at the last size may be so many times that at the first; of the project's design."""

LEAST_MS = 0.2
"""A difference below it is noise, however large the ratio."""

Results = dict[str, dict[str, Any]]


def table(results: Results) -> Iterator[str]:
    """Write the table as Markdown."""
    sizes = sorted(results, key=int)
    if not sizes:
        return
    yield f"| family | {' | '.join(f'{int(size):,}: p50 ms | p99 ms' for size in sizes)} | ratio | |"
    yield f"|---|{'---:|---:|' * len(sizes)}---:|---|"
    for name in results[sizes[0]]:
        found = [results[size][name] for size in sizes if name in results[size]]
        cells = [f"{one['p50_ms']:.2f} | {one['p99_ms']:.2f}" for one in found]
        yield f"| {name} | {' | '.join(cells)} | {ratio(found):.2f} | {verdict(found)} |"


def ratio(found: list[dict[str, Any]]) -> float:
    """Divide the last p50 by the first."""
    first: float = found[0]["p50_ms"]
    last: float = found[-1]["p50_ms"]
    return last / first if first else 0.0


def verdict(found: list[dict[str, Any]]) -> str:
    """Say whether a family meets the bar, or what makes its figures worthless."""
    wrong = sum(one["wrong"] for one in found)
    if wrong or not all(one["answers"] for one in found):
        return f"{wrong} answers wrong" if wrong else "no answer"
    if found[0]["extent"] == "count":
        return "grows with what it counts"
    if ratio(found) <= BAR or found[-1]["p50_ms"] - found[0]["p50_ms"] < LEAST_MS:
        return "met"
    return "**beyond**"


def is_right(results: Results) -> bool:
    """Tell whether every answer was right."""
    return bool(results) and not any(one["wrong"] for size in results.values() for one in size.values())
