"""Everything a resource must satisfy beyond its shape, judged at once: references, then the therapy.

who may write it    service/access/organization    403, and nothing more is told
references          service/references             422 ┐
read in part only   the tag SUBSETTED              422 │ all findings
rules by type       service/kat                    422 ┘ in one answer
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from models.document import parse
from models.errors import Forbidden, Issue, Unprocessable
from models.principal import ClientKind
from service import intake, references
from service.access import decide
from service.access.labels import must_be_kept_apart
from service.access.organization import require_own
from service.kat import prescription
from service.kat.elements import child, children
from service.kat.facts import gather, granted, identifiers_referred
from service.kat.finding import Finding
from service.kat.identifiers import check_practitioner
from service.kat.subject import patient_of
from service.references import Sought
from service.search.summary import SUBSETTED

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Version
    from service.kat.facts import Facts


_PRACTITIONERS = frozenset({"Practitioner", "PractitionerRole", "Organization"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be written: ``named`` are its literal references, ``previous`` is the version it follows."""

    resource_type: str
    id: str
    document: dict[str, Any]
    named: Sequence[str]
    previous: Version | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the rules of a type found, which of its references exist, and whose record a prescription is."""

    findings: list[Finding]
    found: Container[str]
    patient: str | None = None


async def require(ctx: Context, draft: Draft, *, trusting: bool) -> str | None:
    """Refuse a document that points at nothing or breaks a rule.

    Args:
        ctx: The request.
        draft: What is to be written.
        trusting: Take for granted, where nothing else has to be known of it, that what the document refers
            to is there. The statement that stores a version holds it, and stores nothing where it is not;
            whoever trusts asks again after such a loss, to say what was missing.

    Returns:
        The id of the patient that a prescription names by identifier only; else None.

    Raises:
        Forbidden: this client may not write it.
        Unprocessable: every finding, each with its expression.
    """
    documents = [draft.document, *_replaced(ctx, draft.previous)]
    await require_own(ctx, draft.resource_type, draft.id, documents, creates=draft.previous is None)
    sought = references.to_look_up(ctx, draft.named, draft.previous)
    if trusting and (granted := _granted(ctx, draft, sought)) is not None:
        # To tell everything that is wrong takes a look.
        with suppress(Forbidden, Unprocessable):
            _refuse(ctx, draft, sought, granted)
            return granted.patient
    judged = await _looked_up(ctx, draft, sought)
    _refuse(ctx, draft, sought, judged)
    return judged.patient


def _refuse(ctx: Context, draft: Draft, sought: Sought, judged: _Judged) -> None:
    forbidden = [finding.issue for finding in judged.findings if finding.status == Forbidden.status]
    if forbidden:
        raise Forbidden(issues=forbidden)
    document = draft.document
    found = (finding.issue for finding in judged.findings)
    issues = [*must_be_kept_apart(document), *incomplete(document), *found]
    if draft.previous is None:
        issues += intake.unrecognizable(ctx, draft.resource_type, document)
    told = {issue.expression for issue in issues}
    issues += [
        issue
        for issue in references.missing(ctx, document, sought, judged.found)
        if not told & {issue.expression, str(issue.expression).removesuffix(".reference")}
    ]
    if issues:
        raise Unprocessable(issues=issues)


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


def _granted(ctx: Context, draft: Draft, sought: Sought) -> _Judged | None:
    """Judge without a look at what is stored; None where the store would not hold what is referred to."""
    if not sought.is_held(draft.resource_type, draft.id):
        return None
    if draft.resource_type != "MedicationRequest":
        return _Judged(_own_findings(ctx, draft), sought.keys)
    facts = granted(draft.document, writer=ctx.principal, fhir_base=ctx.fhir_base)
    return None if facts is None else _of_prescription(ctx, draft, facts, sought.keys)


async def _looked_up(ctx: Context, draft: Draft, sought: Sought) -> _Judged:
    """Apply the rules of a type and look its references up, together in one round trip."""
    if draft.resource_type != "MedicationRequest":
        return _Judged(_own_findings(ctx, draft), await references.existing(ctx, sought))
    facts = await gather(
        ctx.connection,
        draft.document,
        writer=ctx.principal,
        fhir_base=ctx.fhir_base,
        pending=ctx.pending,
        references=sought,
    )
    return _of_prescription(ctx, draft, await _seen(ctx, draft, facts, sought), facts.existing)


async def _seen(ctx: Context, draft: Draft, facts: Facts, sought: Sought) -> Facts:
    """Leave out patients whom an identifier finds and the writer may not see, unless it named them before.

    A rule would tell that they are here, and whether a name or a birth date is theirs.
    """
    hidden = decide.hidden(ctx.principal, base_url=ctx.settings.base_url)
    if "Patient" not in hidden or _identifies_as_before(draft):
        return facts
    asked = sought.keys | ctx.pending.keys()
    found = [key for key in facts.resources if key.startswith("Patient/") and key not in asked]
    if not found:
        return facts
    ids = [key.removeprefix("Patient/") for key in found]
    seen = await references.existing(ctx, Sought({"Patient": ids}, hidden=hidden))
    unseen = set(found) - seen
    return replace(facts, resources={key: one for key, one in facts.resources.items() if key not in unseen})


def _identifies_as_before(draft: Draft) -> bool:
    if draft.previous is None or draft.previous.body is None:
        return False
    now, before = (
        identifiers_referred(document, child(document, "subject"))
        for document in (draft.document, parse(draft.previous.body.encode()))
    )
    return now == before


def _own_findings(ctx: Context, draft: Draft) -> list[Finding]:
    return check_practitioner(draft.document, ctx.principal) if draft.resource_type in _PRACTITIONERS else []


def _of_prescription(ctx: Context, draft: Draft, facts: Facts, found: Container[str]) -> _Judged:
    findings = prescription.check(draft.document, facts, now=ctx.now())
    return _Judged(findings, found, patient_of(draft.document, facts))


def _replaced(ctx: Context, previous: Version | None) -> list[dict[str, Any]]:
    """Return the version that a prescriber's write would replace; nobody else's is asked about."""
    if previous is None or previous.body is None or ctx.principal.client_kind is not ClientKind.PRESCRIBER:
        return []
    return [parse(previous.body.encode())]
