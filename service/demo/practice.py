"""The demonstration practice as one transaction: its people, one finished arc, four under way.

    people ─ finished (pat-1) ─ underway (pat-2 … pat-5) ─> bundle ─> load_demo ─> tour

Everybody is invented. Every id is readable (``GET /fhir/EpisodeOfCare/ep-1``), and every date is moved
so that the story is told on the day it was loaded.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from sqlmodel import col, select

from models.history import ResourceHistory
from service.context import utc_now
from service.demo import finished, measured, people, underway
from service.demo.access import DemoAccess, ensure
from service.demo.build import STORY_ENDS, Days, Resource, transaction
from service.demo.tour import tour

if TYPE_CHECKING:
    from service.database import Database
    from service.settings import Settings

_LOADED = select(ResourceHistory.version).where(
    col(ResourceHistory.resource_type) == "EpisodeOfCare", col(ResourceHistory.id) == "ep-1"
)

__all__ = ["DemoAccess", "bundle", "load_demo", "tour"]


def bundle(today: date = STORY_ENDS) -> Resource:
    """Write the whole practice as a transaction Bundle; the same for the same day."""
    days = Days(today)
    return transaction(
        [*people.people(days), measured.phq_9_form(), *finished.arc(days), *underway.arcs(days)]
    )


async def load_demo(database: Database, settings: Settings) -> DemoAccess:
    """Load the practice, its clients and its users once; afterwards only recognize them."""
    now = utc_now()
    async with database.sessions.begin() as session:
        access = await ensure(session, settings, now)
        loaded = (await session.scalars(_LOADED)).first()
    if loaded is None:
        from service.load import execute  # noqa: PLC0415 - heavy, and only the first start needs it

        await execute(database, settings, bundle(now.date()))
    return access
