"""How much memory the embedded PostgreSQL takes: a share of what the machine, or its container, has.

    shared_buffers         an eighth, from 128 MB to 1 GB; taken only as pages come in
    effective_cache_size   a half; told to the planner, not taken

Source: https://www.postgresql.org/docs/18/runtime-config-resource.html#GUC-SHARED-BUFFERS
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

MEBIBYTE = 1024 * 1024
LEAST_BUFFERS, MOST_BUFFERS = 128, 1024
"""Mebibytes. More than the most helps little: the operating system keeps files in memory, too."""

UNKNOWN = 1024
"""Mebibytes to count on where nobody tells how many there are."""

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""What a container may take, in bytes, as cgroups of version 2 and 1 tell it."""


def settings(limits: Iterable[Path] = LIMITS) -> Mapping[str, str]:
    """Return the settings of PostgreSQL about memory."""
    available = mebibytes(limits)
    buffers = min(max(available // 8, LEAST_BUFFERS), MOST_BUFFERS)
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(available // 2, buffers)}MB",
    }


def mebibytes(limits: Iterable[Path]) -> int:
    """Tell how much memory there is, for this process and all others."""
    found = []
    with suppress(OSError, ValueError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in limits:
        with suppress(OSError, ValueError):
            found.append(int(path.read_text(encoding="ascii")))
    known = [size for size in found if size > 0]
    return min(known) // MEBIBYTE if known else UNKNOWN
