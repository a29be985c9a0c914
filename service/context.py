"""What one request carries through every layer: who asks, the database connection, time and chance.

A Context exists only for a verified Principal. Time and ids come from it, so that tests can fix both.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from service.sealing import OWN, Seals

if TYPE_CHECKING:
    from models.principal import Principal
    from service.audit import AuditEntry
    from service.database import Connection, Database
    from service.settings import Settings


def utc_now() -> datetime:
    """Tell the present instant; the one place of the service that reads the wall clock."""
    return datetime.now(UTC)


def random_id() -> str:
    """Draw a new logical id that nobody can guess."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Stamp:
    """The transaction id and the instant that one writing transaction drew together."""

    tx: int
    at: datetime


class Pools(NamedTuple):
    """Where connections come from: those that keep a plan, and those that plan for each value."""

    keyed: Database
    searches: Database


@dataclass(slots=True)
class Context:
    """One request's surroundings.

    ``stamp`` is set while several writes are one transaction: all share it. ``in_bundle`` tells that
    the transaction is a client's bundle, whose entries are retried together.
    ``pending`` maps ``Type/id`` to the documents of that bundle that are not yet stored, ``deleted`` lists
    what it has deleted so far, ``gathered`` the creations (statement, values) that wait to be sent together.
    ``pools`` is set for a single search, which borrows a connection itself when it knows which kind of
    plan it needs; such a Context has no ``connection`` of its own.
    ``kept`` holds what the request says about the form of its answer in the URL: a client that cannot say
    it in headers must find it in the links to the next page too.
    ``seals`` seals the places of pages; ``hides`` tells that what was asked came in a body, and must not
    stand in the links of the answer.
    ``size`` counts the bytes of the body, if it may hold a large document (see ``service/aside.py``).
    ``held`` counts the characters of the answers to a bundle's entries so far.
    ``capabilities`` is the CapabilityStatement, which a bundle may ask for too.
    ``told`` holds what was asked, for the audit trail, where the URL does not say it.
    ``unaudited`` collects the audit entries that must be durable before the answer leaves; a stored
    write is not among them, because its statement wrote the entry.
    """

    principal: Principal
    connection: Connection
    settings: Settings
    request_id: str
    now: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = random_id
    stamp: Stamp | None = None
    pending: dict[str, dict[str, Any]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    gathered: list[tuple[str, list[Any]]] = field(default_factory=list)
    in_bundle: bool = False
    pools: Pools | None = None
    kept: tuple[tuple[str, str], ...] = ()
    seals: Seals = OWN
    hides: bool = False
    size: int = 0
    held: int = 0
    capabilities: str = ""
    told: tuple[tuple[str, str], ...] = ()
    unaudited: list[AuditEntry] = field(default_factory=list)

    @property
    def fhir_base(self) -> str:
        """The absolute FHIR base, without a trailing slash."""
        return f"{self.settings.base_url}/fhir"

    def connected(self, *, keeps_plan: bool) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection for a search: one that keeps plans, or one that plans for each value."""
        if self.pools is None:
            return nullcontext(self.connection)
        return (self.pools.keyed if keeps_plan else self.pools.searches).acquire()

    @property
    def actor(self) -> str:
        """Who is written into history: the user's login where there is one, else the client."""
        return self.principal.user or self.principal.client_id
