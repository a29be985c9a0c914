"""How a stored value is compared with an asked one: prefixes, implicit precision, folding.

A stored date covers [start, end), so does an asked one, [a, b):

    eq  a <= start and end <= b      gt  end > b         sa  start >= b
    ne  not eq                       lt  start < a       eb  end <= a
    ap  they overlap, with a tenth   ge  gt or eq        le  lt or eq
        of the distance to now

A missing side of a period is infinite, so it is never contained, and always reaches further.
Source: https://hl7.org/fhir/R4/search.html#prefix, #date, #number, #quantity, #string
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from models import grams
from service.search import units
from service.search.criteria import Amount, Moment, Text, Words

PREFIX_LENGTH = 64
"""Length of the generated column ``prefix`` of ``index_string``."""

GREATEST = "\U0010ffff"
"""Sorts after every other character in the collation of ``prefix``."""

TENTH = Decimal("0.1")


class Arguments(Protocol):
    """The part of the builder that is needed here."""

    now: datetime | None

    def argument(self, value: Any, data_type: str = "") -> str:
        """Add an argument and name it."""


def date(build: Arguments, asked: Moment, start: str, end: str) -> str:
    """Compare a stored interval."""
    if asked.prefix == "ap":
        a, b = approximate(build, asked)
        return f"({start} < {b} AND {end} > {a})"
    a = build.argument(asked.start, "timestamptz") if asked.prefix not in {"gt", "sa"} else ""
    b = build.argument(asked.end, "timestamptz") if asked.prefix not in {"lt", "eb"} else ""
    # An interval that ends by b starts before it: said only to let the planner see a range of starts.
    contained = f"{start} >= {a} AND {start} < {b} AND {end} <= {b}"
    return {
        "eq": f"({contained})",
        "ne": f"NOT ({contained})",
        "gt": f"{end} > {b}",
        "lt": f"{start} < {a}",
        "ge": f"({end} > {b} OR ({contained}))",
        # What begins after it cannot match: said only to let the planner see a range of starts, as above.
        "le": f"({start} < {b} AND ({start} < {a} OR ({contained})))",
        "sa": f"{start} >= {b}",
        "eb": f"{end} <= {a}",
    }[asked.prefix]


def instant(build: Arguments, asked: Moment, column: str) -> str:
    """Compare a stored instant, which covers no time; every bound is one an index can serve."""
    if asked.prefix == "ap":
        a, b = approximate(build, asked)
        return f"({column} >= {a} AND {column} < {b})"
    a = build.argument(asked.start, "timestamptz") if asked.prefix not in {"gt", "sa", "le"} else ""
    b = build.argument(asked.end, "timestamptz") if asked.prefix not in {"lt", "eb", "ge"} else ""
    within = f"({column} >= {a} AND {column} < {b})"
    return {
        "eq": within,
        "ne": f"NOT {within}",
        "gt": f"{column} >= {b}",
        "sa": f"{column} >= {b}",
        "ge": f"{column} >= {a}",
        "lt": f"{column} < {a}",
        "eb": f"{column} < {a}",
        "le": f"{column} < {b}",
    }[asked.prefix]


def approximate(build: Arguments, asked: Moment) -> tuple[str, str]:
    """Widen an interval on both sides by a tenth of its distance to now."""
    a, b = build.argument(asked.start, "timestamptz"), build.argument(asked.end, "timestamptz")
    now = "now()" if build.now is None else build.argument(build.now, "timestamptz")
    slack = f"greatest({now} - {a}, {a} - {now}) / 10"
    return f"{a} - {slack}", f"{b} + {slack}"


def string(build: Arguments, asked: Text, modifier: str, stem: str = "") -> str:
    """Compare a string: from its beginning, whole, from its end, or anywhere within.

    ``stem`` is that of the parameter's grams, where the index of these is to be used.
    """
    if modifier == "contains":
        within = f"strpos(i.value, {build.argument(asked.folded)}) > 0"
        return made_of(build, entries(asked, modifier), stem, within)
    if modifier == "ends":
        ending = build.argument(asked.folded, "text")
        at_end = f"right(i.value, char_length({ending})) = {ending}"
        return made_of(build, entries(asked, modifier), stem, at_end)
    if asked.words:
        return parted(build, asked.words)
    if modifier not in {"exact", "equals"}:
        return f"({beginning(build, 'i', asked.folded)})"
    narrowed = begins(build, "i", asked.folded)
    if modifier == "exact":
        return f"({narrowed} AND i.exact = {build.argument(asked.exact)})"
    return f"({narrowed} AND i.value = {build.argument(asked.folded)})"


def begins(build: Arguments, alias: str, text: str) -> str:
    """A string begins with a text, as far as the index can tell."""
    beginning = text[:PREFIX_LENGTH]
    least, most = build.argument(beginning), build.argument(beginning + GREATEST)
    return f"{alias}.prefix >= {least} AND {alias}.prefix < {most}"


def beginning(build: Arguments, alias: str, text: str) -> str:
    """A string begins with a text, of whatever length."""
    if len(text) <= PREFIX_LENGTH:
        return begins(build, alias, text)
    return f"{begins(build, alias, text)} AND starts_with({alias}.value, {build.argument(text)})"


def parted(build: Arguments, words: tuple[str, ...]) -> str:
    """Each word begins a part of a name, or goes on after words that do: ``Ann Arbor MI``."""
    same = "j.resource_type = i.resource_type AND j.parameter = i.parameter AND j.id = i.id"
    found = [beginning(build, "i", words[0])]
    for last in range(1, len(words)):
        runs = (" ".join(words[first : last + 1]) for first in range(last + 1))
        begun = " OR ".join(f"({beginning(build, 'j', run)})" for run in runs)
        found.append(f"EXISTS (SELECT FROM index_string j WHERE {same} AND ({begun}))")
    return f"({' AND '.join(found)})"


def entries(asked: Text, modifier: str) -> list[str]:
    """The entries of the index of parts that a string must have; none where these say nothing."""
    return grams.of_part(asked.folded) if modifier in {"contains", "ends"} else []


def made_of(build: Arguments, found: list[str], stem: str, compared: str) -> str:
    """Say, only to let the planner use the index, what a string is made of that has a part."""
    if not (found and stem):
        return compared
    wanted, long = (build.argument([f"{stem}{gram}" for gram in some], "text[]") for some in (found, [""]))
    held = grams.expression("i.")
    return f"(({held} @> {wanted} OR {held} @> {long}) AND {compared})"


def amount(build: Arguments, asked: Amount) -> str:
    """Compare a number, and its unit if one was asked for; units of UCUM with all of their kind."""
    if (known := units.unit(asked.system, asked.code)) is not None:
        canonical = asked._replace(
            value=units.DIGITS.multiply(asked.value, known.factor),
            low=units.DIGITS.multiply(asked.low, known.factor),
            high=units.DIGITS.multiply(asked.high, known.factor),
        )
        compared = number(build, canonical, "i.canonical_low", "i.canonical_high")
        return f"(i.canonical_unit = {build.argument(known.code)} AND {compared})"
    parts = [number(build, asked)]
    if asked.system is not None:
        parts.append(f"i.system = {build.argument(asked.system)}")
    if asked.code is not None:
        parts.append(f"i.code = {build.argument(asked.code)}")
    return f"({' AND '.join(parts)})"


def words(build: Arguments, asked: Words) -> str:
    """Compare the words of a text."""
    query = build.argument(asked.query, "text")
    if asked.of_displays:
        return f"i.words @@ CAST({query} AS tsquery)"
    return f"i.words @@ websearch_to_tsquery('english', {query})"


def number(build: Arguments, asked: Amount, least: str = "i.low", most: str = "i.high") -> str:
    """Compare a stored range of numbers; null is an open side."""
    low, high = asked.low, asked.high
    if asked.prefix == "ap":
        slack = abs(asked.value) * TENTH
        low, high = asked.value - slack, asked.value + slack
    exact = asked.prefix not in {"eq", "ne", "ap"}
    value = build.argument(asked.value, "numeric") if exact else ""
    a, b = ("", "") if exact else (build.argument(low, "numeric"), build.argument(high, "numeric"))
    above = f"({most} > {value} OR {most} IS NULL)"
    below = f"({least} < {value} OR {least} IS NULL)"
    # What ends below b begins below it: said only to let the planner see a range of beginnings.
    contained = f"({least} >= {a} AND {least} < {b} AND {most} < {b})"
    return {
        "eq": contained,
        "ne": f"({contained} IS NOT TRUE)",
        "ap": f"(({least} <= {b} OR {least} IS NULL) AND ({most} >= {a} OR {most} IS NULL))",
        "gt": above,
        "lt": below,
        "ge": f"({most} >= {value} OR {most} IS NULL)",
        "le": f"({least} <= {value} OR {least} IS NULL)",
        "sa": f"{least} > {value}",
        "eb": f"{most} < {value}",
    }[asked.prefix]
