"""Reading the entries of a bundle: what each asks for, in the words of a request of its own.

    {request: {method, url, if…}, resource, fullUrl}  ─▶  Entry(number, method, full_url, Interaction)

An unknown member is refused: a mistyped ``ifNoneExist`` would create what it was meant to find.

Source: https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from models.definitions.structures import structure
from models.errors import FhirError, Issue, Malformed
from service import conditional
from service.interaction import Answer, Interaction, interpret
from service.kat.elements import text
from service.search.query import IGNORED
from service.turns import ORDER

if TYPE_CHECKING:
    from service.context import Context

_RESTFUL = re.compile(r"(https?://.+/)[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")
_CONDITIONS = ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist")


@dataclass(frozen=True, slots=True)
class Entry:
    """One planned entry. ``number`` is its place in the request; ``known`` an existing match."""

    number: int
    method: str
    full_url: str
    ask: Interaction
    known: Answer | None = None

    @property
    def root(self) -> str:
        """The server that ``full_url`` names a resource of, with a slash; empty for any other URL.

        Source: https://hl7.org/fhir/R4/bundle.html#references
        """
        found = _RESTFUL.fullmatch(self.full_url)
        return found[1] if found else ""

    @property
    def place(self) -> str:
        """Where the entry stands in the request, for an ``expression``."""
        return place(self.number)


def place(number: int) -> str:
    """Name an entry of the request, for an ``expression``."""
    return f"Bundle.entry[{number}]"


def placed(issue: Issue, number: int) -> Issue:
    """Say of a finding which entry it is about; a parameter has no place in its resource."""
    start, _, inside = (issue.expression or "").partition(".")
    inside = "" if start == "http" else inside
    return replace(issue, expression=f"{place(number)}.resource.{inside}" if inside else place(number))


def read(ctx: Context, item: Any, number: int, bundle: Interaction) -> Entry:
    """Read one entry.

    Raises:
        Malformed: a member is missing, unknown or of another shape.
        NotFound, MethodNotAllowed: the url names nothing that is offered.
    """
    request = _request(item, place(number))
    resource = item.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise Malformed("The resource of an entry is an object.", expression=f"{place(number)}.resource")
    inside = f"{place(number)}.request"
    condition = {member: _text(request.get(member), f"{inside}.{member}") for member in _CONDITIONS}
    path, _, query = request["url"].removeprefix(ctx.fhir_base).partition("?")
    try:
        target = interpret(request["method"], path)
        # The form of the answer is the bundle's, as it is for a request by the headers.
        parameters = tuple(pair for pair in conditional.criteria_of(f"?{query}") if pair[0] not in IGNORED)
        if_none_exist = conditional.unless_exists(target, condition["ifNoneExist"], parameters)
    except FhirError as refusal:
        refusal.issues = tuple(replace(issue, expression=f"{inside}.url") for issue in refusal.issues)
        raise
    ask = Interaction(
        *target,
        document=resource,
        query=parameters,
        strict=bundle.strict,
        if_match=condition["ifMatch"],
        if_none_match=condition["ifNoneMatch"],
        if_modified_since=condition["ifModifiedSince"],
        if_none_exist=if_none_exist,
    )
    full_url = _text(item.get("fullUrl"), f"{place(number)}.fullUrl") or ""
    return Entry(number, request["method"], full_url, ask)


def _request(item: Any, entry: str) -> dict[str, Any]:
    request = item.get("request") if isinstance(item, dict) else None
    if request == {"method": "POST"}:
        # What HAPI's client makes of a list of resources: the url of a creation is the type.
        resource = item.get("resource")
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        request = {**request, "url": kind}
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise Malformed("Every entry needs a request with method and url.", expression=f"{entry}.request")
    require_known(item, "Bundle.entry", entry)
    require_known(request, "Bundle.entry.request", f"{entry}.request")
    if text(request, "method") not in ORDER:
        raise Malformed(f"The method is one of {', '.join(ORDER)}.", expression=f"{entry}.request.method")
    return request


def require_known(members: dict[str, Any], name: str, expression: str) -> None:
    """Refuse a member that a part of a Bundle does not have.

    Raises:
        Malformed: there is one.
    """
    known = structure(name).elements
    if any(member.removeprefix("_") not in known for member in members if member != "resourceType"):
        raise Malformed(f"{name} has no such element in FHIR R4.", expression=expression)


def _text(value: Any, expression: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Malformed("This member is a string.", expression=expression)
    return value
