"""Read, vread and search: the ways to see, each behind the one door.

What a caller may not see does not exist for them: 404, not 403, and it is in no count and no page.

Sources: https://hl7.org/fhir/R4/http.html#read, #vread, #search
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import structs

from models.definitions import RESOURCE_TYPES
from models.errors import Forbidden, Gone, NotFound
from models.resource import table_name
from service import paging, searchset, store
from service.access import decide
from service.interaction import Answer, Interaction, Version
from service.search import across, compartments, query, run, summary
from service.search import compile as compiled
from service.search.criteria import AllOf, Criterion
from service.search.explain import explained
from service.search.selectivity import steady

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.access.decide import Permission
    from service.context import Context


_VERSION = re.compile(r"[1-9][0-9]{0,8}")
"""A version that fits PostgreSQL's integer."""


async def read(ctx: Context, ask: Interaction) -> Answer:
    """Return the newest version.

    Raises:
        NotFound: there is no such resource for this caller.
        Gone: it was deleted; the ETag is the deletion's version.
    """
    permission = decide.authorize(ctx.principal, "r", ask.resource_type, base_url=ctx.settings.base_url)
    return shown(ask, present(await newest(ctx, ask.resource_type, ask.id, permission)))


async def vread(ctx: Context, ask: Interaction) -> Answer:
    """Return one version, also of a resource that was deleted since.

    Raises:
        NotFound: there is no such version for this caller.
        Gone: that version is the deletion.
    """
    permission = decide.authorize(ctx.principal, "r", ask.resource_type, base_url=ctx.settings.base_url)
    number = int(ask.version) if _VERSION.fullmatch(ask.version) else 0
    latest = await newest(ctx, ask.resource_type, ask.id, permission)
    if latest is None or (permission.by_content and latest.version != number):
        raise NotFound
    same = not permission.unrestricted
    found = await store.version(ctx, ask.resource_type, ask.id, number, same_patient=same)
    return shown(ask, present(found))


def shown(ask: Interaction, version: Version) -> Answer:
    """Answer with a version, or with the part of it that ``_summary`` or ``_elements`` ask for.

    Raises:
        BadRequest: one of them cannot be read.
    """
    if not ask.query or version.body is None:
        return Answer(200, version)
    body = summary.of_read(ask.resource_type, version.body, ask.query)
    return Answer(200, structs.replace(version, body=body))


async def search(ctx: Context, ask: Interaction, *, path: str | None = None) -> Answer:
    """Return one page of the resources that match and that the caller may see.

    ``path`` is where the search was asked, if not at its type or in a compartment of it.

    Raises:
        BadRequest: a parameter cannot be read, or is unknown and handling is strict.
    """
    base_url = ctx.settings.base_url
    permission = decide.authorize(ctx.principal, "s", ask.resource_type, base_url=base_url)
    if path is None:
        path = ask.resource_type
        if ask.compartment:
            path = f"{compartments.OWNER}/{ask.compartment}/{path}"
    given = await paging.opened(ctx, path, ask.query)
    asked = query.parse(ask.resource_type, given.pairs, base_url=base_url, strict=ask.strict)
    given.require(asked.used)
    require_operator(ctx, explains=asked.explain)
    narrow = decide.visible(ctx.principal, base_url=base_url)
    if ask.compartment:
        asked.criteria.insert(0, compartments.criterion(ask.resource_type, ask.compartment))
    pulls = permission.unrestricted and compiled.pulls(asked)
    keeps_plan = pulls or steady((*asked.criteria, *permission.criteria))
    async with ctx.connected(keeps_plan=keeps_plan) as connection:
        page = await run.search(connection, asked, narrow, now=ctx.now())
    if asked.explain:
        statement = compiled.page(asked, narrow, now=ctx.now())
        keys, sql = (statement.keys, statement.sql) if statement else ((), "nothing is visible")
        asked.issues += explained(asked.criteria, keys, sql)
    return Answer(200, document=await searchset.searchset(ctx, asked, page, path=path))


async def search_system(ctx: Context, ask: Interaction) -> Answer:
    """Return one page of resources of several types, of the server or of a patient's compartment.

    Raises:
        BadRequest: a parameter cannot be read, or is unknown and handling is strict.
        Forbidden: a type that is named may not be searched, or none may.
    """
    base_url = ctx.settings.base_url
    path = f"{compartments.OWNER}/{ask.compartment}/*" if ask.compartment else ""
    given = await paging.opened(ctx, path, ask.query)
    within = searchable(ctx, ask, given.pairs)
    if len(across.named_types(given.pairs)) == len(within) == 1:
        # One type has orders and pages of its own.
        return await search(ctx, structs.replace(ask, resource_type=next(iter(within))), path=path)
    asked = across.parse(within, given.pairs, base_url=base_url, strict=ask.strict)
    given.require(asked.lead.used)
    require_operator(ctx, explains=asked.lead.explain)
    narrow = decide.visible(ctx.principal, base_url=base_url)
    kept = across.keeps_plan(asked, narrow)
    async with ctx.connected(keeps_plan=kept) as connection:
        page = await across.search(connection, asked, narrow, now=ctx.now(), kept=kept)
    if asked.lead.explain:
        sql, _ = across.statement(asked, narrow, now=ctx.now())
        criteria = [AllOf(tuple(one.criteria)) for one in asked.queries]
        asked.lead.issues += explained(criteria, (), sql, across.order_by(asked, "", across=True))
    return Answer(200, document=await searchset.searchset(ctx, asked.lead, page, path=path))


def searchable(
    ctx: Context, ask: Interaction, pairs: Iterable[tuple[str, str]]
) -> dict[str, tuple[Criterion, ...]]:
    """Choose the types of a search over several, each with the criterion of the compartment if there is one.

    Raises:
        Forbidden: a type that is named may not be searched, or none may.
    """
    named = across.named_types(pairs)
    offered = compartments.members() if ask.compartment else RESOURCE_TYPES
    found: dict[str, tuple[Criterion, ...]] = {}
    for name in named or offered:
        try:
            decide.authorize(ctx.principal, "s", name, base_url=ctx.settings.base_url)
        except Forbidden:
            if named:
                raise
            continue
        if name in offered:
            found[name] = (compartments.criterion(name, ask.compartment),) if ask.compartment else ()
    if not found:
        raise Forbidden("The access token has no scope to search any of these types.")
    return found


def require_operator(ctx: Context, *, explains: bool) -> None:
    """Refuse to explain a search to anybody but the operator.

    Raises:
        Forbidden: the client is of another kind.
    """
    if explains and not ctx.principal.is_operator:
        raise Forbidden("Only a client of kind admin may have a search explained.")


async def newest(
    ctx: Context, resource_type: str, resource_id: str, permission: Permission
) -> Version | None:
    """Read the newest version as it is stored; deletions included, None outside of the permission."""
    if permission.unrestricted:
        return await store.current(ctx, resource_type, resource_id)
    condition, values = compiled.predicate(resource_type, permission.criteria, "r", 2, now=ctx.now())
    row = await ctx.connection.fetchrow(
        "SELECT r.version, r.last_updated, r.deleted, r.body "  # noqa: S608 - compiled with parameters
        f"FROM {table_name(resource_type)} AS r WHERE r.id = $1 AND {condition}",
        resource_id,
        *values,
    )
    if row is None:
        return None
    body = None if row["deleted"] else row["body"]
    return Version(resource_type, resource_id, row["version"], row["last_updated"], body)


async def require_inside(ctx: Context, resource_type: str, resource_id: str, permission: Permission) -> None:
    """Refuse a write whose result the scope that allowed it does not cover.

    Raises:
        Forbidden: the resource as written is outside the granular scope or the patient's compartment.
    """
    if await newest(ctx, resource_type, resource_id, permission) is None:
        raise Forbidden("The access token's scope does not cover the resource as it would be stored.")


def present(version: Version | None) -> Version:
    """Return a version that there is.

    Raises:
        NotFound: there is none for this caller.
        Gone: it is a deletion; the ETag names its version.
    """
    if version is None:
        raise NotFound
    if version.body is None:
        raise Gone(headers={"ETag": f'W/"{version.version}"'})
    return version
