"""The order in which a transaction's entries are performed, whatever order they came in.

    DELETE ─▶ POST ─▶ PUT, PATCH ─▶ writes with conditional references ─▶ GET, HEAD

A conditional reference (``Patient?identifier=…``) may mean a resource of the same transaction, which is found
once it is stored: so who seeks a type waits for the writes of that type. Where they wait for each other, a
reference among them sees only what was stored before; a ``fullUrl`` has no such limit.

Source: https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.conditional import sought_types

if TYPE_CHECKING:
    from service.context import Context
    from service.entries import Entry

ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
"""The turn of each method."""

_LAST_WRITES = ORDER["PUT"]


def in_turn(ctx: Context, entries: list[Entry]) -> list[Entry]:
    """Sort the entries; those of one turn in one order for all, so that two transactions rarely block."""
    rounds = _rounds(ctx, entries)

    def turn(entry: Entry) -> tuple[int, int, int, str, str]:
        waits = rounds.get(entry.number, 0)
        if waits:
            return _LAST_WRITES, waits, entry.number, "", ""
        return ORDER[entry.method], 0, 0, entry.ask.resource_type, entry.ask.id

    return sorted(entries, key=turn)


def _rounds(ctx: Context, entries: list[Entry]) -> dict[int, int]:
    """Number the rounds in which entries with conditional references have their turn, from 1."""
    waiting = {
        entry.number: (entry.ask.resource_type, types)
        for entry in entries
        if entry.method in {"POST", "PUT"} and (types := sought_types(ctx, entry.ask.document))
    }
    rounds: dict[int, int] = {}
    while waiting:
        # Those who seek their own type come after the others of it, but need not wait for each other.
        others = {own for own, types in waiting.values() if own not in types}
        alike = {own for own, types in waiting.values() if own in types}
        ready = [
            number
            for number, (own, types) in waiting.items()
            if not types & others and not (types - {own}) & alike
        ]
        this_round = max(rounds.values(), default=0) + 1
        for number in ready or list(waiting):
            rounds[number] = this_round
            del waiting[number]
    return rounds
