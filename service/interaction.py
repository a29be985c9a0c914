"""One request in FHIR's own words, whether it came over HTTP or as an entry of a bundle.

``interpret`` is the only grammar of URLs under the FHIR base, so that a bundle entry can take no
other path to data than a request:

    metadata                    capabilities
    (empty)            POST     batch, transaction   GET   search-system
    _search            POST     search-system
    Type               GET      search-type        POST  create
    Type?criteria      PUT      update             PATCH patch       DELETE  delete
    Type/_search       POST     search-type
    _history           GET      history-system
    Type/_history      GET      history-type
    Type/id            GET      read               PUT   update      PATCH patch   DELETE delete
    Type/id/_history   GET      history-instance
    Type/id/_history/n GET      vread
    $name, Type/$name, Type/id/$name    operation, where service/operations/catalogue.py offers it
    Patient/id/Type    GET      search-type in the patient's compartment, also POST …/_search
    Patient/id/*       GET      search-system in it, also POST Patient/id/_search

Source: https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from models.definitions import RESOURCE_TYPES
from models.errors import MethodNotAllowed, NotFound
from service.operations.catalogue import LEVELS, OPERATIONS
from service.search.compartments import OWNER, members

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""https://hl7.org/fhir/R4/datatypes.html#id"""


class Name(StrEnum):
    """The interactions on offer, named as in CapabilityStatement."""

    CAPABILITIES = "capabilities"
    BUNDLE = "transaction"
    SEARCH = "search-type"
    SEARCH_SYSTEM = "search-system"
    CREATE = "create"
    READ = "read"
    VREAD = "vread"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    HISTORY = "history-instance"
    HISTORY_TYPE = "history-type"
    HISTORY_SYSTEM = "history-system"
    OPERATION = "operation"


class Target(NamedTuple):
    """What a method and a URL name; ``compartment`` is the id of the patient in whose record is searched."""

    name: Name
    resource_type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""
    compartment: str = ""

    @property
    def title(self) -> str:
        """What the audit trail and the figures call it: the interaction, or the operation's own name."""
        return self.operation or self.name.value


class Interaction(msgspec.Struct, frozen=True):
    """What is asked for.

    ``document`` is the parsed body, ``query`` the decoded parameters in order, ``strict`` whether unknown
    parameters are refused, ``prefer`` the explicit return preference, ``provenance`` what X-Provenance held.
    For a creation, ``id`` is empty or the id that a transaction has given in advance; ``drawn`` tells that
    the id of an update was given here too, because its criteria match nothing.
    """

    name: Name
    resource_type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""
    compartment: str = ""
    query: tuple[tuple[str, str], ...] = ()
    document: dict[str, Any] | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_none_exist: str | None = None
    strict: bool = False
    prefer: str = ""
    provenance: dict[str, Any] | None = None
    drawn: bool = False

    @property
    def title(self) -> str:
        """What the audit trail calls it: the interaction, or the operation's own name."""
        return self.operation or self.name.value


class Version(msgspec.Struct, frozen=True):
    """One stored version. ``body`` is the resource's JSON text; None where the version is a deletion."""

    resource_type: str
    id: str
    version: int
    last_updated: datetime
    body: str | None
    method: str = ""


class Answer(msgspec.Struct, frozen=True):
    """The result of one interaction, before it is put on the wire.

    ``version`` answers with a resource, ``document`` with text that is already JSON (a Bundle, a
    CapabilityStatement); both None means no content. ``audited`` tells that the statement which
    stored the version wrote its audit record too.
    """

    status: int
    version: Version | None = None
    document: str | None = None
    audited: bool = False


_BY_SHAPE: dict[tuple[str, ...], dict[str, Name]] = {
    (): {"POST": Name.BUNDLE, "GET": Name.SEARCH_SYSTEM},
    ("_search",): {"POST": Name.SEARCH_SYSTEM},
    ("metadata",): {"GET": Name.CAPABILITIES},
    ("type",): {
        "GET": Name.SEARCH,
        "POST": Name.CREATE,
        "PUT": Name.UPDATE,
        "PATCH": Name.PATCH,
        "DELETE": Name.DELETE,
    },
    ("type", "_search"): {"POST": Name.SEARCH},
    ("type", "id"): {
        "GET": Name.READ,
        "PUT": Name.UPDATE,
        "PATCH": Name.PATCH,
        "DELETE": Name.DELETE,
    },
    ("_history",): {"GET": Name.HISTORY_SYSTEM},
    ("type", "_history"): {"GET": Name.HISTORY_TYPE},
    ("type", "id", "_history"): {"GET": Name.HISTORY},
    ("type", "id", "_history", "version"): {"GET": Name.VREAD},
    ("owner", "compartment", "member"): {"GET": Name.SEARCH},
    ("owner", "compartment", "member", "_search"): {"POST": Name.SEARCH},
    ("owner", "compartment", "*"): {"GET": Name.SEARCH_SYSTEM},
    ("owner", "compartment", "_search"): {"POST": Name.SEARCH_SYSTEM},
}

SEARCHES = frozenset({Name.SEARCH, Name.SEARCH_SYSTEM})


_LEVELS: dict[tuple[str, ...], str] = dict(zip(((), ("type",), ("type", "id")), LEVELS, strict=True))


def interpret(method: str, path: str) -> Target:
    """Name the interaction that a method and a path below the FHIR base ask for.

    Raises:
        NotFound: no such resource type or route.
        MethodNotAllowed: the route exists, but not with this method.
    """
    path = path.strip("/")
    segments = path.split("/") if path else []
    if segments and segments[-1].startswith("$"):
        return _operation(method, segments)
    shape = _shape(segments)
    offered = _BY_SHAPE.get(shape)
    if offered is None:
        raise NotFound("There is no such route below the FHIR base.")
    name = offered.get("GET" if method == "HEAD" else method)
    if name is None:
        raise _not_offered(method, offered)
    return Target(
        name,
        resource_type=segments[0] if "type" in shape else segments[2] if "member" in shape else "",
        id=segments[1] if "id" in shape else "",
        version=segments[3] if "version" in shape else "",
        compartment=segments[1] if "compartment" in shape else "",
    )


def methods(path: str) -> tuple[str, ...]:
    """List the methods that are offered at a path below the FHIR base.

    Raises:
        NotFound: no such resource type or route.
    """
    try:
        interpret("OPTIONS", path)
    except MethodNotAllowed as refusal:
        return tuple(refusal.headers["Allow"].split(", "))
    raise NotFound


def _not_offered(method: str, offered: Iterable[str]) -> MethodNotAllowed:
    return MethodNotAllowed(
        f"{method} is not offered here; use {' or '.join(offered)}.", headers={"Allow": ", ".join(offered)}
    )


def _operation(method: str, segments: list[str]) -> Target:
    """Name the operation at the end of a path, where it is offered for what comes before it."""
    *place, name = segments
    known = OPERATIONS.get(name)
    level = _LEVELS.get(_shape(place))
    resource_type, resource_id = (*place, "", "")[:2]
    if known is None or level is None or not known.is_offered(level, resource_type):
        raise NotFound("There is no such operation here; see CapabilityStatement.rest.resource.operation.")
    if ("GET" if method == "HEAD" else method) not in known.methods_at(level):
        raise _not_offered(method, known.methods_at(level))
    return Target(Name.OPERATION, resource_type, resource_id, operation=name)


def _shape(segments: list[str]) -> tuple[str, ...]:
    if not segments or segments in (["metadata"], ["_history"], ["_search"]):
        return tuple(segments)
    if segments[0] not in RESOURCE_TYPES:
        raise NotFound("This server holds no resources of that type; see CapabilityStatement.rest.resource.")
    if segments[1:] in (["_search"], ["_history"]):
        return ("type", segments[1])
    names: tuple[str, ...] = ("type", "id", "_history", "version")
    if segments[0] == OWNER and segments[2:3] and segments[2] in {"*", "_search", *members()}:
        inside = segments[2] if segments[2] in {"*", "_search"} else "member"
        names = ("owner", "compartment", inside, *segments[3:])
    elif len(segments) > len(names) or (len(segments) > 2 and segments[2] != "_history"):  # noqa: PLR2004 - Type/id/x
        return ("unknown",)
    if len(segments) > 1 and not ID.fullmatch(segments[1]):
        raise NotFound("A logical id has 1 to 64 letters, digits, '-' or '.'.")
    return names[: len(segments)]
