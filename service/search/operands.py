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
from service.search.registry import Parameter, is_canonical, targets
from service.search.values import (
    ALWAYS,
    LITERAL,
    NEVER,
    ancestors,
    folded,
    interval,
    relative,
    term,
    token_term,
)

PREFIX = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,2})?", re.ASCII)
LOGICAL_ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
SEPARATORS = {separator: re.compile(r"(?<!\\)((?:\\\\)*)" + re.escape(separator)) for separator in ",|$"}


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
    r"""Resolve ``\,``, ``\|``, ``\$`` and ``\\``."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text


def token(one: Parameter, text: str, stem: str = "") -> tuple[Operand, ...]:
    """A token. A ``code`` element has no system of its own: its binding's systems are understood."""
    stem = stem or f"{one.code}="
    system, *rest = (unescaped(part) for part in split(text, "|"))
    if one.store == "id":
        return (Id(system),)
    if not rest:
        return (Term(term(stem + system.casefold())),)
    code = "|".join(rest)
    if terminology.is_bare(one):
        return bare_code(one, system, code, stem)
    if not code:
        return (Term(term(f"{stem}{system}|")),) if system else ()
    return (Term(term(stem + token_term(system, code))),)


def bare_code(one: Parameter, system: str, code: str, stem: str) -> tuple[Operand, ...]:
    """A code whose system is understood; where that is one of several, only its own codes are meant."""
    if system not in (one.systems or ("",)):
        return ()
    if len(one.systems) <= 1:
        return (Term(term(stem + code.casefold())),) if code else (Present(system),)
    known = {own.casefold() for own in terminology.codes_of(system)}
    meant = known & {code.casefold()} if code else known
    return tuple(Term(term(stem + own)) for own in sorted(meant))


def of_type(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:of-type``: an identifier by its type's system and code and its value."""
    system, code, value = (unescaped(part) for part in split(text, "|"))
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
        if "/" in text or ":" in text:
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
    return (Text(folded(exact), exact),)


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
    """A uri, exactly as sent."""
    return (Term(term(f"{one.code}={unescaped(text)}")),)


def at_or_below(one: Parameter, text: str) -> tuple[Operand, ...]:
    """``:below``: a uri, or one whose path begins with its segments."""
    return (Term(term(f"{one.code}:below={unescaped(text).rstrip('/')}")),)


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

    A number stands for everything that rounds to it: ``5.40`` is [5.395, 5.405).
    """
    parts = [unescaped(part) for part in split(text, "|")]
    found = PREFIX.fullmatch(parts[0])
    if found is None or not NUMBER.fullmatch(found[2]) or len(parts) not in {1, 3}:
        raise ValueError
    value = Decimal(found[2])
    half = Decimal(5).scaleb(int(value.as_tuple().exponent) - 1)
    system, code = (parts[1] or None, parts[2] or None) if len(parts) > 1 else (None, None)
    return (Amount(found[1] or "eq", value, value - half, value + half, system, code),)
