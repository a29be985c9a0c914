"""What reaches the log, and above all what does not."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import harness
import pytest

from service import logs

CANARY = "Canary-Quetzal-1950"

SCRIPT = f"""
import logging, warnings
from service import logs
logs.configure("info")
log = logs.logger()
log.info("plain", status=200, patient="{CANARY}", route="/fhir/{{resource_type}}")
log.info("too long", client_id="x" * 500, request_id="ok")
log.debug("below the level", status=200)
def fail():
    raise ValueError("{CANARY}")
try:
    fail()
except ValueError as error:
    log.error("failed", exc_info=error)
    logging.getLogger("asyncio").error("Task exception was never retrieved\\n%r", error, exc_info=error)
    logging.getLogger("somebody.else").error("{CANARY}")
    logging.getLogger("uvicorn.error").info("Finished with %s", "{CANARY}")
warnings.warn("{CANARY}")
raise RuntimeError("{CANARY}")
"""


@pytest.fixture(scope="module")
def written() -> list[dict[str, Any]]:
    command = [sys.executable, "-c", SCRIPT]
    result = subprocess.run(command, cwd=harness.REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603
    assert CANARY not in result.stderr
    assert result.stdout == ""
    return [json.loads(line) for line in result.stderr.splitlines()]


def test_a_field_that_nobody_allowed_is_dropped(written: list[dict[str, Any]]) -> None:
    plain = next(line for line in written if line["event"] == "plain")
    assert plain.keys() == {"event", "level", "time", "status", "route"}


def test_a_value_that_is_too_long_is_dropped(written: list[dict[str, Any]]) -> None:
    line = next(line for line in written if line["event"] == "too long")
    assert "client_id" not in line
    assert line["request_id"] == "ok"


def test_a_line_below_the_level_is_not_written(written: list[dict[str, Any]]) -> None:
    assert "below the level" not in {line["event"] for line in written}


def test_an_exception_is_told_by_its_type(written: list[dict[str, Any]]) -> None:
    failed = next(line for line in written if line["event"] == "failed")
    assert failed["error"] == "ValueError"


def test_a_library_is_told_by_its_message_without_values_and_a_stranger_by_its_name(
    written: list[dict[str, Any]],
) -> None:
    events = {line["event"] for line in written}
    assert {"Task exception was never retrieved", "Finished with %s", "somebody.else"} <= events


def test_an_error_that_ends_the_process_is_told_without_its_message(written: list[dict[str, Any]]) -> None:
    assert written[-1]["error"] == "RuntimeError"
    assert written[-1]["level"] == "critical"


def test_an_exception_of_ours_tells_its_places() -> None:
    try:
        logging.getLevelName(harness.with_database(None, "x"))  # type: ignore[arg-type]
    except (TypeError, AttributeError) as error:
        places = logs.where(error)["at"]
    assert any(place.startswith("tests/harness.py:") for place in places)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/fhir/Patient"),
        ("POST", f"/fhir/Patient/{CANARY}"),
        ("GET", f"/fhir/Patient?family={CANARY}"),
        ("GET", f"/fhir/{CANARY}"),
        ("PUT", f"/{CANARY}"),
        ("POST", "/oauth/token"),
        ("GET", f"/oauth/authorize?client_id={CANARY}"),
    ],
)
def test_no_request_leaves_a_value_in_the_log(server: harness.Server, method: str, path: str) -> None:
    with server.http() as http:
        http.request(
            method,
            path,
            content=f'{{"resourceType":"Patient","name":[{{"family":"{CANARY}"}}],"x":"{CANARY}"',
            headers={
                "Content-Type": "application/fhir+json",
                "Authorization": f"Bearer {CANARY}",
                "X-Request-Id": "request-1",
            },
        )
    assert "request answered" in server.log
    assert CANARY not in server.log
