"""The contract names the formats and the raw content that the server speaks, everywhere and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from api import compression, formats, openapi

CONTRACT = openapi.document()
FORMATS = {format_.value for format_ in formats.Format}
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
    if path.startswith("/fhir") and "well-known" not in path
]
FORM = {"application/x-www-form-urlencoded"}
JSON_PATCHES = {"application/json-patch+json", "application/merge-patch+json"}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_bodies_come_and_go_in_every_format(path: str, method: str, operation: dict[str, Any]) -> None:
    is_binary = path.startswith("/fhir/Binary")
    raw = {"*/*"} if is_binary and method == "get" and path.endswith(("{id}", "{version}")) else set()
    answers = [answer for status, answer in operation["responses"].items() if status in {"200", "201"}]
    assert all(answer["content"].keys() == FORMATS | raw for answer in answers)
    if "requestBody" in operation:
        raw = {"*/*"} if is_binary and method in {"post", "put"} and "$" not in path else set()
        patch = JSON_PATCHES if method == "patch" else set()
        expected = FORM if path.endswith("/_search") else FORMATS | raw | patch
        assert operation["requestBody"]["content"].keys() == expected


@pytest.mark.parametrize("name", CONTRACT["components"]["responses"])
def test_refusals_come_in_every_format(name: str) -> None:
    assert CONTRACT["components"]["responses"][name]["content"].keys() == FORMATS


def test_the_format_parameter_takes_every_name() -> None:
    names = CONTRACT["components"]["parameters"]["_format"]["schema"]["enum"]
    assert [formats.named(name) for name in names]


def test_the_codings_are_named() -> None:
    assert all(f"`{name}`" in CONTRACT["info"]["description"] for name in compression.Name if name != "gzip")
    assert "Content-Encoding: gzip" in CONTRACT["info"]["description"]
