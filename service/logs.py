"""Structured log lines without protected health information, one JSON object a line on stderr.

    log = logs.logger()
    log.info("request answered", method="GET", route="/fhir/{resource_type}", status=200, duration_ms=1.2)

    an event is a constant text ─▶ only the fields of FIELDS pass ─▶ only short plain values pass ─▶ stderr

The filter lets through what is known to be harmless, not the other way round: a field that nobody thought
about is dropped. An exception is told by its type and by our own lines it passed, never by its message,
which may quote a value. The loggers of libraries take the same way: of a known one the first line of its
message stays, without the values put into it; of any other only its name.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from time import time
from types import TracebackType
from typing import Any

import msgspec
import structlog

FIELDS = frozenset(
    {
        "at", "attempt", "bytes_in", "bytes_out", "cause", "client_id", "count", "duration_ms", "error",
        "event", "host", "interaction", "issue_code", "level", "logger", "method", "migration", "outcome",
        "parameters", "port", "process_id", "request_id", "resource_type", "role", "route", "rule",
        "status", "time", "token_id", "user_id", "version", "workers",
    }
)  # fmt: skip
"""What a line may hold. None of them is ever the content of a resource, a query or a header."""

LONGEST_VALUE = 128
KNOWN_LOGGERS = ("uvicorn", "asyncio", "alembic")
ROOT = Path(__file__).resolve().parent.parent

_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_encode = msgspec.json.Encoder().encode


def configure(level: str = "info") -> None:
    """Send every log line of this process through the filter."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _described, _filtered, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=False,
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [_Handler()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "alembic", "sqlalchemy", "asyncpg"):
        library = logging.getLogger(name)
        library.handlers = []
        library.propagate = True
    logging.getLogger("uvicorn.access").propagate = False  # its lines hold paths; api/observe.py writes ours
    logging.getLogger("uvicorn").setLevel(max(number, logging.INFO))
    sys.excepthook = _last_words


def logger() -> structlog.typing.FilteringBoundLogger:
    """Give the logger; its events are constant texts and its fields are those of FIELDS."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log


def harmless(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the fields that may be logged, and of those the values that are short and plain."""
    return {name: value for name, value in fields.items() if name in FIELDS and _is_plain(value)}


def where(error: BaseException) -> dict[str, Any]:
    """Tell an exception's type and the lines of ours it passed, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [place for frame in frames if (place := _place(frame.filename, frame.lineno))]
    return {"error": type(error).__name__, "at": ours}


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | float):
        return True
    if isinstance(value, str):
        return len(value) <= LONGEST_VALUE and value.isprintable()
    return isinstance(value, list) and all(_is_plain(item) for item in value)


def _described(_logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["level"] = level
    event["time"] = datetime.fromtimestamp(time(), UTC).isoformat(timespec="milliseconds")
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event.update(where(error))
    return event


def _filtered(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return harmless(event)


def _rendered(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> bytes:
    return _encode(event)


class _Handler(logging.Handler):
    """Takes the records of libraries that use the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        known = record.name.split(".")[0] in KNOWN_LOGGERS
        template = str(record.msg)
        fields: dict[str, Any] = {"logger": record.name}
        if template.lstrip().startswith("Traceback"):
            fields.update(_traceback(template), event="an exception ended this")
        else:
            line = template.strip().partition("\n")[0][:LONGEST_VALUE]
            fields["event"] = line if known and line.isprintable() else record.name
        if record.exc_info and record.exc_info[1]:
            fields.update(where(record.exc_info[1]))
        event = _described(None, record.levelname.lower(), fields)
        sys.stderr.buffer.write(_encode(harmless(event)) + b"\n")
        sys.stderr.buffer.flush()


def _traceback(text: str) -> dict[str, Any]:
    """Read type and places out of a traceback that a library turned into text."""
    last = text.strip().rpartition("\n")[2]
    ours = [place for name, line in _LINE.findall(text) if (place := _place(name, int(line)))]
    return {"error": last.partition(":")[0], "at": ours}


def _place(filename: str, line: int | None) -> str | None:
    path = Path(filename)
    if not path.is_relative_to(ROOT) or "site-packages" in path.parts:
        return None
    return f"{path.relative_to(ROOT)}:{line}"


def _last_words(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    logger().critical("the process ended with an error", exc_info=error)
