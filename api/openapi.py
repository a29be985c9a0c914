"""The published contract, openapi.yaml: written by code from the facts that the server itself runs on.

    openapi_operations   one set of paths a resource type      ← service/interaction.py, RESOURCE_TYPES
    openapi_calls        operations such as $validate          ← service/operations/catalogue.py
    openapi_parameters   search parameters and headers         ← service/search/registry.py
    openapi_values       what their values look like           ← service/search/operands.py
    openapi_responses    every status, its headers and body    ← models/errors.py
    openapi_schemas      bodies, as JSON Schema                ← models/definitions/structures.py
    openapi_bundles      Bundles, OperationOutcome
    openapi_oauth        discovery, OAuth, health
    openapi_examples     the three jobs                        ← service/demo

Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from api import (
    openapi_bundles,
    openapi_calls,
    openapi_oauth,
    openapi_operations,
    openapi_parameters,
    openapi_values,
)
from api import openapi_responses as responses
from api import openapi_schemas as bodies

_DESCRIPTION = """A FHIR R4 (4.0.1) service for ketamine-assisted therapy.

Three jobs: an outside prescriber's platform posts prescriptions, exactly once each; a therapist's tool
records sessions and notes; an EHR pulls episodes and what belongs to them, missing nothing.

A pull that resumes: search with `_lastUpdated=gt` and the greatest `meta.lastUpdated` seen, follow the
`next` links. Search parameters may repeat (all must hold) and take several values with commas (any may hold).

Resources travel as FHIR JSON or FHIR XML: `Accept` or `_format` says which, for refusals too.
A Binary is answered as what it holds, unless `application/fhir+json`, `application/fhir+xml` or `_format`
asks for the resource; content sent under its own `Content-Type` is stored as it is. Answers are compressed as
`Accept-Encoding` allows, and bodies may come with `Content-Encoding: gzip`, `br` or `zstd`.

Every refusal is an OperationOutcome with all findings at once. A request may be sent again whenever its
answer was lost: a prescription is recognized by its identifier, anything else by `If-None-Exist`."""


ORIGIN = "http://127.0.0.1:8000"
"""Where the service listens unless told otherwise."""


@cache
def document(origin: str = ORIGIN) -> dict[str, Any]:
    """Make the contract of a service with this public origin."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "KAT-FHIR",
            "version": "0.1.0",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"smart": []}],
        "paths": {**openapi_operations.paths(), **openapi_calls.paths(), **openapi_oauth.paths()},
        "components": {
            "securitySchemes": openapi_oauth.security_schemes(origin),
            "parameters": openapi_parameters.shared(),
            "headers": responses.headers(),
            "responses": responses.refusals(),
            "schemas": {
                **bodies.schemas(),
                **openapi_bundles.bundles(),
                **openapi_values.schemas(),
                **openapi_oauth.schemas(),
            },
        },
    }


class _Plain(yaml.CSafeDumper):
    """Writes every value where it stands, without anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


@cache
def as_yaml(origin: str = ORIGIN) -> bytes:
    """Give the text of openapi.yaml."""
    text = yaml.dump(document(origin), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)
    return f"# Written by: kat-fhir openapi\n{text}".encode()


@cache
def as_json(origin: str = ORIGIN) -> bytes:
    """Give the contract as JSON."""
    return msgspec.json.encode(document(origin))


def write(path: Path) -> None:
    """Write the contract to a file."""
    path.write_bytes(as_yaml())


def check(path: Path) -> bool:
    """Tell whether a file holds the contract as it is now."""
    return path.is_file() and path.read_bytes() == as_yaml()
