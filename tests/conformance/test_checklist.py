"""The checklists name every item, each with tests that there are, or with the reason why it is not done.

checklist_a.toml  interactions     checklist_b.toml  search     checklist_c.toml  CapabilityStatement
checklist_k.toml  US Core

[A1]  sentence   what is asked for, in the project's own words
      tests      where it is shown, as file::function
      not_done   why it is not; with tests beside it, which part of it is not
"""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import harness
import pytest

LAST = {"A": 60, "B": 31, "C": 9, "K": 26}
"""The number of items of each section."""

SECTIONS = sorted(LAST)
MEMBERS = {"sentence", "tests", "not_done"}


@cache
def checklist(section: str) -> dict[str, dict[str, Any]]:
    path = Path(__file__).with_name(f"checklist_{section.lower()}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def functions(name: str) -> set[str]:
    """The tests that a file defines."""
    path = harness.REPOSITORY / name
    if not path.is_file():
        return set()
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {
        node.name
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_every_item_is_listed_in_order_and_nothing_else(section: str) -> None:
    assert list(checklist(section)) == [f"{section}{number}" for number in range(1, LAST[section] + 1)]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_item_is_a_sentence_with_tests_or_a_reason(section: str) -> None:
    for item, told in checklist(section).items():
        assert set(told) <= MEMBERS, item
        assert told["sentence"].endswith("."), item
        assert told.get("tests") or told.get("not_done"), item
        assert "not_done" not in told or told["not_done"].endswith("."), item


@pytest.mark.parametrize("section", SECTIONS)
def test_every_test_that_is_named_is_there(section: str) -> None:
    named = {(item, test) for item, told in checklist(section).items() for test in told.get("tests", ())}
    missing = [
        (item, test)
        for item, test in sorted(named)
        if test.partition("::")[2] not in functions(test.partition("::")[0])
    ]
    assert missing == []


@pytest.mark.parametrize("section", SECTIONS)
def test_no_item_names_a_test_twice(section: str) -> None:
    for item, told in checklist(section).items():
        tests = told.get("tests", [])
        assert len(tests) == len(set(tests)), item
