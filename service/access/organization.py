"""An outside prescriber's client writes for its own organization only.

A resource belongs to an organization when one of the elements that name its author leads there:

    Organization/x                          the organization itself
    PractitionerRole/r ─▶ organization      a role held there
    Practitioner/p ◀─ PractitionerRole ─▶   somebody who holds a role there

A role is given only to somebody who holds one there already or whom the same client has entered, else
anybody's prescriber could be drawn in by a role. What the newest version belongs to counts as well as what
the new one says, so that nobody takes over another organization's record. Types without an author element
may be created, not changed.

Source: rule RX-6 of the project; 21 CFR 1306.03, https://www.ecfr.gov/current/title-21/section-1306.03
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from models.errors import Forbidden, Issue
from models.principal import ClientKind
from service.kat.elements import child, text
from service.references import links, local

if TYPE_CHECKING:
    from service.context import Context

AUTHORS: dict[str, tuple[str, ...]] = {
    "AdverseEvent": ("recorder", "contributor"),
    "AllergyIntolerance": ("recorder", "asserter"),
    "ClinicalImpression": ("assessor",),
    "Communication": ("sender",),
    "Condition": ("recorder", "asserter"),
    "DetectedIssue": ("author", "mitigation"),
    "DocumentReference": ("author", "custodian"),
    "Flag": ("author",),
    "MedicationAdministration": ("performer",),
    "MedicationDispense": ("performer",),
    "MedicationRequest": ("requester",),
    "MedicationStatement": ("informationSource",),
    "Observation": ("performer",),
    "PractitionerRole": ("organization",),
    "Procedure": ("recorder", "performer"),
    "Provenance": ("agent",),
    "RiskAssessment": ("performer",),
    "ServiceRequest": ("requester", "performer"),
    "Task": ("owner", "requester"),
}
"""The elements that name who answers for a resource, by type."""

UNAUTHORED = frozenset({"Medication", "Practitioner"})
"""Types that name no author, and that a prescription may need: a prescriber may create them."""

_HELD_ROLES = """
SELECT 1 FROM fhir_practitioner_role
WHERE terms @> ARRAY[$1] AND NOT deleted AND NOT terms @> ARRAY['active=false']
  AND (id = ANY($2::text[]) OR terms && $3::text[]) LIMIT 1
"""


_ENTERED_BY = """
SELECT actor FROM resource_history WHERE resource_type = 'Practitioner' AND id = $1 AND version = 1
"""


async def require_own(
    ctx: Context, resource_type: str, resource_id: str, documents: list[dict[str, Any]], *, creates: bool
) -> None:
    """Refuse a prescriber client's write outside its organization; others pass.

    Args:
        ctx: The request.
        resource_type: Type of what is written.
        resource_id: Its logical id.
        documents: The new version and the one it follows, as far as there are such.
        creates: Whether there is no version yet.

    Raises:
        Forbidden: the type is not a prescriber's to write, or the author is somebody else's.
    """
    if ctx.principal.client_kind is not ClientKind.PRESCRIBER:
        return
    organization = ctx.principal.organization or ""
    if resource_type in UNAUTHORED:
        own = creates or await _leads_to(ctx, organization, [f"{resource_type}/{resource_id}"])
    elif resource_type == "Organization":
        own = f"Organization/{resource_id}" == organization
    else:
        own = bool(documents) and resource_type in AUTHORS
        if resource_type == "PractitionerRole":
            own = own and await _employs(ctx, organization, documents)
        for document in documents:
            own = own and await _leads_to(ctx, organization, list(_authors(ctx, resource_type, document)))
    if not own:
        raise _not_answered_for(resource_type)


def _not_answered_for(resource_type: str) -> Forbidden:
    told = "A prescriber's client writes only what its own organization answers for."
    if resource_type != "MedicationRequest":
        return Forbidden(told)
    place = "MedicationRequest.requester"
    return Forbidden(issues=[Issue("forbidden", f"RX-6: {told}", place, rule="RX-6")])


async def _employs(ctx: Context, organization: str, roles: list[dict[str, Any]]) -> bool:
    for role in roles:
        target = local(text(child(role, "practitioner"), "reference") or "", ctx.fhir_base)
        if target is None or target[0] != "Practitioner":
            return False
        key = "/".join(target)
        enterer = await ctx.connection.fetchval(_ENTERED_BY, target[1])
        entered = enterer == ctx.actor or (enterer is None and key in ctx.pending)
        if not entered and not await _holds_role(ctx, organization, [key]):
            return False
    return True


def _authors(ctx: Context, resource_type: str, document: dict[str, Any]) -> Iterator[str]:
    named = {name: document[name] for name in AUTHORS[resource_type] if name in document}
    for link in links(named):
        target = local(link["reference"], ctx.fhir_base)
        if target is not None:
            yield "/".join(target)


async def _leads_to(ctx: Context, organization: str, authors: list[str]) -> bool:
    if not organization:
        return False
    if organization in authors or _leads_to_pending(ctx, organization, set(authors)):
        return True
    return await _holds_role(ctx, organization, authors)


async def _holds_role(ctx: Context, organization: str, authors: list[str]) -> bool:
    """Tell whether one of them is, or holds, a stored role of the organization."""
    roles = [author.partition("/")[2] for author in authors if author.startswith("PractitionerRole/")]
    held = [f"practitioner={author}" for author in authors if author.startswith("Practitioner/")]
    if not roles and not held:
        return False
    found = await ctx.connection.fetchval(_HELD_ROLES, f"organization={organization}", roles, held)
    return found is not None


def _leads_to_pending(ctx: Context, organization: str, authors: set[str]) -> bool:
    for key, document in ctx.pending.items():
        if not key.startswith("PractitionerRole/"):
            continue
        if _key(ctx, document, "organization") == organization and authors & {
            key,
            _key(ctx, document, "practitioner"),
        }:
            return True
    return False


def _key(ctx: Context, role: dict[str, Any], member: str) -> str:
    """Return ``Type/id`` of what a role refers to on this server, however it is spelled."""
    return "/".join(local(text(child(role, member), "reference") or "", ctx.fhir_base) or ())
