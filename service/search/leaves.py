"""The last step of extraction: from a FHIR value to index rows, one small function a data type.

    token       code, Coding, CodeableConcept, Identifier, ContactPoint, boolean, string   ─► terms
    reference   Reference, canonical · uri                                                 ─► terms
    date        date, dateTime, instant, Period, Timing                                    ─► columns or dates
    string      string, HumanName, Address                                 ─► strings; by sound ─► terms
    special     Location.position                                                          ─► columns
    quantity    Quantity, Range, SampledData, decimal, integer                             ─► quantities

Source: https://hl7.org/fhir/R4/search.html#ptypes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from service.search import places, terminology
from service.search.moments import DATES, moment
from service.search.registry import Parameter, Path, is_media_type
from service.search.sounds import sounds
from service.search.values import (
    CANONICAL,
    ancestors,
    normalized,
    relative,
    term,
    token_term,
    versions,
)
from service.search.words import words


@dataclass(slots=True)
class Rows:
    """What has been found in a document so far."""

    fhir_base: str
    terms: list[str] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    patients: set[str] = field(default_factory=set)
    strings: list[tuple[str, str, str]] = field(default_factory=list)
    dates: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    quantities: list[tuple[str, str | None, str | None, Any, Any, Any]] = field(default_factory=list)
    contained: list[tuple[Parameter, str]] = field(default_factory=list)
    """The parameters that refer to contained resources, with the ids of these."""
    words: list[str] = field(default_factory=list)
    """The words of displays, as ``parameter:word``."""


Visit: TypeAlias = Callable[[Any, Rows], None]

NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
ADDRESS_PARTS = ("line", "city", "district", "state", "postalCode", "country", "text")
PARTS = {"HumanName": NAME_PARTS, "Address": ADDRESS_PARTS}


def leaf(one: Parameter, way: Path) -> Visit:
    """The function that indexes one parameter's values of one data type."""
    if (made := LEAVES.get(one.store)) is not None:
        return made(one, way)
    if one.kind in {"reference", "uri"}:
        return reference(one, way) if way.data_type == "Reference" else uri(one)
    if one.kind in {"quantity", "number"}:
        return QUANTITIES.get(way.data_type, number)(one)
    return TOKENS.get(way.data_type, plain)(one)


def patient(value: Any, rows: Rows) -> None:
    """Remember a referenced patient of this server: it decides whose record the document is."""
    spelled = isinstance(value, dict) and relative(str(value.get("reference", "")), rows.fhir_base)
    if spelled and spelled.startswith("Patient/"):
        rows.patients.add(spelled[8:])


def plain(one: Parameter) -> Visit:
    """Codes and strings without a system of their own, and booleans; media types without parameters, too."""
    stem, above = f"{one.code}=", f"{one.code}:below="
    among_systems, is_narrowed = not terminology.is_bare(one), is_media_type(one)

    def visit(value: Any, rows: Rows) -> None:
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, str):
            rows.terms.append(term(stem + value.casefold()))
            if among_systems:
                rows.terms.append(term(stem + token_term(None, value)))
            if is_narrowed and ";" in value:
                rows.terms.append(term(above + value.partition(";")[0].strip().casefold()))

    return visit


def add_token(terms: list[str], stem: str, system: Any, code: Any) -> None:
    """Index one system and code in each way that they may be asked for."""
    if code:
        terms.append(term(stem + code.casefold()))
        terms.append(term(stem + token_term(system, code)))
    if system:
        terms.append(term(f"{stem}{system}|"))


def add_mark(terms: list[str], code: str, before: int) -> None:
    """Tell that there is a value, when nothing in it gave a term: ``:missing`` must see it."""
    if len(terms) == before:
        terms.append(f"{code}:")


def add_words(rows: Rows, code: str, text: str | None) -> None:
    """Index the words of a display."""
    if text:
        rows.words.extend([f"{code}:{word}" for word in words(text)])


def coding(one: Parameter) -> Visit:
    """A Coding."""
    stem, code = f"{one.code}=", one.code

    def visit(value: Any, rows: Rows) -> None:
        before = len(rows.terms)
        add_token(rows.terms, stem, value.get("system"), value.get("code"))
        add_mark(rows.terms, code, before)
        add_words(rows, code, value.get("display"))

    return visit


def concept(one: Parameter) -> Visit:
    """Every coding of a CodeableConcept, and its text."""
    stem, code = f"{one.code}=", one.code

    def visit(value: Any, rows: Rows) -> None:
        before = len(rows.terms)
        add_words(rows, code, value.get("text"))
        for item in value.get("coding", ()):
            add_token(rows.terms, stem, item.get("system"), item.get("code"))
            add_words(rows, code, item.get("display"))
        add_mark(rows.terms, code, before)

    return visit


def identifier(one: Parameter) -> Visit:
    """An Identifier, also by its type."""
    stem, typed, code = f"{one.code}=", f"{one.code}:of-type=", one.code

    def visit(value: Any, rows: Rows) -> None:
        before = len(rows.terms)
        number_text, type_ = value.get("value"), value.get("type", {})
        add_token(rows.terms, stem, value.get("system"), number_text)
        add_mark(rows.terms, code, before)
        add_words(rows, code, type_.get("text"))
        for item in type_.get("coding", ()):
            if number_text and item.get("code"):
                kind = token_term(item.get("system"), item["code"])
                rows.terms.append(term(f"{typed}{kind}|{number_text.casefold()}"))

    return visit


def contact(one: Parameter) -> Visit:
    """A ContactPoint: its system (phone, email …) stands for the code system."""
    stem, code = f"{one.code}=", one.code

    def visit(value: Any, rows: Rows) -> None:
        before = len(rows.terms)
        add_token(rows.terms, stem, value.get("system"), value.get("value"))
        add_mark(rows.terms, code, before)

    return visit


TOKENS: dict[str, Callable[[Parameter], Visit]] = {
    "Coding": coding,
    "CodeableConcept": concept,
    "Identifier": identifier,
    "ContactPoint": contact,
}


def reference(one: Parameter, way: Path) -> Visit:
    """A Reference: literal, logical or both. A patient held by the column gets no term."""
    stem, logical, code = f"{one.code}=", f"{one.code}:identifier=", one.code
    wanted = way.target
    in_column = one.in_patient_column

    def visit(value: Any, rows: Rows) -> None:
        literal = value.get("reference") or ""
        spelled = relative(literal, rows.fhir_base)
        if literal[:1] == "#":
            rows.contained.append((one, literal[1:]))
        if wanted and wanted != referenced_type(value, spelled, wanted):
            return
        before = len(rows.terms)
        if spelled and not (in_column and spelled.startswith("Patient/")):
            rows.terms.append(term(stem + spelled))
        if held := value.get("identifier"):
            add_token(rows.terms, logical, held.get("system"), held.get("value"))
        if not spelled:
            add_mark(rows.terms, code, before)
        add_words(rows, code, value.get("display"))

    return visit


def referenced_type(value: Any, spelled: str | None, otherwise: str) -> str:
    """The type that a reference states, by its literal or by its ``type``."""
    if spelled:
        return spelled.rpartition("/")[0].rpartition("/")[2]
    return str(value.get("type", otherwise))


def uri(one: Parameter) -> Visit:
    """A uri or canonical, the latter with and without its version; also by what it lies below."""
    stem, lead, above = f"{one.code}=", f"{one.code}{CANONICAL}", f"{one.code}:below="
    is_reference = one.kind == "reference"

    def visit(value: Any, rows: Rows) -> None:
        if not isinstance(value, str):
            return
        spelled = (relative(value, rows.fhir_base) or value) if is_reference else value
        spellings = (spelled, spelled.partition("|")[0]) if "|" in spelled else (spelled,)
        rows.terms.extend([term(stem + each) for each in spellings])
        if is_reference:
            rows.terms.append(lead + term(spelled))
        else:
            rows.terms.extend([term(above + place) for each in spellings for place in ancestors(each)])
        rows.terms.extend([term(above + version) for version in versions(spelled)])

    return visit


def string(one: Parameter, way: Path) -> Visit:
    """A string, or every part of a name or an address."""
    code = one.code
    parts = PARTS.get(way.data_type, ())

    def visit(value: Any, rows: Rows) -> None:
        rows.strings.extend([(code, normalized(text), text) for text in texts(value, parts)])

    return visit


def sound(one: Parameter, way: Path) -> Visit:
    """A string, or every part of a name, by how it sounds."""
    stem = f"{one.code}="
    parts = PARTS.get(way.data_type, ())

    def visit(value: Any, rows: Rows) -> None:
        for text in texts(value, parts):
            rows.terms.extend([term(stem + code) for code in sounds(text)])

    return visit


def texts(value: Any, parts: Sequence[str]) -> list[str]:
    """A text, or the parts of a name or an address that are present."""
    if isinstance(value, str):
        return [] if parts else [value]
    found = []
    for part in parts:
        held = value.get(part)
        found += [text for text in (held if isinstance(held, list) else (held,)) if text]
    return found


def place(one: Parameter, _way: Path) -> Visit:
    """A position on the globe: two columns."""
    latitude, longitude = f"{one.column}_latitude", f"{one.column}_longitude"

    def visit(value: Any, rows: Rows) -> None:
        if "latitude" not in value or "longitude" not in value:
            return
        with suppress(ValueError):
            rows.columns[latitude], rows.columns[longitude] = places.position(
                value["latitude"], value["longitude"]
            )

    return visit


def column_date(one: Parameter, way: Path) -> Visit:
    """A date that has one value: two columns."""
    start, end = f"{one.column}_start", f"{one.column}_end"
    read = DATES.get(way.data_type, moment)

    def visit(value: Any, rows: Rows) -> None:
        if (found := read(value)) is not None:
            rows.columns[start], rows.columns[end] = found

    return visit


def repeated_date(one: Parameter, way: Path) -> Visit:
    """A date that may repeat: a row of ``index_date`` for each value."""
    code = one.code
    read = DATES.get(way.data_type, moment)

    def visit(value: Any, rows: Rows) -> None:
        if (found := read(value)) is not None:
            rows.dates.append((code, *found))

    return visit


LEAVES: dict[str, Callable[[Parameter, Path], Visit]] = {
    "column": column_date,
    "date": repeated_date,
    "place": place,
    "sound": sound,
    "string": string,
}
"""The functions of the stores that hold one kind of values."""


def number(one: Parameter) -> Visit:
    """A decimal or an integer."""
    code = one.code

    def visit(value: Any, rows: Rows) -> None:
        exact = Decimal(value)
        rows.quantities.append((code, None, None, exact, exact, exact))

    return visit


def quantity(one: Parameter) -> Visit:
    """A Quantity, also by its unit when that differs from its code; ``<`` and ``>`` leave a side open."""
    code = one.code

    def visit(value: Any, rows: Rows) -> None:
        if (held := value.get("value")) is None:
            return
        exact = Decimal(held)
        comparator = value.get("comparator", "")
        low = None if comparator.startswith("<") else exact
        high = None if comparator.startswith(">") else exact
        for system, unit in units(value):
            rows.quantities.append((code, system, unit, exact, low, high))

    return visit


def units(value: dict[str, Any]) -> Iterable[tuple[str | None, str | None]]:
    """The systems and codes by which a quantity's unit may be asked for."""
    code = value.get("code") or value.get("currency")
    system, unit = value.get("system"), value.get("unit")
    if code or system or not unit:
        yield system, code
    if unit and unit != code:
        yield None, unit


def span(one: Parameter) -> Visit:
    """A Range; a missing side is open."""
    code = one.code

    def visit(value: Any, rows: Rows) -> None:
        low, high = value.get("low", {}), value.get("high", {})
        least, most = low.get("value"), high.get("value")
        if least is None and most is None:
            return
        bounds = (optional(least), optional(most))
        for system, unit in units(low if least is not None else high):
            rows.quantities.append((code, system, unit, None, *bounds))

    return visit


def optional(value: Any) -> Decimal | None:
    """An exact number, or nothing."""
    return None if value is None else Decimal(value)


def sampled(one: Parameter) -> Visit:
    """SampledData: only its origin is a quantity."""
    inner = quantity(one)

    def visit(value: Any, rows: Rows) -> None:
        inner(value.get("origin", {}), rows)

    return visit


QUANTITIES: dict[str, Callable[[Parameter], Visit]] = {
    "Quantity": quantity,
    "Age": quantity,
    "Duration": quantity,
    "Money": quantity,
    "Range": span,
    "SampledData": sampled,
}
