"""The embedded PostgreSQL takes a share of the memory that there is."""

from __future__ import annotations

import pytest

from service import postgres_memory

GIBIBYTE = 1024**3


@pytest.mark.parametrize(
    ("limit", "buffers", "cache"),
    [
        (GIBIBYTE // 4, "128MB", "128MB"),
        (GIBIBYTE, "128MB", "512MB"),
        (2 * GIBIBYTE, "256MB", "1024MB"),
    ],
)
def test_a_container_that_may_take_less_than_the_machine_has_gets_a_share_of_that(
    tmp_path, limit, buffers, cache
):
    told = tmp_path / "memory.max"
    told.write_text(f"{limit}\n")
    assert postgres_memory.settings([told]) == {"shared_buffers": buffers, "effective_cache_size": cache}


@pytest.mark.parametrize("text", ["max\n", "0\n", "9223372036854771712\n"])
def test_without_a_limit_it_is_a_share_of_the_machine(tmp_path, text):
    told = tmp_path / "memory.max"
    told.write_text(text)
    assert postgres_memory.settings([told, tmp_path / "absent"]) == postgres_memory.settings([])
    assert 128 <= int(postgres_memory.settings([])["shared_buffers"].removesuffix("MB")) <= 1024
