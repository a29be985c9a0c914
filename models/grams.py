"""What a string is made of, three characters at a time, so that an index finds any part of it.

    Patient, family, "fischer"  ──►  {Patient.family:fis, …:che, …:isc, …:her, …:sch}

PostgreSQL computes this from the row, for the index alone: nothing is stored with the string. A string longer
than ``LONGEST`` also has an entry without characters, ``Patient.family:``, by which it is a candidate for any
part. No entry that is asked for has a separator in it.
"""

from __future__ import annotations

LENGTH = 3
LONGEST = 4000
SEPARATOR = "|"

MOST = 16
"""So many entries of a part are asked for: more would hardly leave fewer candidates."""


def stem(resource_type: str, parameter: str) -> str:
    """What the entries of a parameter begin with."""
    return f"{resource_type}.{parameter}:"


def of_part(part: str) -> list[str]:
    """Three characters at a time, all that an index can find; none of a part that is too short."""
    found = (part[at : at + LENGTH] for at in range(len(part) - LENGTH + 1))
    return list(dict.fromkeys(gram for gram in found if SEPARATOR not in gram))[:MOST]


def expression(row: str = "") -> str:
    """The entries of a row of ``index_string``, written as PostgreSQL writes it back.

    ``row`` is the alias of the row with a dot, where one is needed.
    """
    name, value = f"({row}resource_type || '.') || {row}parameter", f"{row}value"
    length = f"char_length({value})"

    def whole(place: int) -> str:
        """Cut the string from a place on into whole grams, each after its stem and before a separator."""
        characters = f"(LEAST({length}, {LONGEST}) - {place - 1}) / {LENGTH} * {LENGTH}"
        beginning = f'"left"(substr({value}, {place}), {characters})'
        return rf"regexp_replace({beginning}, '(...)', ({name}) || ':\1|', 'g')"

    mark = f"repeat(({name}) || ':', LEAST({length} / {LONGEST + 1}, 1))"
    return f"string_to_array(rtrim((({whole(1)} || {whole(2)}) || {whole(3)}) || {mark}, '|'), '|')"
