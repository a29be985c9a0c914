"""The cast: one practice, two prescribing platforms, an EHR, a coach, and six patients. All invented.

    org-kat    prac-th (therapist)          pat-1 … pat-5, and pat-6 who died before an arc began
    org-rx-a   prac-rx (psychiatrist)       rp-1 (escort of pat-1), rp-3 and rp-4 (partners)
    org-rx-b   prac-np (nurse practitioner)
    org-ehr    prac-pcp (family physician)
    org-coach  prac-co (coach)              org-pharmacy · org-payer

Numbers of practitioners are synthetic with valid check digits.
Source: https://hl7.org/fhir/us/core/StructureDefinition-us-core-patient.html
"""

from __future__ import annotations

from typing import Any

from models.kat.code import Code, concept
from models.kat.roles import (
    COACH,
    FAMILY_PHYSICIAN,
    MARRIAGE_AND_FAMILY_THERAPIST,
    PRESCRIBER_ROLE,
    PSYCHIATRIC_NURSE_PRACTITIONER,
    PSYCHIATRIST,
    THERAPIST_ROLE,
)
from models.kat.systems import (
    DEA,
    IDENTIFIER_TYPE,
    NPI,
    ORGANIZATION_TYPE,
    TRIBAL_ENTITY,
    US_CORE,
    V3_ROLE,
)
from service.demo.build import Days, Resource, identifier, period, reference

_RACE = "urn:oid:2.16.840.1.113883.6.238"
_EXTENSION = f"{US_CORE}StructureDefinition/"
_PROVIDER = Code(ORGANIZATION_TYPE, "prov", "Healthcare Provider")
_PAYER = Code(ORGANIZATION_TYPE, "pay", "Payer")
_OUTPATIENT = Code(V3_ROLE, "OF", "Outpatient facility")
FRIEND = Code(V3_ROLE, "FRND", "unrelated friend")
_SPOUSE = Code(V3_ROLE, "SPS", "spouse")

_SEXES = {"female": ("F", "248152002"), "male": ("M", "248153007")}
"""Codes of ``us-core-birthsex`` and (SNOMED CT) ``us-core-sex`` by administrative gender."""

ORGANIZATIONS = {
    "org-kat": ("Synthetic Saguaro KAT Practice", "1000000020"),
    "org-rx-a": ("Example TeleKet Medical PC", "1000000038"),
    "org-rx-b": ("Example Lozenge Clinic", None),
    "org-ehr": ("Example Valley Primary Care", None),
    "org-coach": ("Example Window Coaching LLC", None),
    "org-pharmacy": ("Example Desert Compounding Pharmacy", "1000000046"),
    "org-payer": ("Example Saguaro Health Plan", None),
}
LOCATIONS = {
    "loc-kat": ("Saguaro therapy rooms", "org-kat"),
    "loc-ehr": ("Valley Primary Care, examination rooms", "org-ehr"),
}


def people(days: Days) -> list[Resource]:
    """Write everybody: organizations, professionals with their roles, patients, related persons."""
    return [
        *staff(),
        *patients(days),
        *_related(),
        _roster(),
    ]


def staff() -> list[Resource]:
    """Write the organizations, their places, and the professionals with their roles."""
    return [
        *(organization(key, *row) for key, row in ORGANIZATIONS.items()),
        *(location(key, *row) for key, row in LOCATIONS.items()),
        *_professionals(),
    ]


def organization(key: str, name: str, npi: str | None) -> Resource:
    """Write an organization that provides care, or pays for it."""
    numbers = [{"system": NPI, "value": npi}] if npi else [identifier("organization", key)]
    return {
        "resourceType": "Organization",
        "id": key,
        "identifier": numbers,
        "active": True,
        "type": [concept(_PAYER if key == "org-payer" else _PROVIDER)],
        "name": name,
        "telecom": [phone("520-555-0100", "work"), {"system": "email", "value": f"desk@{key}.example"}],
        "address": [address("100 Example Plaza", "85701")],
    }


def location(key: str, name: str, owner: str) -> Resource:
    """Write a place where people are seen."""
    return {
        "resourceType": "Location",
        "id": key,
        "identifier": [identifier("location", key)],
        "status": "active",
        "name": name,
        "type": [concept(_OUTPATIENT)],
        "telecom": [phone("520-555-0103", "work")],
        "address": address("100 Example Plaza", "85701"),
        "managingOrganization": reference(f"Organization/{owner}"),
    }


def phone(number: str, use: str) -> Resource:
    """Write a telephone number."""
    return {"system": "phone", "value": number, "use": use}


def address(line: str, postal_code: str, **more: Any) -> Resource:
    """Write an address in Tucson."""
    place = {"line": [line], "city": "Tucson", "state": "AZ", "postalCode": postal_code, "country": "US"}
    return {**place, **more}


def _professionals() -> list[Resource]:
    return [
        _practitioner("prac-th", ("Testworthy", "Tessa", "LMFT"), "1000000012"),
        _practitioner("prac-rx", ("Mockingham", "Prescott", "MD"), "1999999984", "FM0000012", "AZ-SYN-00017"),
        _practitioner("prac-np", ("Fakeley", "Nadia", "PMHNP"), "2000000010", "MF0000024"),
        _practitioner("prac-co", ("Sampleton", "Corey", None), None),
        _practitioner("prac-pcp", ("Careful", "Primrose", "MD"), "1000000053"),
        {
            **_role("role-th", "prac-th", "org-kat", MARRIAGE_AND_FAMILY_THERAPIST, THERAPIST_ROLE),
            "location": [reference("Location/loc-kat")],
        },
        _role("role-rx", "prac-rx", "org-rx-a", PSYCHIATRIST, PRESCRIBER_ROLE),
        _role("role-np", "prac-np", "org-rx-b", PSYCHIATRIC_NURSE_PRACTITIONER, PRESCRIBER_ROLE),
        _role("role-co", "prac-co", "org-coach", COACH, COACH),
        _role("role-pcp", "prac-pcp", "org-ehr", FAMILY_PHYSICIAN, PRESCRIBER_ROLE),
    ]


def _practitioner(
    key: str,
    name: tuple[str, str, str | None],
    npi: str | None,
    dea: str | None = None,
    license_number: str | None = None,
) -> Resource:
    family, given, title = name
    numbers: list[Resource] = [
        {"type": concept(Code(IDENTIFIER_TYPE, kind, display)), "system": system, "value": value}
        for kind, display, system, value in (
            ("NPI", "National provider identifier", NPI, npi),
            ("DEA", "Drug Enforcement Administration registration number", DEA, dea),
            ("SL", "State license", "https://kat-fhir.example/sid/us-az-license", license_number),
        )
        if value
    ]
    return {
        "resourceType": "Practitioner",
        "id": key,
        "identifier": numbers or [identifier("professional", key)],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [phone("520-555-0101", "work")],
        "address": [address("100 Example Plaza", "85701")],
        **({"qualification": [{"code": {"text": title}}]} if title else {}),
    }


def _role(key: str, person: str, employer: str, specialty: Code, code: Code) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": key,
        "active": True,
        "practitioner": reference(f"Practitioner/{person}"),
        "organization": reference(f"Organization/{employer}"),
        "code": [concept(code)],
        "specialty": [concept(specialty)],
        "telecom": [phone("520-555-0102", "work")],
    }


def patients(days: Days) -> list[Resource]:
    """Write the six patients; birth dates stay where they are."""
    pat_1 = in_full(patient("1", ("Synthetica", "Pat"), "female", "1984-02-29"), days.day("2024-05-31"))
    pat_6 = patient("6", ("Formerly", "Lee"), "male", "1948-05-17")
    return [
        pat_1,
        patient("2", ("Placeholder", "Max"), "male", "1979-07-04"),
        patient("3", ("Exampleton", "Robin"), "female", "1988-03-15"),
        patient("4", ("Exampleton", "Sam"), "male", "1986-09-01"),
        patient("5", ("Dummyfield", "Dana"), "other", "1991-12-12"),
        {**pat_6, "active": False, "deceasedDateTime": days.instant("2026-02-11", "04:20")},
    ]


def patient(number: str, name: tuple[str, str], gender: str, born: str) -> Resource:
    """Write a patient of the practice with the record number of the practice."""
    family, given = name
    return {
        "resourceType": "Patient",
        "id": f"pat-{number}",
        "identifier": [
            {
                "use": "usual",
                "type": concept(Code(IDENTIFIER_TYPE, "MR", "Medical record number")),
                **identifier("mrn", f"KAT-{number:0>4}"),
            }
        ],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [phone(f"520-555-01{number[-2:]:0>2}", "mobile")],
        "gender": gender,
        "birthDate": born,
        "address": [address(f"{number} Mesquite Lane", "85705", use="home")],
        "communication": [{"language": concept(Code("urn:ietf:bcp:47", "en-US", "English (United States)"))}],
        "managingOrganization": reference("Organization/org-kat"),
    }


def in_full(written: Resource, moved: str) -> Resource:
    """Add what few give at the desk: a former name and address, and where the person belongs."""
    name = written["name"][0]
    since = written["birthDate"]
    sex = _SEXES.get(written["gender"], _SEXES["female"])
    tribe = Code(TRIBAL_ENTITY, "302", "Tohono O'odham Nation of Arizona")
    old_name = {"use": "old", "family": "Sample", "given": name["given"], "period": period(since, moved)}
    old_address = address("7 Former Way", "85702", use="old", period=period("2015-01-01", moved))
    return {
        **written,
        "extension": [
            _ethnic("us-core-race", "1002-5", "American Indian or Alaska Native"),
            _ethnic("us-core-ethnicity", "2186-5", "Not Hispanic or Latino"),
            {
                "url": f"{_EXTENSION}us-core-tribal-affiliation",
                "extension": [
                    {"url": "tribalAffiliation", "valueCodeableConcept": concept(tribe)},
                    {"url": "isEnrolled", "valueBoolean": True},
                ],
            },
            {"url": f"{_EXTENSION}us-core-birthsex", "valueCode": sex[0]},
            {"url": f"{_EXTENSION}us-core-sex", "valueCode": sex[1]},
        ],
        "name": [{**name, "suffix": ["Jr."]}, old_name],
        "address": [*written["address"], old_address],
    }


def _ethnic(name: str, code: str, display: str) -> Resource:
    coding = Code(_RACE, code, display).coding()
    return {
        "url": f"{_EXTENSION}{name}",
        "extension": [{"url": "ombCategory", "valueCoding": coding}, {"url": "text", "valueString": display}],
    }


def _related() -> list[Resource]:
    return [
        related_person("1", ("Chaperone", "Chris"), FRIEND, "1992-06-01"),
        related_person("3", ("Exampleton", "Sam"), _SPOUSE, "1986-09-01"),
        related_person("4", ("Exampleton", "Robin"), _SPOUSE, "1988-03-15"),
    ]


def related_person(number: str, name: tuple[str, str], relation: Code, born: str) -> Resource:
    """Write who stands by a patient, as ``rp-<number of the patient>``."""
    family, given = name
    return {
        "resourceType": "RelatedPerson",
        "id": f"rp-{number}",
        "active": True,
        "patient": reference(f"Patient/pat-{number}"),
        "relationship": [concept(relation)],
        "name": [{"family": family, "given": [given]}],
        "telecom": [phone("520-555-0190", "mobile")],
        "address": [address("9 Mesquite Lane", "85705", use="home")],
        "birthDate": born,
    }


def _roster() -> Resource:
    return {
        "resourceType": "Group",
        "id": "patients-of-org-kat",
        "identifier": [identifier("group", "patients-of-org-kat")],
        "active": True,
        "type": "person",
        "actual": True,
        "name": "Patients of the practice",
        "managingEntity": reference("Organization/org-kat"),
        "member": [{"entity": reference(f"Patient/pat-{number}")} for number in range(1, 6)],
    }
