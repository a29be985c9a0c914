"""Trying again: who loses a race for a version, or a deadlock, begins anew with what is stored by then.

Source: https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from models.errors import Conflict
from service.store import LostRace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from service.context import Context
    from service.interaction import Answer

ATTEMPTS = 8
"""Times an unconditional write is tried again after losing a race."""

PAUSE_S = 0.005
"""Longest pause before the second attempt; twice as long before each further one."""


async def persistently(ctx: Context, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """Try again after a lost race; whoever has joined a transaction leaves that to its beginner.

    A second attempt needs a new stamp, or ``last_updated`` could go back along a resource's history.
    """
    for number in range(ATTEMPTS):
        try:
            return await attempt()
        except LostRace:
            if ctx.stamp is not None:
                raise
        await pause(number)
    raise Conflict("Other writers were quicker, several times. Send the request again.")


async def pause(number: int) -> None:
    """Wait a moment by chance, so that those who have lost a race do not meet again at once."""
    await asyncio.sleep(random.uniform(0, PAUSE_S * 2**number))  # noqa: S311 - no secret
