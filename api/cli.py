"""The command line: ``kat-fhir serve | migrate | client add | user add | load | seed | reindex | openapi``.

    settings (environment, options) ─▶ database (embedded or KAT_DATABASE_URL) ─▶ migrated ─▶ the command

Commands work while the server runs. Results go to stdout, everything else to stderr; a failure is a clear
line on stderr and exit code 1, a wrong call exit code 2. What is heavy is imported by the command that
needs it, so that ``--help`` is quick.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from api import cli_accounts
from api.cli_database import (
    CommandError,
    DataDir,
    Json,
    migrated,
    on_database,
    printed,
    progress_bar,
    settings_of,
)
from models.definitions import RESOURCE_TYPES
from service import logs
from service.database import Database
from service.postgres_user import EmbeddedError
from service.settings import Settings, SettingsError

if TYPE_CHECKING:
    from service.demo.access import DemoAccess

app = typer.Typer(
    name="kat-fhir",
    help="A FHIR R4 interoperability service for ketamine-assisted therapy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_accounts.client, name="client")
app.add_typer(cli_accounts.user, name="user")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [default: 8000].")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [default: one a processor].")] = None,
    data_dir: DataDir = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo practice once; print a tour.")] = False,
    as_json: Json = False,
) -> None:
    """Serve until told to stop (SIGTERM or Ctrl-C), then finish what is in flight."""
    from api import serve as server  # noqa: PLC0415 - heavy, and --help must be quick

    settings = settings_of(host=host, port=port, workers=workers, data_dir=data_dir)
    with server.preloaded(settings.workers), migrated(settings) as dsn:
        access = asyncio.run(_load_demo(dsn, settings)) if demo else None
        try:
            server.serve(settings, dsn, _announcement(settings, access, as_json=as_json))
        except server.ListenError as error:
            raise CommandError(str(error)) from error


@app.command()
def migrate(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Bring the database's schema up to date."""
    from service.migrate import head  # noqa: PLC0415 - heavy, and --help must be quick

    with migrated(settings_of(data_dir=data_dir)):
        printed({"schema": head()}, as_json=as_json)


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="Resources, Bundles or NDJSON.")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write files as the operator, audited: ids are kept, each file is one transaction."""
    from service import load as loader  # noqa: PLC0415 - heavy, and --help must be quick

    with progress_bar("Loading") as show:

        async def work(database: Database, settings: Settings) -> int:
            return (await loader.load(database, settings, files, show)).resources

        written = on_database(settings_of(data_dir=data_dir), work)
    printed({"files": len(files), "resources": written}, as_json=as_json)


@app.command()
def seed(
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")],
    seed: Annotated[int, typer.Option(help="The same number gives the same patients.")] = 1,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write synthetic episodes, the same for the same seed."""
    from service.demo import seed as seeding  # noqa: PLC0415 - heavy, and --help must be quick

    with progress_bar("Seeding") as show:

        async def work(database: Database, settings: Settings) -> int:
            return await seeding.seed(database, settings, patients=patients, seed=seed, on_progress=show)

        written = on_database(settings_of(data_dir=data_dir), work)
    printed({"patients": patients, "resources": written}, as_json=as_json)


@app.command()
def reindex(
    types: Annotated[
        list[str] | None, typer.Argument(metavar="[TYPE]...", help="Resource types; all if none.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Do not go on where a run was stopped.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Index again what is stored, as today's search parameters read it; no version changes."""
    from service import reindex as indexing  # noqa: PLC0415 - heavy, and --help must be quick

    chosen = types or []
    if unknown := [name for name in chosen if name not in RESOURCE_TYPES]:
        raise typer.BadParameter(f"This server keeps no {unknown[0]}.")
    with progress_bar("Indexing") as show:

        async def work(database: Database, settings: Settings) -> indexing.Summary:
            return await indexing.reindex(database, settings, types=chosen, restart=restart, on_progress=show)

        done = on_database(settings_of(data_dir=data_dir), work)
    printed(done._asdict(), as_json=as_json)


@app.command()
def openapi(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when it is stale.")] = False,
    as_json: Json = False,
) -> None:
    """Write openapi.yaml, or tell whether it is stale."""
    from api import openapi as description  # noqa: PLC0415 - heavy, and --help must be quick

    path = Path(__file__).resolve().parent.parent / "openapi.yaml"
    if not check:
        description.write(path)
    elif not description.check(path):
        raise CommandError("openapi.yaml is stale; write it with: kat-fhir openapi")
    printed({"file": path.name, "current": True}, as_json=as_json)


async def _load_demo(dsn: str, settings: Settings) -> DemoAccess:
    from service.demo import practice  # noqa: PLC0415 - heavy, and only --demo needs it

    database = await Database.open(dsn, max_size=4)
    try:
        return await practice.load_demo(database, settings)
    finally:
        await database.close()


def _announcement(settings: Settings, access: DemoAccess | None, *, as_json: bool) -> Callable[[], None]:
    """Make the function that tells where the service answers, once it does."""
    addresses = {
        "fhir": settings.fhir_base,
        "metadata": f"{settings.fhir_base}/metadata",
        "docs": f"{settings.base_url}/docs",
        "ready": f"{settings.base_url}/health/ready",
    }

    def announce() -> None:
        printed(addresses, as_json=as_json)
        if access is not None and not as_json:
            from service.demo import practice  # noqa: PLC0415 - as above

            typer.echo(practice.tour(access, settings.base_url))
        sys.stdout.flush()

    return announce


def main() -> None:
    """Run the command line; its failures are one line each."""
    signal.signal(signal.SIGTERM, _stop)
    # From here on not even the traceback of a fault can show a value.
    logs.configure("warning")
    try:
        app()
    except (CommandError, EmbeddedError) as error:
        _fail(str(error), 1)
    except SettingsError as error:
        _fail(str(error), 2)


def _fail(text: str, code: int) -> None:
    for line in text.splitlines():
        typer.echo(f"kat-fhir: {line}", err=True)
    sys.exit(code)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """Unwind like any other end, so that the embedded database is let go."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
