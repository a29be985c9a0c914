"""The operations on offer, one row each: for the grammar of URLs, the CapabilityStatement, the contract.

    level      system    [base]/$name
               type      [base]/Type/$name
               instance  [base]/Type/id/$name

GET is offered where no parameter is a resource and nothing is changed.
Source: https://hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = ("system", "type", "instance")
"""Levels by the number of path segments before the operation's name."""

_CORE = "http://hl7.org/fhir/OperationDefinition"
_US_CORE = "http://hl7.org/fhir/us/core/OperationDefinition"

READING = ("GET", "POST")
POSTING = ("POST",)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input: its name and its data type; ``Resource`` and ``Meta`` do not fit into a URL."""

    name: str
    kind: str
    required: bool = False
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``types`` empty means every type."""

    name: str
    title: str
    levels: tuple[str, ...]
    methods: tuple[str, ...]
    url: str
    returns: str
    """``Bundle``, ``OperationOutcome`` or ``Parameters``."""
    scope: str
    """The letter of the scope that it needs on its type."""
    types: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    takes_criteria: bool = False
    """Whether the type's search parameters are inputs too."""
    affects_state: bool = False
    needs_body_at: tuple[str, ...] = ()
    """Levels at which there is nothing to be done without a body."""

    def methods_at(self, level: str) -> tuple[str, ...]:
        """List the methods at a level: GET needs nothing that only a body can hold."""
        return POSTING if level in self.needs_body_at else self.methods

    def is_offered(self, level: str, resource_type: str) -> bool:
        """Tell whether it is offered at a level, for a type (empty at the level of the system)."""
        return level in self.levels and (level == "system" or not self.types or resource_type in self.types)


_PERIOD = (
    Parameter("start", "date", meaning="Care on or after this date."),
    Parameter("end", "date", meaning="Care on or before this date."),
)
_PAGE = (
    Parameter("_count", "positiveInt", meaning="Resources on a page."),
    Parameter("_page", "string", meaning="The place that a link of an earlier page names."),
)
_LABELS = (Parameter("meta", "Meta", required=True, meaning="Profiles, tags and security labels."),)

_ROWS = (
    Operation(
        "$validate",
        "Tell what a write would find wrong with a {}; nothing is stored",
        ("type", "instance"),
        READING,
        f"{_CORE}/Resource-validate",
        "OperationOutcome",
        "c|u|d",
        parameters=(
            Parameter("resource", "Resource", meaning="What is to be validated."),
            Parameter("mode", "code", meaning="What would be done: create, update, delete; or profile."),
            Parameter("profile", "canonical", meaning="The profile to validate against."),
        ),
        needs_body_at=("type",),
    ),
    Operation(
        "$everything",
        "List the record of one {}",
        ("instance",),
        READING,
        f"{_CORE}/Patient-everything",
        "Bundle",
        "r",
        types=("Patient",),
        parameters=(
            *_PERIOD,
            Parameter("_since", "instant", meaning="Only what was stored at or after this instant."),
            Parameter("_type", "codes", meaning="Only these types, with commas."),
            *_PAGE,
        ),
    ),
    Operation(
        "$match",
        "Find who may be the described {}, best first; nobody is merged",
        ("type",),
        POSTING,
        f"{_CORE}/Patient-match",
        "Bundle",
        "s",
        types=("Patient",),
        parameters=(
            Parameter("resource", "Resource", required=True, meaning="What is known about the person."),
            Parameter("onlyCertainMatches", "boolean", meaning="Only a match that is certain and alone."),
            Parameter("count", "positiveInt", meaning="The greatest number of matches."),
        ),
    ),
    Operation(
        "$docref",
        "Find a patient's documents, newest first, or have a summary of the record made",
        ("type",),
        READING,
        f"{_US_CORE}/docref",
        "Bundle",
        "s",
        types=("DocumentReference",),
        parameters=(
            Parameter("patient", "id", required=True, meaning="Id of the patient."),
            *_PERIOD,
            Parameter("type", "token", meaning="Kind of document, as system|code."),
            Parameter(
                "on-demand",
                "boolean",
                meaning="true: a summary made for this answer; else the stored documents.",
            ),
            *_PAGE,
        ),
    ),
    Operation(
        "$lastn",
        "Find the last observations of each kind",
        ("type",),
        READING,
        f"{_CORE}/Observation-lastn",
        "Bundle",
        "s",
        types=("Observation",),
        parameters=(Parameter("max", "positiveInt", meaning="Observations of each kind, 1 unless said."),),
        takes_criteria=True,
    ),
    Operation(
        "$meta", "Show the labels in use", LEVELS, READING, f"{_CORE}/Resource-meta", "Parameters", "r"
    ),
    Operation(
        "$meta-add",
        "Add labels to a {}",
        ("instance",),
        POSTING,
        f"{_CORE}/Resource-meta-add",
        "Parameters",
        "u",
        parameters=_LABELS,
        affects_state=True,
    ),
    Operation(
        "$meta-delete",
        "Take labels from a {}",
        ("instance",),
        POSTING,
        f"{_CORE}/Resource-meta-delete",
        "Parameters",
        "u",
        parameters=_LABELS,
        affects_state=True,
    ),
)

OPERATIONS: dict[str, Operation] = {row.name: row for row in _ROWS}


def offered(resource_type: str) -> list[Operation]:
    """List the operations of a type, or with an empty type those of the whole server."""
    levels = LEVELS[1:] if resource_type else LEVELS[:1]
    return [row for row in _ROWS if any(row.is_offered(level, resource_type) for level in levels)]
