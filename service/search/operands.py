"""From the text of a query to operands: one reader a kind of parameter.

    token       code · system|code · |code · system|
    reference   id · Type/id · URL · canonical
    date        prefix + date of any precision              number, quantity   prefix + number|system|unit
    string      folded and exact; by sound                  uri                as sent
    near        latitude|longitude|distance|unit

A value that cannot be read raises ``ValueError``; the caller names the parameter, never the value.
Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from service.search import places, sounds, terminology, words
from service.search.criteria import Amount, Id, InPatient, Moment, Operand, Present, Sounds, Term, Text, Words
from service.search.registry import Parameter, is_canonical, is_media_type, targets
from service.search.values import (
    ALWAYS,
    CANONICAL,
    DEFINING,
    LITERAL,
    NEVER,
    ancestors,
    interval,
    normalized,
    relative,
    term,
    token_term,
)

PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?", re.ASCII)
MAX_WORDS = 6
"""Words of a name that are looked for in its parts; a longer one is looked for as it stands."""

AMOUNT_PARTS = 3
"""``number|system|code``."""

LOGICAL_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
SPECIAL_VALUES = (
    "http://terminology.hl7.org/CodeSystem/special-values",
    "http://hl7.org/fhir/special-values",
)
"""The systems of true and false, by their present and their former name."""

SEPARATORS = {separator: re.compile(r"(?<!\\)((?:\\\\)*)" + re.escape(separator)) for separator in ",|$"}


ESCAPE = re.compile(r"\\([,|$\\])")
ESCAPED = re.compile(r"(?:[^\\]|\\[,|$\\])*")


class UnknownValueSet(Exception):
    """The codes of a value set are not known."""


Read: TypeAlias = Callable[[str], tuple[Operand, ...]]
"""Reads one value; several operands mean that any of them will do."""


def split(text: str, separator: str) -> list[str]:
    r"""Split at a separator that is not escaped by ``\``; the parts keep their escapes."""
    if "\\" not in text:
        return text.split(separator)
    return SEPARATORS[separator].sub(r"\1" + "\0", text).split("\0")


def unescaped(text: str) -> str:
    r"""Resolve ``\,``, ``\|``, ``\$`` and ``\\``; before anything else, R4 calls a backslash illegal.

    Raises:
        ValueError: there is such a one.
    """
    if "\\" not in text:
        return text
    if not ESCAPED.fullmatch(text):
        raise ValueError
    return ESCAPE.sub(r"\1", text)


def token(one: Parameter, text: str, stem: str = "") -> tuple[Operand, ...]:
    """A token. A ``code`` element has no system of its own: its binding's systems are understood.

    A contact point has none, so that ``|value`` finds it; what is sent as one is taken for phone or email.
    """
    stem = stem or f"{one.code}="
    system, *rest = (unescaped(part) for part in split(text, "|"))
    if one.store == "id":
        return (Id(system),)
    code = "|".join(rest)
    if not rest or (code and not system and is_contact(one)):
        return (Term(term(stem + (code or system).casefold())),)
    if terminology.is_bare(one):
        return bare_code(one, system, code, stem)
    if not code:
        return (Term(term(f"{stem}{system}|")),) if system else ()
    return (Term(term(stem + token_term(system, code))),)


def is_contact(one: Parameter) -> bool:
    """Whether all values of a parameter are contact points."""
    return bool(one.paths) and all(way.data_type == "ContactPoint" for way in one.paths)


def bare_code(one: Parameter, system: str, code: str, stem: str) -> tuple[Operand, ...]:
    """A code whose system is understood; where that is one of several, only its own codes are meant."""
    if system not in (one.systems or ("", *SPECIAL_VALUES)):
        return ()
    if len(one.systems) <= 1:
        return (Term(term(stem + code.casefold())),) if code else (Present(system),)
    known = {own.casefold() for own in terminology.codes_of(system)}
    meant = known & {code.casefold()} if code else known
    return tuple(Term(term(stem + own)) for own in sorted(meant))


def of_type(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:of-type``: an identifier by its type's system and code and its value, all of which are needed."""
    system, code, value = (unescaped(part) for part in split(text, "|"))
    if not (system and code and value):
        raise ValueError
    return (Term(term(f"{one.code}:of-type={token_term(system, code)}|{value.casefold()}")),)


def reference(one: Parameter, text: str, fhir_base: str, resource_type: str | None) -> tuple[Operand, ...]:
    """A reference. ``resource_type`` comes from a ``:Type`` modifier."""
    text = unescaped(text)
    if is_canonical(one):
        return (Term(term(f"{one.code}={relative(text, fhir_base)}")),)
    spelled = relative(text, fhir_base) or ""
    if LITERAL.fullmatch(spelled) or ":" in spelled:
        if resource_type is not None and not spelled.startswith(f"{resource_type}/"):
            return ()
        return (to_operand(one, spelled),)
    if not LOGICAL_ID.fullmatch(spelled):
        if any(mark in text for mark in "/:#"):
            return ()
        raise ValueError
    kinds = (resource_type,) if resource_type else targets(one)
    return tuple(to_operand(one, f"{kind}/{spelled}") for kind in kinds)


def to_operand(one: Parameter, spelled: str) -> Operand:
    """Where the index holds a reference: the patient's own column, or a term."""
    if one.in_patient_column and spelled.startswith("Patient/"):
        return InPatient(spelled[8:])
    return Term(term(f"{one.code}={spelled}"))


@lru_cache(maxsize=1024)
def date(text: str) -> tuple[Operand, ...]:
    """A date with an optional prefix; a ``+`` that arrived as a space is put back."""
    found = PREFIX.fullmatch(text.replace(" ", "+"))
    covered = interval(found[2]) if found else None
    # The driver reads the ends of the calendar as infinity, and nothing is near to that.
    if found is None or covered is None or (found[1] == "ap" and is_endless(covered[0])):
        raise ValueError
    return (Moment(found[1] or "eq", *covered),)


def is_endless(moment: datetime) -> bool:
    """Whether a moment is where the calendar ends or begins."""
    return moment.replace(tzinfo=None) in {ALWAYS, NEVER}


def string(text: str) -> tuple[Operand, ...]:
    """A string that is not blank."""
    exact = unescaped(text)
    if not exact.strip():
        raise ValueError
    return (Text(normalized(exact), exact),)


def whole(text: str) -> tuple[Operand, ...]:
    """A name or an address, which has parts: the words of it may begin different ones."""
    words = normalized(unescaped(text)).split(maxsplit=MAX_WORDS)
    are_several = 1 < len(words) <= MAX_WORDS
    return tuple(
        one._replace(words=tuple(words)) if are_several and isinstance(one, Text) else one
        for one in string(text)
    )


def sound(one: Parameter, text: str) -> tuple[Operand, ...]:
    """A name by its sound."""
    if not (found := sounds.sounds(unescaped(text))):
        raise ValueError
    return (Sounds(tuple(term(f"{one.code}={code}") for code in found)),)


def near(text: str) -> tuple[Operand, ...]:
    """A place, and how far from it; the distance and its unit may be left out."""
    latitude, longitude, distance, code, *more = [*unescaped(text).split("|"), "", ""]
    if more[2:] or not all(NUMBER.fullmatch(part) for part in (latitude, longitude, distance or "0")):
        raise ValueError
    reach = Decimal(distance) if distance else None
    return (places.near(Decimal(latitude), Decimal(longitude), reach, code),)


def uri(one: Parameter, text: str) -> tuple[Operand, ...]:
    """A uri, exactly as sent; of a definition, with its version where one is named."""
    spelled = unescaped(text)
    if one.code == DEFINING and "|" in spelled:
        return (Term(CANONICAL + term(spelled)),)
    return (Term(term(f"{one.code}={spelled}")),)


def at_or_below(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:below``: a uri, or one whose path begins with its segments; versions and media types likewise."""
    spelled = unescaped(text)
    below = Term(term(f"{one.code}:below={spelled.rstrip('/')}"))
    if is_media_type(one):
        below = Term(term(f"{one.code}:below={spelled.casefold()}"))
        return (Term(term(f"{one.code}={spelled.casefold()}")), below)
    if is_canonical(one) and "|" not in spelled:
        return (Term(term(f"{one.code}={spelled}")),)
    return (below,)


def at_or_above(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:above``: a uri, or one whose segments its path begins with; with or without a slash at the end."""
    places = ancestors(unescaped(text))
    return tuple(Term(term(f"{one.code}={place}{slash}")) for place in places for slash in ("", "/"))


def member(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:in``: every code of a value set.

    Raises:
        UnknownValueSet: its codes are not known here.
    """
    found = terminology.members(one, unescaped(text))
    if found is None:
        raise UnknownValueSet
    return found


def display(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:text``: the words of a display."""
    return (Words(words.asked(one.code, unescaped(text)), of_displays=True),)


def prose(text: str) -> tuple[Operand, ...]:
    """``_text`` and ``_content``: words, "phrases", or, and - for not."""
    if not text.strip():
        raise ValueError
    return (Words(unescaped(text), of_displays=False),)


def amount(text: str) -> tuple[Operand, ...]:
    """A number or quantity with an optional prefix and unit.

    A number stands for everything that rounds to it: ``5.40`` is [5.395, 5.405). The code may be left out.
    """
    parts = [unescaped(part) for part in split(text, "|")]
    found = PREFIX.fullmatch(parts[0])
    if found is None or not NUMBER.fullmatch(found[2]) or len(parts) > AMOUNT_PARTS:
        raise ValueError
    value = Decimal(found[2])
    half = Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)
    system, code = (part or None for part in (*parts[1:], "", "")[:2])
    return (Amount(found[1] or "eq", value, value - half, value + half, system, code),)
