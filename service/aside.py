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
from typing import TypeVar

T = TypeVar("T")

LARGE = 256 * 1024
"""Bytes of JSON that take some 25 ms to read, and as long to check and to index."""

_THREAD = ThreadPoolExecutor(1, "aside")


async def aside(size: int, work: Callable[[], T]) -> T:
    """Do some work, in the thread if it is about so many bytes that it would hold others up."""
    return work() if size < LARGE else await get_running_loop().run_in_executor(_THREAD, work)
