"""How a command reaches the database, and how it fails: in one line that says what to do."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.errors import FhirError
from service import embedded, migrate
from service.database import Database
from service.settings import Settings

T = TypeVar("T")
Work = Callable[[Database, Settings], Awaitable[T]]

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="Where the embedded database lives (KAT_DATA_DIR)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


class CommandError(Exception):
    """A command cannot do what it was asked; the text says why."""


def settings_of(**overrides: object) -> Settings:
    """Read the settings, options before environment, and let child processes see the same."""
    for name, value in overrides.items():
        if value is not None:
            os.environ[f"KAT_{name.upper()}"] = str(value)
    return Settings.from_environment()


@contextmanager
def migrated(settings: Settings) -> Iterator[str]:
    """Give the DSN of a database whose schema is current."""
    with embedded.database(settings.database_url, settings.data_dir) as dsn, readable():
        asyncio.run(migrate.upgrade(dsn))
        yield dsn


def on_database(settings: Settings, work: Work[T]) -> T:
    """Run one piece of work on the migrated database and return what it returns."""

    async def run(dsn: str) -> T:
        database = await Database.open(dsn, max_size=4)
        try:
            return await work(database, settings)
        finally:
            await database.close()

    with migrated(settings) as dsn:
        return asyncio.run(run(dsn))


@contextmanager
def readable() -> Iterator[None]:
    """Turn a failure that the operator can mend into one clear text."""
    try:
        yield
    except FhirError as error:
        raise CommandError(
            "\n".join(_finding(issue.text, issue.expression) for issue in error.issues)
        ) from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise CommandError(f"The database refuses the connection: {error}.") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError("The user of KAT_DATABASE_URL may not do this in its database.") from error
    except (ConnectionError, TimeoutError, asyncpg.CannotConnectNowError) as error:
        raise CommandError("The database of KAT_DATABASE_URL does not answer.") from error


def printed(document: dict[str, Any], *, as_json: bool) -> None:
    """Print a result: JSON for a program, or one line a member for a person."""
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    for name, value in document.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on stderr; the function given tells how many are done, of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)

        def show(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield show


def _finding(text: str, expression: str | None) -> str:
    return f"{expression}: {text}" if expression else text
