"""What survives: a killed server, a stopped server, a database that goes away and comes back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import harness
import httpx
import practice_kit
import pytest
from practice_kit import Practice, PracticeFactory, findings, order, patient

from service.postgres_cluster import Cluster

Acknowledged = dict[str, bytes]
Document = dict[str, Any]

PATIENCE_S = 30
STATES = {"/health/ready": 503, "/health/live": 200, "/fhir/metadata": 200}
"""What a server without its database answers."""


class Writer(threading.Thread):
    """Writes until the server does not answer any more, and keeps what it was told is stored."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.bodies: Acknowledged = {}
        self.answers: set[int] = set()
        self.unanswered = 0

    def run(self) -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                created = self._write("POST", "/MedicationRequest", order())
                if created:
                    self._write(
                        "PUT", f"/MedicationRequest/{created['id']}", {**created, "status": "on-hold"}
                    )

    def _write(self, method: str, url: str, document: Document) -> Document | None:
        """Write, and count as unanswered what was not said to be stored: it may be, or not."""
        self.unanswered += 1
        answer = self.client.request(method, url, json=document)
        self.answers.add(answer.status_code)
        if not answer.is_success:
            return None
        self.unanswered -= 1
        written: Document = answer.json()
        version = written["meta"]["versionId"]
        self.bodies[f"/MedicationRequest/{written['id']}/_history/{version}"] = answer.content
        return written


@contextlib.contextmanager
def writing(practice: Practice, writers: int = 4) -> Iterator[list[Writer]]:
    """Write from several threads until the block, which ends the server, is over."""
    threads = [Writer(practice.prescriber()) for _ in range(writers)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    yield threads
    for thread in threads:
        thread.join(timeout=PATIENCE_S)
        assert not thread.is_alive()


def everything_acknowledged_is_there(practice: Practice, writers: list[Writer]) -> None:
    with practice.operator("system/MedicationRequest.r") as reader:
        for writer in writers:
            assert writer.answers <= {200, 201, 503}
            for url, body in writer.bodies.items():
                assert reader.get(url).content == body


@pytest.fixture
def embedded_practice() -> Iterator[Practice]:
    """A server that brings its own PostgreSQL, with the durability that the service sets."""
    directory = Path(tempfile.mkdtemp(prefix="kat-own-"))
    directory.chmod(0o755)
    environment = {"KAT_DATABASE_URL": "", "KAT_DATA_DIR": str(directory)}
    server = harness.Server("", workers=2, environment=environment)
    server.start()
    server.database_url = Cluster(directory / "postgres", {}).dsn()
    practice_kit.load(server)
    yield Practice(server)
    server.dispose()
    shutil.rmtree(directory, ignore_errors=True)


def kill_with_database(practice: Practice) -> None:
    """End every process of the server and PostgreSQL's first process at once."""
    directory = Path(practice.server.environment["KAT_DATA_DIR"])
    postmaster = int((directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    practice.server.kill()


def test_what_was_acknowledged_survives_a_kill_and_nothing_is_half_written(
    embedded_practice: Practice,
) -> None:
    practice = embedded_practice
    with writing(practice) as writers:
        kill_with_database(practice)
    practice.server.start()
    everything_acknowledged_is_there(practice, writers)
    acknowledged = sum(len(writer.bodies) for writer in writers)
    unanswered = sum(writer.unanswered for writer in writers)
    stored = practice.vault.orders(practice_kit.RX_SYSTEM) - before_the_load(practice)
    assert acknowledged > 10
    assert acknowledged <= stored <= acknowledged + unanswered
    assert practice.vault.index_disagreements("MedicationRequest") == 0
    assert unclaimed(practice) == 0
    assert unaudited(practice) == 0


def before_the_load(practice: Practice) -> int:
    return practice.vault.count(
        "SELECT count(*) FROM resource_history"
        " WHERE resource_type = 'MedicationRequest' AND actor = 'operator' AND position($1 in body) > 0",
        practice_kit.RX_SYSTEM,
    )


def unclaimed(practice: Practice) -> int:
    """Count prescriptions whose number is not claimed, and claims without a prescription."""
    return practice.vault.count(
        "SELECT count(*) FROM fhir_medication_request FULL JOIN business_identifier USING (id)"
        " WHERE body IS NULL OR value IS NULL"
    )


def unaudited(practice: Practice) -> int:
    """Count stored versions that left no audit record."""
    return practice.vault.count(
        "SELECT (SELECT count(*) FROM resource_history)"
        " - (SELECT count(*) FROM audit_record WHERE interaction IN ('create', 'update') AND status < 300)"
    )


def test_a_stop_finishes_what_is_in_flight(start_practice: PracticeFactory) -> None:
    practice = start_practice(workers=2)
    with writing(practice) as writers:
        assert practice.server.stop() == 0
    practice.server.start()
    everything_acknowledged_is_there(practice, writers)
    acknowledged = sum(len(writer.bodies) for writer in writers)
    assert practice.vault.orders(practice_kit.RX_SYSTEM) - before_the_load(practice) == acknowledged
    assert {status for writer in writers for status in writer.answers} == {200, 201}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of this test alone, that it may stop and start."""
    # A short path holds the socket itself, so that the address outlives a stop.
    directory = Path(tempfile.mkdtemp(prefix="kat-own-"))
    directory.chmod(0o755)
    own = Cluster(directory / "postgres", harness.FAST)
    own.prepare()
    own.configure()
    own.start()
    yield own
    own.stop()
    shutil.rmtree(directory, ignore_errors=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_without_its_database_the_service_says_when_to_come_back_and_recovers_by_itself(
    cluster: Cluster,
) -> None:
    dsn = harness.Databases(cluster.dsn(), cluster.path.parent).create()
    practice = Practice(harness.Server(dsn))
    practice.server.start()
    with practice.operator() as client:
        created = client.post("/Patient", json=patient()).json()
        cluster.stop()
        everything_is_refused_for_now(client, created)
        with practice.server.http() as http:
            states = {path: http.get(path).status_code for path in STATES}
            token = http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("a", "b"))
        assert states == STATES
        assert (token.status_code, token.headers["retry-after"].isdigit()) == (503, True)
        cluster.start()
        until(lambda: client.get(f"/Patient/{created['id']}").status_code == 200)
        assert client.get(f"/Patient/{created['id']}").json() == created
        assert client.post("/Patient", json=patient()).status_code == 201
    practice.server.dispose()
    assert practice.vault.count("SELECT count(*) FROM fhir_patient WHERE position('Lost' in body) > 0") == 0


def everything_is_refused_for_now(client: httpx.Client, known: dict[str, Any]) -> None:
    url = f"/Patient/{known['id']}"
    lost = patient("Lost")
    for answer in (
        client.get(url),
        client.get("/Patient?name=x"),
        client.post("/Patient", json=lost),
        client.put(url, json={**known, **lost}),
        client.delete(url),
        client.post("/", json=practice_kit.transaction(("POST", "Patient", lost))),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert findings(answer) == {("transient", "")}
