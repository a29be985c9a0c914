"""Nothing that is referred to goes: a deletion leaves no reference on this server that leads nowhere.

    on every write    each literal reference ─▶ the term ``:ref=Type/id``       (complete: no search parameter
                      the record's patient   ─▶ the column ``patient``           has to cover the element)
    on a deletion     wait for writers that refer to it ─▶ tombstone ─▶ who refers to it still? ─▶ 409

A write holds what it refers to as a foreign key does (``service/statements.py``): it is stored before the
deletion asks, or it finds what it refers to deleted.

It is asked after the tombstones are written, in a transaction at its end, so that what goes together may
refer to each other, in rings too. A reference to one version (``Type/id/_history/n``) holds nothing back:
that version stays.

Source: https://hl7.org/fhir/R4/http.html#delete, https://hl7.org/fhir/R4/http.html#trules
"""

# ruff: noqa: S608 - names come from the models, every value is an argument

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.definitions import RESOURCE_TYPES
from models.errors import Conflict
from models.resource import WITHOUT_PATIENT, table_name
from service.access import decide
from service.references import local
from service.search import compile as compiled
from service.search.links import REFERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from service.context import Context
    from service.search.criteria import Narrow

_TERM = REFERS
"""No search parameter has this name."""

_BY_TERM = f"r.terms @> ARRAY['{_TERM}' || wanted.key]"
_BY_PATIENT = "r.patient = substr(wanted.key, 9)"
_PATIENT = "Patient/"


class Referred(Conflict):
    """Another resource refers to the one that would be deleted; delete or change that one first."""

    def __init__(self, target: str, referrer: str | None) -> None:
        who = f"{referrer} refers" if referrer else "A resource that you may not see refers"
        super().__init__(f"{who} to it; delete or change that first, or both in one transaction.")
        self.target = target
        """``Type/id`` of what would be deleted."""


def terms(named: Iterable[str], patient: str | None, fhir_base: str) -> list[str]:
    """Index the references of a document, but for those to the patient whose record it is.

    Args:
        named: the literal references of what will be stored, see ``references.literals``.
        patient: the id in its ``patient`` column, which is an index already.
        fhir_base: absolute base of this server.
    """
    found: dict[str, None] = {}
    for reference in named:
        target = local(reference, fhir_base)
        if target is None or "/_history/" in reference:
            continue
        if target != ("Patient", patient):
            found[f"{_TERM}{target[0]}/{target[1]}"] = None
    return list(found)


def refers(
    ctx: Context, resource_type: str, resource_id: str, columns: Mapping[str, Any]
) -> dict[str, list[str]]:
    """List by type the ids that an indexed document refers to: they must be there when it is stored.

    Left out is what the same transaction stores, before it or after it, and the resource itself.
    """
    stem = len(_TERM)
    keys = [term[stem:] for term in columns["terms"] if term.startswith(_TERM)]
    if columns["patient"]:
        keys.append(f"{_PATIENT}{columns['patient']}")
    found: dict[str, list[str]] = {}
    for key in sorted(keys):
        if key != f"{resource_type}/{resource_id}" and key not in ctx.pending:
            target_type, _, target_id = key.partition("/")
            found.setdefault(target_type, []).append(target_id)
    return found


async def after_deletion(ctx: Context, resource_type: str, resource_id: str) -> None:
    """Refuse a deletion of what others refer to: now, or at the end of the bundle that it is part of.

    Raises:
        Referred: something refers to it.
    """
    key = f"{resource_type}/{resource_id}"
    if ctx.in_bundle:
        ctx.deleted.append(key)
    else:
        await require_unreferred(ctx, [key])


async def require_unreferred(ctx: Context, deleted: Sequence[str]) -> None:
    """Refuse deletions, given as ``Type/id``, that are written but not committed yet.

    Raises:
        Referred: something refers to one of them; it is named to those who may see it.
    """
    if not deleted:
        return
    narrow = decide.visible(ctx.principal, base_url=ctx.settings.base_url)
    sql, arguments = _referrers(ctx, deleted, narrow)
    row = await ctx.connection.fetchrow(sql, *arguments)
    if row is not None:
        raise Referred(row["target"], row["referrer"] if row["visible"] else None)


def _referrers(ctx: Context, deleted: Sequence[str], narrow: Narrow) -> tuple[str, list[Any]]:
    """One SELECT of (target, referrer, visible) over all types; those first of which all may be seen.

    Each key is looked up in each index (OFFSET 0, no limit inside): with a limit the planner would rather
    read a table from its beginning, because it cannot know that almost nobody is referred to.
    """
    arguments: list[Any] = [list(deleted)]
    patients = [key for key in deleted if key.startswith(_PATIENT)]
    if patients:
        arguments.append(patients)
    branches = []
    for resource_type in sorted(RESOURCE_TYPES, key=lambda name: narrow(name) != ()):
        criteria = narrow(resource_type)
        visible, values = (
            ("FALSE", [])
            if criteria is None
            else compiled.predicate(resource_type, criteria, "r", len(arguments) + 1, now=ctx.now())
        )
        arguments += values
        branches.append(_branch(resource_type, visible, 1, _BY_TERM))
        if patients and resource_type not in {*WITHOUT_PATIENT, "Patient"}:
            branches.append(_branch(resource_type, visible, 2, _BY_PATIENT))
    return f"{' UNION ALL '.join(branches)} LIMIT 1", arguments


def _branch(resource_type: str, visible: str, keys: int, condition: str) -> str:
    return (
        f"SELECT wanted.key AS target, '{resource_type}/' || found.id AS referrer, found.visible "
        f"FROM unnest(${keys}::text[]) AS wanted(key) CROSS JOIN LATERAL (SELECT r.id, {visible} AS visible "
        f"FROM {table_name(resource_type)} r WHERE {condition} AND NOT r.deleted OFFSET 0) AS found"
    )
