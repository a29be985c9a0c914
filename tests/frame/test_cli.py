"""The command line: what it prints, where, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import harness
import pytest

COMMANDS = [
    ["serve"],
    ["migrate"],
    ["client", "add"],
    ["user", "add"],
    ["load"],
    ["seed"],
    ["reindex"],
    ["openapi"],
]
CLIENT = ["client", "add", "An EHR", "--kind", "ehr", "--scope", "system/*.rs"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_offers_json(server: harness.Server, command: list[str]) -> None:
    result = server.run(*command, "--help")
    assert result.returncode == 0
    assert "Usage: " in result.stdout
    assert "--json" in result.stdout


def test_a_wrong_call_ends_with_two(server: harness.Server) -> None:
    result = server.run("client", "add", "An EHR", "--kind", "hospital", "--scope", "system/*.rs")
    assert result.returncode == 2
    assert "hospital" in result.stderr
    assert result.stdout == ""


def test_a_setting_that_makes_no_sense_is_said_in_one_line(server: harness.Server) -> None:
    other = harness.Server(server.database_url, environment={"KAT_WORKERS": "many"})
    result = other.run("migrate")
    assert result.returncode == 2
    assert result.stderr == "kat-fhir: KAT_WORKERS: expected a whole number of at least 1.\n"


def test_a_database_that_does_not_answer_is_said_in_one_line() -> None:
    result = harness.Server("postgresql://kat@127.0.0.1:1/kat").run("migrate")
    assert result.returncode == 1
    assert result.stderr == "kat-fhir: The database of KAT_DATABASE_URL does not answer.\n"


def test_a_data_directory_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    embedded = harness.Server("")
    result = embedded.run("migrate", "--data-dir", str(tmp_path / "file"))
    assert result.returncode == 1
    assert result.stderr.startswith("kat-fhir: The data directory ")
    assert len(result.stderr.splitlines()) == 1


def test_a_registration_that_cannot_be_is_refused_in_one_line(server: harness.Server) -> None:
    result = server.run(*CLIENT, "--secret", "--public")
    assert result.returncode == 1
    assert result.stderr.startswith("kat-fhir: ")
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_password_is_never_taken_from_the_command_line(server: harness.Server) -> None:
    result = server.run("user", "add", "ana", "--role", "auditor")
    assert result.returncode == 1
    assert result.stderr == "kat-fhir: Give the password with --password-stdin.\n"


def test_a_client_made_while_the_server_runs_gets_a_token(server: harness.Server) -> None:
    result = server.run(*CLIENT, "--secret", "--json")
    assert result.returncode == 0, result.stderr
    client = json.loads(result.stdout)
    assert client.keys() == {"client_id", "client_secret"}
    assert server.token(client, "system/*.rs")


def test_a_user_is_made_with_a_password_from_stdin(server: harness.Server) -> None:
    arguments = ["user", "add", "noor", "--password-stdin", "--role", "therapist"]
    result = server.run(
        *arguments, "--fhir-user", "Practitioner/noor", "--json", stdin="correct horse battery\n"
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["login"] == "noor"


def test_migrate_says_which_schema_it_reached(server: harness.Server) -> None:
    result = server.run("migrate", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout).keys() == {"schema"}


def test_commands_share_an_embedded_database_and_leave_it_stopped(tmp_path: Path) -> None:
    embedded = harness.Server("")
    result = embedded.run("migrate", "--data-dir", str(tmp_path / "var"), "--json")
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "var" / "postgres" / "postmaster.pid").exists()
