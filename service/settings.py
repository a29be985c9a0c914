"""Every setting of the service, read in one place from ``KAT_*`` environment variables.

    KAT_DATABASE_URL     any PostgreSQL of version 14 or newer; absent: embedded under KAT_DATA_DIR
    KAT_DATA_DIR         what the service keeps on disk (default ./var)
    KAT_BASE_URL         public origin; the FHIR base is $KAT_BASE_URL/fhir (default http://HOST:PORT)
    KAT_HOST, KAT_PORT   where to listen (default 127.0.0.1, 8000)
    KAT_WORKERS          worker processes (default: one per processor, at most 4)
    KAT_LOG_LEVEL        debug, info, warning or error (default info)
    KAT_MAX_BODY_BYTES   the largest request body (default 16 MiB)
    KAT_POOL_SIZE        database connections of one worker (default 10)
    KAT_NOTES_KEY_FILE   file with the key that encrypts psychotherapy notes
    KAT_TELEHEALTH_FLEXIBILITY_END   last day of the DEA telehealth flexibility (YYYY-MM-DD)

A value that cannot be understood stops the start with a message that names the variable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

TELEHEALTH_FLEXIBILITY_END = date(2026, 12, 31)
"""Last day on which a controlled drug may be prescribed by telehealth without a visit in person.

Source: DEA and HHS, Fourth Temporary Extension of COVID-19 Telemedicine Flexibilities, 90 FR 61301,
https://www.govinfo.gov/app/details/FR-2025-12-31/2025-24123 (effective 2026-01-01 through 2026-12-31).
"""

MAX_BODY_BYTES = 16 * 1024 * 1024
T = TypeVar("T")
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A setting cannot be understood; the text names its environment variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process was told to run. Holds no secret but the password inside ``database_url``."""

    data_dir: Path
    base_url: str
    """Public origin without a trailing slash."""
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    log_level: str = "info"
    max_body_bytes: int = MAX_BODY_BYTES
    pool_size: int = 10
    notes_key_file: Path | None = None
    telehealth_flexibility_end: date = TELEHEALTH_FLEXIBILITY_END

    @property
    def fhir_base(self) -> str:
        """The FHIR service base URL."""
        return f"{self.base_url}/fhir"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings, or raise SettingsError naming the variable at fault."""
        read = _Reader(environ)
        host = read("KAT_HOST", str, "127.0.0.1")
        port = read("KAT_PORT", _port, 8000)
        notes_key_file = read("KAT_NOTES_KEY_FILE", str, "")
        return cls(
            data_dir=Path(read("KAT_DATA_DIR", str, "var")).expanduser().absolute(),
            base_url=read("KAT_BASE_URL", _origin, _local_origin(host, port)),
            database_url=read("KAT_DATABASE_URL", _dsn, "") or None,
            host=host,
            port=port,
            workers=read("KAT_WORKERS", _positive, _default_workers()),
            log_level=read("KAT_LOG_LEVEL", _log_level, "info"),
            max_body_bytes=read("KAT_MAX_BODY_BYTES", _positive, MAX_BODY_BYTES),
            pool_size=read("KAT_POOL_SIZE", _positive, 10),
            notes_key_file=Path(notes_key_file).expanduser().absolute() if notes_key_file else None,
            telehealth_flexibility_end=read(
                "KAT_TELEHEALTH_FLEXIBILITY_END", date.fromisoformat, TELEHEALTH_FLEXIBILITY_END
            ),
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one variable at a time and names it when its value makes no sense."""

    environ: Mapping[str, str]

    def __call__(self, name: str, convert: Callable[[str], T], default: T) -> T:
        text = self.environ.get(name, "").strip()
        if not text:
            return default
        try:
            return convert(text)
        except ValueError as error:
            # Only our own converters explain themselves; any other message would repeat the value.
            reason = str(error) if isinstance(error, _NotUnderstoodError) else "the value is not understood"
            raise SettingsError(f"{name}: {reason}.") from None


class _NotUnderstoodError(ValueError):
    """Says what is expected, without repeating what was given."""


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise _NotUnderstoodError("expected a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:  # noqa: PLR2004 - TCP's limit
        raise _NotUnderstoodError("expected a port from 1 to 65535")
    return int(text)


def _log_level(text: str) -> str:
    if text.lower() not in LOG_LEVELS:
        raise _NotUnderstoodError(f"expected one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def _origin(text: str) -> str:
    parts = urlsplit(text)
    more = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or more:
        raise _NotUnderstoodError("expected an origin such as https://fhir.example.org")
    return text.rstrip("/")


def _dsn(text: str) -> str:
    """Accept the spellings of the common drivers; asyncpg wants the plain one."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise _NotUnderstoodError("expected postgresql://user:password@host:port/database")
    return f"postgresql://{rest}"


def _local_origin(host: str, port: int) -> str:
    name = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _default_workers() -> int:
    return max(1, min(4, os.cpu_count() or 1))
