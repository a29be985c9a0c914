"""Long work on one document beside the event loop, so that other requests go on meanwhile.

    small   at once, on the loop: a thread costs more than the work
    large   in one thread of the process, one after the other: reading, checking and indexing hold the
            interpreter's lock, so that more threads would only take turns with the loop more often

Source: https://docs.python.org/3/library/asyncio-dev.html#running-blocking-code
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from models.document import serialize

if TYPE_CHECKING:
    from service.context import Context

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes of JSON that take some 25 ms to read, and as long to check and to index."""

_THREAD = ThreadPoolExecutor(1, "aside")


def weight(ctx: Context, document: dict[str, Any]) -> int:
    """Return the size of a document, or 0 where its request is too small to hold a large one."""
    return 0 if ctx.size < LARGE else len(serialize(document))


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do some work, in the thread if it is about so many bytes that it would hold others up."""
    return work() if size < LARGE else await get_running_loop().run_in_executor(_THREAD, work)
