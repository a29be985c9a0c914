"""House rules that no tool knows. Each names the fault it keeps out.

a file that has become two, a function that has become three          read: STYLE, size
a log line with a field that could hold protected health information   service/logs.py
a request's dependency that commits after the answer has left          FastAPI's default scope
a clinical number without its source                                   service/kat
a migration that waits for a lock in front of every other query
a path of somebody's machine
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import harness
import pytest

from service.logs import FIELDS

LONGEST_FILE = 400
LONGEST_FUNCTION = 40
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"log", "_log", "logger", "_logger"}
HARMLESS_NUMBERS = {0, 1, 2, -1}


@cache
def sources() -> tuple[Path, ...]:
    return tuple(path for path in tracked() if path.suffix == ".py")


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository, or of the checkout where there is no git."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git there is
        cwd=harness.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    found = listing.stdout.splitlines() if listing.returncode == 0 else []
    files = [harness.REPOSITORY / name for name in found]
    return tuple(path for path in files or harness.REPOSITORY.rglob("*") if path.is_file())


def ours() -> Iterator[Path]:
    """The sources of the service itself."""
    for path in sources():
        if path.relative_to(harness.REPOSITORY).parts[0] in {"api", "models", "service"}:
            yield path


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def at(path: Path, node: ast.AST | None = None) -> str:
    line = f":{getattr(node, 'lineno', '')}" if node else ""
    return f"{path.relative_to(harness.REPOSITORY)}{line}"


def test_a_file_has_at_most_400_lines() -> None:
    too_long = [at(path) for path in sources() if len(path.read_bytes().splitlines()) > LONGEST_FILE]
    assert too_long == []


def test_a_function_has_at_most_40_lines() -> None:
    too_long = [
        f"{at(path, node)} {node.name}"
        for path in ours()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert too_long == []


def test_a_module_says_what_it_is() -> None:
    silent = [at(path) for path in ours() if path.read_bytes().strip() and not ast.get_docstring(tree(path))]
    assert silent == []


def log_calls() -> Iterator[tuple[Path, ast.Call]]:
    for path in ours():
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            target = node.func.value
            name = getattr(target, "attr", None) or getattr(target, "id", None)
            if node.func.attr in LOG_METHODS and (
                name in LOGGERS or ast.unparse(target).endswith("logger()")
            ):
                yield path, node


def test_the_event_of_a_log_line_is_a_constant_text() -> None:
    assert [
        at(path, call)
        for path, call in log_calls()
        if len(call.args) != 1
        or not isinstance(call.args[0], ast.Constant)
        or not isinstance(call.args[0].value, str)
    ] == []


def test_a_log_line_has_only_fields_that_may_be_logged() -> None:
    assert [
        f"{at(path, call)} {keyword.arg}"
        for path, call in log_calls()
        for keyword in call.keywords
        if keyword.arg not in FIELDS | {"exc_info"}
    ] == []


def test_a_dependency_ends_before_the_answer_leaves() -> None:
    """With FastAPI's default scope a commit that fails after the answer is told as a success."""
    assert [
        at(path, node)
        for path in ours()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "Depends"
        and not any(
            keyword.arg == "scope" and ast.unparse(keyword.value) == "'function'" for keyword in node.keywords
        )
    ] == []


def unsourced(path: Path) -> Iterator[str]:
    """Constants of numbers without a docstring that names a source, and numbers inside functions."""
    body = tree(path).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign) and has_clinical_number(node):
            text = following.value if isinstance(following, ast.Expr) else None
            if not isinstance(text, ast.Constant) or "Source" not in str(text.value):
                yield at(path, node)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (at(path, number) for number in numbers(node))


def has_clinical_number(node: ast.AST) -> bool:
    return any(True for _ in numbers(node))


def numbers(node: ast.AST) -> Iterator[ast.AST]:
    for inner in ast.walk(node):
        value = inner.value if isinstance(inner, ast.Constant) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and value not in HARMLESS_NUMBERS:
            yield inner


RULES = ("prescription", "dosing", "validity", "journey", "windows", "outcomes", "episode")


def test_a_number_of_the_rules_is_a_constant_with_its_source() -> None:
    rules = [
        path
        for path in ours()
        if path.parent.name == "kat" and path.stem in RULES and "service" in path.parts
    ]
    assert [place for path in rules for place in unsourced(path)] == []


def test_a_migration_gives_up_on_a_lock() -> None:
    impatient = re.compile(r"def upgrade\(\).*?op\.execute\(\"SET LOCAL lock_timeout = '5s'\"\)", re.DOTALL)
    migrations = [path for path in sources() if path.parent.name == "versions"]
    assert migrations
    assert [at(path) for path in migrations if not impatient.search(path.read_text())] == []


def test_a_migration_is_named_by_its_day_and_number() -> None:
    pattern = re.compile(r"\d{4}-\d\d-\d\d_\d{4}_[a-z_]+\.py")
    assert [
        at(path) for path in sources() if path.parent.name == "versions" and not pattern.fullmatch(path.name)
    ] == []


@pytest.mark.parametrize("path_of_a_machine", ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"])
def test_no_file_names_a_path_of_a_machine(path_of_a_machine: str) -> None:
    own = re.compile(rf"(?<![\w.$}}/-]){path_of_a_machine}")
    assert [at(path) for path in tracked() if own.search(path.read_text(errors="replace"))] == []


def test_the_lock_files_name_no_index_and_hash_everything() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-build.lock"):
        text = (harness.REPOSITORY / name).read_text()
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", text), name
        pinned = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, re.DOTALL | re.MULTILINE)
        assert [block.split()[0] for block in pinned if "--hash=sha256:" not in block] == []


def test_the_lock_file_of_npm_names_no_registry_and_hashes_everything() -> None:
    lock = json.loads((harness.REPOSITORY / "tests/clients/node/package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [
        name for name, package in packages.items() if not package["integrity"].startswith("sha512-")
    ] == []
