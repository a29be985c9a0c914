"""How values are written into the index and read from a query: one spelling for both sides.

    term       status=active · code=<system>|<code> · requester=Practitioner/1      long ones end in a digest
    folded     "Müller,  Anna" → "muller, anna"                                     displays
    normalized "O'Brien-Müller" → "obrien muller"                                   names, addresses, texts
    interval   2026-05 → [2026-05-01, 2026-06-01)                                   half open, in UTC
    relative   https://here/fhir/Patient/1/_history/2 → Patient/1                   references

Source: https://hl7.org/fhir/R4/search.html#date, #string, #token, #reference
"""

from __future__ import annotations

import re
import unicodedata
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

MAX_TERM = 240
"""Characters of a term; an index entry of Postgres holds about 2,700 bytes."""

CANONICAL = ":canonical="
"""Marks the term of a canonical URL at either end, ``questionnaire:canonical=<url>|<version>``."""

DEFINING = "url"
"""The parameter that holds a definition's own canonical URL."""

MAX_VERSION_PARTS = 5
"""Parts of a version, between dots, that ``:below`` distinguishes, besides the whole."""

ALWAYS = datetime.max  # noqa: DTZ901 - the driver reads exactly this value as infinity
"""An interval without an end."""

NEVER = datetime.min  # noqa: DTZ901 - the driver reads exactly this value as minus infinity
"""An interval without a beginning."""

LAST = (ALWAYS - datetime.resolution).replace(tzinfo=UTC)
"""The last moment that the driver does not read as infinity; what lies beyond it is taken for it."""

FIRST = (NEVER + datetime.resolution).replace(tzinfo=UTC)
"""The first moment that the driver does not read as minus infinity."""

MAX_REMEMBERED = 256
"""Characters of a text whose reading is remembered: whoever sends texts must not choose how much that is."""

MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)"
    r"(?:T(\d\d):(\d\d)(?::([0-5]\d|60)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)

FARTHEST_ZONE = timedelta(hours=14)
MINUTES_OF_HOUR = 60

MARKS: dict[int, str | None] = {
    **dict.fromkeys(map(ord, ".'`\u2018\u2019\u02bc\u2032\u00ad")),
    **dict.fromkeys(
        map(ord, ',;:!?()[]{}/"\u201c\u201d\u00ab\u00bb\u00bf\u00a1\u00b7-\u2010\u2013\u2014'), " "
    ),
    **{ord(letter): base for letter, base in zip("ıøłđðħŧ", "iolddht", strict=True)},
    ord("æ"): "ae",
    ord("œ"): "oe",
    ord("þ"): "th",
}
"""Apostrophes, full stops and soft hyphens go; marks between words part them; letters that Unicode does not
take apart lose their strokes."""

MARKED = re.compile(f"[{re.escape(''.join(map(chr, MARKS)))}]")

LITERAL = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}", re.ASCII)

Interval: TypeAlias = tuple[datetime, datetime]
"""Half open: the start belongs to it, the end does not."""


def term(text: str) -> str:
    """Bound the length of a term, keeping different terms different."""
    if len(text) <= MAX_TERM:
        return text
    return f"{text[: MAX_TERM - 40]}#{blake2b(text.encode(), digest_size=16).hexdigest()}"


def token_term(system: str | None, code: str) -> str:
    """Spell ``system|code``; ``|code`` says that there is no system. Codes are compared without case."""
    return f"{escaped(system or '')}|{escaped(code.casefold())}"


def escaped(text: str) -> str:
    """Keep a bar within a value apart from the one between system and code."""
    return text.replace("\\", "\\\\").replace("|", "\\|") if "|" in text or "\\" in text else text


def folded(text: str) -> str:
    """Fold case, accents and white space, so that what a person takes for equal is equal."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(text.casefold().split())


def normalized(text: str) -> str:
    """Fold, and leave punctuation aside: apostrophes and full stops go, other marks part words.

    What has nothing else keeps it.
    """
    kept = folded(text) or " ".join(text.casefold().split())
    return kept if MARKED.search(kept) is None else " ".join(kept.translate(MARKS).split()) or kept


def relative(reference: str, fhir_base: str) -> str | None:
    """Spell a literal reference as ``Type/id`` when it is ours; None for a contained resource.

    ``fhir_base`` ends in a slash. The version is dropped: a search for a resource finds references to any
    of its versions.
    """
    return (_relative if len(reference) <= MAX_REMEMBERED else _spelled)(reference, fhir_base)


def _spelled(reference: str, fhir_base: str) -> str | None:
    if not reference or reference[0] == "#":
        return None
    local = reference.removeprefix(fhir_base)
    bare = local.partition("/_history/")[0]
    return bare if LITERAL.fullmatch(bare) else local


_relative = lru_cache(maxsize=8192)(_spelled)


MAX_SEGMENTS = 20
"""Segments of a path that ``:above`` and ``:below`` distinguish, besides the whole."""


def ancestors(uri: str) -> tuple[str, ...]:
    """The uri and every place that it lies below, by segments of its path; a URN has none."""
    origin, slashes, path = uri.rstrip("/").partition("://")
    if not slashes:
        return (uri,)
    segments = path.split("/", MAX_SEGMENTS)
    return tuple(f"{origin}://{'/'.join(segments[:count])}" for count in range(1, len(segments) + 1))


def versions(canonical: str) -> tuple[str, ...]:
    """A canonical URL with its version and with whatever the version begins with: ``1``, ``1.2``, ``1.2.3``.

    One without a version has none.
    """
    url, bar, version = canonical.partition("|")
    if not bar:
        return ()
    parts = version.split(".", MAX_VERSION_PARTS)
    return tuple(f"{url}|{'.'.join(parts[:count])}" for count in range(1, len(parts) + 1))


def interval(text: str) -> Interval | None:
    """Read a date of any precision as the time it covers; None when it is not a date.

    A time without an offset is taken as UTC.
    """
    return _interval(text) if len(text) <= MAX_REMEMBERED else None


@lru_cache(maxsize=8192)
def _interval(text: str) -> Interval | None:
    found = MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        if hour is None:
            return day_interval(int(year), month, day)
        clock = (int(hour), int(minute), min(int(second or 0), 59))
        start = datetime(int(year), int(month), int(day), *clock, tzinfo=zone(offset))
    except ValueError:
        return None
    length = timedelta(minutes=1) if second is None else timedelta(seconds=1)
    passed = length if second == "60" else timedelta()
    if fraction:
        digits = min(len(fraction) - 1, 6)
        passed += timedelta(microseconds=int(fraction[1:7].ljust(6, "0")))
        length = timedelta(microseconds=10 ** (6 - digits))
    return lasting(shifted(start, passed), shifted(start, passed + length))


def lasting(start: datetime, end: datetime) -> Interval:
    """Keep a time beyond an end of the calendar from being no time at all."""
    if start == ALWAYS:
        return LAST, ALWAYS
    return (start, end) if rank(end) > rank(FIRST) else (NEVER, FIRST)


def rank(moment: datetime) -> tuple[int, datetime]:
    """Give a key that puts moments in order, the two marks before and after everything else."""
    return (moment == ALWAYS) - (moment == NEVER), moment


def day_interval(year: int, month: str | None, day: str | None) -> Interval:
    """The interval of a year, a month or a day, in UTC."""
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    if day is not None:
        return start, shifted(start, timedelta(days=1))
    following = (year + 1, 1) if month is None or month == "12" else (year, int(month) + 1)
    if following[0] > MAXYEAR:
        return start, ALWAYS
    return start, datetime(*following, 1, tzinfo=UTC)


def zone(offset: str | None) -> timezone:
    """Read ``Z``, an offset of up to 14 hours, or nothing (UTC)."""
    if offset is None or offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    ahead = timedelta(hours=hours, minutes=minutes)
    if ahead > FARTHEST_ZONE or minutes >= MINUTES_OF_HOUR:
        raise ValueError(offset)
    return timezone(-ahead if offset[0] == "-" else ahead)


def shifted(moment: datetime, by: timedelta) -> datetime:
    """Add to an instant and spell it in UTC; beyond the calendar lies infinity."""
    try:
        return (moment + by).astimezone(UTC)
    except OverflowError:
        return ALWAYS if moment.year > 1 else NEVER
