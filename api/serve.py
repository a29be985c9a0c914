"""Run the service: one listening socket, one or several worker processes, one clean end.

    kat-fhir serve ─▶ database ready ─▶ migrated ─▶ (demo loaded) ─▶ listening ─▶ workers
            └──▶ preload: the application imported once, workers are forked from it ──┘
                                                                                    │
        SIGTERM, SIGINT: accept nothing new, finish what is in flight (30 s at most) ◀┘

The parent holds the embedded database and tells the workers its address. A worker whose parent was killed
ends by itself, so that a restart finds the port free.

Source: https://www.uvicorn.org/deployment/#built-in
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import uvicorn
from uvicorn import _subprocess
from uvicorn.supervisors import Multiprocess

from api.protocol import HttpProtocol
from service import logs
from service.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE_S = 30
"""How long a request in flight may take after the service was told to stop."""

KEEP_ALIVE_S = 75
"""Longer than the 60 s of common balancers, so that they and not we close an idle connection."""

BIND_PATIENCE_S = 5
"""How long to wait for a port that the workers of a killed predecessor still hold."""

MULTIPROCESS_METRICS = "PROMETHEUS_MULTIPROC_DIR"


class ListenError(Exception):
    """The service cannot listen where it was told to."""


def application(settings: Settings, dsn: str) -> ASGIApp:
    """Make the application inside a worker process."""
    logs.configure(settings.log_level)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    from api.app import create_app  # noqa: PLC0415 - heavy, and the parent of several workers never needs it

    return create_app(settings, dsn)


@contextmanager
def preloaded(workers: int) -> Iterator[None]:
    """Import the application while the database starts, in the process that workers are forked from.

    uvicorn would start each worker as a new interpreter, which imports everything again.
    """
    if workers == 1:
        yield
        return
    with _metrics_directory():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", "api.app"])
        forkserver.ensure_running()
        _subprocess.spawn = context  # type: ignore[assignment]  # uvicorn 0.54 has no option for it
        yield


def serve(settings: Settings, dsn: str, announce: Callable[[], None]) -> None:
    """Serve until told to stop; ``announce`` is called once the service answers.

    Raises:
        ListenError: The port is taken, or not ours to listen on.
    """
    logs.configure(settings.log_level)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again after its end; for us that end is a success.
        signal.signal(number, lambda *_: sys.exit(0))
    with _listening(settings) as listener:
        threading.Thread(target=_announce, args=(settings, announce), daemon=True).start()
        config = _config(settings, dsn)
        if settings.workers == 1:
            uvicorn.Server(config).run([listener])
        else:
            Multiprocess(config, [listener]).run()


def _config(settings: Settings, dsn: str) -> uvicorn.Config:
    return uvicorn.Config(
        partial(application, settings, dsn),
        factory=True,
        workers=settings.workers,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=30,
    )


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Listen, waiting for a predecessor's workers to let go of the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + BIND_PATIENCE_S
        while True:
            try:
                listener.bind((settings.host, settings.port))
                break
            except OSError as error:
                if time.monotonic() > deadline or isinstance(error, PermissionError):
                    place = f"{settings.host}:{settings.port}"
                    raise ListenError(f"Cannot listen on {place}: {error.strerror}.") from error
            time.sleep(0.1)
        listener.set_inheritable(True)
        yield listener


@contextmanager
def _metrics_directory() -> Iterator[None]:
    """Give several workers a place to add up their figures, fresh for every start."""
    directory = tempfile.mkdtemp(prefix="kat-fhir-metrics-")
    os.environ[MULTIPROCESS_METRICS] = directory
    try:
        yield
    finally:
        os.environ.pop(MULTIPROCESS_METRICS)
        shutil.rmtree(directory, ignore_errors=True)


def _announce(settings: Settings, announce: Callable[[], None]) -> None:
    """Wait until a connection is accepted and answered, then say so."""
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 - compared, not bound
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for _ in range(600):
        try:
            with socket.create_connection((host, settings.port), timeout=5) as connection:
                connection.sendall(request)
                if connection.recv(12).endswith(b"200"):
                    announce()
                    return
        except OSError:
            pass
        time.sleep(0.05)


def _end_with(sentinel: int) -> None:
    """End this process when its parent has ended, as if it had been told to stop."""
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
