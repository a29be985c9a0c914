"""A shelf of resources to search in, alike on every server, told apart from all others by a tag.

PEOPLE, OTHERS, OBSERVATIONS    entries of a transaction that puts them there
DATES                           what the times of the observations cover
keys()                          which of them a search finds
"""

from __future__ import annotations

from conformance_kit import entry, found, observation, patient

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
TAG = "conformance-values"
META = {"tag": [{"system": "https://conformance.example/run", "code": TAG}]}

FAMILIES = {"muller": "Müller", "seattle": "Seattleson", "sea": "O'Sea", "long": "A" * 300 + "ndersen"}

DATES = {
    "1979-12-31": ("1979-12-31", "1980-01-01"),
    "1980": ("1980-01-01", "1981-01-01"),
    "1980-05": ("1980-05-01", "1980-06-01"),
    "1980-05-11": ("1980-05-11", "1980-05-12"),
    "1980-05-11T16:32:15Z": ("1980-05-11T16:32:15", "1980-05-11T16:32:16"),
    "1980-05-11T16:32:15.500+00:00": ("1980-05-11T16:32:15.500", "1980-05-11T16:32:15.501"),
    "1980-05-11T18:32:30+02:00": ("1980-05-11T16:32:30", "1980-05-11T16:32:31"),
    "1981-01-01": ("1981-01-01", "1981-01-02"),
    "1980-05-10/1980-05-12": ("1980-05-10", "1980-05-13"),
    "1980-05-11/": ("1980-05-11", None),
    "/1980-05-11": (None, "1980-05-12"),
}
"""What an observation's time may be, and what it covers (from, to but not including)."""


def numbered(number: object) -> str:
    return f"{TAG}-{number}"


def person(key, **members):
    return entry("PUT", f"Patient/{numbered(key)}", patient(id=numbered(key), meta=META, **members))


def seen(key, **members):
    document = observation(f"Patient/{numbered('muller')}", id=numbered(key), meta=META, **members)
    return entry("PUT", f"Observation/{numbered(key)}", document)


def coded(system, code, display="x"):
    return {"coding": [{"system": system, "code": code, "display": display}]}


def amount(value, code="mmol", **members):
    return {"valueQuantity": {"value": value, "system": UCUM, "code": code, "unit": code}, **members}


def at(text):
    start, slash, end = text.partition("/")
    if not slash:
        return {"effectiveDateTime": text}
    return {"effectivePeriod": {name: side for name, side in (("start", start), ("end", end)) if side}}


PEOPLE = [
    person(
        "muller",
        name=[{"family": "Müller", "given": ["Zoë"], "prefix": ["Dr."]}],
        address=[{"city": "Seattle", "line": ["1 Pine Street"], "state": "WA", "postalCode": "98101"}],
        identifier=[{"system": "urn:mrn", "value": "Ab1,x|y$z"}],
        gender="female",
        birthDate="1980-05-11",
    ),
    person("seattle", name=[{"family": "Seattleson"}], identifier=[{"value": "bare"}], gender="male"),
    person(
        "sea",
        name=[{"text": "the O'Sea"}],
        managingOrganization={"reference": f"Organization/{numbered('org')}"},
    ),
    person("long", name=[{"family": FAMILIES["long"]}]),
]
OTHERS = [
    entry("PUT", f"Organization/{numbered('org')}", {
        "resourceType": "Organization", "id": numbered("org"), "meta": META, "name": f"Clinic {TAG}"
    }),
    entry("PUT", f"Questionnaire/{numbered('form')}", {
        "resourceType": "Questionnaire", "id": numbered("form"), "meta": META, "status": "active",
        "url": f"https://conformance.example/forms/{TAG}/phq9", "version": "2",
    }),
    entry("PUT", f"QuestionnaireResponse/{numbered('answers')}", {
        "resourceType": "QuestionnaireResponse", "id": numbered("answers"), "meta": META,
        "status": "completed", "questionnaire": f"https://conformance.example/forms/{TAG}/phq9|2",
    }),
    *(
        entry("PUT", f"RiskAssessment/{numbered(f'risk{n}')}", {
            "resourceType": "RiskAssessment", "id": numbered(f"risk{n}"), "meta": META, "status": "final",
            "subject": {"reference": f"Patient/{numbered('muller')}"},
            "prediction": [{"probabilityDecimal": probability}],
        })
        for n, probability in enumerate((9.94, 9.95, 10, 10.04, 10.05))
    ),
]  # fmt: skip
OBSERVATIONS = [
    *(seen(f"date{number}", **at(text)) for number, text in enumerate(DATES)),
    *(
        seen(f"amount{number}", code=coded(LOINC, "15074-8", "Glucose in blood"), **amount(value))
        for number, value in enumerate((1.80, 1.96, 2.0, 2.04, 2.10))
    ),
    seen("grams", **amount(0.5, "g")),
    seen(
        "pressure",
        code=coded(LOINC, "85354-9", "Blood pressure"),
        component=[
            {"code": coded(LOINC, "8480-6"), **amount(120, "mm[Hg]")},
            {"code": coded(LOINC, "8462-4"), **amount(80, "mm[Hg]")},
        ],
    ),
    seen("bare", code={"coding": [{"code": "15074-8"}]}, method=coded("urn:methods", "m1")),
]


def keys(client, resource_type, **asked):
    """The keys of what is found among the shelf's resources; ``__`` in a name is a colon."""
    pairs = [(name.replace("__", ":").replace("_DOT_", "."), value) for name, value in asked.items()]
    answer = client.get(f"/{resource_type}", params=[("_tag", TAG), ("_count", "100"), *pairs])
    return {name.rpartition("/")[2].removeprefix(f"{TAG}-") for name in found(answer)}
