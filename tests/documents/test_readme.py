"""README says what is there: nothing is missing from it, and nothing in it is out of date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import harness
import pytest
import typer.main

from api import docs, health, smart
from api.cli import app
from models.definitions import RESOURCE_TYPES
from models.errors import FhirError
from models.kat.rules import CATALOGUE
from models.principal import ClientKind, Role
from service import settings
from service.capability import INTERACTIONS, MODIFIERS, SYSTEM_INTERACTIONS
from service.operations.catalogue import OPERATIONS
from service.search import cursors
from service.search.query import CONTROLS

ROOT = harness.REPOSITORY
README = (ROOT / "README.md").read_text(encoding="utf-8")
DONE, _, NOT_THERE_YET = README.partition("## Not there yet")
ELSEWHERE = {"KAT_TEST_DATABASE_URL", "KAT_PROPERTY_EXAMPLES"}
"""Variables that the tests read, not the service."""


def names(pattern: str, text: str = README) -> set[str]:
    return set(re.findall(pattern, text))


@cache
def commands() -> dict[str, Any]:
    def walk(group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*path, name))
            else:
                yield " ".join((*path, name)), command

    return dict(walk(typer.main.get_command(app), ()))


def options() -> set[str]:
    return {name for command in commands().values() for one in command.params for name in one.opts}


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def failures(tree: type[FhirError] = FhirError) -> Iterator[type[FhirError]]:
    for failure in tree.__subclasses__():
        yield failure
        yield from failures(failure)


def test_every_setting_is_in_it_and_no_other() -> None:
    source = Path(settings.__file__).read_text(encoding="utf-8")
    assert names(r"\bKAT_[A-Z_]+\b") - ELSEWHERE == names(r'read\(\s*"(KAT_[A-Z_]+)"', source)


def test_every_command_is_in_it_and_no_other() -> None:
    said = names(r"(?m)(?:^|`)kat-fhir ([a-z]+(?: add)?)\b")
    assert said == set(commands())


def test_every_option_of_a_command_is_in_it() -> None:
    missing = {name for name in options() if name.startswith("--")} - names(r"--[a-z-]+")
    assert missing == set()


def test_no_option_in_it_is_unknown() -> None:
    of_others = {"--tool", "--help"}
    said = " ".join(line for line in README.splitlines() if not line.lstrip().startswith(("curl", "token()")))
    assert names(r"(?<![\w-])--[a-z][a-z-]+", said) - of_others - {"--data-urlencode"} <= options()


def test_every_type_is_in_its_list_and_no_other() -> None:
    listed = re.search(r"\*\*Types\*\*: (.*)\.", README)
    assert listed is not None
    assert tuple(listed[1].split(", ")) == RESOURCE_TYPES


def test_every_interaction_is_in_its_table_and_no_other() -> None:
    table = DONE.partition("**Interactions**")[2].partition("**Search**")[0]
    listed = {name for row in names(r"(?m)^\| (`.*?) \|", table) for name in names(r"`([\w-]+)`", row)}
    assert listed == {*INTERACTIONS, *SYSTEM_INTERACTIONS}


def test_every_operation_is_in_its_table_and_no_other() -> None:
    table = DONE.partition("**Operations**")[2].partition("###")[0]
    assert names(r"`(\$[a-z-]+)`", table) == OPERATIONS.keys()


def test_every_parameter_that_shapes_a_search_is_in_it() -> None:
    assert set(CONTROLS) - {cursors.PARAMETER} - names(r"`(_\w+)", DONE) == set()


def test_every_modifier_is_in_it_and_no_other() -> None:
    known = {modifier for text in MODIFIERS.values() for modifier in re.findall(r":[\w\[\]-]+", text)}
    assert names(r"`(:[a-zA-Z\[\]-]+)`", DONE) == known | {":iterate"}


def test_every_rule_is_in_it_and_no_other() -> None:
    assert names(r"\bRX-\d+\b") == set(CATALOGUE) | {"RX-16"}


@pytest.mark.parametrize("failure", list(failures()), ids=lambda failure: failure.__name__)
def test_every_way_to_fail_is_in_its_table(failure: type[FhirError]) -> None:
    lines = [line for line in README.splitlines() if re.match(rf"\|.*\b{failure.status}\b", line)]
    assert any(f"`{failure.code}`" in line for line in lines)


@pytest.mark.parametrize("word", [*ClientKind, *Role])
def test_every_kind_of_client_and_user_is_in_it(word: str) -> None:
    assert word in README


def test_every_make_target_is_in_it_and_no_other() -> None:
    assert names(r"`make ([a-z-]+)`") == make_targets()


def test_every_address_of_the_service_is_in_it() -> None:
    public = {route.path for route in (*health.ROUTES, *smart.ROUTES, *docs.ROUTES)}
    pages = {"/oauth/sign-in", "/oauth/consent", "/oauth/sign-out", "/openapi.json"}
    assets = {path for path in public if path.endswith((".js", ".css")) or "{" in path}
    assert {path for path in public - pages - assets if f"`{path}`" not in README} == set()


def test_every_file_it_names_is_there() -> None:
    named = names(r"`((?:api|service|models|migrations|tests|docs)/[\w./-]*)(?: [^`]*)?`")
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_every_file_of_the_map_is_there() -> None:
    block = next(part for part in README.split("```") if part.startswith("\napi/"))
    room = ""
    for line in block.strip().splitlines():
        if not line.startswith(" "):
            room, _, line = line.partition("/")  # noqa: PLW2901 - the rest of the line is what is read
        for name in re.findall(r"[\w]+\.py|(?<= )[\w]+/", line):
            assert (ROOT / room / name).exists() or (ROOT / name).exists(), f"{room}/{name}"


def test_every_heading_it_links_to_is_there() -> None:
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in names(r"(?m)^#+ (.*)$")}
    assert names(r"\]\(#([\w-]+)\)") <= anchors


def test_it_names_no_link_to_a_file_that_is_gone() -> None:
    targets = names(r"\]\((?!https?://|#)([^)]+)\)")
    assert {target for target in targets if not (ROOT / target).exists()} == set()
