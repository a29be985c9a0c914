"""The CapabilityStatement: what this server answers, computed from the tables that make it answer.

    RESOURCE_TYPES, INTERACTIONS   ──► rest.resource.interaction
    the search registry           ──► searchParam, searchInclude, searchRevInclude
    operations/catalogue          ──► operation

Source: https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from models.definitions import RESOURCE_TYPES
from models.definitions.structures import structure
from service.interaction import Answer
from service.operations import catalogue
from service.patching import MEMBERS
from service.search import across, filters, summary
from service.search.places import DEFAULT_DISTANCE_KM, DEFAULT_UNIT
from service.search.registry import Parameter, manner, parameters, targets
from service.search.sounds import METHOD
from service.settings import Settings

if TYPE_CHECKING:
    from service.context import Context
    from service.interaction import Interaction

INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
"""What every type answers."""

SYSTEM_INTERACTIONS = ("transaction", "batch", "history-system", "search-system")
MANDATORY = structure("CapabilityStatement").required | summary.ALWAYS_SHOWN
COMPARTMENT = "http://hl7.org/fhir/CompartmentDefinition/patient"
FORMATS = ("application/fhir+json", "application/fhir+xml", "json", "xml")
PATCH_FORMATS = (*MEMBERS, "application/fhir+json", "application/fhir+xml")

CONDITIONS: dict[str, Any] = {
    "versioning": "versioned-update",
    "readHistory": True,
    "updateCreate": True,
    "conditionalCreate": True,
    "conditionalRead": "full-support",
    "conditionalUpdate": True,
    "conditionalDelete": "single",
    "referencePolicy": ["literal", "logical", "enforced", "local"],
}
"""How the interactions behave, for every type."""

MODIFIERS = {
    "token": ":missing, :not, :text, :in, :not-in, :of-type",
    "string": ":missing, :exact, :contains",
    "reference": ":missing, :text, :identifier, :[type]",
    "canonical": ":missing, :text, :below by the version",
    "media type": ":missing, :not, :text, :in, :not-in, :below",
    "date": ":missing; prefixes eq ne gt lt ge le sa eb ap",
    "number": ":missing; prefixes eq ne gt lt ge le sa eb ap",
    "quantity": ":missing; prefixes eq ne gt lt ge le sa eb ap",
    "uri": ":missing, :above, :below",
    "special": f":missing; latitude|longitude|distance|unit; {DEFAULT_DISTANCE_KM} {DEFAULT_UNIT} by default",
}
"""What a parameter of each kind understands besides its value."""

BY_STORE = {
    "text": ":missing; words, phrases in quotes, or, - for not",
    "sound": f":missing; every word sounds like one of the name, by {METHOD}",
}
"""Likewise, where the kind does not decide."""

SMART_ON_FHIR = {
    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
    "code": "SMART-on-FHIR",
    "display": "SMART-on-FHIR",
}

PURPOSE = (
    "Keeps the record of ketamine-assisted therapy and exchanges it. A MedicationRequest here is a copy of "
    "an order: this server neither routes prescriptions to pharmacies nor dispenses."
)


def statement(settings: Settings, now: datetime) -> dict[str, Any]:
    """Describe this server.

    Args:
        settings: give the public address.
        now: when the description is made, in UTC.
    """
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "KAT-FHIR"},
        "implementation": {"description": PURPOSE, "url": f"{settings.base_url}/fhir"},
        "fhirVersion": "4.0.1",
        "format": list(FORMATS),
        "patchFormat": list(PATCH_FORMATS),
        "rest": [
            {
                "mode": "server",
                "security": security(settings.base_url),
                "resource": [resource(resource_type) for resource_type in RESOURCE_TYPES],
                "interaction": [{"code": code} for code in SYSTEM_INTERACTIONS],
                "operation": operations(""),
                "searchParam": system_parameters(),
                "compartment": [COMPARTMENT],
            }
        ],
    }


def shown(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Return the part of the statement that ``_summary`` or ``_elements`` ask for.

    Every element that this statement has belongs to its summary, and there is no narrative to leave out.

    Raises:
        BadRequest: one of them cannot be read, or asks for a count.
    """
    asked = summary.asked_of_read("CapabilityStatement", pairs)
    if asked.elements:
        return summary.part(text, MANDATORY | frozenset(asked.elements))
    return summary.part(text, MANDATORY | {"text"}) if asked.summary == "text" else text


async def tell(ctx: Context, ask: Interaction) -> Answer:
    """Answer an entry of a bundle that asks for the statement."""
    return Answer(200, document=shown(ctx.capabilities, ask.query))


def security(base_url: str) -> dict[str, Any]:
    """Point to the authorization server; older clients look here instead of at the SMART configuration."""
    endpoints = {"authorize": "authorize", "token": "token", "introspect": "introspect", "revoke": "revoke"}
    return {
        "cors": True,
        "service": [{"coding": [SMART_ON_FHIR], "text": "OAuth 2.0 as profiled by SMART App Launch"}],
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": name, "valueUri": f"{base_url}/oauth/{path}"} for name, path in endpoints.items()
                ],
            }
        ],
    }


def resource(resource_type: str) -> dict[str, Any]:
    """Describe one type."""
    known = parameters(resource_type).values()
    referred = [f"{resource_type}:{one.code}" for one in known if one.kind == "reference"]
    return {
        "type": resource_type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{resource_type}",
        "interaction": [{"code": code} for code in INTERACTIONS],
        **CONDITIONS,
        **({"searchInclude": ["*", *referred]} if referred else {}),
        "searchRevInclude": ["*", *referring(resource_type)],
        "searchParam": [search_parameter(one) for one in known],
        "operation": operations(resource_type),
    }


def operations(resource_type: str) -> list[dict[str, str]]:
    """Name the operations of a type, or of the whole server."""
    return [
        {"name": one.name.removeprefix("$"), "definition": one.url}
        for one in catalogue.offered(resource_type)
    ]


def search_parameter(one: Parameter) -> dict[str, Any]:
    """Describe one search parameter."""
    described = {"name": one.code, "definition": one.url, "type": one.kind}
    if one.store in BY_STORE:
        described["documentation"] = BY_STORE[one.store]
    elif (kind := manner(one)) in MODIFIERS:
        described["documentation"] = MODIFIERS[kind]
    return described


def system_parameters() -> list[dict[str, Any]]:
    """Describe what may be asked of all types at once."""
    common = [one for one in parameters(RESOURCE_TYPES[0]).values() if is_common(one.code)]
    return [
        *(search_parameter(one) for one in common),
        {"name": across.TYPES, "type": "special", "documentation": "Names of types, with commas."},
        {
            "name": filters.PARAMETER,
            "type": "special",
            "documentation": "and or not (); eq ne co sw ew gt lt ge le ap sa eb pr in ni ss sb re",
        },
    ]


def is_common(code: str) -> bool:
    """Whether every type has a search parameter."""
    return all(code in parameters(name) for name in RESOURCE_TYPES)


def referring(resource_type: str) -> list[str]:
    """The parameters by which resources of any type may refer to this one."""
    return [
        f"{source_type}:{one.code}"
        for source_type in RESOURCE_TYPES
        for one in parameters(source_type).values()
        if one.kind == "reference" and resource_type in targets(one)
    ]
