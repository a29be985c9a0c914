"""The demonstration practice as one transaction: its people, one finished arc, four under way.

    people ─ finished (pat-1) ─ underway (pat-2 … pat-5) ─> bundle ─> load_demo

Everybody is invented. Every id is readable (``GET /fhir/EpisodeOfCare/ep-1``), and every date is moved
so that the story is told today.
"""

from __future__ import annotations

from datetime import date

from service.demo import finished, measured, people, underway
from service.demo.build import STORY_ENDS, Days, Resource, transaction


def bundle(today: date = STORY_ENDS) -> Resource:
    """Write the whole practice as a transaction Bundle; the same for the same day."""
    days = Days(today)
    return transaction(
        [*people.people(days), measured.phq_9_form(), *finished.arc(days), *underway.arcs(days)]
    )
