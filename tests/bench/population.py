"""The people on whom searches are measured: patient ``n`` is the same one, however many there are.

    staff of the practice
    therapist 0, prescriber 0    one pair for every 100 patients
    patient 0 ── 33 resources    the arc of ``service/demo/seed.py``, and a weight
    patient 1 ── 33 resources
    …
    every 200th: 150 resources   a long chart, for $everything

What grows with the practice, and what does not, as in a real one: a surname is shared by six patients, a
prescriber by a hundred, a rare word of a note and a weight by nobody; a common word, a code, a status, a
given name and a day are shared by a part of all. Ids look like random ones, so that neighbours in an
index are no neighbours in time.
"""

from __future__ import annotations

import hashlib
import random
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from models.document import serialize
from models.kat.code import Code
from models.kat.systems import LOINC
from service.demo import measured, orders, people, seed
from service.demo.build import quantity, reference
from service.demo.chart import Chart

SEED = 64_000
PATIENTS_OF_THERAPIST = 100
NAMESAKES = 6
LONG_EVERY = 200
LONG = 150
"""Resources of a long chart, the patient included."""

WEIGHT = Code(LOINC, "29463-7", "Body weight")
HEART_RATE = Code(LOINC, "8867-4", "Heart rate")
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
SYLLABLES = [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]
LONGEST_WORD = 4
WORDS_OF_NOTE = 60
COMMON = ("nausea", "calm", "river", "mother", "light", "breath", "grief", "sleep", "body", "fear", "hope")
"""Each of them stands in two of eleven notes."""

Document = dict[str, Any]
_DECODE = msgspec.json.Decoder(float_hook=Decimal).decode


def word(number: int) -> str:
    """Make a word of eight letters, another one for each number below 24 million."""
    scrambled = (number * 7_368_787 + 5_000_011) % len(SYLLABLES) ** LONGEST_WORD
    letters = []
    for _ in range(LONGEST_WORD):
        scrambled, place = divmod(scrambled, len(SYLLABLES))
        letters.append(SYLLABLES[place])
    return "".join(letters)


VOCABULARY = [word(20_000_000 + number) for number in range(3000)]
"""What notes are filled with."""


def key(number: int) -> str:
    """Make the part that all ids of a patient share."""
    return hashlib.blake2b(f"{SEED}/{number}".encode(), digest_size=6).hexdigest()


def surname(number: int) -> str:
    """Name a patient; six patients of 600 that follow each other share a name."""
    block, place = divmod(number, NAMESAKES * PATIENTS_OF_THERAPIST)
    return word(block * PATIENTS_OF_THERAPIST + place % PATIENTS_OF_THERAPIST).title()


def rare_word(number: int) -> str:
    """Name the word that stands in one patient's notes only."""
    return word(10_000_000 + number)


def prescriber(number: int) -> str:
    """Name who prescribes for a patient."""
    return f"Practitioner/rx-{number // PATIENTS_OF_THERAPIST}"


def prescriber_surname(number: int) -> str:
    """Name the prescriber of a patient by surname."""
    return word(15_000_000 + number // PATIENTS_OF_THERAPIST).title()


def practice() -> list[Document]:
    """Write what is there before any patient comes."""
    return [*people.staff(), orders.lozenge(), measured.phq_9_form()]


def charts(first: int, last: int) -> Iterator[list[Document]]:
    """Write patients ``first`` to before ``last``; the first of each hundred brings the staff of all."""
    for number in range(first, last):
        group, place = divmod(number, PATIENTS_OF_THERAPIST)
        yield [*(team(group) if place == 0 else ()), *chart(number)]


def team(group: int) -> list[Document]:
    """Write a therapist with the role at the practice, and a prescriber."""
    name = {"family": prescriber_surname(group * PATIENTS_OF_THERAPIST), "given": ["Sam"]}
    therapist = {
        "resourceType": "Practitioner",
        "id": f"th-{group}",
        "active": True,
        "name": [{"family": word(group)}],
    }
    role = {
        "resourceType": "PractitionerRole",
        "id": f"role-th-{group}",
        "active": True,
        "practitioner": reference(f"Practitioner/th-{group}"),
        "organization": reference("Organization/org-kat"),
    }
    return [
        therapist,
        role,
        {"resourceType": "Practitioner", "id": f"rx-{group}", "active": True, "name": [name]},
    ]


def chart(number: int) -> list[Document]:
    """Write one patient's chart."""
    dice = random.Random(f"{SEED}/{number}")  # noqa: S311 - not for secrets
    shared = Chart(key(number))
    written = seed.arc(shared.number, dice)
    written.append(weight(shared, dice, written[-1]["effectiveDateTime"]))
    for document in written:
        vary(document, number, dice)
    if number % LONG_EVERY == 0:
        written += beats(shared, LONG - len(written), dice)
    hour = f"T{dice.randint(7, 14):02}:{dice.randint(0, 59):02}:{dice.randint(0, 59):02}Z"
    therapist = f"PractitionerRole/role-th-{number // PATIENTS_OF_THERAPIST}"
    return [moved(document, hour, therapist) for document in written]


def moved(document: Document, hour: str, therapist: str) -> Document:
    """Give a patient's sessions an hour and a therapist of their own."""
    text = serialize(document).replace(b"T16:00:00Z", hour.encode())
    moved: Document = _DECODE(text.replace(b"PractitionerRole/role-th", therapist.encode()))
    return moved


def vary(document: Document, number: int, dice: random.Random) -> None:
    """Give a document of the arc what makes it differ from those of other patients."""
    match document["resourceType"]:
        case "Patient":
            document["name"][0]["family"] = surname(number)
        case "MedicationRequest":
            document["requester"] = reference(prescriber(number))
        case "DocumentReference":
            words = [*dice.choices(VOCABULARY, k=WORDS_OF_NOTE), *dice.sample(COMMON, 2), rare_word(number)]
            text = f"Themes of the session: {' '.join(words)}."
            document["content"][0]["attachment"]["data"] = b64encode(text.encode()).decode()


def weight(shared: Chart, dice: random.Random, when: str) -> Document:
    """Write a weight that hardly anybody shares."""
    kilograms = Decimal(dice.randint(45_000, 125_000)).scaleb(-3)
    return measured.observation(
        shared, "weight", [WEIGHT], f"{when[:10]}T16:00:00Z", valueQuantity=quantity(kilograms, "kg")
    )


def beats(shared: Chart, count: int, dice: random.Random) -> list[Document]:
    """Write heart rates, one a minute."""
    return [
        measured.observation(
            shared,
            f"hr-{turn}",
            [HEART_RATE],
            f"2026-02-03T{10 + turn // 60}:{turn % 60:02}:30Z",
            valueQuantity=quantity(dice.randint(55, 99), "beats/minute", "/min"),
        )
        for turn in range(count)
    ]
