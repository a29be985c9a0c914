"""The one door: what a caller may do to a type, and which of its rows.

    scopes of the token ─┐
    launch patient ──────┼─▶ authorize ─▶ Permission: criteria that every row must satisfy
    role of the user ────┘   visible ───▶ the same for every type that a search touches

Permissions are search criteria, compiled into the statement itself, so that counts, includes, chains
and pages are narrowed in SQL and nothing is filtered afterwards. Several scopes of one type add up.

    patient/…                the launch patient's compartment; directory types may be read
    user/… of a patient      their own compartment, likewise
    user/… of a coach        directory types: a coach gives no treatment and sees none (rule PR-11)
    a Binary                 whoever may read its ``securityContext``; confined callers no other

Source: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.definitions import RESOURCE_TYPES
from models.errors import BadRequest, Forbidden
from models.principal import ClientKind, Principal, Role, Scope
from service.search.criteria import AllOf, AnyOf, Clause, Criterion, Guarded, Id, InPatient, Narrow
from service.search.query import clauses
from service.search.registry import parameters, patient_parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIRECTORY = frozenset(
    {
        "HealthcareService",
        "Location",
        "Medication",
        "Organization",
        "PlanDefinition",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
    }
)
"""Types that tell nothing about a patient."""

GUARDED = "Binary"
"""The type of which ``securityContext`` says who may see it: https://hl7.org/fhir/R4/binary.html#security"""

_WORDS = {"c": "create", "r": "read", "u": "update", "d": "delete", "s": "search"}


@dataclass(frozen=True, slots=True)
class Permission:
    """What a caller may touch of one type: rows that satisfy every criterion; none means all rows.

    ``by_content`` tells that a granular scope looks into the resource, so that an older version, whose
    content was another, cannot be judged by the newest one and is not shown.
    """

    criteria: tuple[Criterion, ...] = ()
    by_content: bool = False

    @property
    def unrestricted(self) -> bool:
        """Whether every row of the type is within this permission."""
        return not self.criteria


def authorize(principal: Principal, interaction: str, resource_type: str, *, base_url: str) -> Permission:
    """Return what the caller may touch, for one of the interactions ``c r u d s``.

    Raises:
        Forbidden: no scope of the access token allows the interaction on this type.
    """
    permission = _permission(principal, interaction, resource_type, base_url)
    if permission is None:
        raise Forbidden(
            f"The access token has no scope to {_WORDS[interaction]} {resource_type}.",
            headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
        )
    return permission


def readable(principal: Principal, resource_type: str, *, base_url: str) -> Permission | None:
    """Return what the caller may read of a type, None for nothing; for asking about many types at once."""
    return _permission(principal, "r", resource_type, base_url)


@lru_cache(maxsize=256)
def hidden(principal: Principal, *, base_url: str) -> Mapping[str, tuple[Criterion, ...]]:
    """Return, by type, what must hold for rows that a caller may refer to; no types of which all are seen.

    Whoever may not see a resource must not learn that it is there by a reference that is accepted. Where no
    scope tells what may be seen of a type, everything of it can be referred to: a prescriber need not read
    patients to prescribe. But who is confined to a patient is so there too.
    """
    confined = {_confined_to(principal, scope) for scope in principal.scopes}
    found: dict[str, tuple[Criterion, ...]] = {}
    for name in RESOURCE_TYPES:
        # Past the memory of single questions, which all types would fill.
        seen = _permitted(principal, "s", name, base_url) or _permitted(principal, "r", name, base_url)
        if seen is not None:
            criteria = seen.criteria
        elif None in confined or name in DIRECTORY:
            criteria = ()
        else:
            criteria = (AnyOf(tuple(_of_patient(name, patient) for patient in confined if patient)),)
        if criteria:
            found[name] = criteria
    return found


def visible(principal: Principal, *, base_url: str) -> Narrow:
    """Return the narrowing of every type that a search may touch by include, chain or ``_has``."""

    def narrow(resource_type: str) -> tuple[Criterion, ...] | None:
        permission = _permission(principal, "s", resource_type, base_url) or _permission(
            principal, "r", resource_type, base_url
        )
        return None if permission is None else permission.criteria

    return narrow


def _permitted(
    principal: Principal, interaction: str, resource_type: str, base_url: str
) -> Permission | None:
    scopes = [
        scope
        for scope in principal.scopes
        if interaction in scope.interactions and scope.resource_type in {resource_type, "*"}
    ]
    alternatives = [
        criteria
        for scope in scopes
        for criteria in _rows(principal, scope, interaction, resource_type, base_url)
    ]
    if not alternatives:
        return None
    guard = _guard(principal, base_url) if resource_type == GUARDED and interaction != "c" else ()
    if () in alternatives:
        return Permission(guard, by_content=bool(guard))
    criteria = (AnyOf(tuple(AllOf(criteria) for criteria in alternatives)), *guard)
    return Permission(criteria, by_content=bool(guard) or any(scope.query for scope in scopes))


_permission = lru_cache(maxsize=4096)(_permitted)


def _guard(principal: Principal, base_url: str, *, required: bool = False) -> tuple[Criterion, ...]:
    """Require that a caller may read what stands in for a Binary; nothing where they may read everything."""
    readable = {
        name: permission.criteria
        for name in RESOURCE_TYPES
        if name != GUARDED and (permission := _permission(principal, "r", name, base_url)) is not None
    }
    whole = tuple(name for name, criteria in readable.items() if not criteria)
    if len(whole) == len(RESOURCE_TYPES) - 1:
        return ()
    parts = tuple((name, criteria) for name, criteria in readable.items() if criteria)
    return (Guarded(whole, parts, required),)


def _rows(
    principal: Principal, scope: Scope, interaction: str, resource_type: str, base_url: str
) -> Iterator[tuple[Criterion, ...]]:
    """Yield the criteria under which one scope allows an interaction, nothing when it does not."""
    reads_directory = resource_type in DIRECTORY and interaction in {"r", "s"}
    if _is_coach(principal) and not reads_directory:
        return
    try:
        asked = clauses(resource_type, scope.query, base_url=base_url) if scope.query else ()
    except BadRequest:
        return  # A scope that this server cannot read allows nothing.
    patient = _confined_to(principal, scope)
    if patient is None or reads_directory:
        yield asked
    elif patient and resource_type == GUARDED:
        yield (*asked, *_guard(principal, base_url, required=True))
    elif patient and resource_type not in DIRECTORY:
        yield (*asked, _of_patient(resource_type, patient))


def _is_coach(principal: Principal) -> bool:
    return principal.role is Role.COACH or principal.client_kind is ClientKind.COACH_APP


def _confined_to(principal: Principal, scope: Scope) -> str | None:
    """Return the only patient whose rows a scope reaches: None is no limit, an empty id is nobody."""
    if scope.context == "patient":
        return principal.patient or ""
    if principal.role is Role.PATIENT:
        return (principal.fhir_user or "").removeprefix("Patient/")
    return None


def _of_patient(resource_type: str, patient: str) -> Criterion:
    if resource_type == "Patient":
        return Clause(parameters("Patient")["_id"], (Id(patient),))
    code = patient_parameter(resource_type)
    return AnyOf(()) if code is None else Clause(parameters(resource_type)[code], (InPatient(patient),))
