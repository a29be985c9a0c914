"""How names sound: what ``phonetic`` compares.

    Smyth, Smith       ─► sm0          Metaphone, a code a word; case, accents and apostrophes do not count
    O'Brien, Obrian    ─► obrn
    李, 42             ─► 李, 42         what has no sound in English stands for itself

Every word that is asked for must sound like a word of the name, in any order.
Source: https://hl7.org/fhir/R4/patient.html#search
"""

from __future__ import annotations

from functools import lru_cache

from jellyfish import metaphone

from service.search.values import MAX_REMEMBERED, folded
from service.search.words import words

APOSTROPHES = str.maketrans("", "", "'`\u00b4\u02bc\u2019")
METHOD = "Metaphone"
"""What the descriptions of this server call it."""


def sounds(text: str) -> tuple[str, ...]:
    """The different sounds of the words of a text."""
    return (_remembered if len(text) <= MAX_REMEMBERED else _sounds)(text)


def _sounds(text: str) -> tuple[str, ...]:
    found = words(folded(text.translate(APOSTROPHES)))
    return tuple(dict.fromkeys(metaphone(word).casefold().replace(" ", "") or word for word in found))


_remembered = lru_cache(maxsize=4096)(_sounds)
