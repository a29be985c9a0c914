"""What US Core asks of a resource and of a search, decided without any code of the service.

found(resource, "name[use=old].family")     the values at a path
satisfies(resource, "date", "ge2026-01-01") whether a search with this parameter must return it
value_of(resource, "patient")               a value to search for, taken from a resource as a test kit does

A path goes down JSON members and through lists. A condition in brackets keeps the objects with a member of
a value (``=``), or of a value that ends so (``~``); the member may itself be a path.

Dates are compared as ranges: ``eq`` contains, ``gt`` ends later, ``lt`` starts earlier; an open end is later
than any instant. Source: https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/us/core/general-guidance.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Document = dict[str, Any]
Range = tuple[datetime | None, datetime | None]

STEP = re.compile(r"(?P<key>\w+)(?:\[(?P<member>[\w.]+)(?P<how>[=~])(?P<value>[^\]]+)\])?")
STEPS = re.compile(r"(?:[^.\[]|\[[^\]]*\])+")
DATE = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d\d)(?:-(?P<d>\d\d)(?:T(?P<clock>\d\d:\d\d:\d\d)(?P<part>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d))?)?)?"
)
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le")
NAME_PARTS = ("family", "given", "prefix", "suffix", "text")
DAY = timedelta(days=1)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
ADDRESS_PARTS = ("text", "line", "city", "district", "state", "postalCode", "country")


PARAMETERS: dict[str, dict[str, str]] = {
    "*": {
        "_id": "token id",
        "_lastUpdated": "date meta.lastUpdated",
        "patient": "reference subject|patient|beneficiary",
        "status": "token status",
        "identifier": "token identifier",
        "category": "token category",
        "code": "token code",
        "encounter": "reference encounter",
        "name": "string name",
        "type": "token type",
        "address": "string address",
    },
    "Patient": {
        "birthdate": "date birthDate",
        "death-date": "date deceasedDateTime",
        "family": "string name.family",
        "gender": "token gender",
    },
    "PractitionerRole": {"practitioner": "reference practitioner", "specialty": "token specialty"},
    "Location": {
        "address-city": "string address.city",
        "address-state": "string address.state",
        "address-postalcode": "string address.postalCode",
    },
    "Encounter": {
        "class": "token class",
        "date": "date period",
        "location": "reference location.location",
        "discharge-disposition": "token hospitalization.dischargeDisposition",
    },
    "Condition": {
        "clinical-status": "token clinicalStatus",
        "onset-date": "date onsetDateTime|onsetPeriod",
        "abatement-date": "date abatementDateTime|abatementPeriod",
        "recorded-date": "date recordedDate",
        "asserted-date": "date extension[url~/condition-assertedDate].valueDateTime",
    },
    "MedicationRequest": {"intent": "token intent", "authoredon": "date authoredOn"},
    "MedicationDispense": {},
    "CarePlan": {"date": "date period"},
    "CareTeam": {"role": "token participant.role"},
    "Goal": {
        "lifecycle-status": "token lifecycleStatus",
        "target-date": "date target.dueDate",
        "description": "token description",
    },
    "DocumentReference": {"date": "date date", "period": "date context.period"},
    "Observation": {"date": "date effectiveDateTime|effectivePeriod"},
    "QuestionnaireResponse": {"questionnaire": "uri questionnaire", "authored": "date authored"},
    "ServiceRequest": {"authored": "date authoredOn"},
    "AllergyIntolerance": {"clinical-status": "token clinicalStatus"},
    "Procedure": {"date": "date performedDateTime|performedPeriod"},
    "Practitioner": {},
    "Organization": {},
    "Coverage": {},
    "RelatedPerson": {},
    "Provenance": {"target": "reference target"},
}
"""Kind and paths of each parameter, written again so that the service is not its own witness."""


def found(resource: Any, path: str) -> list[Any]:
    """The values at a path, lists opened."""
    nodes = [resource]
    for step in STEPS.findall(path):
        parts = STEP.fullmatch(step)
        assert parts is not None, path
        nodes = [value for node in nodes for value in members(node, parts["key"])]
        if parts["member"]:
            nodes = [
                node
                for node in nodes
                if keeps(node, parts["member"], parts["value"], ends=parts["how"] == "~")
            ]
    return nodes


def members(node: Any, key: str) -> list[Any]:
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def keeps(node: Any, member: str, wanted: str, *, ends: bool) -> bool:
    values = [str(value) for value in found(node, member)]
    return any(value.endswith(wanted) if ends else value == wanted for value in values)


def has(resource: Document, path: str) -> bool:
    """Whether any of the paths, separated by ``|``, leads to a value."""
    return any(found(resource, one.strip()) for one in path.split("|"))


def parameter(resource_type: str, name: str) -> tuple[str, list[str]]:
    """The kind of a search parameter, and its paths."""
    kind, _, paths = PARAMETERS[resource_type].get(name, PARAMETERS["*"].get(name, "")).partition(" ")
    assert kind, f"{resource_type}.{name}"
    return kind, paths.split("|")


def values(resource: Document, name: str) -> Iterator[Any]:
    for path in parameter(resource["resourceType"], name)[1]:
        yield from found(resource, path)


# What a search returns


def satisfies(resource: Document, name: str, asked: str) -> bool:
    """Whether a resource satisfies one parameter; commas mean any of the values."""
    test = TESTS[parameter(resource["resourceType"], name)[0]]
    present = list(values(resource, name))
    wanted = [re.sub(r"\\(.)", r"\1", one) for one in re.split(r"(?<!\\),", asked)]
    return any(test(value, one) for one in wanted for value in present)


def answers(resources: list[Document], parameters: dict[str, str]) -> set[str]:
    """The ids of the resources that satisfy every parameter."""
    return {
        one["id"] for one in resources if all(satisfies(one, *parameter) for parameter in parameters.items())
    }


def is_token(value: Any, asked: str) -> bool:
    system, bar, code = asked.rpartition("|")
    return any(
        (not code or code.casefold() == str(known).casefold()) and (not bar or (space or "") == system)
        for space, known in codes(value)
    )


def codes(value: Any) -> Iterator[tuple[str | None, Any]]:
    """The systems and codes in a code, Coding, CodeableConcept or Identifier."""
    if not isinstance(value, dict):
        yield None, value
    elif "coding" in value:
        yield from ((one.get("system"), one.get("code")) for one in value["coding"])
    else:
        yield value.get("system"), value.get("code", value.get("value"))


def is_reference(value: Any, asked: str) -> bool:
    literal = value.get("reference", "")
    return asked in {literal, literal.rpartition("/")[2]} or asked.endswith(f"/fhir/{literal}")


def is_string(value: Any, asked: str) -> bool:
    return any(folded(text).startswith(folded(asked)) for text in texts(value))


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in {*NAME_PARTS, *ADDRESS_PARTS}:
            yield from members(value, part)
    else:
        yield value


def folded(text: str) -> str:
    parted = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in parted if not unicodedata.combining(letter))


def is_date(value: Any, asked: str) -> bool:
    """Compare by Inferno's oracle: containment for ``eq``, open ends beyond everything."""
    prefix, text = (asked[:2], asked[2:]) if asked[:2] in PREFIXES else ("eq", asked)
    first, last = spanned(value)
    start, end = moment(text)
    equal = first is not None and last is not None and start <= first and last <= end
    later = last is None or last > end
    earlier = first is None or first < start
    return {
        "eq": equal,
        "ne": not equal,
        "gt": later,
        "ge": later or equal,
        "lt": earlier,
        "le": earlier or equal,
    }[prefix]


def spanned(value: Any) -> Range:
    if isinstance(value, dict):
        start, end = value.get("start"), value.get("end")
        return (moment(start)[0] if start else None, moment(end)[1] if end else None)
    return moment(value)


def moment(text: str) -> tuple[datetime, datetime]:
    """The first instant of a date, and the first one after it; without a zone it is UTC."""
    parts = DATE.fullmatch(text)
    assert parts is not None, text
    year, month, day = int(parts["y"]), int(parts["m"] or 1), int(parts["d"] or 1)
    if parts["clock"]:
        fraction = (parts["part"] or ".")[1:]
        start = datetime.fromisoformat(
            f"{text[:19]}.{fraction.ljust(6, '0')}{parts['zone'].replace('Z', '+00:00')}"
        )
        return start, start + timedelta(microseconds=10 ** (6 - len(fraction)))
    start = datetime(year, month, day, tzinfo=UTC)
    if parts["d"]:
        return start, start + DAY
    if parts["m"]:
        return start, datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return start, datetime(year + 1, 1, 1, tzinfo=UTC)


TESTS: dict[str, Callable[[Any, str], bool]] = {
    "token": is_token,
    "reference": is_reference,
    "string": is_string,
    "date": is_date,
    "uri": lambda value, asked: value == asked,
}


# What to search for


def value_of(resource: Document, name: str) -> str | None:
    """A value by which a resource should be found, or None when it has none."""
    kind = parameter(resource["resourceType"], name)[0]
    spelled = (WORDS[kind](value) for value in values(resource, name))
    text = next((text for text in spelled if text), None)
    return None if text is None else re.sub(r"([\\,$])", r"\\\1", text)


def token_value(value: Any) -> str | None:
    """The code alone; an identifier with its system."""
    if isinstance(value, dict) and "value" in value:
        return in_full(value)
    return next((str(code) for _, code in codes(value) if code), None)


def in_full(value: Any) -> str:
    """System and code."""
    space, code = next(codes(value))
    return f"{space}|{code}"


def date_value(value: Any) -> str:
    """A date as it is; for a period what begins it, as something later than the day before."""
    if not isinstance(value, dict):
        return str(value)
    return f"gt{instant(moment(value['start'])[0] - DAY)}"


WORDS: dict[str, Callable[[Any], str | None]] = {
    "token": token_value,
    "reference": lambda value: value.get("reference"),
    "string": lambda value: next(texts(value), None),
    "date": date_value,
    "uri": lambda value: value,
}


def instant(when: datetime) -> str:
    """An instant with an offset, to the second."""
    return when.astimezone(UTC).isoformat(timespec="seconds")


def compared(value: Any) -> list[str]:
    """The four comparisons that US Core requires, around a stored date, as instants with an offset."""
    first, last = spanned(value)
    before, after = (first or EARLIEST) - DAY, (last or first or EARLIEST) + DAY
    return [
        f"{prefix}{instant(when)}"
        for prefix, when in (("gt", before), ("ge", before), ("lt", after), ("le", after))
    ]
