"""Everything a resource must satisfy beyond its shape, judged at once: references, then the therapy.

who may write it    service/access/organization    403, and nothing more is told
references          service/references             422 ┐
read in part only   the tag SUBSETTED              422 │ all findings
rules by type       service/kat                    422 ┘ in one answer
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from models.document import parse
from models.errors import Forbidden, Issue, Unprocessable
from models.principal import ClientKind
from service import intake, references
from service.access.labels import must_be_kept_apart
from service.access.organization import require_own
from service.kat import prescription
from service.kat.elements import child, children
from service.kat.facts import gather
from service.kat.finding import Finding
from service.kat.identifiers import check_practitioner
from service.kat.subject import patient_of
from service.search.summary import SUBSETTED

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Version
    from service.references import Sought


_PRACTITIONERS = frozenset({"Practitioner", "PractitionerRole", "Organization"})


async def require(
    ctx: Context,
    resource_type: str,
    resource_id: str,
    document: dict[str, Any],
    named: Sequence[str],
    previous: Version | None,
) -> str | None:
    """Refuse a document that points at nothing or breaks a rule; ``named`` are its literal references.

    Returns:
        The id of the patient that a prescription names by identifier only; else None.

    Raises:
        Forbidden: this client may not write it.
        Unprocessable: every finding, each with its expression.
    """
    await require_own(
        ctx, resource_type, resource_id, [document, *_replaced(ctx, previous)], creates=previous is None
    )
    sought = references.to_look_up(ctx, named, previous)
    findings, found, patient = await _judged(ctx, resource_type, document, sought)
    forbidden = [finding.issue for finding in findings if finding.status == Forbidden.status]
    if forbidden:
        raise Forbidden(issues=forbidden)
    issues = [*must_be_kept_apart(document), *incomplete(document), *(finding.issue for finding in findings)]
    if previous is None:
        issues += intake.unrecognizable(ctx, resource_type, document)
    told = {issue.expression for issue in issues}
    issues += [
        issue
        for issue in references.missing(ctx, document, sought, found)
        if not told & {issue.expression, str(issue.expression).removesuffix(".reference")}
    ]
    if issues:
        raise Unprocessable(issues=issues)
    return patient


def incomplete(document: dict[str, Any]) -> Iterator[Issue]:
    """Find the tag of what was read in part only: stored, it would take the rest away from the resource.

    Source: https://hl7.org/fhir/R4/search.html#summary
    """
    for number, tag in children(child(document, "meta"), "tag"):
        if (tag.get("system"), tag.get("code")) == (SUBSETTED["system"], SUBSETTED["code"]):
            yield Issue(
                "business-rule",
                "The resource is tagged SUBSETTED: it was read in part. Read it whole, and write that.",
                f"{document['resourceType']}.meta.tag[{number}]",
            )


async def may_delete(ctx: Context, resource_type: str, previous: Version) -> None:
    """Refuse the deletion of what this client may not write.

    Raises:
        Forbidden: it belongs to another organization.
    """
    await require_own(ctx, resource_type, previous.id, _replaced(ctx, previous), creates=False)


async def _judged(
    ctx: Context, resource_type: str, document: dict[str, Any], sought: Sought
) -> tuple[list[Finding], Container[str], str | None]:
    """Apply the rules of a type and look its references up, together in one round trip."""
    if resource_type == "MedicationRequest":
        facts = await gather(
            ctx.connection,
            document,
            writer=ctx.principal,
            fhir_base=ctx.fhir_base,
            pending=ctx.pending,
            references=sought,
        )
        return prescription.check(document, facts, now=ctx.now()), facts.existing, patient_of(document, facts)
    findings = check_practitioner(document, ctx.principal) if resource_type in _PRACTITIONERS else []
    return findings, await references.existing(ctx, sought), None


def _replaced(ctx: Context, previous: Version | None) -> list[dict[str, Any]]:
    """Return the version that a prescriber's write would replace; nobody else's is asked about."""
    if previous is None or previous.body is None or ctx.principal.client_kind is not ClientKind.PRESCRIBER:
        return []
    return [parse(previous.body.encode())]
