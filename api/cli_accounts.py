"""``kat-fhir client add`` and ``kat-fhir user add``: who may reach the service."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli_database import CommandError, DataDir, Json, on_database, printed, settings_of
from models.principal import ClientKind, Role
from service.context import utc_now
from service.database import Database
from service.settings import Settings

client = typer.Typer(no_args_is_help=True, help="Client applications.")
user = typer.Typer(no_args_is_help=True, help="People who sign in.")


class Grant(StrEnum):
    """The ways in which a client may get an access token."""

    CLIENT_CREDENTIALS = "client_credentials"
    AUTHORIZATION_CODE = "authorization_code"


@client.command("add")
def add_client(
    name: Annotated[str, typer.Argument(help="What people are shown when they are asked for consent.")],
    kind: Annotated[ClientKind, typer.Option(help="What the application is for.")],
    scope: Annotated[str, typer.Option(help='What it may ask for: "system/MedicationRequest.cruds ...".')],
    organization: Annotated[str | None, typer.Option(help="Its organization: Organization/ID.")] = None,
    grant: Annotated[list[Grant] | None, typer.Option(help="May be repeated.")] = None,
    jwks_file: Annotated[Path | None, typer.Option(help="File with its public keys (JWKS).")] = None,
    jwks_url: Annotated[str | None, typer.Option(help="Where its public keys are published.")] = None,
    secret: Annotated[bool, typer.Option("--secret", help="Draw a secret and print it once.")] = False,
    public: Annotated[bool, typer.Option("--public", help="It cannot keep a secret (PKCE only).")] = False,
    redirect_uri: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    launch_uri: Annotated[str | None, typer.Option(help="Where an EHR launches it.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Register a client application and print its client_id (and secret)."""
    metadata = {
        "organization": organization,
        "grants": [str(one) for one in grant or ()],
        "jwks": _jwks(jwks_file),
        "jwks_uri": jwks_url,
        "secret": secret,
        "public": public,
        "redirect_uris": redirect_uri or [],
        "launch_uri": launch_uri,
    }
    words = {"name": name, "kind": kind.value, "scope": scope, **metadata}
    printed(on_database(settings_of(data_dir=data_dir), _Registration("add_client", words)), as_json=as_json)


@user.command("add")
def add_user(
    login: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    role: Annotated[Role, typer.Option(help="What the person is to the practice.")],
    fhir_user: Annotated[
        str | None, typer.Option(help="The person's resource: Practitioner/ID or Patient/ID.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Register a person who signs in with a password."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else _asked()
    words = {"login": login, "password": password, "role": role.value, "fhir_user": fhir_user}
    printed(on_database(settings_of(data_dir=data_dir), _Registration("add_user", words)), as_json=as_json)


class _Registration:
    """One call of service.oauth.registration in a transaction of its own."""

    def __init__(self, function: str, words: dict[str, Any]) -> None:
        self.function = function
        self.words = words

    async def __call__(self, database: Database, _settings: Settings) -> dict[str, str]:
        from service.oauth import registration  # noqa: PLC0415 - heavy, and --help must be quick

        try:
            async with database.sessions.begin() as session:
                register = getattr(registration, self.function)
                answer: dict[str, str] = await register(session, now=utc_now(), **self.words)
                return answer
        except registration.InvalidRegistration as error:
            raise CommandError(str(error)) from error


def _asked() -> str:
    if not sys.stdin.isatty():
        raise CommandError("Give the password with --password-stdin.")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _jwks(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        keys = json.loads(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandError(f"{path} holds no JSON.") from error
    if not isinstance(keys, dict):
        raise CommandError(f"{path} holds no JWKS.")
    return keys
