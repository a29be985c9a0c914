"""Every search parameter of every type finds what R4's own expression reads, and nothing else.

Documents are drawn, stored by the store, and asked for by what they hold and by what comes near to it; what
must be found is read from the documents themselves, by ``expressions``, ``matching``, ``moments`` and
``amounts``. ``KAT_PROPERTY_EXAMPLES=20`` draws anew and twenty times as much.

Source: https://hl7.org/fhir/R4/searchparameter-registry.html, https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.documents import document
from properties.examples import examples
from properties.expressions import definitions, values
from properties.questions import questions

from models.definitions import RESOURCE_TYPES
from service.search.registry import parameters

NOT_DRAWN = {"_id", "_lastUpdated"}
NOT_OFFERED = {"_query", "phonetic", "near", "_text", "_content"}


def chance(seed):
    return Random(seed)  # noqa: S311 - what is drawn is no secret


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
def test_every_parameter_of_r4_is_known_with_its_kind(resource_type):
    known = {code: one.kind for code, one in parameters(resource_type).items()}
    for code, row in definitions(resource_type).items():
        if code not in NOT_OFFERED:
            assert known[code] == row["type"], code


@pytest.mark.parametrize("resource_type", RESOURCE_TYPES)
@examples(1)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=4, max_size=4, unique=True))
async def test_a_document_is_found_by_each_of_its_values_and_by_no_near_miss(archive, resource_type, seeds):
    drawn = {f"d{n}": document(resource_type, f"d{n}", chance(seed)) for n, seed in enumerate(seeds)}
    async with archive.holding(drawn.values()):
        for code in sorted(definitions(resource_type).keys() - NOT_DRAWN - NOT_OFFERED):
            for asked, expected in expectations(resource_type, code, drawn):
                assert await archive.find(resource_type, (asked.name, asked.value)) == expected, asked


def expectations(resource_type, code, drawn):
    """Every question with the ids of the documents that it must find."""
    held = {key: values(resource_type, code, one) for key, one in drawn.items()}
    nodes = [node for found in held.values() for node in found]
    for asked in questions(resource_type, code, nodes, chance(code)):
        yield asked, sorted(key for key, found in held.items() if asked.expects(found))
