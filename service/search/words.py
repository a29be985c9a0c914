"""Words of texts: what ``:text``, ``_text`` and ``_content`` find.

    displays     "code:ketamin" …    the words beside codes and references, each with its parameter's name
    _text        the narrative       ┐ stemmed as English, by PostgreSQL
    _content     and notes, answers  ┘

Measured: a resource with displays costs 30 microseconds more to write, a note of 2.4 kB 0.3 ms, one with
neither nothing. A second configuration besides English would double the price of a note.
A text has at most 128 KiB in the index, and so have displays: no resource has too many words to be stored.
Source: https://hl7.org/fhir/R4/search.html#text
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import zip_longest

from service.search.values import MAX_REMEMBERED, folded

DISPLAYS = ":text"
"""What the index calls the words of displays."""

MAX_BYTES = 128 * 1024
MAX_DISPLAY = 2_000
MAX_WORD = 60
WORD = re.compile(r"\w+")


def words(text: str) -> tuple[str, ...]:
    """The different words of a display, folded; of a very long one, those at its beginning."""
    return (_remembered if len(text) <= MAX_REMEMBERED else _words)(text)


def _words(text: str) -> tuple[str, ...]:
    found = WORD.findall(folded(text[:MAX_DISPLAY]))
    return tuple(dict.fromkeys(word[:MAX_WORD] for word in found))


_remembered = lru_cache(maxsize=4096)(_words)


def displays(found: Iterable[str]) -> str:
    """Join named words for the index, which splits them at the spaces.

    Of more than fit, every parameter keeps those at its beginning.
    """
    different = dict.fromkeys(found)
    joined = " ".join(different)
    if len(joined) * 4 <= MAX_BYTES or len(joined.encode()) <= MAX_BYTES:
        return joined
    return " ".join(in_turn(different)).encode()[: MAX_BYTES + 1].rpartition(b" ")[0].decode()


def in_turn(found: Iterable[str]) -> Iterator[str]:
    """The first word of each parameter, then the second of each, and so on."""
    named: dict[str, list[str]] = {}
    for word in found:
        named.setdefault(word.partition(":")[0], []).append(word)
    return (word for row in zip_longest(*named.values()) for word in row if word)


def asked(code: str, text: str) -> str:
    """The query for displays that have every word, or the beginning of it.

    Raises:
        ValueError: the text has no word.
    """
    if not (wanted := words(text)):
        raise ValueError
    return " & ".join(f"'{code}:{word}':*" for word in wanted)


def bounded(text: str) -> str:
    """Cut a text where the index ends."""
    if len(text) * 4 <= MAX_BYTES:
        return text
    return text.encode()[:MAX_BYTES].decode(errors="ignore")
