"""The families of searches that are measured: what is asked about a person, and what must come back.

    Family ── ask(Person) ─▶ Ask    request, an id that the answer names, entries that it has at least

*Selective* families find as many resources in a large practice as in a small one. *Broad* ones match a part
of all and answer a page of 50. *Counts* look at everything that they count, so they have no bar.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from bench import population
from bench.driver import Ask

from models.kat.systems import LOINC, UCUM

PAGE = 50
VERSIONS = 5
UPDATED = 20
"""Patients whose weight has several versions."""

SID = "https://kat-fhir.example/sid/"
RX = "https://rx-a.example/rx"
PHQ_9 = f"{LOINC}|44261-6"
SYSTOLIC = f"{LOINC}|8480-6"
FORM = "http://loinc.org/q/44249-1"
MATCHES_OF_WINDOW = 12
DAYS_OF_ARCS = 600
OBSERVATIONS = 5
"""Observations of a patient without a long chart."""


@dataclass(frozen=True, slots=True)
class Practice:
    """What is stored: how many patients, instants at which some of them were, and links to some pages."""

    patients: int
    instants: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    """Where pages of all observations begin, newest first, each as the link of the page before says it."""

    def sample(self, name: str, count: int) -> Iterator[Person]:
        """Draw patients from all; the same ones for the same name."""
        dice = random.Random(f"{name}/{self.patients}")  # noqa: S311 - not for secrets
        for _ in range(count):
            yield Person(dice.randrange(self.patients), self, dice)


class Person:
    """One patient, and what is known of them."""

    def __init__(self, number: int, practice: Practice, dice: random.Random) -> None:
        self.number, self.practice, self.dice = number, practice, dice
        self.key = population.key(number)
        self.patient = f"Patient/pat-{self.key}"

    def id(self, kind: str, name: str = "") -> str:
        """Make an id of the chart."""
        return "-".join(part for part in (kind, self.key, name) if part)

    @cached_property
    def chart(self) -> dict[str, dict[str, Any]]:
        """The chart by id."""
        return {document["id"]: document for document in population.chart(self.number)}

    @property
    def weight(self) -> dict[str, Any]:
        """The patient's weight."""
        return self.chart[self.id("obs", "weight")]

    @property
    def kilograms(self) -> str:
        """The weight, as a search asks for it."""
        return f"{self.weight['valueQuantity']['value']}|{UCUM}|kg"

    @property
    def long(self) -> Person:
        """The nearest patient with a long chart."""
        number = self.number // population.LONG_EVERY * population.LONG_EVERY
        return Person(number, self.practice, self.dice)

    @property
    def named(self) -> Person:
        """The patient, or another one where some of those who will share the name are still missing."""
        size = population.NAMESAKES * population.PATIENTS_OF_THERAPIST
        whole = self.practice.patients // size * size
        return Person(self.number % whole, self.practice, self.dice) if whole else self

    @property
    def updated(self) -> Person:
        """A patient whose weight has several versions."""
        step = max(1, self.practice.patients // UPDATED)
        number = self.dice.randrange(min(UPDATED, self.practice.patients)) * step
        return Person(number, self.practice, self.dice)

    @property
    def instant(self) -> str:
        """An instant before which a part of all was stored."""
        return self.dice.choice(self.practice.instants)


def find(resource_type: str, *pairs: tuple[str, str], marker: str = "", least: int = 1) -> Ask:
    """Search a type; the answer has ``least`` entries, and the id ``marker``."""
    return Ask(
        f"/{resource_type}?{urlencode(pairs, quote_via=quote, safe=':/,')}", marker and f'"{marker}"', least
    )


def page(resource_type: str, *pairs: tuple[str, str]) -> Ask:
    """Ask for a full page."""
    return find(resource_type, *pairs, ("_count", str(PAGE)), least=PAGE)


def own(person: Person, resource_type: str, *pairs: tuple[str, str], marker: str = "", least: int = 1) -> Ask:
    """Search in one patient's record."""
    return find(resource_type, ("patient", person.patient), *pairs, marker=marker, least=least)


def window(person: Person) -> Ask:
    """Ask for the observations around one of them; fewer hours the more patients there are."""
    at = datetime.fromisoformat(person.weight["effectiveDateTime"])
    days = DAYS_OF_ARCS * MATCHES_OF_WINDOW / (OBSERVATIONS * person.practice.patients) / 2
    first, last = at - timedelta(days=days), at + timedelta(days=days)
    return find(
        "Observation",
        ("date", f"ge{first.strftime('%Y-%m-%dT%H:%M:%SZ')}"),
        ("date", f"le{last.strftime('%Y-%m-%dT%H:%M:%SZ')}"),
        ("_count", "1000"),
        marker=person.weight["id"],
    )


def deep(person: Person) -> Ask:
    """Ask for a page far from the first one, of all observations newest first."""
    return page("Observation", NEWEST, ("_page", person.dice.choice(person.practice.places)))


def named(ask: Callable[[Person], Ask]) -> Callable[[Person], Ask]:
    """Ask about somebody with as many namesakes as everybody."""
    return lambda person: ask(person.named)


def order(person: Person, *pairs: tuple[str, str], least: int = 1) -> Ask:
    """Find a prescription by its identifier."""
    return find(
        "MedicationRequest",
        ("identifier", f"{RX}|RX-{person.key}"),
        *pairs,
        marker=person.id("rx"),
        least=least,
    )


def counted(resource_type: str, *pairs: tuple[str, str]) -> Ask:
    """Ask for a number only."""
    return find(resource_type, *pairs, ("_summary", "count"), least=0)._replace(marker='"total":')


@dataclass(frozen=True, slots=True)
class Family:
    """One family of requests."""

    name: str
    ask: Ask | Callable[[Person], Ask]
    extent: str = "selective"

    def asks(self, practice: Practice, count: int) -> list[Ask]:
        """Write some requests, each about another patient; one only where no patient makes a difference."""
        if isinstance(self.ask, Ask):
            return [self.ask]
        return [self.ask(person) for person in practice.sample(self.name, count)]


def broad(name: str, ask: Ask | Callable[[Person], Ask]) -> Family:
    """Name a family that matches a part of all."""
    return Family(name, ask, "broad")


def count(name: str, ask: Ask | Callable[[Person], Ask]) -> Family:
    """Name a family that counts a part of all."""
    return Family(name, ask, "count")


MEDS, OBS, DOCS = "MedicationRequest", "Observation", "DocumentReference"
ACTIVE = ("status", "active")
ALL = ("_count", "200")
"""Room for all observations of a long chart."""

NEWEST = ("_sort", "-date")

FAMILIES = (
    Family("one by id", lambda p: Ask(f"/Observation/{p.id('obs', 'weight')}", p.id("obs", "weight"))),
    Family("token", order),
    Family("token+patient", lambda p: own(p, MEDS, ("status", "active,completed"), marker=p.id("rx"))),
    broad("token newest first", page(OBS, ("code", PHQ_9), NEWEST)),
    broad("token by id", page("Encounter", ("status", "finished"))),
    broad("token :not", page("EpisodeOfCare", ("status:not", "finished"))),
    Family(
        "token :text+patient", lambda p: own(p, OBS, ("code:text", "weight"), marker=p.id("obs", "weight"))
    ),
    broad("token :text", page("Condition", ("code:text", "disorder"))),
    Family(
        "reference",
        lambda p: find(
            OBS,
            ("derived-from", f"QuestionnaireResponse/{p.id('qr', 'phq9-end')}"),
            marker=p.id("obs", "phq9-end"),
        ),
    ),
    Family(
        "reference+token sorted",
        lambda p: find(
            MEDS, ("requester", population.prescriber(p.number)), ACTIVE, ("_sort", "-authoredon")
        ),
    ),
    broad("reference", page("Encounter", ("service-provider", "Organization/org-kat"))),
    Family("date", window),
    Family(
        "date+patient",
        lambda p: own(
            p, OBS, ("date", f"ge{p.weight['effectiveDateTime'][:10]}"), ALL, marker=p.id("obs", "weight")
        ),
    ),
    broad("date oldest first", page(OBS, ("date", "ge2025-09-01"), ("_sort", "date"))),
    broad("date by id", page(OBS, ("date", "ge2025-09-01"))),
    Family(
        "string",
        named(lambda p: find("Patient", ("family", population.surname(p.number)), marker=p.id("pat"))),
    ),
    Family(
        "string+date",
        named(
            lambda p: find(
                "Patient",
                ("name", population.surname(p.number)),
                ("birthdate", p.chart[p.id("pat")]["birthDate"]),
                marker=p.id("pat"),
            )
        ),
    ),
    Family(
        "birth date",
        lambda p: find("Patient", ("birthdate", p.chart[p.id("pat")]["birthDate"]), marker=p.id("pat")),
    ),
    broad("string", page("Patient", ("given", "ada,ben,pia,leo"))),
    Family(
        "string :contains",
        named(
            lambda p: find(
                "Patient", ("family:contains", population.surname(p.number)[1:]), marker=p.id("pat")
            )
        ),
    ),
    Family(
        "quantity",
        lambda p: find(OBS, ("value-quantity", p.kilograms), marker=p.id("obs", "weight")),
    ),
    Family(
        "quantity+patient",
        lambda p: own(p, OBS, ("value-quantity", f"ge{p.kilograms}"), marker=p.id("obs", "weight")),
    ),
    broad("quantity+token", page(OBS, ("code", PHQ_9), ("value-quantity", "gt17"))),
    Family("uri", find("Questionnaire", ("url", FORM), marker="phq-9")),
    broad(
        "uri newest first",
        page("QuestionnaireResponse", ("questionnaire", FORM), ("_sort", "-authored")),
    ),
    Family(
        "composite+patient",
        lambda p: own(p, OBS, ("code-value-quantity", f"{PHQ_9}$ge2"), marker=p.id("obs", "phq9-end")),
    ),
    broad("composite", page(OBS, ("component-code-value-quantity", f"{SYSTOLIC}$gt125"))),
    Family(
        "chain",
        lambda p: find(MEDS, ("patient.identifier", f"{SID}mrn|KAT-{p.key}"), marker=p.id("rx")),
    ),
    Family(
        "chain by name",
        named(
            lambda p: find(
                OBS,
                ("patient.family", population.surname(p.number)),
                ("code", PHQ_9),
                marker=p.id("obs", "phq9-end"),
            )
        ),
    ),
    Family(
        "chain to prescriber",
        lambda p: find(
            MEDS, ("requester:Practitioner.family", population.prescriber_surname(p.number)), ACTIVE
        ),
    ),
    Family(
        "_has",
        lambda p: find(
            "Patient", ("_has:MedicationRequest:patient:identifier", f"{RX}|RX-{p.key}"), marker=p.id("pat")
        ),
    ),
    broad("_has", page("Patient", ("_has:Observation:patient:code", PHQ_9))),
    Family(
        "_filter",
        lambda p: find(
            MEDS, ("_filter", f'identifier eq "{RX}|RX-{p.key}" or identifier eq "x"'), marker=p.id("rx")
        ),
    ),
    Family(
        "_content",
        lambda p: find(DOCS, ("_content", population.rare_word(p.number)), marker=p.id("note", "intake")),
    ),
    Family(
        "_content two words",
        lambda p: find(
            DOCS, ("_content", f"themes {population.rare_word(p.number)}"), marker=p.id("note", "intake")
        ),
    ),
    broad("_content", lambda p: page(DOCS, ("_content", p.dice.choice(population.COMMON)))),
    broad("_text", page("CarePlan", ("_text", "weekly"))),
    Family(
        "compartment", lambda p: Ask(f"/{p.patient}/Observation?code={PHQ_9}", p.id("obs", "phq9-end"), 2)
    ),
    Family("compartment, all types", lambda p: Ask(f"/{p.patient}/*?_count=100", p.id("ep"), 30)),
    Family(
        "system+patient",
        lambda p: own(
            p, "", ("_type", "Observation,DocumentReference"), ALL, marker=p.id("obs", "weight"), least=8
        ),
    ),
    broad(
        "system since",
        lambda p: page("", ("_type", "EpisodeOfCare,Encounter"), ("_lastUpdated", f"ge{p.instant}")),
    ),
    broad("since", lambda p: page("EpisodeOfCare", ("_lastUpdated", f"ge{p.instant}"))),
    Family("_sort+patient", lambda p: own(p, DOCS, NEWEST, marker=p.id("note", "intake"), least=3)),
    broad("_sort newest first", page(DOCS, NEWEST)),
    broad("next page", deep),
    broad("_sort by name", page("Patient", ("_sort", "family"))),
    Family("_summary=count+patient", lambda p: counted(OBS, ("patient", p.patient))),
    Family("_total+patient", lambda p: own(p, OBS, ("_total", "accurate"), least=5)),
    count("_summary=count", counted(MEDS, ACTIVE)),
    Family(
        "_include",
        lambda p: order(p, ("_include", f"{MEDS}:patient"), ("_include", f"{MEDS}:requester"), least=3),
    ),
    broad(
        "_include, page",
        page(MEDS, ACTIVE, ("_sort", "-authoredon"), ("_include", f"{MEDS}:patient")),
    ),
    Family(
        "_revinclude",
        lambda p: find("Patient", ("_id", p.id("pat")), ("_revinclude", f"{OBS}:patient"), least=6),
    ),
    Family("$everything, 33", lambda p: Ask(f"/{p.patient}/$everything", p.id("rx"), 33)),
    Family(
        "$everything, 150", lambda p: Ask(f"/{p.long.patient}/$everything?_count=200", p.long.id("rx"), 150)
    ),
    Family(
        "versions",
        lambda p: Ask(f"/Observation/{p.updated.id('obs', 'weight')}/_history", '"versionId":"5"', VERSIONS),
    ),
    broad(
        "versions of a type since",
        lambda p: Ask(f"/EpisodeOfCare/_history?_since={p.instant}&_count=50", "", PAGE),
    ),
)
